//! Any data is read by any path or refused; what was read, written at the same paths, is read again.
#![no_main]

use kinesis_lab::{AnyFormat, JsonFormat, Record, Timestamp};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

// The first line is the key's path, the rest is the record.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let path = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let record = |data: Vec<u8>| Record::new("192.0.2.10", data, "1", Timestamp::MIN);
    let format = AnyFormat::from(JsonFormat::new().key(&[path.as_str()]).id("id").field("a", "/a/b"));
    let ours = AnyFormat::from(JsonFormat::new().key(&["/k"]).id("id").field("a", "/a/b"));
    for found in format.events(&record(parts.next().unwrap_or_default().to_vec())) {
        match found {
            Ok(event) => {
                let mut json = json!({ "k": event.key.raw(), "time": event.time.to_string() });
                if let Some(id) = &event.id {
                    json["id"] = id.raw().into();
                }
                if let Some(value) = event.fields.get("a") {
                    json["a"]["b"] = value.raw().into();
                }
                assert_eq!(ours.events(&record(json.to_string().into_bytes())), [Ok(event)]);
            }
            Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
        }
    }
});
