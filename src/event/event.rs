//! [`Event`]: who did something, and when; read from the data of a record.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::client::{canonical_client, client_of_line, not_one_client};
use super::event_error::EventError;
use super::log_line::{LogHead, LogParts};
use super::origin::Origin;
use crate::harmless::Text;
use crate::json_text::json_text;
use crate::packed::{is_gzip, packing, unpack_single};
use crate::record::Record;
use crate::text::{shorten, without_byte_order_mark};
use crate::timestamp::Timestamp;

/// An event that claims to be from later than this after its arrival is refused.
const FUTURE: Duration = Duration::from_secs(600);
/// How many characters of an odd value an error shows.
const SHOWN: usize = 40;

/// What a record tells: whose event it is and when it happened.
///
/// Its texts come from strangers, hence [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What is counted: the client's address, in one form however it was written (`::ffff:192.0.2.10` and
    /// `192.0.2.10:443` are `192.0.2.10`).
    pub key: Text,
    /// When it happened, as the data says; not when it arrived.
    pub time: Timestamp,
    /// The event's identity, where the data gives one. A bare timestamp has none.
    pub id: Option<Text>,
    /// Which record of another stream this is a copy of, where a [`Filter`](crate::Filter) sent it on.
    pub origin: Option<Origin>,
    /// What else the data says: `method`, `path`, `status`, … for a line of an access log; the
    /// members of a JSON object, with anything that is no string as JSON text: numbers with all their
    /// digits, as they are written. A null is not there.
    pub fields: BTreeMap<Text, Text>,
}

impl Event {
    /// An event of this key at this time, which says nothing more of itself.
    ///
    /// ```
    /// use kinesis_lab::{Event, Timestamp};
    ///
    /// let event = Event::new("192.0.2.10", Timestamp::from_secs(1_536_220_800));
    /// assert!(event.id.is_none() && event.fields.is_empty());
    /// ```
    pub fn new(key: impl Into<Text>, time: Timestamp) -> Event {
        Event { key: key.into(), time, id: None, origin: None, fields: BTreeMap::new() }
    }

    /// Reads the event from a record, in one of three forms told apart by the data itself:
    ///
    /// | data | key | time |
    /// | --- | --- | --- |
    /// | a [`Timestamp`], in any of its forms | the partition key | the timestamp |
    /// | a JSON object | its `ip`, else the partition key | its `time`, text or number, in any of these forms |
    /// | a line of an access log | the client's address | the line's time |
    ///
    /// Any of them may be packed by gzip, up to 16 MiB; and a line of a log as CloudWatch Logs' subscriptions send it,
    /// in their JSON and gzip, is the event that the line is, with the id that CloudWatch gave it.
    ///
    /// In JSON, what is null or empty is not there: an event with `"id": null` has no identity, and one
    /// with `"ip": ""` is the partition key's. So are the words by which loggers write that (`"null"`, `"None"`,
    /// `"undefined"`, …). An `id` may be text, a number, or an object; an `ip` is text, and one address or name.
    ///
    /// ```
    /// use kinesis_lab::{Event, Record, Timestamp};
    ///
    /// let data = r#"{"time": "2018-09-06T08:04:56Z", "ip": "::ffff:192.0.2.10", "id": null, "status": 404}"#;
    /// let record = Record::new("any", data, "1", Timestamp::now());
    /// let event = Event::parse(&record)?;
    /// assert_eq!((event.key.raw(), &event.id), ("192.0.2.10", &None));
    /// assert_eq!(event.fields["status"], "404");
    /// # Ok::<(), kinesis_lab::EventError>(())
    /// ```
    ///
    /// # Errors
    /// [`EventError`], with the reason, when it is none of them.
    pub fn parse(record: &Record) -> Result<Event, EventError> {
        if is_gzip(&record.data[..]) {
            return gunzipped(record);
        }
        let data = without_byte_order_mark(&record.data).trim_ascii();
        Event::parse_part(record, data)
    }

