//! [`EventHead`]: of an event, what is counted. Pure.

use std::borrow::Cow;

use serde_json::Value;

use super::client::{client_of_line, one_client};
use super::event::is_absent;
use super::flat_json::{Member, members};
use super::log_line::LogHead;
use super::origin::Origin;
use crate::record::Record;
use crate::timestamp::Timestamp;

/// What [`Event::parse`] says of a record whose data are one event, without its fields: a counter looks at none, and
/// making them would cost it most of its time.
pub(crate) struct EventHead<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) time: Timestamp,
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) origin: Option<Box<Origin>>,
}

impl<'a> EventHead<'a> {
    /// `None` where there is anything unusual, several events or none: then the whole is read, or what is wrong with
    /// it is said.
    #[inline]
    pub(crate) fn parse(record: &'a Record) -> Option<EventHead<'a>> {
        let data = record.data.trim_ascii();
        if data.first() == Some(&b'{') {
            return json(record, data);
        }
        match Timestamp::parse_bytes(data) {
            Ok(time) => Some(EventHead { key: key_of(record)?, time, id: None, origin: None }),
            Err(error) if error.is_without_offset() || data.contains(&b'\n') => None,
            Err(_) => {
                let line = LogHead::parse(data).ok()?;
                Some(EventHead { key: client_of_line(line.client)?, time: line.time, id: None, origin: None })
            }
        }
    }
}

fn key_of(record: &Record) -> Option<Cow<'_, str>> {
    one_client(record.partition_key.raw()).ok()
}

