use proptest::prelude::*;

use super::super::layouts;
use super::super::line_prefix::LinePrefix;
use super::*;
use crate::timestamp::Timestamp;

fn read(format: &LogFormat, data: impl Into<Vec<u8>>) -> Vec<Result<Event, EventError>> {
    let mut found = Vec::new();
    format.read(&Record::new("any", data, "1", Timestamp::MIN), &mut |event| found.push(event));
    found
}

fn one(format: &LogFormat, line: &str) -> Event {
    match &read(format, line)[..] {
        [Ok(event)] => event.clone(),
        other => panic!("{format}: {line}: {other:?}"),
    }
}

fn refused(format: &LogFormat, line: &str) -> String {
    match &read(format, line)[..] {
        [Err(error)] => error.to_string(),
        other => panic!("{format}: {line}: {other:?}"),
    }
}

const LINE: &str =
    r#"192.0.2.10 - ann [17/May/2015:10:05:03 +0000] "GET /a?b HTTP/1.1" 200 512 "-" "curl/8""#;
const NGINX: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
const APACHE: &str = r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#;

#[test]
fn the_servers_own_pattern_of_combined_reads_what_the_default_reads() {
    let directive = format!(
        "log_format combined '$remote_addr - $remote_user [$time_local] '\n    '{}';",
        &NGINX["$remote_addr - $remote_user [$time_local] ".len()..]
    );
    let formats = [
        LogFormat::combined(),
        LogFormat::common(),
        LogFormat::nginx(NGINX).unwrap(),
        LogFormat::nginx(&directive).unwrap(),
        LogFormat::apache(APACHE).unwrap(),
        LogFormat::apache(&format!("LogFormat \"{}\" combined", APACHE.replace('"', "\\\""))).unwrap(),
    ];
    let record = Record::new("any", LINE, "1", Timestamp::MIN);
    let want = Event::parse(&record).unwrap();
    for format in &formats {
        assert_eq!(one(format, LINE), want, "{format}");
        // Never another key in silence.
        for line in [
            "shop.example 192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 512 \"-\" \"-\"",
            "Sep 15 16:13:40 web1 nginx[7]: 192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"",
            "web1 nginx[7]: 192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"",
            "192.0.2.10, 10.0.0.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"",
            &format!("{LINE}{LINE}"),
            &format!("{LINE} {LINE}"),
        ] {
            refused(format, line);
        }
    }
}

#[test]
fn unknown_directives_are_named_with_their_place() {
    for (error, sentence) in [
        (
            LogFormat::nginx("$remote_addr $time_lcal"),
            "no variable `$time_lcal` (did you mean `$time_local`?), at character 14",
        ),
        (LogFormat::nginx("$remote_addr ${"), "a `$` without a variable's name at character 14"),
        (LogFormat::nginx("é $ "), "at character 3"),
        (LogFormat::nginx("$remote_addr"), "has no time"),
        (LogFormat::nginx("{\"a\": $time_iso8601"), "begins with { as JSON does"),
        (LogFormat::nginx("{\"a\": \"$time_iso8601 $x_y\"}"), "no variable `$x_y`"),
        (LogFormat::nginx("log_format main '$remote_addr"), "within quotes"),
        (LogFormat::apache("%h %!200,304{Foo}Q"), "no directive `%!200,304{Foo}Q` (character 4"),
        (LogFormat::apache("%h %{Foo"), "no `}` behind the `{` at character 4"),
        (LogFormat::apache("%h %"), "no directive `%` (character 4"),
        (LogFormat::apache("%h %u"), "has no time"),
        (LogFormat::apache("%h %{%H:%M}t"), "not a whole time"),
        (LogFormat::apache("%h %{%Q}t"), "a form that is not known"),
        (LogFormat::apache("LogFormat \"%h"), "within quotes"),
        (LogFormat::apache("CustomLog logs/a.log combined"), "no pattern in quotes"),
        ("combinde".parse(), "no log format `combinde`; it is one of combined, common"),
        (LogFormat::w3c_with("#Fields:"), "there are no fields"),
    ] {
        let error = error.map(|format| format.to_string()).unwrap_err().to_string();
        assert!(error.contains(sentence), "{sentence}: {error}");
    }
}

