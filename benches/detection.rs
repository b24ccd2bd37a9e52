//! What a client that goes on asking costs detection, and whether it still finds others: memory, database, alerts.
//!
//! `cargo bench --features full --bench detection`. Five minutes of a small shop's requests, each second a batch,
//! handed to a [`Detection`] with the shipped playbooks and a database as fast as it takes them; records arrive when
//! their events happened. Beside them 2,500 requests a second of somebody who means harm. Each scene is a process of
//! its own, so that the peak of its memory says something.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use kinesis_lab::prelude::*;
use kinesis_lab::{Alerts, Detection, Playbooks, ShardProgress, StreamId};

const SCENES: [(&str, &str); 4] = [
    ("nobody", "nobody means harm"),
    ("refused", "one client, refused, asks for different pages"),
    ("answered", "one client, not refused, asks for different pages"),
    ("many", "2,500 new clients each second, a page each"),
];
const SECONDS: u64 = 300;
const A_SECOND: u64 = 2_500;
const SHARD: &str = "shardId-000000000000";
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn main() -> ExitCode {
    let full = std::env::args().any(|a| a == "--bench");
    if let Ok(scene) = std::env::var("DETECTION_SCENE") {
        return measure(&scene, if full { A_SECOND } else { 25 });
    }
    let mut failed = false;
    for (scene, _) in SCENES {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.env("DETECTION_SCENE", scene).args(full.then_some("--bench"));
        failed |= !child.status().unwrap().success();
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn measure(scene: &str, a_second: u64) -> ExitCode {
    let folder = std::env::temp_dir().join(format!("kinesis-lab-bench-detection-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("alerts.db");
    let mut detection = Detection::new(&Playbooks::shipped()).stored_in(&file).unwrap();
    let stream = StreamId::new("log", at(0));
    detection.checkpoints(&stream).unwrap();
    let (mut number, mut found, before, began) = (0, None, memory("VmRSS"), Instant::now());
    for second in 0..SECONDS {
        let mut records = Vec::new();
        let mut add = |ip: &str, path: &str, status: u16, blocked: bool| {
            records.push(record(number, ip, path, status, blocked, second));
            number += 1;
        };
        for n in 0..if scene == "nobody" { 0 } else { a_second } {
            let path = format!("/{second}/{n}");
            match scene {
                "many" => add(&address(second * a_second + n), &path, 200, false),
                _ => {
                    add("203.0.113.66", &path, if scene == "refused" { 403 } else { 200 }, scene == "refused")
                }
            }
        }
        people(second, &mut add);
        let shards = [ShardProgress::reading(SHARD, &[])];
        let mut ctx = Context::at(at(second)).with_shards(&shards);
        detection.process(&Batch::new("log", SHARD, records), &mut ctx).unwrap();
        detection.tick(&mut ctx).unwrap();
        let honest =
            |alert: &&kinesis_lab::Alert| alert.key == "192.0.2.66" && alert.playbook == "password guesser";
        if found.is_none() {
            found = detection.alerts().iter().find(honest).map(|alert| (second, alert.count));
        }
    }
    let (took, after) = (began.elapsed().as_secs_f64(), memory("VmHWM"));
    let open = size(&folder);
    report(scene, number, took, (before, after, open), found, &detection);
    let missed = found.is_none();
    drop(detection);
    let written = Alerts::open(&file).unwrap().count().unwrap();
    println!("    written: {written} alerts; the database closed: {:.1} MB", size(&folder));
    std::fs::remove_dir_all(&folder).unwrap();
    // The point of it all.
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn report(
    scene: &str,
    events: u64,
    took: f64,
    (before, after, open): (f64, f64, f64),
    found: Option<(u64, u64)>,
    detection: &Detection,
) {
    let what = SCENES.iter().find(|known| known.0 == scene).map_or(scene, |known| known.1);
    let found = match found {
        Some((second, count)) => format!("found in second {second} ({count} of 10 tries)"),
        None => "NOT FOUND".to_owned(),
    };
    println!("{what}: {events} events in {took:.1} s, {:.0} a second", events as f64 / took);
    println!(
        "    memory: {before:.0} MB before, {after:.0} MB at its peak; database: {open:.1} MB at the end"
    );
    println!("    who guesses passwords from second 200 on: {found}");
    println!("    alerts: {}", alerts(detection));
    let beyond: Vec<String> =
        detection.beyond_memory().map(|(playbook, events)| format!("{events} of `{playbook}`")).collect();
    println!("    beyond the memory: {}", if beyond.is_empty() { "none".into() } else { beyond.join(", ") });
}

/// How many of each playbook.
fn alerts(detection: &Detection) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for alert in detection.alerts() {
        *counts.entry(alert.playbook.clone()).or_insert(0) += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(playbook, count)| format!("{count} of `{playbook}`")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

/// Fifty visitors, each with a request every five seconds; and one who guesses, every two seconds from 200 on.
fn people(second: u64, add: &mut impl FnMut(&str, &str, u16, bool)) {
    for visitor in (0..50).filter(|visitor| visitor % 5 == second % 5) {
        add(&format!("198.51.100.{visitor}"), &format!("/product/{}", (visitor + second) % 20), 200, false);
    }
    if second >= 200 && second.is_multiple_of(2) {
        add("192.0.2.66", "/login", 401, false);
    }
}

/// As the agent writes it, and a filter sends it on.
fn record(number: u64, ip: &str, path: &str, status: u16, blocked: bool, second: u64) -> Record {
    let (time, blocked) = (at(second), if blocked { r#","blocked":true"# } else { "" });
    let data = format!(
        r#"{{"v":1,"id":"00112233445566778899{number:012x}","ip":"{ip}","time":"{time}","method":"GET","path":"{path}","status":{status},"user_agent":"{USER_AGENT}"{blocked}}}"#
    );
    Record::new(ip, data, format!("{number:020}"), time)
}

fn address(n: u64) -> String {
    format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255)
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(1_536_220_800) + secs(second)
}

/// In megabytes, as the kernel counts it; not a number elsewhere than on Linux.
fn memory(what: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1_000.0)
}

fn size(folder: &Path) -> f64 {
    let files = std::fs::read_dir(folder).unwrap().filter_map(Result::ok);
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum::<u64>() as f64 / 1e6
}
