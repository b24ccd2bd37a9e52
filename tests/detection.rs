//! Filter and detection: nothing is counted twice or lost, whatever crashes between two streams; and what is
//! found in a real log is what an independent count finds.

#![cfg(feature = "full")]

mod common;
#[cfg(unix)]
#[path = "common/postgres.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod server;
mod service;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::{Faults, faulty};
use kinesis_lab::prelude::*;
use kinesis_lab::{
    AccessLog, Alert, Alerts, Checkpoint, Detection, ErrorKind, Filter, Pipeline, Playbook, Playbooks,
    StreamId,
};

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("detection").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// An empty place for alerts in a file, and one in PostgreSQL where there is one.
fn alert_places(name: &str) -> Vec<PathBuf> {
    let mut places = vec![scratch(name).join("alerts.db")];
    #[cfg(unix)]
    places.extend(server::postgres().map(|server| PathBuf::from(server.database(name))));
    places
}

fn playbooks(playbook: Playbook) -> Playbooks {
    Playbooks::new(vec![playbook]).unwrap()
}

fn request(ip: &str, second: i64, path: &str, status: u16) -> Entry {
    let time = Timestamp::from_secs(1_536_220_800 + second);
    Entry::new(ip, format!(r#"{{"v":1,"ip":"{ip}","time":"{time}","path":"{path}","status":{status}}}"#))
}

/// Drives a processor, and has it crash after so many batches: before or after it has done its work.
struct Crashing<'a, P> {
    inner: &'a mut P,
    batches: u32,
    after_its_work: bool,
}

impl<P: RecordProcessor> RecordProcessor for Crashing<'_, P> {
    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.inner.checkpoints(stream)
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        if self.batches == 0 {
            if self.after_its_work {
                self.inner.process(batch, ctx)?;
            }
            return Err(ProcessError::stop("power cut"));
        }
        self.batches -= 1;
        self.inner.process(batch, ctx)
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.inner.tick(ctx)
    }
}

/// A filter that loses what it saved last is a filter that crashed between sending and saving.
#[test]
fn a_filter_that_sends_a_batch_twice_changes_no_count() {
    let folder = scratch("twice");
    let kinesis = Kinesis::local().unwrap();
    let (events, log) =
        (kinesis.create_stream("events", 2).unwrap(), kinesis.create_stream("log", 2).unwrap());
    let entries = (0..400).map(|n| request(&format!("192.0.2.{}", n % 7), n, "/", 200)).collect();
    events.put_many(entries).send().unwrap();
    let saved = folder.join("saved.db");
    let file = folder.join("filter.db");
    for round in 0..4 {
        let mut filter = Filter::new(&log, |_| true).stored_in(&file).unwrap();
        let mut crashing = Crashing { inner: &mut filter, batches: 1 + round, after_its_work: true };
        let error =
            events.consumer().trim_horizon().limit(30).run_until_caught_up(&mut crashing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Processor);
        drop(filter);
        // Back to where it was a batch ago: as if it had died before it saved the last one.
        if round > 0 {
            fs::copy(&saved, &file).unwrap();
            for more in ["-wal", "-shm"] {
                let _ = fs::remove_file(folder.join(format!("filter.db{more}")));
            }
        }
        let mut filter = Filter::new(&log, |_| true).stored_in(&file).unwrap();
        let mut crashing = Crashing { inner: &mut filter, batches: 1, after_its_work: false };
        let _ = events.consumer().trim_horizon().limit(30).run_until_caught_up(&mut crashing);
        drop(filter);
        fs::copy(&file, &saved).unwrap();
    }
    let mut filter = Filter::new(&log, |_| true).stored_in(&file).unwrap();
    events.consumer().trim_horizon().run_until_caught_up(&mut filter).unwrap();

    struct Records(u64);
    impl RecordProcessor for Records {
        fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
            self.0 += batch.records.len() as u64;
            Ok(())
        }
    }
    let mut records = Records(0);
    log.consumer().trim_horizon().run_until_caught_up(&mut records).unwrap();
    assert!(records.0 > 400, "nothing was sent twice: this proves nothing");

    let mut counter = Counter::per_minute();
    log.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!((counter.total(), counter.duplicates()), (400, records.0 - 400));
    // The same with a database, which is closed and opened after crashes.
    let counts = folder.join("counts.db");
    for batches in 1.. {
        let mut counter = Counter::per_minute().lateness(secs(3_600)).stored_in(&counts).unwrap();
        // What it did since its last commit, at the end of a poll, is lost with each crash.
        let mut crashing = Crashing { inner: &mut counter, batches: batches * 5, after_its_work: true };
        if log.consumer().trim_horizon().limit(50).run_until_caught_up(&mut crashing).is_ok() {
            counter.flush().unwrap();
            break;
        }
    }
    let windows = Counts::open(&counts).unwrap().windows().unwrap();
    assert_eq!(windows.iter().map(Window::total).sum::<u64>(), 400);
}