#[test]
fn directives_of_all_kinds_are_read() {
    let apache = LogFormat::apache(
        r#"%v:%p %{c}a %a [%{%d/%b/%Y:%T}t.%{usec_frac}t %{%z}t] "%m %U%q %H" %>s %O %D %{ms}T "%{X-Id}i" %{SID}C %% %X"#,
    )
    .unwrap();
    let line = r#"shop.example:443 10.0.0.9 192.0.2.10 [01/Mar/2024:11:15:00.250000 +0100] "GET /a b?c HTTP/2.0" 200 512 1500 1 "x y" s1 % +"#;
    let event = one(&apache, line);
    assert_eq!(
        (event.key.raw(), event.time.to_string().as_str()),
        ("192.0.2.10", "2024-03-01T10:15:00.250000Z")
    );
    let field = |name: &str| event.fields.get(name).map(|value| value.raw().to_owned()).unwrap_or_default();
    assert_eq!(
        [
            "host",
            "port",
            "peer",
            "method",
            "path",
            "status",
            "bytes",
            "duration_us",
            "duration_ms",
            "http_x_id",
            "cookie_sid"
        ]
        .map(field),
        ["shop.example", "443", "10.0.0.9", "GET", "/a b?c", "200", "512", "1500", "1", "x y", "s1"]
    );
    let nginx = LogFormat::nginx(
        r#"$remote_addr|$msec|$request_method|$uri|$args|$status|$request_id|$upstream_addr|${http_x}"#,
    )
    .unwrap();
    let event = one(
        &nginx.id("request_id"),
        "::ffff:192.0.2.10|1709288100.250|GET|/a|b=c|404|f00|10.0.0.1:80, 10.0.0.2:80|-",
    );
    assert_eq!((event.key.raw(), event.time.as_micros()), ("192.0.2.10", 1_709_288_100_250_000));
    assert_eq!((event.id.as_ref().map(Text::raw), event.fields["path"].raw()), (Some("f00"), "/a?b=c"));
    assert!(!event.fields.contains_key("http_x"), "nothing is not there");
    for (format, text) in [
        ("%h %{sec}t", "192.0.2.1 1709288100"),
        ("%h %{msec}t", "192.0.2.1 1709288100000"),
        ("%h %{begin:usec}t", "192.0.2.1 1709288100000000"),
        ("%h %{%FT%T%z}t", "192.0.2.1 2024-03-01T11:15:00+0100"),
        ("%h %{%s}t", "192.0.2.1 1709288100"),
        ("%t %h", "[01/Mar/2024:10:15:00 +0000] 192.0.2.1"),
        ("CustomLog logs/access.log \"%h %t\"", "192.0.2.1 [01/Mar/2024:10:15:00 +0000]"),
        (
            "CustomLog \"|rotatelogs log.%Y 86400\" \"%h %t \\\"%r\\\"\"",
            r#"192.0.2.1 [01/Mar/2024:10:15:00 +0000] "-""#,
        ),
        ("LogFormat '%h %t' mine", "192.0.2.1 [01/Mar/2024:10:15:00 +0000]"),
        // What follows the time is no text.
        ("%h %{%FT%T%z}t %U", "192.0.2.1 2024-03-01T11:15:00+0100 /\u{e9}"),
    ] {
        assert_eq!(
            one(&LogFormat::apache(format).unwrap(), text).time,
            Timestamp::from_secs(1_709_288_100),
            "{format}"
        );
    }
}

