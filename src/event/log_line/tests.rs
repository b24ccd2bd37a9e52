//! Lines as servers write them, and as clients would like them to be read.

use super::*;
use proptest::prelude::*;

fn parse(line: &str) -> Result<LogParts<'_>, LogLineError> {
    LogParts::parse(line.as_bytes())
}

#[test]
fn every_field_of_the_combined_format() {
    let line = parse(
        "host.example.com - ann smith [29/Feb/2016:23:59:60 -0930] \"GET /a?b=\\\"c\\\" HTTP/2.0\" 404 1024 \
         \"https://example.com/ \\\"x\\\"\" \"Mozilla/5.0 (\\\\)\" \"203.0.113.9\" rt=0.004\r\n",
    )
    .unwrap();
    assert_eq!(line.client, "host.example.com");
    assert_eq!((line.ident, line.user.as_deref()), (None, Some("ann smith")));
    assert_eq!(line.time.to_string(), "2016-03-01T09:29:59.999999Z");
    assert_eq!((line.method, line.protocol), (Some("GET"), Some("HTTP/2.0")));
    assert_eq!(line.path.as_deref(), Some(r#"/a?b=\"c\""#));
    assert_eq!((line.status, line.bytes), (404, Some(1024)));
    assert_eq!(line.referer.as_deref(), Some(r#"https://example.com/ \"x\""#));
    assert_eq!(line.user_agent.as_deref(), Some(r"Mozilla/5.0 (\\)"));
}

#[test]
fn the_common_format_and_dashes() {
    let line = parse("2001:db8::1 - - [17/May/2015:10:05:03 +0000] \"-\" 408 -").unwrap();
    assert_eq!(line.client, "2001:db8::1");
    assert_eq!((line.ident, line.user, line.bytes), (None, None, None));
    assert_eq!((line.method, line.path, line.protocol), (None, None, None));
    assert_eq!((line.referer, line.user_agent), (None, None));
}

#[test]
fn a_request_that_is_none_is_still_a_line() {
    for (request, method, path) in [
        ("", None, None),
        ("GET", None, None),
        ("GET  HTTP/1.1", None, None),
        (r"\x16\x03\x01\x02 \xfc", None, None),
        ("GET /", Some("GET"), Some("/")),
        ("GET /a b HTTP/1.1", Some("GET"), Some("/a b")),
        (r#"GET /a"b HTTP/1.1"#, Some("GET"), Some(r#"/a"b"#)),
        ("M-SEARCH * HTTP/1.1", Some("M-SEARCH"), Some("*")),
    ] {
        let line = format!("a - - [17/May/2015:10:05:03 +0000] \"{request}\" 400 0");
        let line = parse(&line).unwrap();
        assert_eq!((line.method, line.path.as_deref()), (method, path), "{request}");
    }
    let binary = b"a - - [17/May/2015:10:05:03 +0000] \"GET /\xff HTTP/1.1\" 400 0 \"\xfe\" \"\"";
    let line = LogParts::parse(binary).unwrap();
    assert_eq!((line.path.as_deref(), line.referer.as_deref()), (Some("/\u{fffd}"), Some("\u{fffd}")));
    assert_eq!(line.user_agent.as_deref(), Some(""));
    let binary = b"a - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1\xff\" 400 0";
    let line = LogParts::parse(binary).unwrap();
    assert_eq!((line.path.as_deref(), line.protocol), (Some("/ HTTP/1\u{fffd}"), None));
}

#[test]
fn an_error_names_the_first_part_that_is_wrong() {
    use LogLineError::*;
    for (line, part) in [
        ("", Client),
        (" - - [17/May/2015:10:05:03 +0000] \"-\" 200 1", Client),
        ("192.0.2.10", User),
        ("192.0.2.10 - -", Time),
        ("192.0.2.10 - - 17/May/2015:10:05:03 +0000 \"-\" 200 1", Time),
        ("192.0.2.10 - ann[17/May/2015:10:05:03 +0000] \"-\" 200 1", Time),
        ("shop.example 192.0.2.10 - [17/May/2015:10:05:03 +0000] \"-\" 200 1", Shifted),
        ("shop.example 2001:db8::1 ann [17/May/2015:10:05:03 +0000] \"-\" 200 1", Shifted),
        ("192.0.2.10 - - [17/Mai/2015:10:05:03 +0000] \"-\" 200 1", Time),
        ("192.0.2.10 - - [29/Feb/2015:10:05:03 +0000] \"-\" 200 1", Time),
        ("192.0.2.10 - - [17/May/2015:10:05:03 00000] \"-\" 200 1", Time),
        ("192.0.2.10 - - [17/May/2015:10:05:03 +0000]", Request),
        ("192.0.2.10 - - [17/May/2015:10:05:03 +0000] GET / 200 1", Request),
        ("192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1", Request),
        ("192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\\\" 200 1", Request),
        ("192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"-\"", Status),
        ("192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"-\" ok 1", Status),
        ("192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"-\" 1000 1", Status),
        ("192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"-\" 200", Bytes),
        ("192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"-\" 200 99999999999999999999", Bytes),
    ] {
        assert_eq!(parse(line).map(|_| ()), Err(part), "{line}");
    }
}

/// A user chooses his name: no name is one by which a line is not read, or read as another's.
#[test]
fn a_user_may_be_called_anything() {
    for user in [
        "a [0",
        "[",
        "a [17/May/2015:10:05:03 +0000]",
        "a [17/May/2015:10:05:03 +0000] x",
        "a [17/May/2015:10:05:03 +0000] [",
        r#"a [17/May/2014:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1"#,
        "192.0.2.99 - -",
        "- 192.0.2.99 - -",
        "ann smith",
    ] {
        let line = format!("192.0.2.10 - {user} [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 401 1");
        let line = parse(&line).unwrap_or_else(|error| panic!("{user}: {error}"));
        assert_eq!((line.client, line.user.as_deref(), line.status), ("192.0.2.10", Some(user), 401));
        assert_eq!(line.time.to_string(), "2015-05-17T10:05:03.000000Z");
    }
}

/// Each counted a word of its beginning as the client.
#[test]
fn words_before_the_client_are_no_client() {
    use LogLineError::*;
    for (before, error) in [
        ("shop.example ", Shifted),
        ("shop.example:443 ", Client),
        ("10.0.0.5 ", Shifted),
        ("Sep 15 16:13:40 web1 nginx[2869]: ", Shifted),
        ("Sep  5 16:13:40 web1 nginx[2869]: ", Shifted),
        ("2021-09-15T16:13:40+00:00 web1 nginx[2869]: ", Client),
        ("<190>Sep 15 16:13:40 web1 nginx: ", Client),
        ("<190>1 2021-09-15T16:13:40Z web1 nginx 7 - - ", Client),
        ("nginx ", Shifted),
        ("web1 nginx ", Shifted),
        ("web-1 | ", Shifted),
        ("web-1  | ", Shifted),
        ("nginx-1             | ", Shifted),
        ("shop.example - ", Shifted),
        ("- - ", Shifted),
        ("web1 nginx - ", Shifted),
        ("[pod/web/nginx] ", Client),
        ("2016-10-06T00:17:09.669794202Z stdout F ", Client),
        ("192.0.2.99, ", Client),
        ("192.0.2.99,", Client),
        ("192.0.2.99, 10.0.0.1, ", Client),
        ("\x00\x00\x00", Client),
        ("\u{feff}", Client),
        ("\"", Client),
    ] {
        for client in ["192.0.2.10", "2001:db8::1"] {
            let line = format!("{before}{client} - - [17/May/2015:10:05:03 +0000] \"-\" 200 1");
            assert_eq!(parse(&line).map(|line| line.client.to_owned()), Err(error), "{line:?}");
        }
    }
    let by_name =
        "Sep 15 16:13:40 web1 nginx[7]: host.example - ann [17/May/2015:10:05:03 +0000] \"-\" 200 1";
    assert_eq!(parse(by_name).map(drop), Err(Shifted));
}

/// The second was lost in silence: a file with the line endings of an old Mac, a line feed that two writers
/// at once or a full disk swallowed.
#[test]
fn two_lines_in_one_are_not_read_as_one() {
    let line = |client: &str| {
        format!("{client} - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"curl/8\"")
    };
    for between in ["\r", "", " ", "\0\0", "\x0b", "\u{85}", "\u{2028}", "\\n", "\t"] {
        let both = [line("192.0.2.10"), line("192.0.2.20")].join(between);
        assert_eq!(parse(&both).map(|line| line.client.to_owned()), Err(LogLineError::Joined), "{both:?}");
    }
    let torn = format!("{}{}", &line("192.0.2.10")[..66], line("192.0.2.20"));
    assert!(parse(&torn).is_err(), "{torn}");
    // What a client can write, or a server of its own adds, is no second line.
    for rest in [
        r#""-" "x [17/May/2015:10:05:03 +0000] ""#,
        r#""-" "x [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5""#,
        r#""y [17/May/2015:10:05:03 +0000] " "x" 200 5"#,
        r#""-" "x" [17/May/2015:10:05:03 +0000] "192.0.2.20" rt=0.1"#,
    ] {
        let line = format!("192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5 {rest}");
        assert_eq!(parse(&line).map(|line| line.client.to_owned()), Ok("192.0.2.10".into()), "{line}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(
        head in prop::sample::select(vec!["", "a - - ", "a - - [17/May/2015:10:05:03 +0000] \""]),
        tail in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let _ = LogParts::parse(&[head.as_bytes(), &tail].concat());
    }

    // What a server writes comes back, whatever the client sent (256 cases: few forms of input).
    #[test]
    fn what_was_written_is_read(
        client in "(([1-9][0-9]?\\.){3}[1-9][0-9]?|[a-z][a-z0-9_-]{0,9}\\.[a-z]{2,5})",
        user in "[ !#-~]{1,20}",
        path in "/[!#-\\[\\]-~]{0,20}",
        agent in "[ -~]{0,30}",
        (status, bytes) in (100u16..600, any::<u64>()),
        micros in 0..Timestamp::MAX.as_micros(),
    ) {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let time = Timestamp::from_micros(micros).truncate(std::time::Duration::from_secs(1));
        let plain = time.plain(0);
        let month = MONTHS[plain[5..7].parse::<usize>().unwrap() - 1];
        let (year, day, clock) = (&plain[..4], &plain[8..10], &plain[11..]);
        let agent = agent.replace('\\', "\\\\").replace('"', "\\\"");
        let line = format!(
            "{client} - {user} [{day}/{month}/{year}:{clock} +0000] \"PUT {path} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\""
        );
        let read = parse(&line).unwrap();
        prop_assert_eq!((read.client, read.time), (client.as_str(), time));
        prop_assert_eq!(read.user.as_deref().unwrap_or("-"), user.as_str());
        prop_assert_eq!((read.status, read.bytes), (status, Some(bytes)));
        prop_assert_eq!(read.path.as_deref(), Some(path.as_str()));
        prop_assert_eq!(read.user_agent.as_deref().unwrap_or("-"), agent.as_str());
    }
}
