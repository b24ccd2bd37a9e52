//! [`Event`]: who did something, and when; read from the data of a record.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::log_line::LogLine;
use super::origin::Origin;
use crate::record::Record;
use crate::text::Quoted;
use crate::timestamp::Timestamp;

/// An event that claims to be from later than this after its arrival is refused.
const FUTURE: Duration = Duration::from_secs(600);

/// What a record tells: whose event it is and when it happened.
///
/// Its texts come from strangers: [`printable`](crate::printable) before printing. `{:?}` and `{:#?}` of
/// an event see to it themselves.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<'a> {
    /// What is counted: the client's address.
    pub key: Cow<'a, str>,
    /// When it happened, as the data says; not when it arrived.
    pub time: Timestamp,
    /// The event's identity, where the data gives one. A bare timestamp has none.
    pub id: Option<Cow<'a, str>>,
    /// Which record of another stream this is a copy of, where a [`Filter`](crate::Filter) sent it on.
    pub origin: Option<Origin>,
    /// What else the data says: `method`, `path`, `status`, … for a line of an access log; the
    /// members of a JSON object, with anything that is no string as JSON text.
    pub fields: BTreeMap<String, String>,
}

impl<'a> Event<'a> {
    /// An event of this key at this time, which says nothing more of itself.
    pub fn new(key: impl Into<Cow<'a, str>>, time: Timestamp) -> Event<'a> {
        Event { key: key.into(), time, id: None, origin: None, fields: BTreeMap::new() }
    }

    /// Reads the event from a record, in one of three forms told apart by the data itself:
    ///
    /// | data | key | time |
    /// | --- | --- | --- |
    /// | an ISO-8601 timestamp | the partition key | the timestamp |
    /// | a JSON object | its `ip`, else the partition key | its `time`, ISO-8601 |
    /// | a line of an access log | the client's address | the line's time |
    ///
    /// # Errors
    /// [`EventError`], with the reason, when it is none of them.
    pub fn parse(record: &'a Record) -> Result<Event<'a>, EventError> {
        let data = record.data.trim_ascii();
        match data.first() {
            None => Err(EventError::new("the data is empty")),
            Some(b'{') => json(record, data),
            Some(_) => match Timestamp::parse_bytes(data) {
                Ok(time) => Ok(Event {
                    key: Cow::Borrowed(&record.partition_key),
                    time,
                    id: None,
                    origin: None,
                    fields: BTreeMap::new(),
                }),
                Err(_) => log_line(data),
            },
        }
    }
}

impl Event<'_> {
    /// How far event time is, as this event tells. One that a filter sent on says how far it was in *all*
    /// shards that the filter reads: that it is newer itself doesn't mean that older ones have all come. One
    /// whose filter did not know tells nothing.
    pub(crate) fn time_bound(&self) -> Option<Timestamp> {
        match &self.origin {
            None => Some(self.time),
            Some(origin) if origin.watermark > Timestamp::MIN => Some(self.time.min(origin.watermark)),
            Some(_) => None,
        }
    }

    /// One broken clock must not complete everybody's windows.
    pub(crate) fn is_from_the_future(&self, arrival: Timestamp) -> bool {
        self.time > arrival + FUTURE
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("key", &Quoted(&self.key))
            .field("time", &self.time)
            .field("id", &self.id.as_deref().map(Quoted))
            .field("origin", &self.origin)
            .field("fields", &Fields(&self.fields))
            .finish()
    }
}

struct Fields<'a>(&'a BTreeMap<String, String>);

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, value)| (Quoted(name), Quoted(value)))).finish()
    }
}

fn json<'a>(record: &'a Record, data: &[u8]) -> Result<Event<'a>, EventError> {
    let Value::Object(mut members) =
        serde_json::from_slice(data).map_err(|error| EventError(format!("broken JSON: {error}")))?
    else {
        return Err(EventError::new("JSON, but no object"));
    };
    let origin = members.get("origin").and_then(Origin::from_json);
    if origin.is_some() {
        members.remove("origin");
    }
    let mut fields: BTreeMap<String, String> = members
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        })
        .collect();
    let time = fields.remove("time").ok_or_else(|| EventError::new("JSON without a \"time\""))?;
    let time = time.parse().map_err(|error| EventError(format!("\"time\" is {error}")))?;
    Ok(Event {
        key: fields.remove("ip").map_or(Cow::Borrowed(record.partition_key.as_str()), Cow::Owned),
        time,
        id: fields.remove("id").map(Cow::Owned),
        origin,
        fields,
    })
}

fn log_line<'a>(data: &'a [u8]) -> Result<Event<'a>, EventError> {
    let line = LogLine::parse(data).map_err(|error| {
        EventError(format!("neither an ISO-8601 timestamp nor JSON nor a line of an access log ({error})"))
    })?;
    let text = |field: Option<Cow<'_, str>>| field.map(Cow::into_owned);
    let fields = [
        ("method", line.method.map(str::to_owned)),
        ("path", text(line.path)),
        ("status", Some(line.status.to_string())),
        ("bytes", line.bytes.map(|bytes| bytes.to_string())),
        ("user", text(line.user)),
        ("referer", text(line.referer)),
        ("user_agent", text(line.user_agent)),
    ];
    Ok(Event {
        key: Cow::Borrowed(line.client),
        time: line.time,
        id: None,
        origin: None,
        fields: fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
    })
}