/// Two shards that are read one after the other: without the filter's watermark, the second one's events
/// would all be late in the second stream.
#[test]
fn event_time_passes_through_a_filter() {
    let kinesis = Kinesis::local().unwrap();
    let (events, log) =
        (kinesis.create_stream("events", 4).unwrap(), kinesis.create_stream("log", 1).unwrap());
    // An hour each, by which the shards are read apart: batches of one shard are far ahead of the others.
    let entries = (0..3_600).flat_map(|n| (0..8).map(move |k| request(&format!("192.0.2.{k}"), n, "/", 200)));
    events.put_many(entries.collect()).send().unwrap();
    let mut filter = Filter::new(&log, |_| true);
    events.consumer().trim_horizon().limit(5_000).run_until_caught_up(&mut filter).unwrap();
    assert_eq!(filter.kept(), 8 * 3_600);
    let mut counter = Counter::per_minute().lateness(secs(60));
    log.consumer().trim_horizon().limit(2_000).run_until_caught_up(&mut counter).unwrap();
    assert_eq!(counter.late().count(), 0);
    let completed = counter.take_completed();
    let counted: u64 = completed.iter().map(Window::total).sum::<u64>() + counter.total();
    assert_eq!(counted, 8 * 3_600);
    assert!(completed.len() > 50, "and time goes on: {} windows are complete", completed.len());
}

/// The last record of a batch says how far event time is behind it: in a quiet stream, nobody waits for the next.
#[test]
fn event_time_stands_still_no_longer_than_in_the_first_stream() {
    let kinesis = Kinesis::local().unwrap();
    let (events, log) =
        (kinesis.create_stream("events", 1).unwrap(), kinesis.create_stream("log", 1).unwrap());
    events
        .put_many((0..3).map(|n| request("192.0.2.10", n * 60, "/", 200)).collect())
        .ordered()
        .send()
        .unwrap();
    let mut filter = Filter::new(&log, |_| true);
    events.consumer().trim_horizon().run_until_caught_up(&mut filter).unwrap();
    for stream in [&events, &log] {
        let mut counter = Counter::per_minute().lateness(secs(0));
        stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
        assert_eq!((counter.take_completed().len(), counter.late().count()), (2, 0), "{}", stream.name());
    }
}

/// A second stream that throttles gets the records of a backlog in any order, hours apart: none of them is late
/// there.
#[test]
fn a_filter_that_is_throttled_makes_nobody_late() {
    let events = Kinesis::local().unwrap().create_stream("events", 1).unwrap();
    // Of most calls, some records are refused, and put again later.
    let service = faulty(3, Faults { partial: 60, ..Faults::default() });
    service.direct.create_stream("log", 1).unwrap();
    let log = service.direct.stream("log").unwrap();
    // Four hours, with an attack in each.
    let quiet = (0..2_400).map(|n| request(&format!("192.0.2.{}", n % 7), n * 6, "/", 200));
    let attacks = (0..4).flat_map(|n| (0..20).map(move |k| request("192.0.2.66", n * 3_600 + k, "/", 401)));
    let mut entries: Vec<(i64, Entry)> = quiet.chain(attacks).map(|entry| (time_of(&entry), entry)).collect();
    entries.sort_by_key(|(time, _)| *time);
    // In this order: nothing is retried. (`ordered()` keeps the order of each key alone.)
    events.put_many(entries.into_iter().map(|(_, entry)| entry).collect()).send().unwrap();

    let mut filter = Filter::new(&service.kinesis.stream("log").unwrap(), |_| true);
    events.consumer().trim_horizon().run_until_caught_up(&mut filter).unwrap();
    assert_eq!(filter.kept(), 2_480);
    assert!(service.met()["partial"] > 0);
    let (late, alerts) = alerts_by_hour(&log);
    assert_eq!((late, alerts.len()), (0, 4));
    assert_eq!((late, alerts), alerts_by_hour(&events));
}

