use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(format: &JsonFormat, data: impl Into<Vec<u8>>) -> Vec<Result<Event, EventError>> {
    let mut found = Vec::new();
    format.read(&Record::new("198.51.100.1", data, "1", Timestamp::MIN), &mut |event| found.push(event));
    found
}

fn said(found: &[Result<Event, EventError>]) -> Vec<String> {
    found
        .iter()
        .map(|found| found.as_ref().map_or_else(ToString::to_string, |event| event.key.raw().to_owned()))
        .collect()
}

#[test]
fn each_object_is_an_event_of_its_own() {
    let format =
        JsonFormat::new().key(&["client.addr"]).time("@timestamp").id("requestId").field("path", "http.path");
    let one = |n: u32| {
        format!(
            r#"{{"@timestamp":"2024-03-01 10:15:0{n} +0000","client":{{"addr":"::ffff:192.0.2.{n}"}},"requestId":{n},"http":{{"path":"/{n}"}}}}"#
        )
    };
    for data in [
        format!("{}\n{}\n", one(1), one(2)),
        format!("\u{feff}{}\r\n\r\n{}", one(1), one(2)),
        format!("[{}, {}]", one(1), one(2)),
        format!("{}{}", one(1), one(2)),
    ] {
        let found = read(&format, data.as_str());
        assert_eq!(said(&found), ["192.0.2.1", "192.0.2.2"], "{data}");
        let second = found[1].as_ref().unwrap();
        assert_eq!((second.id.as_ref().unwrap().raw(), second.fields["path"].raw()), ("2", "/2"));
        assert_eq!(second.fields.len(), 1);
    }
    let found = read(&format, format!("{}\n{{\"a\": tru\n[1]\n{}", one(1), one(2)));
    assert_eq!(said(&found)[0], "192.0.2.1");
    assert!(said(&found)[1].starts_with("broken JSON"), "{found:?}");
    assert_eq!((&*said(&found)[2], &*said(&found)[3]), ("1 is no JSON object", "192.0.2.2"));
}

#[test]
fn what_is_missing_is_named() {
    let format = JsonFormat::new().key(&["ip", "/a/b"]).time("at");
    for (data, sentence) in [
        ("", "the data is empty"),
        (r#"{"at":"2024-03-01T10:15Z","ip":"192.0.2.1"}"#, "no `/a/b` in this JSON"),
        (r#"{"at":"2024-03-01T10:15Z","ip":"undefined","a":{"b":1}}"#, "no `ip` in this JSON"),
        (
            r#"{"at":"2024-03-01T10:15Z","ip":"192.0.2.1, 10.0.0.1","a":{"b":1}}"#,
            "`ip` is a list of addresses",
        ),
        (r#"{"at":"soon","ip":"192.0.2.1","a":{"b":1}}"#, "`at` is not a timestamp"),
        (r#"{"at":"2024-03-01T10:15:00[Europe/Paris]","ip":"192.0.2.1","a":{"b":1}}"#, "without its offset"),
        (r#"{"ip":"192.0.2.1","a":{"b":1}}"#, "no `at` in this JSON"),
    ] {
        let found = read(&format, data);
        assert!(said(&found)[0].contains(sentence), "{data}: {found:?}");
    }
}

#[test]
fn by_default_all_other_members_are_fields_and_the_key_is_the_partition_key() {
    let found = read(
        &JsonFormat::new().id("n"),
        r#"{"time":1709288100,"n":12345678901234567890123,"a":{"b": 1},"c":null,"d":"x"}"#,
    );
    let event = found[0].as_ref().unwrap();
    assert_eq!(
        (event.key.raw(), event.id.as_ref().unwrap().raw()),
        ("198.51.100.1", "12345678901234567890123")
    );
    let fields: Vec<(&str, &str)> =
        event.fields.iter().map(|(name, value)| (name.raw(), value.raw())).collect();
    assert_eq!(fields, [("a", "{\"b\":1}"), ("d", "x")]);
}

proptest! {
    // 1,000 cases, of few names and values: what is there and what is not are both common.
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// What is written is read, one by one and all together.
    #[test]
    fn what_is_written_is_read(events in prop::collection::vec(("[a-z:/ é\"\\\\]{1,8}[a-z]", 1_000_000_000i64..4_000_000_000, "[a-z]{0,5}"), 1..6), array: bool) {
        let objects: Vec<serde_json::Value> = events.iter()
            .map(|(key, at, path)| json!({ "k": { "y": key }, "at": at, "http.path": path })).collect();
        let data = match array {
            true => serde_json::Value::Array(objects).to_string(),
            false => objects.iter().map(|object| format!("{object}\n")).collect(),
        };
        let format = JsonFormat::new().key(&["k.y"]).time("at").field("path", "http.path");
        let found = read(&format, data);
        prop_assert_eq!(found.len(), events.len());
        for (found, (key, at, path)) in found.into_iter().zip(events) {
            // A word for nothing is no key, nor is an address among quotes.
            let Ok(event) = found else { prop_assert!(is_absent(&key) || not_one_client(&key).is_some()); continue };
            prop_assert_eq!(event.key.raw(), &*canonical_client(&key));
            prop_assert_eq!(event.time, Timestamp::from_secs(at));
            prop_assert_eq!(event.fields["path"].raw(), path);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(pieces in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", "\"", "k", ":", ",", "\n", "1709288100", "null", "time", "\\", "é", "\u{feff}", "1e999", "-",
    ]), 0..24), bytes in prop::collection::vec(any::<u8>(), 0..8)) {
        let data = [pieces.concat().as_bytes(), &bytes].concat();
        for error in read(&JsonFormat::new().key(&["k.k", "/k/0"]).id("k"), data).into_iter().filter_map(Result::err) {
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }
}
