//! Parts of a pipeline that fail: they are started again where they were, and a pipeline that can't go on says so.

#![cfg(feature = "full")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::{Faults, faulty};
use kinesis_lab::prelude::*;
use kinesis_lab::{
    Alerts, Detection, Filter, Part, PartStatus, Pipeline, Playbook, Playbooks, RunningPipeline,
};

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("restarts").join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn events(n: i64) -> Stream {
    let events = Kinesis::local().unwrap().create_stream("shop", 1).unwrap();
    put(&events, n);
    events
}

fn put(events: &Stream, n: i64) {
    let entry = |n: i64| {
        let time = Timestamp::from_secs(1_536_220_800 + n);
        Entry::new("192.0.2.66", format!(r#"{{"ip":"192.0.2.66","time":"{time}","path":"/"}}"#))
    };
    events.put_many((0..n).map(entry).collect()).send().unwrap();
}

fn pipeline(events: &Stream, name: &str) -> Pipeline {
    let playbooks = Playbooks::new(vec![Playbook::new("many", 50)]).unwrap();
    Pipeline::over(events).folder(scratch(name)).playbooks(&playbooks).poll_every(millis(200))
}

fn of(running: &mut RunningPipeline, part: Part) -> PartStatus {
    running.status().parts.into_iter().find(|status| status.part == part).unwrap()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < secs(60), "waited in vain: {what}");
        std::thread::sleep(millis(10));
    }
}

/// The filter panics twice: the others don't notice, and everything is counted once in the end.
#[test]
fn a_part_that_fails_is_started_again_where_it_was() {
    let (events, failures) = (events(100), Arc::new(AtomicU32::new(0)));
    let fails = failures.clone();
    let mut running = pipeline(&events, "again")
        .keep(move |_| {
            assert!(fails.fetch_add(1, Ordering::Relaxed) >= 2, "for a test");
            true
        })
        .start()
        .unwrap();
    until("detection has all", || of(&mut running, Part::Detection).records == 100);
    let filter = of(&mut running, Part::Filter);
    assert!(filter.running);
    assert_eq!((filter.restarts, filter.records), (2, 100));
    assert!(filter.last_error.unwrap().contains("for a test"));
    let shown = running.status().to_string();
    assert!(shown.contains("started again 2 times, the last time because"), "{shown}");
    let status = running.stop();
    assert!(status.parts.iter().all(|part| part.error.is_none() && !part.running), "{status}");
    assert_eq!(status.alerts, 1);
}

/// Its last run was at the tip; but nobody reads meanwhile.
#[test]
fn one_that_waits_to_be_started_again_knows_no_lag() {
    let (events, failures) = (events(10), AtomicU32::new(0));
    let mut running = pipeline(&events, "lag")
        .keep(move |_| {
            assert!(failures.fetch_add(1, Ordering::Relaxed) >= 6, "for a test");
            true
        })
        .start()
        .unwrap();
    // For 3.2 s, the sixth time.
    until("it waits", || of(&mut running, Part::Filter).restarts == 6);
    let status = running.status();
    let filter = status.parts.iter().find(|status| status.part == Part::Filter).unwrap();
    assert_eq!((filter.restarts, filter.running, filter.millis_behind_latest), (6, true, None), "{status}");
    until("it has all", || of(&mut running, Part::Filter).records == 10);
    until("it is at the tip", || of(&mut running, Part::Filter).millis_behind_latest == Some(0));
}

#[test]
fn one_that_fails_too_often_ends_the_pipeline() {
    let events = events(10);
    let mut running =
        pipeline(&events, "too often").keep(|_| panic!("always")).max_restarts(2).start().unwrap();
    until("the end", || running.status().parts.iter().all(|part| !part.running));
    let error = running.error().unwrap().to_string();
    assert!(error.contains("the filter has failed too often (2 times it was started again)"), "{error}");
    assert!(error.contains("always"), "{error}");
    let filter = of(&mut running, Part::Filter);
    assert_eq!((filter.restarts, filter.running), (2, false));
    // Whoever starts it again has done something about it.
    running.start(Part::Filter).unwrap();
    assert!(running.error().is_none() && of(&mut running, Part::Filter).running);
    assert!(running.join().unwrap_err().to_string().contains("too often"));
}

#[test]
fn stopping_waits_for_no_back_off() {
    let events = events(100);
    // Before its parts begin again, they wait for a minute at last.
    let mut running = pipeline(&events, "back-off").keep(|_| panic!("always")).start().unwrap();
    until("some restarts", || of(&mut running, Part::Filter).restarts >= 6);
    let begun = Instant::now();
    let status = running.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(status.parts[0].error.as_deref().unwrap().contains("always"));
    // Its files are free.
    let status = pipeline(&events, "back-off").run_until_caught_up().unwrap();
    assert_eq!((status.parts[2].records, status.alerts), (100, 1));
}

/// What is put into a stream that never answers is not waited for; the next run puts it.
#[test]
fn stopping_waits_for_no_put() {
    let folder = scratch("no put");
    fs::create_dir_all(&folder).unwrap();
    let service = faulty(5, Faults { silent: 100, ..Faults::default() });
    service.direct.create_stream("log", 1).unwrap();
    service.direct.create_stream("alerts", 1).unwrap();
    let (events, filter_file, alerts_file) =
        (events(100), folder.join("filter.db"), folder.join("alerts.db"));
    let stops_soon = |what: &str, end: &mut dyn FnMut()| {
        let begun = Instant::now();
        end();
        assert!(begun.elapsed() < secs(5), "{what} took {:?}", begun.elapsed());
    };
    let silent = |before: u64| service.met().get("silent").copied().unwrap_or(0) > before;

    let filter =
        Filter::new(&service.kinesis.stream("log").unwrap(), |_| true).stored_in(&filter_file).unwrap();
    let mut consumer = Some(events.consumer().trim_horizon().start(filter).unwrap());
    until("a put of the filter", || silent(0));
    stops_soon("a filter", &mut || drop(consumer.take().unwrap().stop()));

    let book = Playbooks::new(vec![Playbook::new("many", 50)]).unwrap();
    let detection =
        |alerts: &Stream| Detection::new(&book).stored_in(&alerts_file).unwrap().alerts_to(alerts);
    let watched = detection(&service.kinesis.stream("alerts").unwrap());
    let before = service.met().get("silent").copied().unwrap_or(0);
    let mut consumer = Some(events.consumer().trim_horizon().start(watched).unwrap());
    until("a put of detection", || silent(before));
    stops_soon("detection", &mut || {
        let (detection, _) = consumer.take().unwrap().stop();
        assert_eq!(detection.undelivered(), 1);
    });

    // Nothing is lost by it.
    let log = service.direct.stream("log").unwrap();
    let mut filter = Filter::new(&log, |_| true).stored_in(&filter_file).unwrap();
    events.consumer().trim_horizon().run_until_caught_up(&mut filter).unwrap();
    let mut counter = Counter::per_minute();
    log.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!((filter.kept(), counter.total()), (100, 100));
    let mut detection = detection(&service.direct.stream("alerts").unwrap());
    events.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
    assert_eq!((detection.undelivered(), Alerts::open(&alerts_file).unwrap().count().unwrap()), (0, 1));
}
