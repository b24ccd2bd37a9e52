//! Events that a filter has sent on, in the form in which nothing of them is lost. Pure.
//!
//! What [`KnownForms`](super::known_forms::KnownForms) reads of a line or of one JSON object is sent on as JSON that
//! people read (`src/pipeline/forwarded.rs`). Events of another format have keys that are no clients and fields of
//! any name, and a record may have had thousands: they are sent on together, each with its place.

use serde_json::{Value, json};

use crate::event::{Event, EventError, Origin};
use crate::harmless::Text;

/// How every such record begins, so that no other is looked at twice.
const BEGINNING: &[u8] = b"{\"v\":2,\"events\":[";
/// What is put into one record: a small part of what a shard takes in a second.
const CHUNK: usize = 256 * 1024;

/// A record's data, without its origin, and how many events are in it.
pub(crate) struct ForwardedChunk {
    pub(crate) data: Vec<u8>,
    pub(crate) events: u64,
}

/// Events of one record, each with its place in it, as the data of as many records as it takes.
#[derive(Default)]
pub(crate) struct ForwardedEvents {
    chunks: Vec<ForwardedChunk>,
}

impl ForwardedEvents {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn push(&mut self, place: u64, event: &Event) {
        let fields: serde_json::Map<String, Value> =
            event.fields.iter().map(|(name, value)| (name.into(), Value::String(value.into()))).collect();
        let mut json =
            json!({ "at": place, "key": event.key.raw(), "time": event.time.to_string(), "fields": fields });
        if let Some(id) = &event.id {
            json["id"] = id.raw().into();
        }
        let json = json.to_string();
        match self.chunks.last_mut().filter(|chunk| chunk.data.len() + json.len() < CHUNK) {
            Some(chunk) => {
                chunk.data.push(b',');
                chunk.data.extend_from_slice(json.as_bytes());
                chunk.events += 1;
            }
            None => {
                let data = [BEGINNING, json.as_bytes()].concat();
                self.chunks.push(ForwardedChunk { data, events: 1 });
            }
        }
    }

    pub(crate) fn finish(self) -> impl Iterator<Item = ForwardedChunk> {
        self.chunks.into_iter().map(|mut chunk| {
            chunk.data.extend_from_slice(b"]}");
            chunk
        })
    }
}

/// Reads them again. `None` for what no filter wrote.
pub(super) fn read(data: &[u8], each: &mut dyn FnMut(Result<Event, EventError>)) -> Option<()> {
    if !data.starts_with(BEGINNING) {
        return None;
    }
    let value: Value = serde_json::from_slice(data).ok()?;
    let origin = Origin::from_json(value.get("origin")?)?;
    let events: Option<Vec<Event>> =
        value.get("events")?.as_array()?.iter().map(|event| one(event, &origin)).collect();
    events?.into_iter().for_each(|event| each(Ok(event)));
    Some(())
}

fn one(value: &Value, origin: &Origin) -> Option<Event> {
    let text = |name: &str| Some(Text::from(value.get(name)?.as_str()?));
    let mut event = Event::new(text("key")?, text("time")?.parse().ok()?);
    event.id = text("id");
    event.origin = Some(Origin { place: Some(value.get("at")?.as_u64()?), ..origin.clone() });
    for (name, value) in value.get("fields")?.as_object()? {
        event.fields.insert(name.as_str().into(), value.as_str()?.into());
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::timestamp::Timestamp;

    proptest! {
        /// Any event, in any company, comes back as it was, with its place.
        #[test]
        fn what_is_sent_on_is_read(
            events in prop::collection::vec((".{0,6}", any::<i64>(), prop::option::of(".{0,5}"), prop::collection::vec((".{0,5}", ".{0,5}"), 0..3)), 1..6),
            long: bool,
        ) {
            let mut forwarded = ForwardedEvents::default();
            let events: Vec<Event> = events.into_iter().map(|(key, time, id, fields)| {
                let mut event = Event::new(key, Timestamp::from_micros(time));
                event.id = id.map(Text::from);
                event.fields = fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
                if long {
                    event.fields.insert("long".into(), "x".repeat(CHUNK / 3).into());
                }
                event
            }).collect();
            for (place, event) in events.iter().enumerate() {
                forwarded.push(place as u64, event);
            }
            let origin = Origin::from_json(&json!({ "stream": "s", "shard": "a", "sequence_number": "7" })).unwrap();
            let (mut found, mut counted) = (Vec::new(), 0);
            for mut chunk in forwarded.finish() {
                counted += chunk.events;
                chunk.data.pop();
                chunk.data.extend_from_slice(format!(",\"origin\":{}}}", origin.to_json()).as_bytes());
                prop_assert!(chunk.data.len() < 2 * CHUNK);
                read(&chunk.data, &mut |event| found.push(event.unwrap())).unwrap();
            }
            prop_assert_eq!((found.len(), counted), (events.len(), events.len() as u64));
            for (place, (found, event)) in found.into_iter().zip(events).enumerate() {
                let origin = Origin { place: Some(place as u64), ..origin.clone() };
                prop_assert_eq!(found, Event { origin: Some(origin), ..event });
            }
        }
    }

    #[test]
    fn what_is_only_like_it_is_another_form() {
        for data in [
            r#"{"v":2,"events":[]}"#,
            r#"{"v":2,"events":[{"at":0}],"origin":{"stream":"s","shard":"a","sequence_number":"7"}}"#,
            r#"{"v":2,"events":["#,
            r#"{"v":1,"ip":"a"}"#,
        ] {
            assert!(read(data.as_bytes(), &mut |_| panic!("{data}")).is_none(), "{data}");
        }
    }
}