    /// The same of a part of the record's data, trimmed: one object of several, one line.
    pub(crate) fn parse_part(record: &Record, data: &[u8]) -> Result<Event, EventError> {
        match data.first() {
            None => Err(EventError::new("the data is empty")),
            Some(b'{') => json(record, &json_text(data)),
            Some(_) => match Timestamp::parse_bytes(data) {
                Ok(time) => Ok(Event::new(partition_key_of(record)?, time)),
                Err(error) if error.is_without_offset() => {
                    Err(EventError::of(format!("the data is {error}")))
                }
                Err(_) => line_event(data).map_err(|error| match packing(&record.data[..]) {
                    Some(packing) => EventError::of(packing),
                    None => EventError::of(format!(
                        "neither an ISO-8601 timestamp nor JSON nor a line of an access log ({error})"
                    )),
                }),
            },
        }
    }
}

impl Event {
    /// As [`time_bound`].
    pub(crate) fn time_bound(&self, arrival: Timestamp) -> Option<Timestamp> {
        time_bound(self.time, self.origin.as_ref(), arrival)
    }

    /// As [`is_from_the_future`].
    pub(crate) fn is_from_the_future(&self, arrival: Timestamp) -> bool {
        is_from_the_future(self.time, arrival)
    }
}

/// How far event time has advanced, going by an event of this time and origin, never past its arrival: nobody sends
/// events before they happen, so what is ahead of that is a clock. One that a filter sent on says how far it was in
/// *all* shards that the filter reads: that it is newer itself doesn't mean that older ones have all come. One
/// whose filter did not know tells nothing.
pub(crate) fn time_bound(time: Timestamp, origin: Option<&Origin>, arrival: Timestamp) -> Option<Timestamp> {
    let time = time.min(arrival);
    match origin {
        None => Some(time),
        Some(origin) if origin.watermark > Timestamp::MIN => Some(time.min(origin.watermark)),
        Some(_) => None,
    }
}

/// One broken clock must not complete everybody's windows.
pub(crate) fn is_from_the_future(time: Timestamp, arrival: Timestamp) -> bool {
    time > arrival + FUTURE
}

fn gunzipped(record: &Record) -> Result<Event, EventError> {
    let (data, given) = unpack_single(&record.data[..]).map_err(EventError::of)?;
    let inner = Record::new(record.partition_key.raw(), data, "", record.arrival);
    let mut event = Event::parse(&inner)?;
    event.id = event.id.or(given.map(Text::from));
    Ok(event)
}

fn json(record: &Record, data: &str) -> Result<Event, EventError> {
    let broken = EventError::broken_json;
    // As they are written, because a number of more than 17 digits would not survive being a `f64`: two
    // orders' numbers would be one id.
    let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(data).map_err(broken)?;
    // Null is how many libraries write what is not there.
    members.retain(|_, value| value.get() != "null");
    let own: Option<Value> = members.get("origin").and_then(|origin| serde_json::from_str(origin.get()).ok());
    let origin = own.as_ref().and_then(Origin::from_json);
    if origin.is_some() {
        members.remove("origin");
    }
    let client = match members.remove("ip") {
        Some(ip) if !is_text(ip) => {
            let ip = shorten(ip.get(), SHOWN).into_owned();
            let reason = format!("\"ip\" is {ip}, and should be text such as \"192.0.2.10\"");
            return Err(EventError::of(reason));
        }
        Some(ip) => text_of(ip).map_err(broken)?,
        None => String::new(),
    };
    let id = members.remove("id").filter(|id| tells_apart(id));
    let id = id.map(text_of).transpose().map_err(broken)?.map(Text::from);
    let mut fields = BTreeMap::new();
    for (name, value) in members {
        fields.insert(Text::from(name), Text::from(text_of(value).map_err(broken)?));
    }
    let time = fields.remove("time").ok_or_else(|| EventError::new("JSON without a \"time\""))?;
    let time = time.raw().trim().parse().map_err(|error| EventError::of(format!("\"time\" is {error}")))?;
    if let Some(what) = not_one_client(&client) {
        return Err(EventError::of(format!("\"ip\" is {what}: send the client's alone")));
    }
    // `-` is what a web server writes for nobody.
    let key = match is_absent(&client) && client != "-" {
        true => partition_key_of(record)?,
        false => canonical_client(&client).into(),
    };
    if client.is_empty() {
        is_no_wrapping(&key, &fields)?;
    }
    Ok(Event { key, time, id, origin, fields })
}

