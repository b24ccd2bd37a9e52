//! A record of one stream as a record of the next. Pure.

use serde_json::{Value, json};

use crate::event::{Event, Origin};
use crate::record::{Entry, Record};

/// JSON as it came, or what was read of a line or a timestamp, as JSON.
pub(super) fn entry(record: &Record, event: &Event) -> Entry {
    let data = record.data.trim_ascii();
    if data.first() == Some(&b'{') {
        return Entry::new(record.partition_key.clone(), data);
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