fn json<'a>(record: &'a Record, data: &'a [u8]) -> Option<EventHead<'a>> {
    let (mut time, mut ip, mut id, mut origin, mut wrapping) = (None, None, None, None, false);
    members(str::from_utf8(data).ok()?, |name, value| {
        // Of two members of a name the last one counts; null is how many libraries write what is not there.
        let value = Some(value).filter(|value| *value != Member::Bare("null"));
        match name {
            "time" => time = value,
            "ip" => ip = value,
            "id" => id = value,
            "origin" => origin = value,
            "log" | "message" | "msg" | "MESSAGE" => wrapping = true,
            _ => {}
        }
    })?;
    let (Member::Text(time) | Member::Bare(time)) = time? else { return None };
    let client = match ip {
        None => "",
        Some(Member::Text(ip)) => ip,
        Some(_) => return None,
    };
    if client.is_empty() && wrapping {
        return None;
    }
    let client = one_client(client).ok()?;
    let key = match is_absent(&client) && client != "-" {
        true => key_of(record)?,
        false => client,
    };
    let id = match id {
        None | Some(Member::Bare("true" | "false")) => None,
        Some(Member::Text(text)) => Some(text).filter(|text| !is_absent(text)),
        Some(Member::Bare(number)) => Some(number),
        Some(Member::Object(_)) => return None,
    };
    let origin = match origin {
        Some(Member::Object(object)) => {
            serde_json::from_str::<Value>(object).ok().as_ref().and_then(Origin::from_json)
        }
        // A member like any other.
        _ => None,
    };
    Some(EventHead {
        key,
        time: Timestamp::parse_bytes(time.as_bytes()).ok()?,
        id: id.map(Cow::Borrowed),
        origin: origin.map(Box::new),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::event::Event;
    use super::*;

    /// Where there is a head, it is the event's; gives whether there is one.
    fn check(key: &str, data: &[u8]) -> Result<bool, TestCaseError> {
        let record = Record::new(key, data, "1", Timestamp::MIN);
        let Some(head) = EventHead::parse(&record) else { return Ok(false) };
        let event = Event::parse(&record);
        prop_assert!(event.is_ok(), "{}: {event:?}", String::from_utf8_lossy(data));
        let event = event.unwrap();
        prop_assert_eq!(
            (&*head.key, head.time, head.id.as_deref(), head.origin.as_deref()),
            (event.key.raw(), event.time, event.id.as_ref().map(|id| id.raw()), event.origin.as_ref()),
            "{}",
            String::from_utf8_lossy(data)
        );
        Ok(true)
    }

    #[test]
    fn what_events_look_like_has_a_head() {
        for data in [
            "2018-09-06T08:04:56Z",
            " 1536221096.25\n",
            r#"{"v":1,"id":"a-1","ip":"2001:db8::1","time":"2018-09-06T08:04:56Z","method":"GET","status":200}"#,
            r#"{"time":1536221096,"ip":"192.0.2.1","origin":{"stream":"s","shard":"t","sequence_number":"7"}}"#,
            r#"192.0.2.10 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8""#,
        ] {
            assert!(check("192.0.2.7", data.as_bytes()).unwrap(), "{data}");
        }
    }

    #[test]
    fn odd_events_have_the_head_that_the_whole_has() {
        let line = r#"192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5"#;
        for data in [
            "2018-09-06T08:04:56Z".to_owned(),
            "\u{feff}2018-09-06T08:04:56Z".to_owned(),
            "1536221096".to_owned(),
            "2024-03-01T10:15:00[Europe/Paris]".to_owned(),
            String::new(),
            "tomorrow".to_owned(),
            line.replace('\\', ""),
            format!(r#"{{"time":"2018-09-06T08:04:56Z","log":"{line}"}}"#),
            r#"{"time":"2018-09-06T08:04:56Z","log":7,"ip":""}"#.to_owned(),
            r#"{"time":1536221096.5,"ip":"192.0.2.1:80","id":7}"#.to_owned(),
            r#"{"time":"2018-09-06T08:04:56Z","ip":7}"#.to_owned(),
            r#"{"time":"2018-09-06T08:04:56Z","ip":"192.0.2.1, 10.0.0.1"}"#.to_owned(),
            r#"{"time":"2018-09-06T08:04:56Z","ip":"-","id":"None"}"#.to_owned(),
            r#"{"time":"2018-09-06T08:04:56Z","ip":"null","ip":null,"id":false}"#.to_owned(),
            r#"{"time":"2018-09-06T08:04:56Z","id":{"a":null},"origin":"x"}"#.to_owned(),
            r#"{"time":"2018-09-06T08:04:56Z","id":"","origin":{"stream":"s","shard":"t","sequence_number":"x"}}"#.to_owned(),
            r#"{"time":"2018-09-06T08:04:56Z"} {}"#.to_owned(),
            r#"{"ip":"192.0.2.1"}"#.to_owned(),
        ] {
            for key in ["192.0.2.7", "::FFFF:192.0.2.7", "192.0.2.7,10.0.0.1", "a user"] {
                check(key, data.as_bytes()).unwrap();
            }
        }
    }

    proptest! {
        // 4,096 cases: members of every kind, in any order, some twice, some broken by one byte.
        #![proptest_config(ProptestConfig::with_cases(4_096))]
        #[test]
        fn the_head_is_the_events(
            members in proptest::collection::vec((
                prop::sample::select(vec!["time", "time", "ip", "ip", "id", "origin", "log", "a", "\u{e9}"]),
                prop_oneof![
                    Just("\"2018-09-06T08:04:56Z\"".to_owned()),
                    Just("\"192.0.2.10\"".to_owned()),
                    Just(r#"{"stream":"s","shard":"t","sequence_number":"7","after":"6","watermark":"2018-09-06T08:04:56Z"}"#.to_owned()),
                    Just(r#"{"stream":"s","shard":"t","sequence_number":"7","after":6}"#.to_owned()),
                    "\"[ -~\u{e9}]{0,12}\"",
                    "\"(null|None|-|192\\.0\\.2\\.7:80|::1)\"",
                    "-?[0-9]{1,20}(\\.[0-9]{1,3})?(e[0-9]{1,3})?",
                    "true|false|null|tru|\\[\\]|\\{\\}|01|-0|\\{\"a\":\\{\\}\\}",
                ],
            ), 0..8),
            blank in "[ ]{0,2}|\n",
            (place, byte) in (any::<prop::sample::Index>(), prop::option::weighted(0.2, any::<u8>())),
        ) {
            let members: Vec<String> = members.iter().map(|(n, v)| format!("\"{n}\"{blank}:{blank}{v}")).collect();
            let mut data = format!("{{{blank}{}}}", members.join(&format!("{blank},"))).into_bytes();
            if let Some(byte) = byte {
                let at = place.index(data.len());
                data[at] = byte;
            }
            check("192.0.2.7", &data)?;
        }

        #[test]
        fn the_head_of_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80), key in "[ -~]{1,20}") {
            check(&key, &bytes)?;
        }
    }
}
