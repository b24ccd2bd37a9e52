//! [`KnownForms`]: what everything reads that was told nothing else.

use serde_json::value::RawValue;

use super::format::{AnyFormat, Brief, Format};
use super::forwarded;
use super::json_values::each_value;
use super::parts::{Each, each_part};
use crate::event::{Event, EventError, EventHead};
use crate::json_text::json_text;
use crate::record::Record;
use crate::text::without_byte_order_mark;

/// A timestamp, JSON or a line of an access log, told apart by the data itself: the default of everything that
/// reads events. [`Event::parse`] has the table of what is read of each.
///
/// Of JSON, each object is an event: of those one behind the other (a line each, or not), and of an array.
/// Otherwise each line is one. A byte order mark before them is passed over. What is broken counts as
/// [`Format`] says.
///
/// ```
/// use kinesis_lab::prelude::*;
///
/// let stream = Kinesis::local()?.create_stream("lines", 1)?;
/// let data = "\
/// {\"time\": \"2024-03-01T10:15:00Z\", \"ip\": \"192.0.2.10\"}
/// {\"time\": \"2024-03-01T10:15:01Z\", \"ip\": \"192.0.2.10\"}
/// ";
/// stream.put("any", data)?;
/// let mut counter = Counter::per_minute();
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// assert_eq!(counter.to_string(), "2024-03-01 10:15:00 : [('192.0.2.10', 2)]\n");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KnownForms;

impl Format for KnownForms {
    fn read(&self, record: &Record, each: &mut dyn FnMut(Result<Event, EventError>)) {
        let whole = without_byte_order_mark(&record.data);
        let data = whole.trim_ascii();
        if forwarded::read(data, each).is_some() {
            return;
        }
        match data {
            // Nearly always one object, and then read once.
            [b'{', ..] => match Event::parse_part(record, data) {
                Err(error) if error.is_broken_json() => objects(record, whole, each),
                found => each(found),
            },
            [b'[', inside @ ..] if is_array_of_objects(inside) => objects(record, whole, each),
            _ if data.contains(&b'\n') => {
                let lines = data.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
                let lines = lines.filter(|line| !line.is_empty());
                each_part(&|each| lines.clone().for_each(|line| each(Event::parse_part(record, line))), each);
            }
            _ => each(Event::parse_part(record, data)),
        }
    }

