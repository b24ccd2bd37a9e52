//! What ends a program, and with which status.

use std::process::Command;

use kinesis_lab::prelude::*;

use crate::running::{Running, answers, command, endpoint, file, free_port, run, scratch, until};

/// Each program that goes on until it is told to end, ready to be told.
fn everything(kinesis: &Kinesis, folder: &std::path::Path) -> Vec<(&'static str, Command)> {
    let endpoint = endpoint(kinesis);
    let at = ["--endpoint", &endpoint, "--stream", "ended"];
    let (db, state) = (file(folder, "count.db"), file(folder, "state"));
    [
        ("count", [&at[..], &["--db", &db]].concat()),
        ("live", vec!["--counts", &db, "--port"]),
        ("local_kinesis", vec!["--port"]),
        ("pipeline", [&at[..], &["--folder", &state]].concat()),
        ("service", vec!["--local", "--port"]),
        ("website", [&at[..], &["--port"]].concat()),
    ]
    .map(|(name, arguments)| (name, command(name, (None, None), &arguments)))
    .into()
}

/// Started, and ready for signals; `count` and `pipeline` say nothing on stdout, and are ready with their files.
fn started(name: &str, mut command: Command, folder: &std::path::Path) -> Running {
    let port = free_port();
    match name {
        "count" | "pipeline" => {
            let running = Running::start(command);
            let db = if name == "count" { "count.db" } else { "state/counts.db" };
            // A status line a second comes after the handlers were installed.
            until(|| folder.join(db).exists());
            std::thread::sleep(millis(1_500));
            running
        }
        _ => {
            command.arg(port.to_string());
            let mut running = Running::start(command);
            until(|| answers(port));
            assert!(!running.line().is_empty());
            running
        }
    }
}

#[test]
fn a_terminal_that_closes_asks_to_end_as_ctrl_c_does() {
    let kinesis = Kinesis::local().unwrap();
    kinesis.create_stream("ended", 1).unwrap();
    for signal in ["HUP", "INT", "TERM"] {
        let folder = scratch(signal);
        for (name, command) in everything(&kinesis, &folder) {
            let mut running = started(name, command, &folder);
            let ended = running.end(signal);
            assert_eq!(ended.code(), Some(0), "{name} after SIG{signal}: {ended:?}");
        }
    }
}

#[test]
fn nohup_is_obeyed() {
    let kinesis = Kinesis::local().unwrap();
    kinesis.create_stream("ended", 1).unwrap();
    let folder = scratch("nohup");
    for (name, command) in everything(&kinesis, &folder) {
        // As nohup does: ignored by whoever starts it.
        let mut ignoring = Command::new("sh");
        ignoring
            .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
            .arg(command.get_program())
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            ignoring.env(key, value.unwrap_or_default());
        }
        ignoring
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let mut running = started(name, ignoring, &folder);
        running.signal("HUP");
        std::thread::sleep(millis(300));
        assert!(running.is_running(), "{name} ended with its terminal");
        let ended = running.end("TERM");
        assert_eq!(ended.code(), Some(0), "{name}: {ended:?}");
    }
}

/// Of the tables that a part writes, one takes nothing any more.
fn spoil(db: &std::path::Path) {
    let db = rusqlite::Connection::open(db).unwrap();
    let mut tables = db
        .prepare("select name from sqlite_schema where type = 'table' and name not like 'sqlite%'")
        .unwrap();
    let names: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(!names.is_empty());
    for name in names {
        for what in ["insert", "update"] {
            db.execute_batch(&format!(
                "create trigger \"no_{what}_{name}\" before {what} on \"{name}\" begin select raise(abort, 'spoilt'); end"
            ))
            .unwrap();
        }
    }
}

#[test]
fn a_part_that_failed_is_named_and_the_status_is_1() {
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("spoilt", 1).unwrap();
    let endpoint = endpoint(&kinesis);
    for (part, db) in [("counter", "counts.db"), ("detection", "alerts.db"), ("filter", "filter.db")] {
        let folder = scratch(&format!("spoilt-{part}"));
        let state = folder.to_str().unwrap();
        let mut running = Running::start(command(
            "pipeline",
            (None, None),
            &[
                "--endpoint",
                &endpoint,
                "--stream",
                "spoilt",
                "--folder",
                state,
                "--max-restarts",
                "0",
                "--poll",
                "200ms",
            ],
        ));
        until(|| folder.join(db).exists());
        std::thread::sleep(millis(1_500));
        spoil(&folder.join(db));
        stream.put("192.0.2.10", Timestamp::now().to_string()).unwrap();
        let ended = running.ended();
        assert_eq!(ended.code(), Some(1), "{part}: {ended:?}");
        let named = ended
            .stderr
            .lines()
            .any(|line| line.starts_with("error: ") && line.contains(&format!("the {part} failed: ")));
        assert!(named && ended.stderr.contains("spoilt"), "{part}: {ended:?}");
    }
    let folder = scratch("spoilt-count");
    let db = file(&folder, "counts.db");
    let arguments = ["--endpoint", &endpoint, "--stream", "spoilt", "--db", &db];
    let mut running = Running::start(command("count", (None, None), &arguments));
    until(|| folder.join("counts.db").exists());
    std::thread::sleep(millis(1_500));
    spoil(&folder.join("counts.db"));
    stream.put("192.0.2.10", Timestamp::now().to_string()).unwrap();
    let ended = running.ended();
    assert_eq!(ended.code(), Some(1), "{ended:?}");
}

#[test]
fn a_site_that_lost_events_says_so_and_the_status_is_1() {
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("lost", 1).unwrap();
    let mut site = Running::start(command(
        "website",
        (None, None),
        &["--endpoint", &endpoint(&kinesis), "--stream", "lost"],
    ));
    let address = site.line().strip_prefix("listening on http://").unwrap().to_owned();
    stream.delete().unwrap();
    let mut line = std::net::TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(
        &mut line,
        format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes(),
    )
    .unwrap();
    std::io::Read::read_to_string(&mut line, &mut String::new()).unwrap();
    let ended = site.end("TERM");
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("error: the agent has lost events, 1 given up: "), "{ended:?}");
}

#[test]
fn visitors_without_an_answer_are_a_failure() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let few = ["--clients", "1", "--requests", "2", "--seconds", "0.1", "--attackers", "0"];
    let ended = run("visitors", (None, None), &[&[nobody.as_str()], &few[..]].concat());
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("error: nothing answers"), "{ended:?}");

    let kinesis = Kinesis::local().unwrap();
    kinesis.create_stream("left", 1).unwrap();
    let arguments = ["--endpoint", &endpoint(&kinesis), "--stream", "left"];
    let mut site = Running::start(command("website", (None, None), &arguments));
    let url = site.line().strip_prefix("listening on ").unwrap().to_owned();
    let many = [url.as_str(), "--clients", "4", "--requests", "60", "--seconds", "3", "--attackers", "0"];
    let mut visitors = Running::start(command("visitors", (None, None), &many));
    std::thread::sleep(millis(1_500));
    assert_eq!(site.end("TERM").code(), Some(0));
    let ended = visitors.ended();
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("of 60 requests had no answer") && ended.stdout.contains("4 people"),
        "{ended:?}"
    );
}