/// With 30 s of lateness: how many were late, and who was found in which hour. Which of an attack's requests is the
/// one too many depends on their order.
fn alerts_by_hour(stream: &Stream) -> (u64, Vec<(Text, String)>) {
    // The second one sees to it that each event counts somewhere, and is late somewhere.
    let guesser = Playbook::new("guesser", 10).when("status", &["401"]);
    let book = Playbooks::new(vec![guesser, Playbook::new("all", 1_000_000)]).unwrap();
    let mut detection = Detection::new(&book).lateness(secs(30));
    let mut all = All::default();
    stream.consumer().trim_horizon().run_until_caught_up(&mut all).unwrap();
    // With a poll after each record: event time goes on as fast as it can.
    for record in all.0 {
        let batch = Batch::new(stream.name(), "shardId-000000000000", vec![record]);
        detection.process(&batch, &mut Context::at(Timestamp::now())).unwrap();
        detection.tick(&mut Context::at(Timestamp::now())).unwrap();
    }
    let hour = |alert: &Alert| (alert.key.clone(), alert.time.plain(0)[..13].to_owned());
    let mut found: Vec<_> = detection.alerts().iter().map(hour).collect();
    found.sort();
    (detection.totals().late, found)
}

/// The same where the service itself throttles: a shard takes 1 MB a second, so that of a call large records are
/// refused and small ones behind them are not.
#[test]
fn a_backlog_of_a_day_into_a_full_shard_makes_nobody_late() {
    let events = Kinesis::local().unwrap().create_stream("events", 1).unwrap();
    let log = Local::new().enforce_limits(true).open().unwrap().create_stream("log", 1).unwrap();
    let large = "x".repeat(12_000);
    // One a minute of a day, every fourth of them large, with an attack in every sixth hour.
    let quiet = (0..1_440).map(|n| {
        let agent = if n % 4 == 0 { large.as_str() } else { "" };
        let entry = request(&format!("192.0.2.{}", n % 7), n * 60, "/", 200);
        let data = String::from_utf8(entry.data)
            .unwrap()
            .replace("{\"v\":1,", &format!("{{\"v\":1,\"agent\":\"{agent}\","));
        Entry::new(entry.partition_key, data)
    });
    let attacks = (0..4).flat_map(|n| (0..20).map(move |k| request("192.0.2.66", n * 21_600 + k, "/", 401)));
    let mut entries: Vec<(i64, Entry)> = quiet.chain(attacks).map(|entry| (time_of(&entry), entry)).collect();
    entries.sort_by_key(|(time, _)| *time);
    // In this order: nothing is retried. (`ordered()` keeps the order of each key alone.)
    events.put_many(entries.into_iter().map(|(_, entry)| entry).collect()).send().unwrap();

    let mut filter = Filter::new(&log, |_| true);
    events.consumer().trim_horizon().run_until_caught_up(&mut filter).unwrap();
    assert_eq!(filter.kept(), 1_520);
    let (late, alerts) = alerts_by_hour(&log);
    assert_eq!((late, alerts.len()), (0, 4), "{alerts:?}");
    assert_eq!((late, alerts), alerts_by_hour(&events));
    // What makes this a proof: some came long behind others, of which 30 s are the lateness.
    let mut furthest = Furthest::default();
    log.consumer().trim_horizon().run_until_caught_up(&mut furthest).unwrap();
    assert!(furthest.behind > 600_000_000, "{furthest:?}");
}

/// All records of a stream.
#[derive(Default)]
struct All(Vec<Record>);

impl RecordProcessor for All {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.0.extend(batch.records.iter().cloned());
        Ok(())
    }
}

/// How far behind the newest event before it an event was, at most, in microseconds.
#[derive(Debug, Default)]
struct Furthest {
    newest: i64,
    behind: i64,
}

impl RecordProcessor for Furthest {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            let time = kinesis_lab::Event::parse(record)?.time.as_micros();
            self.newest = self.newest.max(time);
            self.behind = self.behind.max(self.newest - time);
        }
        Ok(())
    }
}

fn time_of(entry: &Entry) -> i64 {
    let record = Record::new("k", entry.data.clone(), "1", Timestamp::MIN);
    kinesis_lab::Event::parse(&record).unwrap().time.as_micros()
}