/// Whose an event is that does not say so itself.
pub(crate) fn partition_key_of(record: &Record) -> Result<Text, EventError> {
    match not_one_client(record.partition_key.raw()) {
        Some(what) => Err(EventError::of(format!("the partition key is {what}: put the client's alone"))),
        None => Ok(canonical_client(record.partition_key.raw()).into()),
    }
}

/// Docker and the forwarders of logs send a line as a member of their own object, under a key of their own: that
/// would be counted instead of the line's client.
fn is_no_wrapping(key: &Text, fields: &BTreeMap<Text, Text>) -> Result<(), EventError> {
    for name in ["log", "message", "msg", "MESSAGE"] {
        let line = fields.get(name).and_then(|text| LogHead::parse(text.raw().as_bytes()).ok());
        if line.and_then(|line| client_of_line(line.client)).is_some_and(|client| *key != *client) {
            let reason =
                format!("\"{name}\" is a line of an access log by another client: send the line alone");
            return Err(EventError::of(reason));
        }
    }
    Ok(())
}

/// Whether a value can be an identity: `false`, `{}`, `[null]` and the like are the same in every event.
pub(crate) fn tells_apart(value: &RawValue) -> bool {
    fn has_content(value: &Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(_) => true,
            Value::String(text) => !is_absent(text),
            Value::Array(values) => values.iter().any(has_content),
            Value::Object(members) => members.values().any(has_content),
        }
    }
    // What is no Value (a number beyond any `f64`) is something.
    serde_json::from_str(value.get()).map_or(true, |value| has_content(&value))
}

/// Whether a text is how loggers of other languages write what is not there.
pub(crate) fn is_absent(text: &str) -> bool {
    const WORDS: [&str; 11] =
        ["null", "none", "nil", "undefined", "nan", "n/a", "-", "(null)", "<nil>", "<null>", NIL_UUID];
    // RFC 9562 § 5.9.
    const NIL_UUID: &str = "00000000-0000-0000-0000-000000000000";
    // As addresses and numbers do, and none of these.
    if matches!(text.as_bytes().first(), Some(b'1'..=b'9')) {
        return false;
    }
    let invisible = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}' | '\u{feff}');
    let text = text.trim_matches(invisible);
    text.is_empty() || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"')
}

/// What a string says; anything else as it is written, without the spaces between its parts.
pub(crate) fn text_of(value: &RawValue) -> serde_json::Result<String> {
    if is_text(value) {
        return serde_json::from_str(value.get());
    }
    let (mut in_text, mut escaped) = (false, false);
    let is_part = |c: &char| {
        let between = !in_text && c.is_ascii_whitespace();
        in_text ^= *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        !between
    };
    Ok(value.get().chars().filter(is_part).collect())
}

/// The client and the time of an access log's line, without making a text of anything else.
pub(crate) fn line_client(line: &[u8]) -> Result<(Text, Timestamp), EventError> {
    let line = LogHead::parse(line).map_err(|error| EventError::of(error.to_string()))?;
    // Never without one: what is parsed has such a client.
    Ok((client_of_line(line.client).unwrap_or(Cow::Borrowed(line.client)).into(), line.time))
}

/// The event that a line of an access log is, common or combined.
pub(crate) fn line_event(line: &[u8]) -> Result<Event, EventError> {
    let line = LogParts::parse(line).map_err(|error| EventError::of(error.to_string()))?;
    let text = |field: Option<Cow<'_, str>>| field.map(Text::from);
    let fields = [
        ("method", line.method.map(Text::from)),
        ("path", text(line.path)),
        ("status", Some(line.status.to_string().into())),
        ("bytes", line.bytes.map(|bytes| bytes.to_string().into())),
        ("user", text(line.user)),
        ("referer", text(line.referer)),
        ("user_agent", text(line.user_agent)),
    ];
    Ok(Event {
        key: client_of_line(line.client).unwrap_or(Cow::Borrowed(line.client)).into(),
        time: line.time,
        id: None,
        origin: None,
        fields: fields.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect(),
    })
}

#[cfg(test)]
mod tests;
