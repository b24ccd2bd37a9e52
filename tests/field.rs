//! Inputs as they are found in the field, one folder of `tests/field/` a test: the right counts, or a sentence
//! that says why there are none; never other counts in silence.

#![cfg(feature = "full")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kinesis_lab::prelude::*;
use kinesis_lab::{BlockList, Detection, Playbooks};

fn input(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field").join(name)
}

fn program(name: &str) -> Command {
    // Beside the test's own folder; cargo builds examples before it runs tests.
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let mut command =
        Command::new(path.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX)));
    command.stdin(Stdio::null());
    command
}

struct Counted {
    /// `client: count`, over all minutes.
    clients: Vec<String>,
    said: String,
    success: bool,
}

fn count_access_log(file: &Path) -> Counted {
    count_access_log_as(file, &[])
}

fn count_access_log_as(file: &Path, options: &[&str]) -> Counted {
    let Output { status, stdout, stderr } =
        program("count_access_log").arg(file).args(options).output().unwrap();
    let mut clients = std::collections::BTreeMap::<String, u64>::new();
    for line in String::from_utf8(stdout).unwrap().lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        *clients.entry(fields[1].to_owned()).or_default() += fields[2].parse::<u64>().unwrap();
    }
    Counted {
        clients: clients.into_iter().map(|(client, count)| format!("{client}: {count}")).collect(),
        said: String::from_utf8(stderr).unwrap(),
        success: status.success(),
    }
}

/// Nothing is counted, that is an error, and this is said.
fn is_refused(name: &str, sentence: &str) {
    let Counted { clients, said, success } = count_access_log(&input(name));
    assert!(clients.is_empty() && !success, "{name}: {clients:?}");
    assert!(said.contains(sentence), "{name}: {said}");
}

/// The alerts that the shipped playbooks give, as `playbook: key`.
fn alerts(stream: &Stream) -> Vec<String> {
    let books = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/playbooks.toml");
    let mut detection = Detection::new(&Playbooks::read(books).unwrap());
    stream.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
    detection.alerts().iter().map(|alert| format!("{}: {}", alert.playbook, alert.key)).collect()
}