/// However a page is asked for, it is that page: `tests/field/README.md`'s row of it.
#[test]
fn one_page_has_many_spellings() {
    let books = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/one-page-many-spellings/books.toml");
    let books = Playbooks::read(books).unwrap();
    let spellings = [
        "/wp-login.php",
        "http://shop.example/wp-login.php",
        "//wp-login.php",
        "/./wp-login.php",
        "/a/../wp-login.php",
        "/%77p-login.php",
        "/static/../wp-login.php",
    ];
    let log = Kinesis::local().unwrap().create_stream("log", 1).unwrap();
    let requests = spellings.iter().enumerate();
    let requests =
        requests.flat_map(|(n, path)| (0..5).map(move |second| request(&ip(n), second, path, 404)));
    log.put_many(requests.collect()).send().unwrap();
    let mut detection = Detection::new(&books);
    log.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
    for (n, path) in spellings.iter().enumerate() {
        let of: Vec<Alert> = detection.alerts().into_iter().filter(|alert| alert.key == ip(n)).collect();
        let names: HashSet<&str> = of.iter().map(|alert| alert.playbook.raw()).collect();
        assert_eq!(names, HashSet::from(["wp", "flood"]), "{path}");
        assert!(of[0].evidence.starts_with(path), "shown as it was written: {}", of[0]);
    }
}

fn ip(n: usize) -> String {
    format!("192.0.2.{n}")
}

/// A key of half a megabyte is one alert, like any other; and what can't be put stops nobody.
#[test]
fn a_key_of_half_a_megabyte_is_an_alert_like_any_other() {
    alert_places("large").iter().for_each(|file| keys_are_bounded(file));
}

fn keys_are_bounded(file: &Path) {
    let kinesis = Kinesis::local().unwrap();
    let (log, alerts) =
        (kinesis.create_stream("log", 1).unwrap(), kinesis.create_stream("alerts", 1).unwrap());
    let large = |end: char| {
        let path = format!("/{}{end}", "x".repeat(500_000));
        (0..3).map(move |n| request("192.0.2.66", n, &path, 200))
    };
    log.put_many(large('a').chain(large('b')).collect()).send().unwrap();
    log.put_many((0..3).map(|n| request("192.0.2.7", n, "/", 200)).collect()).send().unwrap();
    let book = playbooks(Playbook::new("page", 3).key(&["ip", "page"]));
    for _ in 0..2 {
        let mut detection = Detection::new(&book).stored_in(file).unwrap().alerts_to(&alerts);
        log.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
        assert_eq!((detection.undelivered(), detection.undeliverable()), (0, 0));
    }
    let written = Alerts::open(file).unwrap().all().unwrap();
    let keys: HashSet<&str> = written.iter().map(|alert| alert.key.raw()).collect();
    assert_eq!((written.len(), keys.len()), (3, 3), "each its own");
    assert!(keys.iter().all(|key| key.len() <= 256));
    assert_eq!(delivered(&alerts).len(), 3);
}

/// What a stream refuses for itself is tried once, counted and told, and nobody waits behind it.
#[test]
fn an_alert_that_its_stream_never_takes_is_set_aside() {
    alert_places("set aside").iter().for_each(|file| is_set_aside(file));
}

fn is_set_aside(file: &Path) {
    let (url, calls) = service::service(|call| {
        let records = call.body["Records"].as_array().unwrap();
        match records.iter().any(|record| record["PartitionKey"] == "192.0.2.66") {
            true => {
                service::Answer::Refused("InvalidArgumentException", "a key that is not to be had".into())
            }
            false => service::stored(&call),
        }
    });
    let alerts = Kinesis::endpoint(&url).unwrap().stream("s").unwrap();
    let log = Kinesis::local().unwrap().create_stream("log", 1).unwrap();
    let visits = ["192.0.2.66", "192.0.2.7"].map(|ip| (0..3).map(move |n| request(ip, n, "/", 200)));
    log.put_many(visits.into_iter().flatten().collect()).send().unwrap();
    let book = playbooks(Playbook::new("visits", 3));
    let mut made = Vec::new();
    for _ in 0..2 {
        let mut detection = Detection::new(&book).stored_in(file).unwrap().alerts_to(&alerts);
        log.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
        assert_eq!((detection.undelivered(), detection.undeliverable()), (0, 1));
        made.push(calls.made.load(std::sync::atomic::Ordering::SeqCst));
    }
    assert_eq!(made[0], made[1], "the next run tries it no more");
    assert_eq!(Alerts::open(file).unwrap().all().unwrap().len(), 2);
}

