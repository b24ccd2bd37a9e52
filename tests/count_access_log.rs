//! The example program on logs, against a count made without this crate's parser and windows.

#![cfg(feature = "full")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn program() -> PathBuf {
    // Beside the test's own folder; cargo builds examples before it runs tests.
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples").join(format!("count_access_log{}", std::env::consts::EXE_SUFFIX))
}

fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// `minute<TAB>client<TAB>count`, by cutting lines at fixed characters; only for logs in UTC.
fn by_hand(log: &Path) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let log = std::fs::read(log).unwrap();
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for line in String::from_utf8_lossy(&log).lines() {
        // 192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET …
        let Some((client, rest)) = line.split_once(" - ") else { continue };
        let Some((_, time)) = rest.split_once('[') else { continue };
        let Some((time, after)) = time.split_once(" +0000] \"") else { continue };
        // The sample has one line with an impossible time, 08:61.
        if !after.contains("\" ") || time.len() != 20 || &time[15..17] > "59" {
            continue;
        }
        let month = MONTHS.iter().position(|name| *name == &time[3..6]).unwrap() + 1;
        let minute = format!("{}-{month:02}-{}T{}", &time[7..11], &time[..2], &time[12..17]);
        *counts.entry((minute, client.to_owned())).or_default() += 1;
    }
    counts.into_iter().map(|((minute, client), n)| format!("{minute}\t{client}\t{n}\n")).collect()
}

fn counts_like_by_hand(log: &Path, stderr: &str) {
    let expected = by_hand(log);
    for shards in ["1", "4"] {
        let output = run(&[log.to_str().unwrap(), "--shards", shards]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains(stderr), "{said}");
        // Compared as lines, so that a failure shows the first one that differs.
        let text = String::from_utf8(output.stdout).unwrap();
        let differs = text.lines().zip(expected.lines()).find(|(ours, theirs)| ours != theirs);
        assert_eq!(differs, None, "with {shards} shards");
        assert!(text == expected, "with {shards} shards, one of the two goes on");
    }
}

#[test]
fn the_sample_log() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/access.log");
    counts_like_by_hand(&log, "3 of 1,500 lines did not parse");
}

#[test]
fn a_real_log() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/apache_access.log");
    if !log.exists() {
        let _ = writeln!(std::io::stderr(), "SKIPPED: {} is not there", log.display());
        return;
    }
    counts_like_by_hand(&log, "10000 records put, 10000 read");
}

/// One line of 2,001 has 300 NULs before its client: no key holds that.
#[test]
fn one_odd_line_does_not_end_the_replay() {
    let output =
        run(&[concat!(env!("CARGO_MANIFEST_DIR"), "/tests/field/one-odd-line-ends-the-replay/nul.log")]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("2000 records put, 2000 read") && said.contains("line 101:"), "{said}");
    let counted: u64 = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(counted, 2_000);
}

#[test]
fn mistakes_on_the_command_line() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("which FILE?"));
    let output = run(&["x", "--shards", "none"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--shards takes a number"));
    let output = run(&["no such file"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot open no such file"));
    assert!(String::from_utf8_lossy(&run(&["--help"]).stdout).contains("Example:"));
}

#[test]
fn a_log_from_standard_input() {
    let mut child =
        Command::new(program()).arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let line = "192.0.2.1 - - [06/Sep/2018:10:04:56 +0200] \"GET / HTTP/1.1\" 200 5\n";
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "2018-09-06T08:04\t192.0.2.1\t1\n");
}
