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
        (r#"{"at":"2024-03-01T10:15Z","ip":{"addr":"192.0.2.1"},"a":{"b":1}}"#, "such as `ip.addr`"),
        (r#"{"at":"2024-03-01T10:15Z","ip":["192.0.2.1"],"a":{"b":1}}"#, "such as `ip.addr` or `ip.0`"),
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

/// A server writes its own address, too; who is blocked is whom the key names.
#[test]
fn a_member_ip_is_a_field_only_where_the_key_is_no_client() {
    let data = r#"{"time":1709288100,"client":{"addr":"192.0.2.1"},"ip":"10.0.0.1","path":"/a"}"#;
    let ip = |format: JsonFormat| {
        let event = read(&format, data).remove(0).unwrap();
        event.fields.get("ip").map(|ip| ip.raw().to_owned())
    };
    assert_eq!(ip(JsonFormat::new().key(&["client.addr"])), None);
    assert_eq!(ip(JsonFormat::new().key(&["path"])).as_deref(), Some("10.0.0.1"));
    assert_eq!(ip(JsonFormat::new().key(&["client.addr"]).field("ip", "ip")).as_deref(), Some("10.0.0.1"));
    // The partition key is the client's, who knows.
    assert_eq!(ip(JsonFormat::new()).as_deref(), Some("10.0.0.1"));
}

#[test]
fn what_stands_before_lines_is_taken_off() {
    let object = r#"{"time":1709288100,"k":"a"}"#;
    let docker = serde_json::json!({ "log": format!("{object}\n"), "stream": "stdout" });
    for (prefix, line) in [
        (LinePrefix::Cri, format!("2024-03-01T10:15:00.1Z stdout F {object}")),
        (LinePrefix::Docker, docker.to_string()),
        (LinePrefix::Compose, format!("web-1  | {object}")),
        (LinePrefix::Syslog, format!("<190>Sep 15 16:13:40 web1 shop[7]: {object}")),
    ] {
        let format = JsonFormat::new().key(&["k"]).behind(prefix);
        let found = read(&format, format!("{line}\r\n\n{object}\n{line}{{"));
        assert_eq!(said(&found)[..2], ["a", "a"], "{line}");
        assert_eq!(
            found.iter().filter(|found| found.is_ok()).count(),
            3 - usize::from(prefix == LinePrefix::Docker),
            "{found:?}"
        );
    }
}

#[test]
fn a_unit_that_is_told_is_a_number() {
    let format = JsonFormat::new().epoch(crate::epoch::EpochUnit::Millis);
    let found = read(&format, r#"{"time":"2024-03-01T10:15:00Z"}"#);
    assert!(said(&found)[0].contains("`time` is not a number such as 1709288100"), "{found:?}");
}

/// What is broken counts as the docs of [`Format`] say.
#[test]
fn a_record_that_is_no_event_is_one_and_so_is_each_object_among_events() {
    let format = JsonFormat::new();
    let count = |data: &str| {
        let found = read(&format, data);
        let broken = found.iter().filter(|found| found.is_err()).count();
        (found.len() - broken, broken)
    };
    for (data, counted) in [
        // One object, written for people, with a slip in it.
        ("{\n  \"time\": 1709288100,\n  \"a\": {\n    \"b\": 1,\n  },\n  \"c\": 2\n}\n", (0, 1)),
        ("{\"a\n{\"b\n{\"c\n", (0, 1)),
        ("{\"a\": 1}\n{\"a\": 2}\n", (0, 1)),
        ("[{\"a\": 1}, {\"a\": 2}]", (0, 1)),
        ("plain\ntext\nof three lines", (0, 1)),
        ("{\"a\n{\"time\": 1709288100}\n{\"b\n{\"c\": 1}\n", (1, 3)),
        ("{\"time\": 1709288100}\n{\n  \"time\": tru,\n  \"b\": 1\n}\n{\"time\": 1709288101}", (2, 1)),
        ("[\n  {\"time\": 1709288100},\n  {\"time\": 1709288101},\n  {\"time\": 17092", (2, 1)),
        ("\u{feff}  {\"a\n  {\"time\": 1709288100}\n", (1, 1)),
    ] {
        assert_eq!(count(data), counted, "{data}");
    }
}

#[test]
fn bytes_that_are_no_text_break_no_json() {
    let data = [&b"{\"time\":1709288100,\"path\":\"/"[..], b"\xff\\ud83d", b"\"}"].concat();
    let found = read(&JsonFormat::new().key(&["path"]), data);
    assert_eq!(said(&found), ["/\u{fffd}\u{fffd}"]);
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