/// The alerts in a stream.
fn delivered(stream: &Stream) -> Vec<Alert> {
    struct Read(Vec<Alert>);
    impl RecordProcessor for Read {
        fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
            self.0.extend(batch.records.iter().map(|record| Alert::parse(record).unwrap()));
            Ok(())
        }
    }
    let mut read = Read(Vec::new());
    stream.consumer().trim_horizon().run_until_caught_up(&mut read).unwrap();
    read.0
}

#[test]
fn a_callback_that_panics_stops_nobody() {
    let log = Kinesis::local().unwrap().create_stream("log", 1).unwrap();
    let attack = |ip: &str| (0..3).map(|n| request(ip, n, "/", 200)).collect::<Vec<_>>();
    log.put_many([attack("192.0.2.1"), attack("192.0.2.2")].concat()).send().unwrap();
    let heard: Arc<Mutex<Vec<Text>>> = Arc::default();
    let hears = heard.clone();
    let mut detection = Detection::new(&playbooks(Playbook::new("a", 3)))
        .on_alert(|alert| assert_ne!(alert.key, "192.0.2.1"))
        .on_alert(move |alert| hears.lock().unwrap().push(alert.key.clone()));
    log.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
    assert_eq!((detection.callback_panics(), detection.undelivered()), (1, 0));
    heard.lock().unwrap().sort();
    assert_eq!(*heard.lock().unwrap(), ["192.0.2.1", "192.0.2.2"]);
}

/// They were of one run, and a restart forgot them: whoever looked at the status did not see what detection had missed.
#[test]
fn what_it_could_not_do_is_remembered() {
    alert_places("remembered").iter().for_each(|file| is_remembered(file));
}

fn is_remembered(file: &Path) {
    let log = Kinesis::local().unwrap().create_stream("log", 1).unwrap();
    let pages = (0..1_500).map(|n| request("192.0.2.66", n / 100, &format!("/{n}"), 200)).collect();
    log.put_many(pages).send().unwrap();
    let book = Playbooks::new(vec![
        Playbook::new("same page", 60).key(&["ip", "page"]),
        Playbook::new("many", 1_000),
    ])
    .unwrap();
    let numbers = |detection: &Detection| {
        let beyond: Vec<_> = detection.beyond_memory().map(|(name, n)| (name.to_owned(), n)).collect();
        (detection.callback_panics(), detection.totals(), beyond)
    };
    let detection = || Detection::new(&book).stored_in(file).unwrap().on_alert(|_| panic!("for a test"));
    let mut first = detection();
    log.consumer().trim_horizon().run_until_caught_up(&mut first).unwrap();
    let before = numbers(&first);
    assert_eq!((before.0, before.1.callback_panics, before.1.alerts), (1, 1, 1));
    // 1,000 pages of a client in each slide of ten seconds.
    assert_eq!(
        (before.1.overflow, before.2.clone()),
        (0, vec![]),
        "1,000 in the first ten seconds, 500 in the next"
    );
    drop(first);
    let mut second = detection();
    log.consumer().trim_horizon().run_until_caught_up(&mut second).unwrap();
    assert_eq!(numbers(&second), before);
    drop(second);

    // A client that goes on, and a file from before there was such a table.
    if file.exists() {
        rusqlite::Connection::open(file)
            .unwrap()
            .execute_batch("DROP TABLE totals; DROP TABLE beyond_memory; DROP INDEX alerts_undelivered")
            .unwrap();
    }
    let more = (0..1_500).map(|n| request("192.0.2.66", 20 + n / 500, &format!("/more/{n}"), 200)).collect();
    log.put_many(more).send().unwrap();
    let mut third = detection();
    log.consumer().trim_horizon().run_until_caught_up(&mut third).unwrap();
    let beyond = vec![("same page".to_owned(), 500)];
    assert_eq!((third.totals().overflow, numbers(&third).2), (500, beyond.clone()));
    drop(third);
    let mut fourth = detection();
    log.consumer().trim_horizon().run_until_caught_up(&mut fourth).unwrap();
    assert_eq!((fourth.totals().overflow, numbers(&fourth).2), (500, beyond));
}