/// Why a record could not be read as an event.
#[derive(Clone, PartialEq, Eq)]
pub struct EventError(String);

impl EventError {
    pub(crate) fn new(reason: &str) -> EventError {
        EventError(reason.to_owned())
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::text::printable(self.0.as_bytes()))
    }
}

impl fmt::Debug for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for EventError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(data: &[u8]) -> Record {
        Record {
            partition_key: "192.0.2.10".into(),
            data: data.to_vec(),
            sequence_number: "1".into(),
            arrival: Timestamp::MIN,
        }
    }

    #[test]
    fn three_forms_are_told_apart_by_the_data() {
        let time: Timestamp = "2018-09-06T08:04:56Z".parse().unwrap();
        let plain = record(b"2018-09-06T08:04:56\n");
        let event = Event::parse(&plain).unwrap();
        assert_eq!((&*event.key, event.time, event.fields.len()), ("192.0.2.10", time, 0));

        let json = record(br#"{"time":"2018-09-06T10:04:56+02:00","ip":"192.0.2.99","id":"7","status":404}"#);
        let event = Event::parse(&json).unwrap();
        assert_eq!((&*event.key, event.time, event.id.as_deref()), ("192.0.2.99", time, Some("7")));
        assert_eq!(event.fields["status"], "404");

        let line =
            record(br#"192.0.2.7 - - [06/Sep/2018:08:04:56 +0000] "GET /a?b HTTP/1.1" 200 12 "-" "curl""#);
        let event = Event::parse(&line).unwrap();
        assert_eq!((&*event.key, event.time), ("192.0.2.7", time));
        assert_eq!((event.fields["path"].as_str(), event.fields["status"].as_str()), ("/a?b", "200"));
    }

    /// `{:#?}` gives each field a line of its own, in which the kernel would look for its words.
    #[test]
    fn debug_commands_nobody() {
        let json = record(
            br#"{"time":"2018-09-06T08:04:56Z","ip":"EVCXR_BEGIN_CONTENT text/html ","EVCXR_A":"EVCXR_B \u202e"}"#,
        );
        let event = Event::parse(&json).unwrap();
        let text = format!("{event:?}\n{event:#?}");
        assert!(!text.contains("EVCXR_") && !text.contains('\u{202e}'), "{text}");
        assert!(text.contains(r#"key: "EVCXR\u{5f}BEGIN_CONTENT text/html ""#), "{text}");
        assert!(text.contains(r#""EVCXR\u{5f}A": "EVCXR\u{5f}B \u{202e}""#), "{text}");
    }

    #[test]
    fn what_is_no_event_says_why() {
        for (data, reason) in [
            (&b""[..], "empty"),
            (b"{", "broken JSON"),
            (b"{\"ip\":\"x\"}", "without a \"time\""),
            (b"{\"time\":\"now\"}", "\"time\" is not a timestamp"),
            (b"\xff\xfe", "neither"),
            (b"yesterday", "neither"),
        ] {
            let record = record(data);
            let error = Event::parse(&record).unwrap_err().to_string();
            assert!(error.contains(reason), "{data:?}: {error}");
        }
    }

    /// The event as JSON: what any of the three forms says can be said in it.
    fn as_json(event: &Event<'_>) -> Vec<u8> {
        let members = event.fields.iter().map(|(name, value)| (name.clone(), value.clone()));
        let own = [("time", event.time.to_string()), ("ip", event.key.to_string())];
        let own = own.into_iter().chain(event.id.iter().map(|id| ("id", id.to_string())));
        let members = members.chain(own.map(|(name, value)| (name.to_owned(), value)));
        let members = members.map(|(name, value)| (name, Value::String(value)));
        let origin = event.origin.iter().map(|origin| ("origin".to_owned(), origin.to_json()));
        let members = members.chain(origin);
        Value::Object(members.collect()).to_string().into_bytes()
    }

    /// Never panics, and names its reason in one visible line; what it accepts, written as JSON, is the
    /// same event.
    fn check(data: &[u8]) -> Result<bool, TestCaseError> {
        let first = record(data);
        let parsed = Event::parse(&first);
        match &parsed {
            Ok(event) => {
                let second = record(&as_json(event));
                let again = Event::parse(&second);
                prop_assert_eq!(again.as_ref(), Ok(event));
            }
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{:?}", error),
        }
        Ok(parsed.is_ok())
    }

    // 1,024 cases each: cheap, and most bytes are refused at the first one. `fuzz/` looks longer.
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_024))]

        #[test]
        fn any_bytes_are_an_event_or_refused(
            head in prop::sample::select(vec![
                "",
                "{",
                r#"{"time":"2018-09-06T08:04:56Z","#,
                r#"a - - [06/Sep/2018:08:04:56 +0000] ""#,
            ]),
            tail in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            check(&[head.as_bytes(), &tail].concat())?;
        }

        #[test]
        fn json_of_any_members_is_an_event(
            name in ".{0,8}",
            text in ".{0,20}",
            number: f64,
            ip in prop::option::of(".{0,20}"),
        ) {
            let mut members = serde_json::json!({ "time": "2018-09-06T08:04:56.5+02:00", "n": number, "a": [{}, null] });
            if !["time", "n", "a"].contains(&name.as_str()) {
                members[&name] = text.into();
            }
            if let Some(ip) = ip {
                members["ip"] = ip.into();
            }
            prop_assert!(check(members.to_string().as_bytes())?);
        }
    }
}
