//! No message is worth the work: odd streams end no part, and a product that can't be written is an error.

use kinesis_lab::Alerts;
use kinesis_lab::prelude::*;

use crate::running::{
    Odd, Running, answers, attack, command, endpoint, file, free_port, run, scratch, until, ways,
};

const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/access.log");

/// What a program whose product is its stdout ends with: a reader who has left has seen enough, as with `cat`;
/// what is full is an error, with a sentence where one can be read. (Where stdout is closed, Rust opens
/// /dev/null in its place.)
fn product(name: &str, arguments: &[&str]) {
    for way in ways() {
        let ended = run(name, way, arguments);
        let full = way.0 == Some(Odd::Full);
        assert_eq!(ended.code(), Some(i32::from(full)), "{name} with {way:?}: {ended:?}");
        if full && way.1.is_none() {
            assert!(ended.stderr.contains("can't be written to standard output"), "{name}: {ended:?}");
        }
        if way.0.is_none() {
            assert!(!ended.stdout.is_empty(), "{name} with {way:?} has written nothing");
        }
    }
}

#[test]
fn make_access_log() {
    // More than any buffer holds.
    product("make_access_log", &["--lines", "20000"]);
    product("make_access_log", &["--help"]);
}

#[test]
fn count_access_log() {
    product("count_access_log", &[LOG]);
    product("count_access_log", &["--help"]);
}

#[test]
fn visitors() {
    let kinesis = Kinesis::local().unwrap();
    kinesis.create_stream("shop", 1).unwrap();
    let mut site = Running::start(command(
        "website",
        (None, None),
        &["--endpoint", &endpoint(&kinesis), "--stream", "shop", "--trust-proxy", "127.0.0.1"],
    ));
    let url = site.line().strip_prefix("listening on ").unwrap().to_owned();
    product("visitors", &[&url, "--clients", "5", "--requests", "20", "--seconds", "1.2"]);
    assert_eq!(site.end("TERM").code(), Some(0));
}

/// A mistake on the command line stays one.
#[test]
fn mistakes() {
    for name in [
        "count_access_log",
        "local_kinesis",
        "make_access_log",
        "count",
        "live",
        "pipeline",
        "service",
        "worker",
    ] {
        for way in ways() {
            let ended = run(name, way, &["--no-such-option"]);
            assert_eq!(ended.code(), Some(2), "{name} with {way:?}: {ended:?}");
        }
    }
    product("local_kinesis", &["--help"]);
}

#[test]
fn count() {
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("counted", 1).unwrap();
    for second in 10..40 {
        stream.put("192.0.2.10", format!("2018-09-06T08:04:{second}Z")).unwrap();
    }
    for (n, way) in ways().into_iter().enumerate() {
        let db = file(&scratch(&format!("count-{n}")), "counts.db");
        let ended = run(
            "count",
            way,
            &[
                "--endpoint",
                &endpoint(&kinesis),
                "--stream",
                "counted",
                "--db",
                &db,
                "--until-caught-up",
                "--flush",
            ],
        );
        assert_eq!(ended.code(), Some(0), "with {way:?}: {ended:?}");
        let windows = Counts::open(&db).unwrap().windows().unwrap();
        assert_eq!(windows[0].counts[0].1, 30, "with {way:?}");
    }
}

/// Alerts go to stdout, the state to stderr, and neither matters: they are in the database and in the stream.
#[test]
fn pipeline() {
    let kinesis = Kinesis::local().unwrap();
    for (n, way) in ways().into_iter().enumerate() {
        let stream = kinesis.create_stream(&format!("piped-{n}"), 1).unwrap();
        let folder = scratch(&format!("pipeline-{n}"));
        let mut running = Running::start(command(
            "pipeline",
            way,
            &[
                "--endpoint",
                &endpoint(&kinesis),
                "--stream",
                stream.name(),
                "--folder",
                folder.to_str().unwrap(),
                "--poll",
                "200ms",
            ],
        ));
        // One alert meets the odd stream, and what comes after it is seen too.
        for (client, alerts) in [("192.0.2.66", 1), ("192.0.2.77", 2)] {
            attack(&stream, client, 20);
            until(|| {
                assert!(running.is_running(), "with {way:?}");
                Alerts::open(folder.join("alerts.db"))
                    .and_then(|found| found.all())
                    .is_ok_and(|all| all.len() == alerts)
            });
        }
        let totals = || Counts::open(folder.join("counts.db")).and_then(|counts| counts.early());
        until(|| {
            totals().is_ok_and(|windows| {
                windows.iter().flat_map(|w| w.counts.iter().map(|(_, n)| n)).sum::<u64>() == 40
            })
        });
        let ended = running.end("TERM");
        assert_eq!(ended.code(), Some(0), "with {way:?}: {ended:?}");
        let delivered = kinesis.stream(&format!("{}-alerts", stream.name())).unwrap();
        let mut records = Collected::default();
        delivered.consumer().trim_horizon().run_until_caught_up(&mut records).unwrap();
        assert_eq!(records.0, 2, "with {way:?}");
    }
}

#[derive(Default)]
struct Collected(usize);

impl RecordProcessor for Collected {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.0 += batch.records.len();
        Ok(())
    }
}

#[test]
fn website() {
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("visited", 1).unwrap();
    for (n, way) in ways().into_iter().enumerate() {
        let port = free_port();
        let arguments =
            ["--endpoint", &endpoint(&kinesis), "--stream", "visited", "--port", &port.to_string()];
        let mut site = Running::start(command("website", way, &arguments));
        until(|| answers(port));
        get(port, "/");
        let mut events = Collected::default();
        until(|| {
            events = Collected::default();
            stream.consumer().trim_horizon().run_until_caught_up(&mut events).unwrap();
            events.0 == n + 1
        });
        let ended = site.end("TERM");
        assert_eq!(ended.code(), Some(0), "with {way:?}: {ended:?}");
    }
}

fn get(port: u16, path: &str) -> String {
    use std::io::{Read, Write};
    let mut line = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(line, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    answer
}

/// They serve, whoever reads their address.
#[test]
fn live_and_local_kinesis_and_service() {
    let db = file(&scratch("served"), "counts.db");
    for way in ways() {
        for (name, more) in
            [("live", vec!["--counts", &db]), ("local_kinesis", vec![]), ("service", vec!["--local"])]
        {
            let port = free_port();
            let number = port.to_string();
            let mut serving = Running::start(command(name, way, &[&more[..], &["--port", &number]].concat()));
            until(|| answers(port));
            if name == "service" {
                assert!(get(port, "/counts").starts_with("HTTP/1.1 200"), "with {way:?}");
            }
            let ended = serving.end("TERM");
            assert_eq!(ended.code(), Some(0), "{name} with {way:?}: {ended:?}");
        }
    }
}
