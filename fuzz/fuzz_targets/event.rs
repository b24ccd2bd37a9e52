//! Any record is an event or refused; what was read of one, written as JSON, is the same event. What a counter reads of
//! it is the same, too.
#![no_main]

use kinesis_lab::{Event, Format, KnownForms, Record, Timestamp};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|data: &[u8]| {
    let first = record(data.to_vec());
    let (mut whole, mut brief) = (Vec::new(), Vec::new());
    KnownForms.read(&first, &mut |found| {
        whole.push(found.map(|event| {
            (event.key.raw().to_owned(), event.time, event.id.map(|id| id.raw().to_owned()), event.origin)
        }));
    });
    KnownForms.brief(&first, &mut |found| {
        brief.push(found.map(|event| {
            let origin = event.origin.map(|origin| origin.into_owned());
            (event.key.into_owned(), event.time, event.id.map(|id| id.into_owned()), origin)
        }));
    });
    assert_eq!(brief, whole);
    match Event::parse(&first) {
        // What a filter wrote is no member that could be written back as text.
        Ok(event) if event.origin.is_some() => {}
        Ok(event) => {
            let mut json: Map<String, Value> = event
                .fields
                .iter()
                .map(|(name, value)| (name.raw().to_owned(), value.raw().into()))
                .collect();
            json.insert("time".into(), event.time.to_string().into());
            json.insert("ip".into(), event.key.raw().into());
            if let Some(id) = &event.id {
                json.insert("id".into(), id.raw().into());
            }
            let second = record(Value::Object(json).to_string().into_bytes());
            assert_eq!(Event::parse(&second).as_ref(), Ok(&event));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
});

fn record(data: Vec<u8>) -> Record {
    Record::new("192.0.2.10", data, "1", Timestamp::MIN)
}