#[test]
fn word_before_the_address() {
    is_refused(
        "word-before-the-address/syslog.log",
        "3 of 3 lines did not parse; the first: line 1: other words",
    );
    is_refused("word-before-the-address/syslog.log", "--log-format combined --behind syslog");
    is_refused("word-before-the-address/vhost_port.log", "3 of 3 lines did not parse");
    is_refused("word-before-the-address/vhost_port.log", "--log-format vhost_combined");
    for (name, options) in [
        ("syslog.log", &["--log-format", "combined", "--behind", "syslog"][..]),
        ("vhost_port.log", &["--log-format", "vhost_combined"]),
        (
            "vhost_port.log",
            &["--log-format", r#"%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i""#],
        ),
    ] {
        let counted = count_access_log_as(&input("word-before-the-address").join(name), options);
        assert_eq!(counted.clients, ["192.0.2.10: 2", "192.0.2.20: 1"], "{name}: {}", counted.said);
    }
}

#[test]
fn xff_list_as_first_field() {
    let counted = count_access_log(&input("xff-list-as-first-field/list.log"));
    assert_eq!(counted.clients, ["192.0.2.10: 1"], "the line that has one address");
    let sentence =
        "2 of 3 lines did not parse; the first: line 2: it does not begin with one client's address";
    assert!(counted.success && counted.said.contains(sentence), "{}", counted.said);
    let pattern = "$http_x_forwarded_for - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                   \"$http_referer\" \"$http_user_agent\"";
    let told = ["--log-format", pattern, "--trusted-proxy", "10.0.0.0/8"];
    let counted = count_access_log_as(&input("xff-list-as-first-field/list.log"), &told);
    assert_eq!(counted.clients, ["192.0.2.10: 3"], "{}", counted.said);
    let counted = count_access_log_as(&input("xff-list-as-first-field/list.log"), &told[..2]);
    assert!(!counted.success && counted.said.contains("say which proxies are trusted"), "{}", counted.said);
}

#[test]
fn bracket_in_user_hides_attacker() {
    for name in ["bracket.log", "plain.log"] {
        let stream = Kinesis::local().unwrap().create_stream("log", 2).unwrap();
        let log = AccessLog::open(input("bracket-in-user-hides-attacker").join(name)).unwrap();
        assert_eq!(stream.replay(log).start().join().sent, 40);
        assert_eq!(alerts(&stream), ["password guesser: 198.51.100.66"], "{name}");
    }
}

#[test]
fn one_odd_line_does_not_end_the_replay() {
    let line = |n: u32| {
        format!(
            "192.0.2.{} - - [17/May/2015:10:{:02}:{:02} +0000] \"GET /{n} HTTP/1.1\" 200 5\n",
            n % 5,
            n / 60,
            n % 60
        )
    };
    let mut log: String = (0..2_000).map(line).collect();
    let at = log.find("GET /1000 ").unwrap();
    let begin = log[..at].rfind('\n').unwrap() + 1;
    log.insert_str(begin, &"\0".repeat(300));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("one-odd-line.log");
    std::fs::write(&file, log).unwrap();
    let counted = count_access_log(&file);
    let sentence = "1 of 2,000 lines did not parse; the first: line 1001: it does not begin with";
    assert!(counted.success && counted.said.contains(sentence), "{}", counted.said);
    assert_eq!(
        counted.clients,
        ["192.0.2.0: 399", "192.0.2.1: 400", "192.0.2.2: 400", "192.0.2.3: 400", "192.0.2.4: 400"]
    );
}

#[test]
fn nul_bytes_in_the_key() {
    let counted = count_access_log(&input("nul-bytes-in-the-key/nul_100.log"));
    assert_eq!(counted.clients, ["192.0.2.10: 2"]);
    let sentence =
        "1 of 3 lines did not parse; the first: line 1: it does not begin with one client's address";
    assert!(counted.success && counted.said.contains(sentence), "{}", counted.said);
}

#[test]
fn null_id_counts_once() {
    let lines = std::fs::read_to_string(input("null-id-counts-once/null.jsonl")).unwrap();
    let stream = Kinesis::local().unwrap().create_stream("log", 2).unwrap();
    let entries: Vec<Entry> = lines.lines().map(|line| Entry::new("any", line)).collect();
    assert_eq!(entries.len(), 20);
    stream.put_many(entries).send().unwrap();
    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!((counter.total(), counter.duplicates()), (20, 0));
    assert_eq!(alerts(&stream), ["password guesser: 192.0.2.66"]);
}

#[test]
fn one_client_many_spellings() {
    let counted = count_access_log(&input("one-client-many-spellings/mapped.log"));
    assert_eq!((counted.clients, counted.success), (vec!["192.0.2.10: 4".to_owned()], true));
}

#[test]
fn other_log_formats() {
    is_refused("other-log-formats/alb.log", "1 of 1 line did not parse");
    is_refused("other-log-formats/alb.log", "LogFormat::alb(), --log-format alb");
    is_refused("other-log-formats/caddy.json", "it does not begin with one client's address or host name");
    is_refused("other-log-formats/caddy.json", "LogFormat::caddy(), --log-format caddy");
    is_refused("other-log-formats/utf16.log", "UTF-16");
    for (file, name) in [("alb.log", "alb"), ("caddy.json", "caddy")] {
        let counted = count_access_log_as(&input("other-log-formats").join(file), &["--log-format", name]);
        assert_eq!(counted.clients, ["192.0.2.10: 1"], "{file}: {}", counted.said);
    }
}

/// What the program says of records that it can't count, and that it fails when there are no others.
#[test]
fn count_names_the_first_record_that_is_no_event() {
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("odd", 1).unwrap();
    let receipt = stream.put("192.0.2.10", "tomorrow").unwrap();
    stream.put("192.0.2.10", "the day after").unwrap();
    let database = Path::new(env!("CARGO_TARGET_TMPDIR")).join("field-odd.db");
    let _ = std::fs::remove_file(&database);
    let count = || {
        let mut command = program("count");
        command.args([
            "--endpoint",
            kinesis.endpoint_url().unwrap(),
            "--stream",
            "odd",
            "--until-caught-up",
            "--db",
        ]);
        let output = command.arg(&database).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = count();
    assert_eq!(code, Some(1), "{said}");
    let place =
        format!("the first record that did not parse: {} at {}: ", receipt.shard_id, receipt.sequence_number);
    assert!(said.contains(&place) && said.contains("nothing was counted"), "{said}");
    assert_eq!(count().0, Some(0), "there was nothing to read");
    stream.put("192.0.2.10", "2018-09-06T08:04:56Z").unwrap();
    stream.put("192.0.2.10", "tomorrow").unwrap();
    let (code, said) = count();
    assert!(code == Some(0) && said.contains("3 unparsed"), "{said}");
}

#[test]
fn times_that_real_producers_write() {
    let times = std::fs::read_to_string(input("times-that-real-producers-write/times.txt")).unwrap();
    let stream = Kinesis::local().unwrap().create_stream("times", 1).unwrap();
    for time in times.lines() {
        stream.put("192.0.2.10", time).unwrap();
        stream.put("192.0.2.10", format!(r#"{{"time":"{time}","ip":"192.0.2.20"}}"#)).unwrap();
    }
    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!(
        counter.to_string(),
        "2024-03-01 09:15:00 : [('192.0.2.10', 2), ('192.0.2.20', 2)]\n\
         2024-03-01 10:15:00 : [('192.0.2.10', 5), ('192.0.2.20', 5)]\n\
         2024-03-02 00:00:00 : [('192.0.2.10', 1), ('192.0.2.20', 1)]\n"
    );
}

/// Siblings of these: epoch numbers as text and number, a server's own time, and a zone that says too little.
#[test]
fn times_of_other_loggers() {
    let stream = Kinesis::local().unwrap().create_stream("times", 1).unwrap();
    for time in [
        "1709288100",
        "1709288100.25",
        "1709288100000",
        "1709288100000000",
        "1709288100000000000",
        r#""1709288100000""#,
        r#""01/Mar/2024:11:15:00 +0100""#,
        r#""Fri, 01 Mar 2024 10:15:00 GMT""#,
    ] {
        stream.put("192.0.2.10", format!(r#"{{"time":{time}}}"#)).unwrap();
    }
    stream.put("192.0.2.10", "2024-03-01T11:15:00[Europe/Berlin]").unwrap();
    stream.put("192.0.2.10", r#"{"time": 2024}"#).unwrap();
    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert!(counter.to_string().starts_with("2024-03-01 10:15:00 : [('192.0.2.10', 8)]\n"), "{counter}");
    let reasons: Vec<&str> = counter.unparsed_samples().iter().map(|sample| sample.reason.as_str()).collect();
    assert!(
        reasons[0].contains("write that too, such as 2018-09-06T10:04:56+02:00[Europe/Berlin]"),
        "{reasons:?}"
    );
    assert!(reasons[1].contains("\"time\" is not a timestamp"), "{reasons:?}");
}

#[test]
fn packed_and_aggregated_records() {
    let data = std::fs::read(input("packed-and-aggregated-records/cwl.gz")).unwrap();
    let stream = Kinesis::local().unwrap().create_stream("packed", 1).unwrap();
    stream.put("any", &data).unwrap();
    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!(counter.windows()[0].to_string(), "2024-03-01 10:15:00 : [('192.0.2.1', 1)]");
}

/// Siblings: other servers, other ways in which a line comes, and the same in gzip.
#[test]
fn logs_of_other_servers() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let combined = r#"192.0.2.10 - - [01/Mar/2024:10:15:00 +0000] "GET /a HTTP/1.1" 200 512 "-" "curl/8""#;
    let iis = "#Software: Microsoft Internet Information Services 10.0\r\n\
               #Fields: date time s-ip cs-method cs-uri-stem c-ip sc-status\r\n\
               2024-03-01 10:15:00 10.0.0.1 GET /a 192.0.2.10 200\r\n";
    let cloudfront = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem\n\
                      2024-03-01\t10:15:00\tFRA2\t512\t192.0.2.10\tGET\td1.cloudfront.net\t/a\n";
    let traefik = r#"{"ClientHost":"192.0.2.10","RequestPath":"/a","time":"2024-03-01T10:15:00Z"}"#;
    let docker = format!(
        r#"{{"log":"{}\n","stream":"stdout","time":"2024-03-01T10:15:00Z"}}"#,
        combined.replace('"', "\\\"")
    );
    for (name, text, options) in [
        ("iis.log", iis.to_owned(), &["--log-format", "w3c"][..]),
        ("cloudfront.log", cloudfront.to_owned(), &["--log-format", "w3c"]),
        ("traefik.log", traefik.to_owned(), &["--log-format", "traefik"]),
        ("docker.log", docker, &["--log-format", "combined", "--behind", "docker"]),
        ("compose.log", format!("web-1  | {combined}"), &["--log-format", "combined", "--behind", "compose"]),
        (
            "cri.log",
            format!("2024-03-01T10:15:00.1Z stdout F {combined}"),
            &["--log-format", "combined", "--behind", "cri"],
        ),
        ("plain.log", combined.to_owned(), &[]),
    ] {
        let plain = folder.join(format!("field-{name}"));
        std::fs::write(&plain, &text).unwrap();
        let packed = folder.join(format!("field-{name}.gz"));
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        std::fs::write(&packed, encoder.finish().unwrap()).unwrap();
        for file in [plain, packed] {
            let counted = count_access_log_as(&file, options);
            assert_eq!(counted.clients, ["192.0.2.10: 1"], "{name}: {}", counted.said);
        }
        if name != "plain.log" {
            let said = count_access_log(&folder.join(format!("field-{name}"))).said;
            assert!(said.contains(&options.join(" ")), "it says which it is: {said}");
        }
    }
}

#[test]
fn ipv6_network_of_one_attacker() {
    let books = "[[playbook]]\nname = \"guesser\"\nwhen = { status = 401 }\nkey = \"ip/64\"\nthreshold = 10\n\
                 window = \"30s\"\nresponse = \"block\"\n";
    let kinesis = Kinesis::local().unwrap();
    let (stream, alerts) =
        (kinesis.create_stream("log", 1).unwrap(), kinesis.create_stream("alerts", 1).unwrap());
    let log = AccessLog::open(input("ipv6-network-of-one-attacker/v6.log")).unwrap();
    assert_eq!(stream.replay(log).start().join().sent, 60);
    let mut detection = Detection::new(&Playbooks::parse("books.toml", books).unwrap()).alerts_to(&alerts);
    stream.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
    let found = detection.alerts();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].key.raw(), found[0].ip.as_ref().unwrap().raw()),
        ("2001:db8:1:2::/64", "2001:db8:1:2::/64")
    );
    // By single addresses nobody was seen twice.
    assert!(self::alerts(&stream).is_empty());
    // The block that follows is the network's.
    let mut blocked = BlockList::new();
    alerts.consumer().trim_horizon().run_until_caught_up(&mut blocked).unwrap();
    let then = found[0].time;
    let is_blocked = |client: &str| blocked.is_blocked(client, then);
    // Alerts of 2015 block nobody today.
    assert!(!is_blocked("2001:db8:1:2::77"));
    let (entry, now) = (found[0].entry(), then);
    let came = Record::new(entry.partition_key, entry.data, "1", now);
    let mut context = Context::at(now);
    blocked.process(&Batch::new("alerts", "s", vec![came]), &mut context).unwrap();
    assert!(
        blocked.is_blocked("2001:db8:1:2::77", then) && blocked.is_blocked("[2001:DB8:1:2:f::]:443", then)
    );
    assert!(!blocked.is_blocked("2001:db8:1:3::77", then));
    // And counted together.
    let mut counter = Counter::per_minute().network(32, 64);
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!(counter.windows()[0].counts.len(), 1);
}

#[test]
fn several_events_of_a_record() {
    let two = std::fs::read(input("packed-and-aggregated-records/two.jsonl")).unwrap();
    let stream = Kinesis::local().unwrap().create_stream("packed", 1).unwrap();
    stream.put("any", two.clone()).unwrap();
    stream.put("any", [b"\xef\xbb\xbf", &two[..]].concat()).unwrap();
    let array = String::from_utf8(two).unwrap().trim().replace('\n', ",");
    stream.put("any", format!("[{array}]")).unwrap();
    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!(counter.to_string(), "2024-03-01 10:15:00 : [('192.0.2.1', 6)]\n");
    // What a subscription of CloudWatch Logs sends, delivered twice.
    let envelope = std::fs::read(input("packed-and-aggregated-records/cwl.gz")).unwrap();
    for _ in 0..2 {
        stream.put("any", envelope.clone()).unwrap();
    }
    // A megabyte of nothing, and a bomb.
    let packed = |bytes: usize| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::copy(&mut std::io::Read::take(std::io::repeat(b' '), bytes as u64), &mut encoder).unwrap();
        encoder.finish().unwrap()
    };
    for bytes in [1 << 20, 100 << 20] {
        stream.put("any", packed(bytes)).unwrap();
    }
    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert!(counter.to_string().starts_with("2024-03-01 10:15:00 : [('192.0.2.1', 7)]\n"), "{counter}");
    assert_eq!(counter.duplicates(), 1);
    let reasons: Vec<&str> = counter.unparsed_samples().iter().map(|sample| sample.reason.as_str()).collect();
    assert!(reasons[0].contains("empty") && reasons[1].contains("more than 16,777,216 bytes"), "{reasons:?}");
}

/// `count` told on its command line, and in a file, what the records of a stream are.
#[test]
fn records_of_others_on_the_command_line() {
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("others", 1).unwrap();
    let event = |n: u32| {
        format!(
            r#"{{"@timestamp":17092881{n:02}000,"client":{{"addr":"2001:db8:1:2::{n}"}},"requestId":{n},"http":{{"path":"/{}"}}}}"#,
            n % 2
        )
    };
    stream.put("any", format!("{}\n{}", event(10), event(11))).unwrap();
    stream.put("any", format!("[{},{}]", event(11), event(12))).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("field-others.toml");
    let toml = "[format]\nkind = \"json\"\nkey = [\"http.path\", \"http.path\"]\ntime = \"@timestamp\"\nepoch = \"ms\"\nid = \"requestId\"\n";
    std::fs::write(&file, toml).unwrap();
    for (n, (options, want)) in [
        (
            &["--key", "client.addr", "--time", "@timestamp", "--id", "requestId"][..],
            &[("2001:db8:1:2::10", 1), ("2001:db8:1:2::11", 1), ("2001:db8:1:2::12", 1)][..],
        ),
        (
            &["--key", "client.addr", "--time", "@timestamp", "--id", "requestId", "--network", "64"],
            &[("2001:db8:1:2::/64", 3)],
        ),
        (&["--key", "http.path", "--time", "@timestamp"], &[("/0", 2), ("/1", 2)]),
        (&["--format", file.to_str().unwrap()], &[("/0 /0", 2), ("/1 /1", 1)]),
    ]
    .into_iter()
    .enumerate()
    {
        let database = folder.join(format!("field-others-{n}.db"));
        let _ = std::fs::remove_file(&database);
        let mut command = program("count");
        command.args([
            "--endpoint",
            kinesis.endpoint_url().unwrap(),
            "--stream",
            "others",
            "--until-caught-up",
        ]);
        let output = command.arg("--flush").arg("--db").arg(&database).args(options).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let counted: Vec<(String, u64)> = Counts::open(&database)
            .unwrap()
            .windows()
            .unwrap()
            .into_iter()
            .flat_map(|window| window.counts.into_iter().map(|(key, count)| (key.into(), count)))
            .collect();
        let want: Vec<(String, u64)> = want.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect();
        assert_eq!(counted, want, "{options:?}");
    }
    // What is wrong is said before anything is opened.
    let mut command = program("count");
    let output = command
        .args([
            "--endpoint",
            "http://127.0.0.1:1",
            "--stream",
            "others",
            "--db",
            "x.db",
            "--log-format",
            "$remote_adr [$time_local]",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("did you mean `$remote_addr`?"), "{said}");
}
