//! Databases that another program has locked, for longer than SQLite waits: every part waits, and goes on where
//! it was.

#![cfg(feature = "full")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;
use kinesis_lab::{Alerts, Part, Pipeline, PipelineStatus, Playbook, Playbooks};

/// A part that failed was said to have failed after the 5 s of a busy timeout.
const LOCKED: Duration = Duration::from_secs(7);

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("locked").join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// 50 requests of each of ten addresses, within a minute that begins so many minutes after eight.
fn put(events: &Stream, minute: i64) {
    let entry = |n: i64| {
        let (ip, second) = (format!("192.0.2.{}", n % 10), minute * 60 + n / 10);
        let time = Timestamp::from_secs(1_536_220_800 + second);
        Entry::new(ip.clone(), format!(r#"{{"ip":"{ip}","time":"{time}","path":"/"}}"#))
    };
    events.put_many((0..500).map(entry).collect()).send().unwrap();
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < secs(60), "waited in vain: {what}");
        std::thread::sleep(millis(20));
    }
}

#[test]
fn every_part_of_a_pipeline_waits_for_its_database() {
    let folder = scratch("pipeline");
    let events = Kinesis::local().unwrap().create_stream("shop", 1).unwrap();
    // At the last of the 50 requests.
    let playbooks = Playbooks::new(vec![Playbook::new("many", 50)]).unwrap();
    let pipeline = || {
        Pipeline::over(&events).folder(&folder).playbooks(&playbooks).poll_every(millis(200)).max_restarts(0)
    };
    let mut running = pipeline().start().unwrap();
    put(&events, 0);
    let records = |status: &PipelineStatus| status.parts.iter().map(|part| part.records).collect::<Vec<_>>();
    until("the first minute", || records(&running.status()) == [500, 500, 500]);

    let locks = ["filter.db", "counts.db", "alerts.db"].map(|name| {
        let other = rusqlite::Connection::open(folder.join(name)).unwrap();
        other.busy_timeout(secs(10)).unwrap(); // a part is writing just now
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    });
    let began = Instant::now();
    put(&events, 5);
    let shown = |running: &mut kinesis_lab::RunningPipeline| {
        let status = running.status();
        let waits = |part: Part| status.parts.iter().any(|of| of.part == part && of.waiting.is_some());
        (waits(Part::Filter), waits(Part::Counter), waits(Part::Detection), status)
    };
    // Detection has nothing to write before the filter has sent a batch on, which it does before it saves its place.
    until("all three wait", || matches!(shown(&mut running), (true, true, true, _)));
    let status = running.status().to_string();
    assert!(status.contains("waiting") && status.contains("another program holds a lock on"), "{status}");
    std::thread::sleep(LOCKED.saturating_sub(began.elapsed()));
    let (.., status) = shown(&mut running);
    assert!(status.parts.iter().all(|part| part.running && part.error.is_none()), "{status}");
    for lock in &locks {
        lock.execute_batch("ROLLBACK").unwrap();
    }
    until("the second batch", || records(&running.status()) == [1_000, 1_000, 1_000]);
    until("its alerts", || running.status().alerts == 20);
    // A part has counted before it has written, and tries that again after a pause of its own.
    until("nobody waits", || running.status().parts.iter().all(|part| part.waiting.is_none()));
    let status = running.status();
    assert!(status.parts.iter().all(|part| part.waits > 0), "{status}");
    assert!(status.parts.iter().all(|part| part.restarts == 0), "{status}");
    running.stop();
    check(&events, &folder);
}

/// Once each, also in the log stream, where a batch that came twice would be told by nobody.
fn check(events: &Stream, folder: &Path) {
    Counter::per_minute().lateness(secs(30)).stored_in(folder.join("counts.db")).unwrap().flush().unwrap();
    let windows = Counts::open(folder.join("counts.db")).unwrap().windows().unwrap();
    let counted: Vec<u64> = windows.iter().flat_map(|window| &window.counts).map(|count| count.1).collect();
    assert_eq!(counted, [50; 20]);
    let alerts = Alerts::open(folder.join("alerts.db")).unwrap().all().unwrap();
    assert_eq!((alerts.len(), alerts.iter().filter(|alert| alert.count == 50).count()), (20, 20));
    let mut sent = Counter::per_minute();
    let log = events.kinesis().stream("shop-log").unwrap();
    let report = log.consumer().trim_horizon().run_until_caught_up(&mut sent).unwrap();
    assert_eq!((report.records, sent.total(), sent.duplicates()), (1_000, 1_000, 0));
}

/// A stop does not wait for whoever holds the lock; the next run reads what was not written.
#[test]
fn a_stop_waits_for_no_lock() {
    let folder = scratch("stop");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("counts.db");
    let events = Kinesis::local().unwrap().create_stream("shop", 1).unwrap();
    let counter = || Counter::per_minute().lateness(secs(30)).stored_in(&file).unwrap();
    let consumer = events.consumer().trim_horizon();
    let running = consumer.start(counter()).unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.busy_timeout(secs(10)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    put(&events, 0);
    until("it waits", || running.report().waiting.is_some());
    let began = Instant::now();
    let (held, outcome) = running.stop();
    assert!(began.elapsed() < secs(4), "{:?}", began.elapsed());
    let report = outcome.unwrap();
    assert!(report.unfinished.unwrap().contains("the next run reads it again"));
    assert_eq!(report.ended, Some(Ended::Stopped));
    other.execute_batch("ROLLBACK").unwrap();
    drop(held);
    let mut counter = counter();
    assert_eq!(consumer.run_until_caught_up(&mut counter).unwrap().records, 500);
    counter.flush().unwrap();
    let windows = Counts::open(&file).unwrap().windows().unwrap();
    assert_eq!(windows.iter().map(Window::total).sum::<u64>(), 500);
}
