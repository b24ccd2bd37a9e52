//! A record of one stream as a record of the next. Pure.

use serde_json::{Value, json};

use crate::event::{Event, Origin};
use crate::format::{ForwardedChunk, ForwardedEvents};
use crate::record::{Entry, Record};
use crate::text::without_byte_order_mark;

/// A record for the second stream, and how many events are in it.
pub(super) struct Outgoing<'a> {
    pub(super) record: &'a Record,
    pub(super) entry: Entry,
    pub(super) events: u64,
}

/// The events of a record that are kept, as they come: one in a few kilobytes of gzip may be a million.
pub(super) struct KeptEvents<'a> {
    record: &'a Record,
    is_known: bool,
    /// With its place in the record, as long as it is the only one.
    first: Option<(u64, Event)>,
    events: ForwardedEvents,
}

impl<'a> KeptEvents<'a> {
    /// `is_known` as [`Format::is_known`](crate::Format::is_known), and the record is not packed.
    pub(super) fn of(record: &'a Record, is_known: bool) -> KeptEvents<'a> {
        KeptEvents { record, is_known, first: None, events: ForwardedEvents::default() }
    }

    pub(super) fn push(&mut self, place: u64, event: Event) {
        if self.first.is_none() && self.events.is_empty() {
            self.first = Some((place, event));
            return;
        }
        if let Some((place, first)) = self.first.take() {
            self.events.push(place, &first);
        }
        self.events.push(place, &event);
    }

    /// What is sent on, where so many were found in all. JSON as it came, or what was read of a line or a timestamp,
    /// as JSON, where that is all that the record is; else all of them together.
    pub(super) fn finish(self, found: u64) -> Vec<Outgoing<'a>> {
        let KeptEvents { record, is_known, first, mut events } = self;
        if let Some((place, event)) = first {
            let came_with_others = event.origin.as_ref().is_some_and(|origin| origin.place.is_some());
            if is_known
                && found == 1
                && !came_with_others
                && let Some(entry) = alone(record, &event)
            {
                return vec![Outgoing { record, entry, events: 1 }];
            }
            events.push(place, &event);
        }
        let outgoing = |chunk: ForwardedChunk| Outgoing {
            record,
            entry: Entry::new(record.partition_key.clone(), chunk.data),
            events: chunk.events,
        };
        events.finish().map(outgoing).collect()
    }
}

/// The only event of a record. `None` when something stands beside it that is no event, an empty array.
fn alone(record: &Record, event: &Event) -> Option<Entry> {
    let data = without_byte_order_mark(&record.data).trim_ascii();
    let object = match data {
        [b'{', ..] => Some(data),
        // An array of one object: as it would be alone.
        [b'[', inside @ .., b']'] => Some(inside.trim_ascii()),
        [b'[', ..] => return None,
        _ => None,
    };
    if let Some(object) = object {
        // There are no two objects, so these are the braces of the one that there is.
        let is_alone = object.starts_with(b"{") && object.ends_with(b"}");
        return is_alone.then(|| Entry::new(record.partition_key.clone(), object));
    }
    let mut json = json!({ "v": 1, "ip": event.key.raw(), "time": event.time.to_string() });
    for (name, value) in &event.fields {
        json[name.raw()] = match value.parse::<u64>() {
            Ok(number) if ["status", "bytes"].contains(&name.raw()) => number.into(),
            _ => Value::String(value.into()),
        };
    }
    Some(Entry::new(record.partition_key.clone(), json.to_string()))
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
    use proptest::prelude::*;

    use super::*;
    use crate::format::AnyFormat;
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
            let sent = with_origin(alone(&record(data), &before).unwrap(), &origin);
            let after = Record { data: sent.data.into(), ..record("") };
            let after = Event::parse(&after).unwrap();
            assert_eq!(after.origin.as_ref(), Some(&origin), "{data}");
            assert_eq!((&after.key, after.time), (&before.key, before.time));
            for (name, value) in &before.fields {
                assert_eq!(after.fields.get(name), Some(value), "{data}");
            }
        }
    }

    proptest! {
        // 2,000 cases: an event alone, several, and what stands beside them that is none are all common.
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever a record is made of, the events that are read of it are those that are read of what is sent on;
        /// an empty array beside an object was put into the object's place, and the event was lost.
        #[test]
        fn the_events_of_what_is_sent_on_are_the_records(
            pieces in prop::collection::vec(prop::sample::select(vec![
                r#"{"time":"2018-09-06T08:04:56Z","ip":"192.0.2.1","id":"a","n":{"b":[{}]}}"#,
                r#"{"time":1536221096}"#,
                r#"[{"time":"2018-09-06T08:04:57Z","id":7}]"#,
                r#"[ {"time":1536221096} , {"time":1536221097} ]"#,
                "[]", "[[]]", "{}", "[{}]", "{", "]", "\u{feff}", " ", "\n", "2018-09-06T08:04:56Z",
                r#"192.0.2.7 - - [06/Sep/2018:08:04:56 +0000] "GET /a HTTP/1.1" 404 12"#,
            ]), 0..5),
            kept in any::<u8>(),
        ) {
            let record = record(&pieces.concat());
            let format = AnyFormat::default();
            let found = format.events(&record);
            let is_kept = |place: usize| kept & (1 << (place % 8)) != 0;
            let kept: Vec<(u64, Event)> = found.iter().cloned().enumerate()
                .filter_map(|(place, event)| Some((place as u64, event.ok()?)))
                .filter(|(place, _)| is_kept(*place as usize)).collect();
            let mut events = KeptEvents::of(&record, true);
            kept.iter().for_each(|(place, event)| events.push(*place, event.clone()));
            let origin = Origin::from_json(&json!({ "stream": "s", "shard": "a", "sequence_number": "7" })).unwrap();
            let mut sent = Vec::new();
            for outgoing in events.finish(found.len() as u64) {
                let entry = with_origin(outgoing.entry, &origin);
                let events = format.events(&Record { data: entry.data.into(), ..record.clone() });
                prop_assert_eq!(events.len() as u64, outgoing.events);
                sent.extend(events);
            }
            prop_assert_eq!(sent.len(), kept.len());
            for (sent, (_, event)) in sent.into_iter().zip(kept) {
                let sent = sent.unwrap();
                prop_assert!(sent.origin.is_some());
                prop_assert_eq!((&sent.key, sent.time, &sent.id), (&event.key, event.time, &event.id));
                // Of a line, it also says which version of the form it is.
                for (name, value) in &event.fields {
                    prop_assert_eq!(sent.fields.get(name), Some(value));
                }
            }
        }
    }
}
