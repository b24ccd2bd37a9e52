//! A record of one stream as a record of the next. Pure.

use serde_json::{Value, json};

use crate::event::{Event, Origin};
use crate::format::{ForwardedChunk, ForwardedEvents};
use crate::record::{Entry, Record};

/// A record for the second stream, and how many events are in it.
pub(super) struct Outgoing<'a> {
    pub(super) record: &'a Record,
    pub(super) entry: Entry,
    pub(super) events: u64,
}

/// The events of a record that are kept, each with its place in it, of `found` in all. JSON as it came, or what was
/// read of a line or a timestamp, as JSON, where that is what the record is; else all of them together.
pub(super) fn outgoing<'a>(
    record: &'a Record,
    kept: &[(u64, Event)],
    found: u64,
    is_known: bool,
) -> Vec<Outgoing<'a>> {
    let forwarded_many =
        kept.iter().any(|(_, event)| event.origin.as_ref().is_some_and(|origin| origin.place.is_some()));
    match kept {
        [(_, event)] if is_known && found == 1 && !forwarded_many => {
            vec![Outgoing { record, entry: entry(record, event), events: 1 }]
        }
        _ => {
            let mut events = ForwardedEvents::default();
            kept.iter().for_each(|(place, event)| events.push(*place, event));
            let outgoing = |chunk: ForwardedChunk| Outgoing {
                record,
                entry: Entry::new(record.partition_key.clone(), chunk.data),
                events: chunk.events,
            };
            events.finish().map(outgoing).collect()
        }
    }
}

fn entry(record: &Record, event: &Event) -> Entry {
    let data = record.data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&record.data).trim_ascii();
    match data {
        [b'{', ..] => return Entry::new(record.partition_key.clone(), data),
        // An array of one object: as it would be alone.
        [b'[', inside @ .., b']'] if inside.trim_ascii().starts_with(b"{") => {
            return Entry::new(record.partition_key.clone(), inside.trim_ascii());
        }
        _ => {}
    }
    let mut json = json!({ "v": 1, "ip": event.key.raw(), "time": event.time.to_string() });
    for (name, value) in &event.fields {
        json[name.raw()] = match value.parse::<u64>() {
            Ok(number) if ["status", "bytes"].contains(&name.raw()) => number.into(),
            _ => Value::String(value.into()),
        };
    }
    Entry::new(record.partition_key.clone(), json.to_string())
}

/// Written in before the last brace: what the sender wrote stays as it wrote it. It may hold an `origin`
/// of another filter, or of a liar; of two members of a name the last one counts.
pub(super) fn with_origin(mut entry: Entry, origin: &Origin) -> Entry {
    entry.data.pop();
    entry.data.extend_from_slice(format!(",\"origin\":{}}}", origin.to_json()).as_bytes());
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    fn record(data: &str) -> Record {
        Record::new("192.0.2.7", data, "7", Timestamp::MIN)
    }

    #[test]
    fn what_is_sent_on_is_the_event_and_where_it_was() {
        let origin = Origin {
            stream: "events".into(),
            shard_id: "s".into(),
            sequence_number: "7".into(),
            sub_sequence_number: Some(2),
            place: None,
            after: None,
            watermark: Timestamp::from_secs(5),
        };
        for data in [
            "2018-09-06T08:04:56Z",
            r#" {"time":"2018-09-06T08:04:56Z","status":404,"origin":{"stream":"x","shard":"y","sequence_number":"1"}} "#,
            r#"192.0.2.7 - - [06/Sep/2018:08:04:56 +0000] "GET /a HTTP/1.1" 404 12"#,
        ] {
            let before = record(data);
            let before = Event::parse(&before).unwrap();
            let sent = with_origin(entry(&record(data), &before), &origin);
            let after = Record { data: sent.data.into(), ..record("") };
            let after = Event::parse(&after).unwrap();
            assert_eq!(after.origin.as_ref(), Some(&origin), "{data}");
            assert_eq!((&after.key, after.time), (&before.key, before.time));
            for (name, value) in &before.fields {
                assert_eq!(after.fields.get(name), Some(value), "{data}");
            }
        }
    }
}