/// A space in a path made one key of two: `/a` by a client whose name ends with it, say.
#[test]
fn whoever_writes_spaces_is_not_counted_as_another() {
    let log = Kinesis::local().unwrap().create_stream("log", 1).unwrap();
    let entry = |user: &str, path: &str, second: i64| {
        let time = Timestamp::from_secs(1_536_220_800 + second);
        let event =
            serde_json::json!({"ip": "192.0.2.7", "time": time.to_string(), "user": user, "path": path});
        Entry::new("192.0.2.7", event.to_string())
    };
    let forged = (0..8).map(|n| entry("ann /secret", "/x", n));
    let honest = (8..16).map(|n| entry("ann", "/secret /x", n));
    log.put_many(forged.chain(honest).collect()).send().unwrap();
    let book = playbooks(Playbook::new("same", 9).key(&["user", "path"]));
    let mut detection = Detection::new(&book);
    log.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
    assert_eq!(detection.totals().alerts, 0, "eight each: {:?}", detection.alerts());
}

#[test]
fn alerts_are_written_once_and_delivered_at_least_once() {
    alert_places("outbox").iter().for_each(|file| written_once(file));
}

fn written_once(file: &Path) {
    let kinesis = Kinesis::local().unwrap();
    let (log, alerts) =
        (kinesis.create_stream("log", 1).unwrap(), kinesis.create_stream("alerts", 1).unwrap());
    let attack =
        |from: i64| (from..from + 30).map(|n| request("192.0.2.66", n, "/login", 401)).collect::<Vec<_>>();
    let heard: Arc<Mutex<Vec<Text>>> = Arc::default();
    let book = playbooks(Playbook::new("guesser", 10).when("status", &["401"]).block_for(secs(600)));
    let detection = |to: &Stream| {
        let heard = heard.clone();
        Detection::new(&book)
            .stored_in(file)
            .unwrap()
            .alerts_to(to)
            .on_alert(move |alert| heard.lock().unwrap().push(alert.id.clone()))
    };
    log.put_many(attack(0)).send().unwrap();
    // The stream of alerts is gone when the first is to be delivered.
    let gone = kinesis.create_stream("gone", 1).unwrap();
    gone.delete().unwrap();
    let mut first = detection(&gone);
    let error = log.consumer().trim_horizon().run_until_caught_up(&mut first).unwrap_err();
    assert!(error.to_string().contains("not found"), "{error}");
    assert_eq!(Alerts::open(file).unwrap().count().unwrap(), 1, "it is in the database all the same");
    assert!(heard.lock().unwrap().is_empty());
    drop(first);

    let mut second = detection(&alerts);
    log.consumer().trim_horizon().run_until_caught_up(&mut second).unwrap();
    assert_eq!(
        (second.alerts().len(), second.undelivered()),
        (0, 0),
        "no new one, and the old one delivered"
    );
    log.put_many(attack(40)).send().unwrap();
    log.put_many(attack(330)).send().unwrap();
    log.consumer().trim_horizon().run_until_caught_up(&mut second).unwrap();
    drop(second);
    let mut third = detection(&alerts);
    log.consumer().trim_horizon().run_until_caught_up(&mut third).unwrap();

    // At 40 s its cool-down still lasted; at 330 s it was over.
    let written = Alerts::open(file).unwrap().all().unwrap();
    let seconds: Vec<i64> = written.iter().map(|a| a.time.as_micros() / 1_000_000 - 1_536_220_800).collect();
    assert_eq!(seconds, [9, 339]);
    let ids: Vec<Text> = written.iter().map(|alert| alert.id.clone()).collect();
    assert_eq!(*heard.lock().unwrap(), ids);

    let blocked = kinesis_lab::BlockList::new();
    struct At<'a>(&'a mut kinesis_lab::BlockList, Timestamp, Vec<Alert>);
    impl RecordProcessor for At<'_> {
        fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
            self.2.extend(batch.records.iter().map(|record| Alert::parse(record).unwrap()));
            ctx.now = self.1;
            self.0.process(batch, ctx)
        }
    }
    let mut reader = At(&mut blocked.clone(), written[1].time, Vec::new());
    alerts.consumer().trim_horizon().run_until_caught_up(&mut reader).unwrap();
    assert_eq!(reader.2, written);
    let until = written[1].time + secs(600);
    assert_eq!(blocked.blocked(written[1].time), [("192.0.2.66".into(), until)]);
}

