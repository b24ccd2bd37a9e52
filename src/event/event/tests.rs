//! Events as agents, servers and strangers write them.

use super::*;
use proptest::prelude::*;

fn record(data: &[u8]) -> Record {
    Record::new("192.0.2.10", data, "1", Timestamp::MIN)
}

#[test]
fn three_forms_are_told_apart_by_the_data() {
    let time: Timestamp = "2018-09-06T08:04:56Z".parse().unwrap();
    let plain = record(b"2018-09-06T08:04:56\n");
    let event = Event::parse(&plain).unwrap();
    assert_eq!((event.key.raw(), event.time, event.fields.len()), ("192.0.2.10", time, 0));

    let json = record(br#"{"time":"2018-09-06T10:04:56+02:00","ip":"192.0.2.99","id":"7","status":404}"#);
    let event = Event::parse(&json).unwrap();
    assert_eq!(
        (event.key.raw(), event.time, event.id.as_ref().map(Text::raw)),
        ("192.0.2.99", time, Some("7"))
    );
    assert_eq!(event.fields["status"], "404");

    let line = record(br#"192.0.2.7 - - [06/Sep/2018:08:04:56 +0000] "GET /a?b HTTP/1.1" 200 12 "-" "curl""#);
    let event = Event::parse(&line).unwrap();
    assert_eq!((event.key.raw(), event.time), ("192.0.2.7", time));
    assert_eq!((event.fields["path"].raw(), event.fields["status"].raw()), ("/a?b", "200"));
}

/// `{:#?}` gives each field a line of its own, in which the kernel would look for its words.
#[test]
fn debug_commands_nobody() {
    let json = record(
        br#"{"time":"2018-09-06T08:04:56Z","ip":"EVCXR_BEGIN_CONTENT text/html ","EVCXR_A":"EVCXR_B \u202e"}"#,
    );
    let event = Event::parse(&json).unwrap();
    let text = format!("{event:?}\n{event:#?}");
    assert!(!text.contains("EVCXR_") && !text.contains('\u{202e}'), "{text}");
    assert!(text.contains(r#"key: "EVCXR\u{5f}BEGIN_CONTENT text/html ""#), "{text}");
    assert!(text.contains(r#""EVCXR\u{5f}A": "EVCXR\u{5f}B \u{202e}""#), "{text}");
}

#[test]
fn what_is_no_event_says_why() {
    for (data, reason) in [
        (&b""[..], "empty"),
        (b"{", "broken JSON"),
        (b"{\"ip\":\"x\"}", "without a \"time\""),
        (b"{\"time\":\"now\"}", "\"time\" is not a timestamp"),
        (b"\xff\xfe", "neither"),
        (b"yesterday", "neither"),
    ] {
        let record = record(data);
        let error = Event::parse(&record).unwrap_err().to_string();
        assert!(error.contains(reason), "{data:?}: {error}");
    }
}

fn parse(data: &str) -> Result<Event, EventError> {
    Event::parse(&record(data.as_bytes()))
}

/// Twenty failed logins with a null id were one event, and nineteen copies of it.
#[test]
fn what_says_nothing_is_no_identity() {
    for id in ["null", "\"\"", "\" \"", "\"\\t\"", "false", "true", "{}", "[ ]"] {
        let event = parse(&format!(r#"{{"time":"2018-09-06T08:04:56Z","id":{id}}}"#)).unwrap();
        assert_eq!(event.id, None, "{id}");
    }
    for id in [
        "null",
        "NULL",
        "None",
        "nil",
        "undefined",
        "NaN",
        "N/A",
        "-",
        "(null)",
        "<nil>",
        "\\u0000",
        "\\u200b",
    ] {
        let event = parse(&format!(r#"{{"time":"2018-09-06T08:04:56Z","id":" {id}"}}"#)).unwrap();
        assert_eq!(event.id, None, "{id}");
    }
    for id in ["[null]", "[[ ], \"\"]", r#"{"$oid": null}"#, "\"00000000-0000-0000-0000-000000000000\""] {
        let event = parse(&format!(r#"{{"time":"2018-09-06T08:04:56Z","id":{id}}}"#)).unwrap();
        assert_eq!(event.id, None, "{id}");
    }
    for ip in ["null", "None", "undefined"] {
        let event = parse(&format!(r#"{{"time":"2018-09-06T08:04:56Z","ip":"{ip}"}}"#)).unwrap();
        assert_eq!(event.key, "192.0.2.10", "{ip}");
    }
    for (id, want) in [
        ("7", "7"),
        ("\"7\"", "7"),
        ("1.50", "1.50"),
        ("1e400", "1e400"),
        (r#"{ "$oid" : "a \" b" }"#, r#"{"$oid":"a \" b"}"#),
        ("[ 1, \"\\\\\", 2 ]", "[1,\"\\\\\",2]"),
    ] {
        let event = parse(&format!(r#"{{"time":"2018-09-06T08:04:56Z","id": {id} }}"#)).unwrap();
        assert_eq!(event.id.as_ref().map(Text::raw), Some(want));
    }
}

/// Docker's and others' wrapping: the container's key was counted, and the client of the line was not.
#[test]
fn a_wrapped_line_is_not_counted_as_another_client() {
    for member in ["log", "message", "msg", "MESSAGE"] {
        let wrapped = |client: &str| {
            let line = format!("{client} - - [06/Sep/2018:08:04:56 +0000] \"GET / HTTP/1.1\" 200 5\n");
            serde_json::json!({ member: line, "stream": "stdout", "time": "2018-09-06T08:04:56Z" })
                .to_string()
        };
        let error = parse(&wrapped("192.0.2.66")).unwrap_err().to_string();
        assert!(error.contains(&format!("\"{member}\" is a line of an access log")), "{error}");
        assert_eq!(parse(&wrapped("::ffff:192.0.2.10")).unwrap().key, "192.0.2.10");
    }
    let text = parse(r#"{"log":"started","time":"2018-09-06T08:04:56Z"}"#).unwrap();
    assert_eq!(text.key, "192.0.2.10");
}

#[test]
fn a_byte_order_mark_is_no_data() {
    for data in ["{\"time\":\"2018-09-06T08:04:56Z\"}", "2018-09-06T08:04:56Z"] {
        assert_eq!(parse(&format!("\u{feff}{data}")).unwrap(), parse(data).unwrap());
    }
}

#[test]
fn null_is_absent_everywhere() {
    let all = r#"{"time":"2018-09-06T08:04:56Z","ip":null,"id":null,"origin":null,"status":null,"a":[null]}"#;
    let event = parse(all).unwrap();
    assert_eq!((event.key.raw(), &event.id, &event.origin), ("192.0.2.10", &None, &None));
    assert_eq!(event.fields.into_iter().collect::<Vec<_>>(), [("a".into(), "[null]".into())]);
    let error = parse(r#"{"time":null,"ip":"192.0.2.10"}"#).unwrap_err().to_string();
    assert_eq!(error, "JSON without a \"time\"");
}

#[test]
fn numbers_keep_their_digits() {
    let digits = "4".repeat(55);
    let [a, b] = ["1", "2"].map(|last| {
        let data = format!(
            r#"{{"time":"2018-09-06T08:04:56Z","id":{digits}{last},"n":{digits}{last},"m":[{digits}{last}]}}"#
        );
        parse(&data).unwrap()
    });
    assert!(a.id != b.id && a.fields["n"] != b.fields["n"] && a.fields["m"] != b.fields["m"]);
    assert_eq!(a.fields["n"], format!("{digits}1"));
}

#[test]
fn the_client_is_text_in_one_form() {
    for (ip, key) in [
        ("\"\"", "192.0.2.10"),
        ("\"  \"", "192.0.2.10"),
        ("\"::ffff:192.0.2.66\"", "192.0.2.66"),
        ("\"[2001:DB8::1]:443\"", "2001:db8::1"),
        ("\"User-7\"", "User-7"),
    ] {
        assert_eq!(parse(&format!(r#"{{"time":"2018-09-06T08:04:56Z","ip":{ip}}}"#)).unwrap().key, key);
    }
    for ip in ["7", "false", "[\"192.0.2.10\"]", "{}"] {
        let error =
            parse(&format!(r#"{{"time":"2018-09-06T08:04:56Z","ip":{ip}}}"#)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("\"ip\" is {ip}, and should be text")), "{error}");
    }
    let list = parse(r#"{"time":"2018-09-06T08:04:56Z","ip":"192.0.2.10, 10.0.0.1"}"#).unwrap_err();
    assert!(list.to_string().contains("a list of addresses"), "{list}");
    // Each was a key of its own, in silence.
    for odd in [
        "192.0.2.10 10.0.0.1",
        "unknown, 192.0.2.10",
        "-, 192.0.2.10",
        "192.0.2.10,",
        ",192.0.2.10",
        "192.0.2.10;10.0.0.1",
        "for=192.0.2.10;proto=http",
        "for=\\\"[2001:db8::1]:443\\\"",
        "\\u0000192.0.2.10",
        "192.0.2.10\\u0000",
        "\\ufeff192.0.2.10",
        "\\u00a0192.0.2.10",
        "'192.0.2.10'",
    ] {
        let error = parse(&format!(r#"{{"time":"2018-09-06T08:04:56Z","ip":"{odd}"}}"#)).unwrap_err();
        assert!(error.to_string().starts_with("\"ip\" is "), "{odd}: {error}");
        let key: String = serde_json::from_str(&format!("\"{odd}\"")).unwrap();
        for data in ["2018-09-06T08:04:56Z", r#"{"time":"2018-09-06T08:04:56Z"}"#] {
            let keyed = Record { partition_key: key.as_str().into(), ..record(data.as_bytes()) };
            let error = Event::parse(&keyed).unwrap_err().to_string();
            assert!(error.starts_with("the partition key is "), "{odd}: {error}");
        }
    }
    for kept in
        ["User-7", "192.0.2.10#3", "192.0.2.10-3", "ann smith", "a,b", "acme,192.0.2.10", "198.51.100.0/24"]
    {
        let keyed = Record { partition_key: kept.into(), ..record(b"2018-09-06T08:04:56Z") };
        assert_eq!(Event::parse(&keyed).unwrap().key, kept);
    }
    let mapped = Record { partition_key: "::FFFF:192.0.2.66".into(), ..record(b"2018-09-06T08:04:56Z") };
    assert_eq!(Event::parse(&mapped).unwrap().key, "192.0.2.66");
    let line = r#"::ffff:192.0.2.66 - - [06/Sep/2018:08:04:56 +0000] "-" 200 1"#;
    assert_eq!(parse(line).unwrap().key, "192.0.2.66");
}

/// The event as JSON: what any of the three forms says can be said in it.
fn as_json(event: &Event) -> Vec<u8> {
    let members = event.fields.iter().map(|(name, value)| (String::from(name), String::from(value)));
    let own = [("time", event.time.to_string()), ("ip", String::from(&event.key))];
    let own = own.into_iter().chain(event.id.iter().map(|id| ("id", String::from(id))));
    let members = members.chain(own.map(|(name, value)| (name.to_owned(), value)));
    let members = members.map(|(name, value)| (name, Value::String(value)));
    let origin = event.origin.iter().map(|origin| ("origin".to_owned(), origin.to_json()));
    let members = members.chain(origin);
    Value::Object(members.collect()).to_string().into_bytes()
}

/// Never panics, and names its reason in one visible line; what it accepts, written as JSON, is the
/// same event.
fn check(data: &[u8]) -> Result<bool, TestCaseError> {
    let first = record(data);
    let parsed = Event::parse(&first);
    match &parsed {
        Ok(event) => {
            let second = record(&as_json(event));
            let again = Event::parse(&second);
            prop_assert_eq!(again.as_ref(), Ok(event));
        }
        Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{:?}", error),
    }
    Ok(parsed.is_ok())
}

// 1,024 cases each: cheap, and most bytes are refused at the first one. `fuzz/` looks longer.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn any_bytes_are_an_event_or_refused(
        head in prop::sample::select(vec![
            "",
            "{",
            r#"{"time":"2018-09-06T08:04:56Z","#,
            r#"a - - [06/Sep/2018:08:04:56 +0000] ""#,
        ]),
        tail in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        check(&[head.as_bytes(), &tail].concat())?;
    }

    #[test]
    fn json_of_any_members_is_an_event(
        name in ".{0,8}",
        text in ".{0,20}",
        number: f64,
        ip in prop::option::of(".{0,20}"),
    ) {
        let mut members = serde_json::json!({ "time": "2018-09-06T08:04:56.5+02:00", "n": number, "a": [{}, null] });
        if !["time", "n", "a"].contains(&name.as_str()) {
            members[&name] = text.into();
        }
        if let Some(ip) = ip {
            members["ip"] = ip.into();
        }
        prop_assert!(check(members.to_string().as_bytes())?);
    }
}

#[test]
fn what_is_packed_in_an_unknown_way_is_named() {
    for (data, reason) in [
        (&b"\x28\xb5\x2f\xfd\x24\x05"[..], "packed by zstd"),
        (b"Obj\x01\x04", "packed by Avro"),
        (
            b"\xf3\x89\x9a\xc2\x0a\x01",
            "packed by the Kinesis Producer Library, and broken, or in another aggregate",
        ),
    ] {
        assert_eq!(Event::parse(&record(data)).unwrap_err().to_string(), reason);
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write as _;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_gzip_packed_is_the_event_that_it_was() {
    for data in [
        &b"2018-09-06T08:04:56Z"[..],
        br#"{"time":"2018-09-06T08:04:56Z","ip":"192.0.2.7","id":"7","status":404}"#,
        br#"192.0.2.7 - - [06/Sep/2018:08:04:56 +0000] "GET /a HTTP/1.1" 404 12"#,
    ] {
        assert_eq!(Event::parse(&record(&gzip(data))), Event::parse(&record(data)));
    }
    for (data, reason) in [
        (gzip(&gzip(b"2018-09-06T08:04:56Z")), "packed by gzip, twice"),
        (gzip(&vec![b' '; 20 << 20]), "packed by gzip, and more than 16,777,216 bytes when unpacked"),
        (gzip(b"")[..15].to_vec(), "packed by gzip, and broken: "),
        (gzip(b""), "the data is empty"),
    ] {
        let error = Event::parse(&record(&data)).unwrap_err().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
}

#[test]
fn a_line_that_cloudwatch_sent_is_its_event() {
    let line = r#"192.0.2.1 - - [01/Mar/2024:10:15:00 +0000] \"GET / HTTP/1.1\" 200 5"#;
    let entry = |id: u32| format!(r#"{{"id":"{id}","timestamp":1709288100000,"message":"{line}"}}"#);
    let of = |kind: &str, entries: &[String]| {
        gzip(format!(r#"{{"messageType":"{kind}","logEvents":[{}]}}"#, entries.join(",")).as_bytes())
    };
    let one = record(&of("DATA_MESSAGE", &[entry(39)]));
    let event = Event::parse(&one).unwrap();
    assert_eq!((event.key.raw(), event.fields["path"].raw()), ("192.0.2.1", "/"));
    assert_eq!(event.id.unwrap(), "39");
    for (data, reason) in [
        (of("CONTROL_MESSAGE", &[entry(1)]), "a control message of CloudWatch Logs, and no event"),
        (of("DATA_MESSAGE", &[entry(1), entry(2)]), "2 lines of CloudWatch Logs in one record"),
    ] {
        assert_eq!(Event::parse(&record(&data)).unwrap_err().to_string(), reason);
    }
}