/// Who asks must not choose the status or the client by a header of its own.
#[test]
fn headers_take_no_name_of_ours() {
    let format = LogFormat::apache(r#"%h %t %>s "%{Status}i" "%{Ip}i""#).unwrap();
    let event = one(&format, r#"192.0.2.10 [01/Mar/2024:10:15:00 +0000] 401 "200" "198.51.100.1""#);
    assert_eq!((event.key.raw(), event.fields["status"].raw()), ("192.0.2.10", "401"));
}

#[test]
fn nginx_json_by_its_own_template() {
    let format = LogFormat::nginx(
        r#"log_format json escape=json '{"t":"$time_local","c":{"ip":"$remote_addr"},"s":$status,"r":"$request",'
           '"u":"$scheme://$host","a b":"$http_user_agent"}';"#,
    )
    .unwrap();
    let line = r#"{"t":"01/Mar/2024:10:15:00 +0000","c":{"ip":"192.0.2.10"},"s":404,"r":"GET /\u0061 HTTP/1.1","u":"https://shop.example","a b":"\"x\""}"#;
    let event = one(&format, line);
    assert_eq!((event.key.raw(), event.time.as_micros()), ("192.0.2.10", 1_709_288_100_000_000));
    let field = |name: &str| event.fields[name].raw();
    assert_eq!(
        [field("status"), field("path"), field("scheme"), field("host"), field("user_agent")],
        ["404", "/a", "https", "shop.example", "\"x\""]
    );
}

#[test]
fn columns_are_what_the_line_of_fields_says() {
    let iis = "#Software: IIS\r\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) sc-status\r\n\
        2024-03-01 10:15:00 10.0.0.1 GET /a - 192.0.2.10 curl/8+(x) 404\r\n\
        2024-03-01 10:15:00 10.0.0.1 GET /a\r\n\
        #Fields: time date c-ip\r\n\
        10:15:01 2024-03-01 192.0.2.20\r\n";
    let found = read(&LogFormat::w3c(), iis);
    let first = found[0].as_ref().unwrap();
    assert_eq!((first.key.raw(), first.fields["user_agent"].raw()), ("192.0.2.10", "curl/8+(x)"));
    assert!(found[1].as_ref().unwrap_err().to_string().contains("5 columns, and #Fields names 9"));
    assert_eq!(found[2].as_ref().unwrap().key, "192.0.2.20");
    let cloudfront = "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status x-forwarded-for\n\
        2024-03-01\t10:15:00\tFRA2\t512\t192.0.2.10\tGET\td1.cloudfront.net\t/a\t200\t198.51.100.7,%20203.0.113.9\n";
    assert_eq!(read(&LogFormat::w3c(), cloudfront)[0].as_ref().unwrap().key, "192.0.2.10");
    let sentence =
        read(&LogFormat::w3c(), "2024-03-01 10:15:00 192.0.2.10")[0].clone().unwrap_err().to_string();
    assert!(sentence.contains("#Fields"), "{sentence}");
}

/// nginx' `escape=json` leaves other bytes as they came, and without it a quote is `\x22`: no client must be able to
/// make his line unreadable.
#[test]
fn what_a_client_sends_does_not_break_a_line_of_json() {
    let template = r#"{"t":"$time_iso8601","c":"$remote_addr","s":$status,"a":"$http_user_agent"}"#;
    let format = LogFormat::nginx(template).unwrap();
    for (agent, text) in [
        (&b"curl"[..], "curl"),
        (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        (br"\x22 \x5C\x22 \xD0\xBA", r"\x22 \x5C\x22 \xD0\xBA"),
        (br"\\x22", r"\x22"),
        (br"\ud83d \u00e9", "\u{fffd} \u{e9}"),
    ] {
        let start = br#"{"t":"2024-03-01T10:15:00+00:00","c":"192.0.2.10","s":401,"a":""#;
        let line = [&start[..], agent, br#""}"#].concat();
        let docker = serde_json::to_string(&String::from_utf8_lossy(&line)).unwrap();
        let found = [
            read(&format, line),
            read(&format.clone().behind(LinePrefix::Docker), format!(r#"{{"log":{docker}}}"#)),
        ];
        for found in found.concat() {
            let event = found.unwrap();
            assert_eq!((event.key.raw(), event.fields["user_agent"].raw()), ("192.0.2.10", text));
        }
    }
    assert!(refused(&format, r#"{"t":"\y"}"#).starts_with("broken JSON"));
}

/// A list of a header's lines is one list of addresses: the first line is the client's own.
#[test]
fn a_header_of_several_lines_is_one() {
    let line = |header: &str| {
        format!(
            r#"{{"ts":1710256948.5,"request":{{"remote_ip":"10.0.0.1","headers":{{"X-Forwarded-For":{header}}}}}}}"#
        )
    };
    let caddy = LogFormat::caddy().trusted_proxies(&["10.0.0.0/8"]).unwrap();
    for header in [
        r#"["192.0.2.10"]"#,
        r#"["198.51.100.1","192.0.2.10"]"#,
        r#"["198.51.100.1, 198.51.100.2","192.0.2.10, 10.0.0.2"]"#,
        r#""198.51.100.1, 192.0.2.10""#,
    ] {
        assert_eq!(one(&caddy, &line(header)).key, "192.0.2.10", "{header}");
    }
}

/// Who asks can write the header that the proxy does not.
#[test]
fn of_two_headers_one_is_believed() {
    let pattern = r#"$remote_addr [$time_iso8601] "$http_x_forwarded_for" "$http_forwarded""#;
    let both = LogFormat::nginx(pattern).unwrap().trusted_proxies(&["10.0.0.0/8"]).unwrap();
    let line =
        |header: &str| format!(r#"10.0.0.1 [2024-03-01T10:15:00+00:00] "{header}" "for=198.51.100.1""#);
    assert_eq!(one(&both, &line("192.0.2.10")).key, "192.0.2.10");
    assert_eq!(one(&both, &line("-")).key, "10.0.0.1", "nobody that the proxy names");
    let template =
        r#"{"t":"$time_iso8601","c":"$remote_addr","x":"$http_x_forwarded_for","f":"$http_forwarded"}"#;
    let json = LogFormat::nginx(template).unwrap().trusted_proxies(&["10.0.0.0/8"]).unwrap();
    let line = r#"{"t":"2024-03-01T10:15:00+00:00","c":"10.0.0.1","x":"","f":"for=198.51.100.1"}"#;
    assert_eq!(one(&json, line).key, "10.0.0.1");
    let alone = r#"$remote_addr [$time_iso8601] "$http_forwarded""#;
    let alone = LogFormat::nginx(alone).unwrap().trusted_proxies(&["10.0.0.0/8"]).unwrap();
    let line = r#"10.0.0.1 [2024-03-01T10:15:00+00:00] "for=192.0.2.10;proto=https""#;
    assert_eq!(one(&alone, line).key, "192.0.2.10");
}

/// CloudFront writes a list's spaces as `%20`, IIS as `+`.
#[test]
fn lists_in_columns_are_read_with_their_escapes() {
    let format = LogFormat::w3c().trusted_proxies(&["10.0.0.0/8"]).unwrap();
    for (name, list) in [
        ("x-forwarded-for", "198.51.100.7,%20192.0.2.10"),
        ("cs(X-Forwarded-For)", "198.51.100.7,+192.0.2.10,+10.0.0.2"),
        ("X-Forwarded-For", "192.0.2.10%2C+10.0.0.2"),
        ("cs(Forwarded)", "for=198.51.100.7,+for=192.0.2.10"),
    ] {
        let data = format!("#Fields: date time c-ip {name}\n2024-03-01 10:15:00 10.0.0.1 {list}\n");
        assert_eq!(read(&format, data)[0].as_ref().unwrap().key, "192.0.2.10", "{name} {list}");
    }
}

/// The rule of the agent, told or not.
#[test]
fn forwarded_clients_only_by_a_rule() {
    let pattern = r#"$http_x_forwarded_for - $remote_user [$time_local] "$request" $status"#;
    let line = |list: &str| format!(r#"{list} - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200"#);
    let untold = LogFormat::nginx(pattern).unwrap();
    assert!(refused(&untold, &line("192.0.2.10")).contains("say which proxies are trusted"));
    let mapped = untold.clone().trusted_proxies(&["::ffff:10.0.0.0/104"]).unwrap();
    assert_eq!(one(&mapped, &line("192.0.2.10, 10.0.0.1, ::ffff:10.0.0.2")).key, "192.0.2.10");
    let told = untold.trusted_proxies(&["10.0.0.0/8"]).unwrap();
    for list in ["192.0.2.10", "192.0.2.10, 10.0.0.1", "198.51.100.1, 192.0.2.10, 10.0.0.1, 10.0.0.2"] {
        assert_eq!(one(&told, &line(list)).key, "192.0.2.10", "{list}");
    }
    for list in ["-", "unknown", "192.0.2.10, unknown"] {
        assert!(read(&told, line(list))[0].is_err(), "{list}");
    }
}

#[test]
fn any_field_is_a_key() {
    let format = LogFormat::combined().key(&["path", "status"]);
    assert_eq!(one(&format, LINE).key, "/a?b 200");
    assert_eq!(one(&format.key(&["ip", "user"]), LINE).key, "192.0.2.10 ann");
    assert!(refused(&LogFormat::combined().key(&["referer"]), LINE).contains("it has no `referer`"));
    let no_client = LogFormat::nginx("$host [$time_local]").unwrap();
    assert_eq!(
        one(&no_client.clone().key(&["host"]), "shop.example [17/May/2015:10:05:03 +0000]").key,
        "shop.example"
    );
    refused(&no_client, "shop.example [17/May/2015:10:05:03 +0000]");
}

#[test]
fn known_layouts_are_told() {
    let fits = |lines: &[&str]| {
        layouts::fitting(&lines.iter().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>())
    };
    for (line, sentence) in [
        (format!("shop.example:80 {LINE}"), "--log-format vhost_combined"),
        (format!("Sep 15 16:13:40 web1 nginx[7]: {LINE}"), "--log-format combined --behind syslog"),
        (format!("web-1  | {LINE}"), "--behind compose"),
        (format!("2024-03-01T10:15:00.1Z stdout F {LINE}"), "--behind cri"),
        (serde_json::json!({ "log": format!("{LINE}\n") }).to_string(), "--behind docker"),
        (r#"{"ts":1710256948.5,"request":{"remote_ip":"192.0.2.10"}}"#.to_owned(), "LogFormat::caddy()"),
        (r#"{"ClientHost":"192.0.2.10","time":"2024-03-01T10:15:00Z"}"#.to_owned(), "LogFormat::traefik()"),
        (
            r#"{"remote_addr":"192.0.2.10","time_local":"17/May/2015:10:05:03 +0000"}"#.to_owned(),
            "LogFormat::nginx_json()",
        ),
        (format!("192.0.2.10, 10.0.0.1{}", &LINE["192.0.2.10".len()..]), "trusted_proxies"),
    ] {
        let said = fits(&[&line]).unwrap_or_default();
        assert!(said.contains(sentence), "{line}: {said}");
    }
    assert_eq!(fits(&["nothing of the kind"]), None);
    assert_eq!(fits(&[]), None);
}

/// A line of the combined format, of anything that a server would write.
fn combined() -> impl Strategy<Value = String> {
    let user = prop_oneof![Just("-".to_owned()), "[a-z]{1,5}", "[a-z \\[\\]]{1,9}[a-z]"];
    let path = prop_oneof!["/[a-z%?=&]{0,12}", "[a-z/ ]{1,12}", Just("\\x16\\x03".to_owned())];
    let quoted = prop_oneof![
        Just("-".to_owned()),
        "[a-zA-Z0-9/.()]{1,12}( [a-z\\[\\]:]{0,6})?",
        Just("\\\"x\\\" y".to_owned())
    ];
    (
        any::<std::net::IpAddr>(),
        user,
        0i64..4_000_000_000,
        path,
        100u16..600,
        prop::option::of(0u64..1 << 40),
        quoted.clone(),
        quoted,
    )
        .prop_map(|(ip, user, secs, path, status, bytes, referer, agent)| {
            let time = chrono::DateTime::from_timestamp_secs(secs).unwrap().format("%d/%b/%Y:%H:%M:%S +0000");
            let bytes = bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
            format!(
                "{ip} - {user} [{time}] \"GET {path} HTTP/1.1\" {status} {bytes} \"{referer}\" \"{agent}\""
            )
        })
}

proptest! {
    // 1,000 cases: users with brackets and paths that are none are each met a hundred times.
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Three ways of saying the same read the same.
    #[test]
    fn a_line_of_combined_is_one_event_by_each_pattern(line in combined()) {
        let record = Record::new("any", line.as_str(), "1", Timestamp::MIN);
        let want = Event::parse(&record).unwrap();
        for format in [LogFormat::combined(), LogFormat::nginx(NGINX).unwrap(), LogFormat::apache(APACHE).unwrap()] {
            prop_assert_eq!(&one(&format, &line), &want, "{}", format);
        }
    }

    /// A record of any bytes gives events, or reasons, by each layout and prefix.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120), start in prop::sample::select(vec![
        "", "192.0.2.1 - - [", "{\"ts\":1,", "{\"log\":\"", "#Fields: date time c-ip\n", "Sep 15 16:13:40 a b: ", LINE,
    ])) {
        let data = [start.as_bytes(), &bytes].concat();
        for name in layouts::NAMES {
            for prefix in [None, Some(LinePrefix::Syslog), Some(LinePrefix::Docker), Some(LinePrefix::Compose), Some(LinePrefix::Cri)] {
                let mut format = layouts::named(name).unwrap();
                format.prefix = prefix;
                for error in read(&format, data.clone()).into_iter().filter_map(Result::err) {
                    prop_assert!(!error.to_string().contains(char::is_control));
                }
            }
        }
        let _ = layouts::fitting(&[data]);
    }

    #[test]
    fn any_pattern_is_taken_or_refused(text in prop::collection::vec(prop::sample::select(vec![
        "$", "{", "}", "%", "h", "t", "\"", "\\", "remote_addr", "$time_local", "%t", "log_format ", "LogFormat ", "'", ";", " ", "é", "%{%F %T}t", "(", ">s",
    ]), 0..10)) {
        let _ = text.concat().parse::<LogFormat>();
        let _ = LogFormat::nginx(&text.concat());
        let _ = LogFormat::apache(&text.concat());
    }
}