    fn brief(&self, record: &Record, each: &mut dyn FnMut(Result<Brief<'_>, EventError>)) {
        match EventHead::parse(record) {
            Some(head) => each(Ok(Brief::from(head))),
            None => self.read(record, &mut |found| match &found {
                Ok(event) => each(Ok(Brief::of(event))),
                Err(error) => each(Err(error.clone())),
            }),
        }
    }

    fn is_known(&self) -> bool {
        true
    }
}

/// [`KnownForms`].
impl Default for AnyFormat {
    fn default() -> AnyFormat {
        AnyFormat::from(KnownForms)
    }
}

/// By what follows the bracket; a web server's time in brackets is another form.
fn is_array_of_objects(inside: &[u8]) -> bool {
    matches!(inside.trim_ascii_start().first(), None | Some(b'{' | b'[' | b']'))
}

fn objects(record: &Record, data: &[u8], each: &mut Each<'_>) {
    let data = json_text(data);
    let object = |value: Result<&RawValue, serde_json::Error>| match value {
        Ok(value) if value.get().starts_with('{') => Event::parse_part(record, value.get().as_bytes()),
        Ok(_) => Err(EventError::new("what stands among the objects is none")),
        Err(error) => Err(EventError::broken_json(error)),
    };
    each_part(&|each| each_value(&data, &mut |value| each(object(value))), each);
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::timestamp::Timestamp;

    /// Whatever the data, the brief events are the events; what is wrong, too.
    fn check(data: &[u8]) -> Result<(), TestCaseError> {
        let record = Record::new("::ffff:192.0.2.7", data, "1", Timestamp::MIN);
        let (mut whole, mut brief) = (Vec::new(), Vec::new());
        KnownForms.read(&record, &mut |found| whole.push(found));
        KnownForms.brief(&record, &mut |found| {
            brief.push(found.map(|event| {
                let Brief { key, time, id, origin } = event;
                (key.into_owned(), time, id.map(Cow::into_owned), origin.map(Cow::into_owned))
            }));
        });
        let whole: Vec<_> = whole
            .into_iter()
            .map(|found| {
                found.map(|Event { key, time, id, origin, .. }| {
                    (String::from(key), time, id.map(String::from), origin)
                })
            })
            .collect();
        prop_assert_eq!(brief, whole, "{}", String::from_utf8_lossy(data));
        Ok(())
    }

    #[test]
    fn lines_are_events_where_any_of_them_is_one() {
        let found = |data: &[u8]| {
            let mut found = Vec::new();
            let record = Record::new("192.0.2.7", data, "1", Timestamp::MIN);
            KnownForms.read(&record, &mut |event| found.push(event.is_ok()));
            found
        };
        assert_eq!(found(b"no\n2018-09-06T08:04:56Z\n\nnor this\n"), [false, true, false]);
        assert_eq!(found(b"\xff\x1b[2J\nEVCXR_BEGIN_CONTENT text/html\n\n?"), [false]);
        assert_eq!(found(b"\n\n"), [false]);
        // The same of JSON: one record that is broken, and one of several.
        assert_eq!(found(b"{\n  \"time\": \"2018-09-06T08:04:56Z\",\n  \"a\": tru,\n  \"b\": 1\n}"), [false]);
        assert_eq!(found(b"{\"a\": 1}\n{\"a\": 2}\n{\"a\n"), [false]);
        assert_eq!(found(b"{\"a\": 1}\n{\"time\": 1536221096}\n{\"a\n{\"b\n"), [false, true, false, false]);
        assert_eq!(found(b"[\n1,\n2\n]"), [false]);
        assert_eq!(found(b" {\"a\n {\"time\": 1536221096}"), [false, true]);
    }

    #[test]
    fn a_time_in_brackets_is_no_array() {
        let events = AnyFormat::default().events(&Record::new(
            "192.0.2.7",
            "[06/Sep/2018:08:04:56 +0000]\n[06/Sep/2018:10:04:57 +0200]\n",
            "1",
            Timestamp::MIN,
        ));
        let times: Vec<i64> = events.into_iter().map(|event| event.unwrap().time.as_micros()).collect();
        assert_eq!(times, [1_536_221_096_000_000, 1_536_221_097_000_000]);
    }

    /// Who writes `\xff`, or half a character, into what he sends must not hide his request by it.
    #[test]
    fn bytes_that_are_no_text_break_no_json() {
        for odd in [&b"\xff\xfe"[..], b"\\ud83d", b"\\udc00\\ud83d"] {
            let one = [&b"{\"time\":1536221096,\"ip\":\"192.0.2.9\",\"path\":\"/"[..], odd, b"\"}"].concat();
            for data in [one.clone(), [&one[..], b"\n", &one].concat(), [&b"["[..], &one, b"]"].concat()] {
                for event in AnyFormat::default().events(&Record::new("any", data, "1", Timestamp::MIN)) {
                    let event = event.unwrap();
                    assert_eq!(event.key, "192.0.2.9");
                    assert!(event.fields["path"].starts_with("/\u{fffd}"), "{event:?}");
                }
            }
        }
    }

    const SEEDS: [&str; 10] = [
        "[06/Sep/2018:08:04:56 +0000]",
        "2018-09-06T08:04:56.468067Z",
        "1536221096",
        r#"{"v":1,"id":"a-1","ip":"192.0.2.10","time":"2018-09-06T08:04:56Z","path":"/a","status":404}"#,
        r#"{"time":1536221096.5,"id":7,"ip":"-","n":-0.5,"b":true,"c":null,"o":{"p":"q"}}"#,
        r#"{"time":"2018-09-06T08:04:56Z","id":null,"ip":"","message":"x","origin":{"stream":"s","shard":"t","sequence_number":"7","sub_sequence_number":3,"after":"6","watermark":"2018-09-06T08:04:56Z"}}"#,
        r#"{"v":2,"events":[{"at":0,"key":"k","time":"2018-09-06T08:04:56Z","fields":{}}],"origin":{"stream":"s","shard":"t","sequence_number":"7"}}"#,
        r#"192.0.2.10 - ann [17/May/2015:10:05:03 +0000] "GET /a?b HTTP/1.1" 200 512 "-" "curl/8""#,
        r#"2001:DB8::1 - - [17/May/2015:10:05:03 +0200] "\x16\x03" 400 -"#,
        r#"[{"time":"2018-09-06T08:04:56Z"}]"#,
    ];

    proptest! {
        // 6,000 cases, some seconds: one to three of what streams have, with up to three bytes put out of their place.
        #![proptest_config(ProptestConfig::with_cases(6_000))]
        #[test]
        fn brief_events_are_the_events(
            seeds in prop::collection::vec(prop::sample::select(SEEDS.to_vec()), 1..4),
            alone in prop::bool::weighted(0.7),
            between in prop::sample::select(vec!["\n", "", " ", "\r\n", ",", "\u{feff}"]),
            changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4, prop_oneof![
                any::<u8>(),
                prop::sample::select(b"\"\\{}[]:, \n0179.eE+-nulT\0\xc3".to_vec()),
            ]), 0..4),
        ) {
            let mut data = if alone { seeds[0].to_owned() } else { seeds.join(between) }.into_bytes();
            for (place, change, byte) in changes {
                let at = place.index(data.len() + 1);
                match change {
                    0 if at < data.len() => data[at] = byte,
                    1 if at < data.len() => drop(data.remove(at)),
                    // Twice the same: a member that comes again.
                    2 => {
                        let again = data[at..(at + 24).min(data.len())].to_vec();
                        data.splice(at..at, again);
                    }
                    _ => data.insert(at, byte),
                }
            }
            check(&data)?;
        }
    }
}