#[test]
fn a_playbook_that_counts_something_else_begins_anew() {
    alert_places("changed").iter().for_each(|file| begins_anew(file));
}

fn begins_anew(file: &Path) {
    let log = Kinesis::local().unwrap().create_stream("log", 1).unwrap();
    let run = |book: Playbook, from: i64| {
        log.put_many((from..from + 6).map(|n| request("192.0.2.1", n, "/", 200)).collect()).send().unwrap();
        let mut detection = Detection::new(&playbooks(book)).stored_in(file).unwrap();
        log.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
        detection.alerts().len()
    };
    assert_eq!(run(Playbook::new("a", 10), 0), 0);
    assert_eq!(run(Playbook::new("a", 10).when("status", &["2*"]), 6), 0, "the six of before were others");
    assert_eq!(run(Playbook::new("a", 9).when("status", &["2*"]), 12), 1, "a threshold changes no count");
}

#[test]
fn an_event_with_an_id_counts_once() {
    let log = Kinesis::local().unwrap().create_stream("log", 1).unwrap();
    let twice = (0..10).flat_map(|n| {
        let time = Timestamp::from_secs(1_536_220_800 + n);
        let data = format!(r#"{{"ip":"192.0.2.1","time":"{time}","id":"{n}"}}"#);
        [Entry::new("192.0.2.1", data.clone()), Entry::new("192.0.2.1", data)]
    });
    log.put_many(twice.collect()).send().unwrap();
    let mut detection = Detection::new(&playbooks(Playbook::new("a", 11)));
    log.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
    assert_eq!((detection.alerts().len(), detection.totals().duplicates), (0, 10));
}

/// One event of the log, read without this crate's parser.
struct Line {
    ip: String,
    second: i64,
    page: String,
    status: String,
}

fn lines(text: &str) -> Vec<Line> {
    let line = |line: &str| {
        let (ip, rest) = line.split_once(' ').unwrap();
        let (_, rest) = rest.split_once('[').unwrap();
        let (time, rest) = rest.split_once(']').unwrap();
        let (_, rest) = rest.split_once('"').unwrap();
        let (request, rest) = rest.split_once('"').unwrap();
        // All of one month, in UTC: `17/May/2015:10:05:03 +0000`.
        let number = |at: usize| time[at..at + 2].parse::<i64>().unwrap();
        Line {
            ip: ip.to_owned(),
            second: ((number(0) * 24 + number(12)) * 60 + number(15)) * 60 + number(18),
            page: request.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned(),
            status: rest.trim_start().split(' ').next().unwrap().to_owned(),
        }
    };
    text.lines().map(line).collect()
}

/// The shipped playbooks once more, by hand and by trial: (playbook, key, second) of each alert, in the
/// order of the log.
fn expected(log: &[Line]) -> Vec<(String, String, i64)> {
    type Key = fn(&Line) -> Option<String>;
    let ip: Key = |line| Some(line.ip.clone());
    let page: Key = |line| {
        let passed = line.page.starts_with("/static/") || line.page == "/favicon.ico";
        (!passed).then(|| format!("{} {}", line.ip, line.page))
    };
    let refused: Key = |line| (line.status == "401").then(|| line.ip.clone());
    let missing: Key = |line| (line.status == "404").then(|| line.ip.clone());
    let books: [(&str, Key, bool, usize, i64, i64); 5] = [
        ("too many requests", ip, false, 300, 60, 10),
        ("same page again and again", page, false, 60, 60, 10),
        ("password guesser", refused, false, 10, 60, 10),
        ("looking for holes", missing, false, 20, 60, 10),
        ("too many different pages", ip, true, 100, 300, 30),
    ];
    let mut found = Vec::new();
    for (name, key, distinct, threshold, size, slide) in books {
        let mut of: HashMap<String, Vec<(i64, &str)>> = HashMap::new();
        let mut last: BTreeMap<String, i64> = BTreeMap::new();
        for line in log {
            let Some(key) = key(line) else { continue };
            let events = of.entry(key.clone()).or_default();
            events.push((line.second, &line.page));
            // 2015-05-01T00:00:00Z is a whole number of days after 1970, so windows begin alike.
            let fires =
                (line.second - size + 1..=line.second).filter(|s| s.rem_euclid(slide) == 0).any(|start| {
                    let inside = events.iter().filter(|(second, _)| (start..start + size).contains(second));
                    let n = match distinct {
                        true => inside.map(|(_, page)| page).collect::<HashSet<_>>().len(),
                        false => inside.count(),
                    };
                    n >= threshold
                });
            if fires && last.get(&key).is_none_or(|last| line.second >= last + 300) {
                last.insert(key.clone(), line.second);
                found.push((name.to_owned(), key, line.second));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_real_log_gives_the_alerts_of_an_independent_count() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/apache_access.log");
    let Ok(text) = fs::read_to_string(&path) else {
        // Past the harness's capture, or nobody would see it.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {} is not there", path.display());
        return;
    };
    let kinesis = Kinesis::local().unwrap();
    let events = kinesis.create_stream("web", 1).unwrap();
    assert_eq!(events.replay(AccessLog::open(&path).unwrap()).start().join().sent, 10_000);
    // The shipped thresholds, and lower ones: a real, peaceful log reaches few of them.
    let log = lines(&text);
    let shipped = expected(&log);
    let alerts = through_the_pipeline(&events, "shipped", &Playbooks::shipped());
    assert_eq!(alerts, shipped);
    assert!(!alerts.iter().any(|alert| alert.0 == "password guesser"), "it has no 401s");

    let low = Playbooks::new(vec![
        Playbook::new("many", 20).cool_down(secs(60)),
        Playbook::new("holes", 3).when("status", &["404"]).window(secs(120)).slide(secs(30)),
    ])
    .unwrap();
    let counted = through_the_pipeline(&events, "low", &low);
    let by_hand = by_hand(&log);
    assert!(by_hand.len() > 20, "{} alerts: this proves little", by_hand.len());
    assert_eq!(counted, by_hand);
}

/// As `expected`, for the two of lower thresholds.
fn by_hand(log: &[Line]) -> Vec<(String, String, i64)> {
    let mut found = Vec::new();
    for (name, only, threshold, size, slide, cool_down) in
        [("many", None, 20, 60, 10, 60), ("holes", Some("404"), 3, 120, 30, 300)]
    {
        let mut of: HashMap<&str, Vec<i64>> = HashMap::new();
        let mut last: HashMap<&str, i64> = HashMap::new();
        for line in log.iter().filter(|line| only.is_none_or(|status| line.status == status)) {
            let seconds = of.entry(&line.ip).or_default();
            seconds.push(line.second);
            let full = |start: i64| seconds.iter().filter(|s| (start..start + size).contains(*s)).count();
            let fires = (line.second - size + 1..=line.second)
                .any(|s| s.rem_euclid(slide) == 0 && full(s) >= threshold);
            if fires && last.get(&*line.ip).is_none_or(|last| line.second >= last + cool_down) {
                last.insert(&line.ip, line.second);
                found.push((name.to_owned(), line.ip.clone(), line.second));
            }
        }
    }
    found.sort();
    found
}

fn through_the_pipeline(events: &Stream, name: &str, playbooks: &Playbooks) -> Vec<(String, String, i64)> {
    let folder = scratch(&format!("log {name}"));
    // A log of its own for each: the streams are named after the events'.
    for suffix in ["log", "alerts"] {
        if let Ok(stream) = events.kinesis().stream(&format!("{}-{suffix}", events.name())) {
            stream.delete().unwrap();
        }
    }
    let pipeline = Pipeline::over(events).folder(&folder).playbooks(playbooks).lateness(secs(60));
    let status = pipeline.run_until_caught_up().unwrap();
    assert!(status.parts.iter().all(|part| part.records == 10_000), "{status}");
    let counted = Counts::open(folder.join("counts.db")).unwrap();
    let windows = counted.windows().unwrap().into_iter().chain(counted.early().unwrap());
    assert_eq!(windows.map(|window| window.total()).sum::<u64>(), 10_000);
    let alerts = Alerts::open(folder.join("alerts.db")).unwrap().all().unwrap();
    // The lines' own reckoning: the first of May is day 1.
    let first_of_may = 1_430_438_400;
    let second = |alert: &Alert| alert.time.as_micros() / 1_000_000 - first_of_may + 86_400;
    let mut found: Vec<_> =
        alerts.iter().map(|a| (a.playbook.to_string(), a.key.to_string(), second(a))).collect();
    found.sort();
    found
}
