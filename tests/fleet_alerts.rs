//! The alerts of a fleet in PostgreSQL: each once, whatever happens to workers, leases and connections.

#![cfg(all(feature = "full", unix))]

#[allow(dead_code, reason = "not all of it is used here")]
mod cut_line;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "common/postgres.rs"]
mod server;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "fleet_counts/workers.rs"]
mod workers;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cut_line::{Cut, CutLine};
use kinesis_lab::prelude::*;
use kinesis_lab::{Alert, Alerts, Detection, Playbook, Playbooks, ShardProgress, SharedDetection};
use server::{connect, execute, postgres, query};
use workers::{Collected, Fleet, LATENESS, resharded};

const NOON: i64 = 1_536_220_800;

fn context(second: i64) -> Context {
    Context::at(Timestamp::from_secs(1_800_000_000 + second))
}

fn shard(n: usize) -> String {
    format!("shardId-{n:012}")
}

fn stream(shards: u32) -> Stream {
    Kinesis::local().unwrap().create_stream("log", shards).unwrap()
}

/// So many in a minute are too many; after that, silence for the rest of the test.
fn busy(threshold: u64) -> Playbooks {
    let playbook = Playbook::new("busy", threshold).slide(secs(60)).cool_down(secs(600));
    Playbooks::new(vec![playbook]).unwrap()
}

fn detection(playbooks: &Playbooks) -> Detection {
    Detection::new(playbooks).lateness(secs(LATENESS))
}

fn taken_with(detection: Detection, url: &str, stream: &Stream, n: usize) -> SharedDetection {
    let mut detection = detection.shared_in(url, stream).unwrap();
    detection.shard_taken(&shard(n), &mut context(0)).unwrap();
    detection
}

fn taken(url: &str, stream: &Stream, n: usize) -> SharedDetection {
    taken_with(detection(&busy(3)), url, stream, n)
}

/// One event at so many seconds after noon, with its number, and an id if it has one.
fn batch(n: usize, number: u64, second: i64, id: Option<&str>) -> Batch {
    let time = Timestamp::from_secs(NOON + second);
    let id = id.map(|id| format!(r#","id":"{id}""#)).unwrap_or_default();
    let data = format!(r#"{{"time":"{time}","ip":"192.0.2.66"{id}}}"#);
    Batch::new("log", &shard(n), vec![Record::new("any", data, number.to_string(), time)])
}

fn watch(detection: &mut SharedDetection, n: usize, number: u64, second: i64) -> Result<(), ProcessError> {
    detection.process(&batch(n, number, second, None), &mut context(0))?;
    detection.tick(&mut context(10 * number as i64))
}

fn alerts(url: &str) -> Vec<Alert> {
    Alerts::open(url).unwrap().all().unwrap()
}

fn total(url: &str, name: &str) -> String {
    let sql = format!("SELECT coalesce(sum(count), 0) FROM alert_totals WHERE name = '{name}'");
    query(&connect(url), &sql)[0][0].clone()
}

fn tallied(url: &str) -> String {
    query(&connect(url), "SELECT coalesce(sum(count), 0) FROM open_tallies")[0][0].clone()
}

fn said(error: ProcessError) -> String {
    format!("{error:?}")
}

/// Playbooks of each kind, whose keys are in all shards.
fn several() -> Playbooks {
    let playbook = |name: &str, threshold| Playbook::new(name, threshold);
    Playbooks::new(vec![
        playbook("many", 9).cool_down(secs(90)),
        playbook("pages", 4).distinct("page").slide(secs(20)).monitor(),
        playbook("a page", 3).key(&["ip", "page"]).slide(secs(30)).block_for(secs(600)),
        playbook("each", 1).when("page", &["/7"]).cool_down(secs(0)),
    ])
    .unwrap()
}

/// The same workers, in another order each time, with connections that break and workers that are cut off: the alerts are
/// those of one process that reads the same records in the same order.
#[test]
fn alerts_are_those_of_one_process_in_any_order() {
    let Some(server) = postgres() else { return };
    let stream = resharded(|minute, n| {
        let time = Timestamp::from_secs(NOON + minute * 60 + n * 3);
        let page = (minute * 7 + n * n) % 9;
        let id = minute * 100 + n;
        let data = format!(r#"{{"time":"{time}","ip":"192.0.2.{}","path":"/{page}","id":"{id}"}}"#, n % 3);
        // Every fifth is sent twice; the copy may be in another shard.
        (0..1 + i64::from(n % 5 == 0)).map(|copy| (format!("{id} {copy}"), data.clone())).collect()
    });
    let seeds = if std::env::var_os("KINESIS_LAB_FULL").is_some() { 100 } else { 3 };
    let (mut fences, mut found) = (0, 0);
    for seed in 0..seeds {
        let url = server.database(&format!("alerts any order {seed}"));
        let (of, at) = (stream.clone(), url.clone());
        let make = move || Box::new(detection(&several()).shared_in(&at, &of).unwrap()) as Box<_>;
        let mut fleet = Fleet::running(&url, &stream, seed, Box::new(make));
        fleet.run(200);
        fleet.finish();
        let mut oracle = Detection::new(&several()).lateness(secs(10_000));
        for (shard, record) in &fleet.written {
            let batch = Batch::new("log", shard, vec![record.clone()]);
            let mut context = context(0).with_shards(&[ShardProgress::reading(shard, &[])]);
            oracle.process(&batch, &mut context).unwrap();
            oracle.tick(&mut context).unwrap();
        }
        let mut expected: Vec<String> = oracle.alerts().iter().map(|alert| format!("{alert:?}")).collect();
        let mut ours: Vec<String> = alerts(&url).iter().map(|alert| format!("{alert:?}")).collect();
        expected.sort();
        ours.sort();
        assert_eq!(ours, expected, "seed {seed}");
        let totals = oracle.totals();
        for (name, expected) in
            [("alerts", totals.alerts), ("late", 0), ("duplicates", totals.duplicates), ("unparsed", 0)]
        {
            assert_eq!(total(&url, name), expected.to_string(), "seed {seed}: {name}");
        }
        fences += fleet.fenced;
        found += ours.len();
    }
    println!("{seeds} orders, {found} alerts, {fences} times a worker was refused: all exact");
    assert!(fences > 0 && found > 20 * seeds as usize);
}

/// Shards that are watched at the same time: of each key one alert, at the event that is one too many over all of them.
#[test]
fn workers_at_once_set_each_alert_off_once() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("at once"), stream(4));
    let (keys, threshold) = (40_u64, 10_u64);
    let workers: Vec<SharedDetection> =
        (0..4).map(|n| taken_with(detection(&busy(threshold)), &url, &stream, n)).collect();
    std::thread::scope(|scope| {
        for (n, mut worker) in workers.into_iter().enumerate() {
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(n as u64);
                let mut records = Vec::new();
                for key in 0..keys {
                    for event in 0..threshold {
                        let time = Timestamp::from_secs(NOON + random.i64(0..25));
                        // Each id is in all shards.
                        let data =
                            format!(r#"{{"time":"{time}","ip":"192.0.2.{key}","id":"{key}-{event}"}}"#);
                        records.push((data, time));
                    }
                }
                random.shuffle(&mut records);
                let number = |at: usize| (100_000 + at).to_string();
                let records: Vec<Record> = records
                    .into_iter()
                    .enumerate()
                    .map(|(at, (data, time))| Record::new("any", data, number(at), time))
                    .collect();
                for (turn, some) in records.chunks(7).enumerate() {
                    let batch = Batch::new("log", &shard(n), some.to_vec());
                    worker.process(&batch, &mut context(0)).unwrap();
                    while let Err(error) = worker.tick(&mut context(turn as i64)) {
                        assert!(said(error).starts_with("Wait"));
                    }
                }
            });
        }
    });
    let found = alerts(&url);
    let of: BTreeSet<String> = found.iter().map(|alert| alert.key.raw().to_owned()).collect();
    assert_eq!((found.len() as u64, of.len() as u64), (keys, keys));
    assert!(found.iter().all(|alert| alert.count == threshold), "{found:?}");
    assert_eq!(tallied(&url), (keys * threshold).to_string());
    assert_eq!(total(&url, "duplicates"), (3 * keys * threshold).to_string());
    assert_eq!(total(&url, "alerts"), keys.to_string());
}

#[test]
fn it_is_the_event_that_is_one_too_many_over_all_shards() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("spread"), stream(3));
    let mut workers: Vec<SharedDetection> = (0..3).map(|n| taken(&url, &stream, n)).collect();
    for (n, worker) in workers.iter_mut().enumerate() {
        assert!(alerts(&url).is_empty());
        watch(worker, n, 1, 10 + n as i64).unwrap();
    }
    let found = alerts(&url);
    assert_eq!((found.len(), found[0].count, found[0].key.raw()), (1, 3, "192.0.2.66"));
    assert_eq!(found[0].time, Timestamp::from_secs(NOON + 12));
    // Its cool-down is everybody's, too.
    for (n, worker) in workers.iter_mut().enumerate() {
        watch(worker, n, 2, 20).unwrap();
    }
    assert_eq!(alerts(&url).len(), 1);
    // An event that is there already, in another shard.
    for (n, worker) in workers.iter_mut().enumerate() {
        worker.process(&batch(n, 3, 30, Some("again")), &mut context(0)).unwrap();
        worker.tick(&mut context(40)).unwrap();
    }
    assert_eq!((tallied(&url), total(&url, "duplicates")), ("7".into(), "2".into()));
}

#[test]
fn whoever_was_replaced_sets_nothing_off() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("alerts zombie"), stream(1));
    let mut first = taken(&url, &stream, 0);
    watch(&mut first, 0, 1, 10).unwrap();
    watch(&mut first, 0, 2, 11).unwrap();
    let mut second = taken(&url, &stream, 0);
    let refused = said(watch(&mut first, 0, 3, 12).unwrap_err());
    assert!(refused.starts_with("LeaseLost: another worker has taken shardId-000000000000"), "{refused}");
    assert!(said(first.shard_ended(&shard(0), &mut context(99)).unwrap_err()).starts_with("LeaseLost"));
    let idle = [ShardProgress::reading(&shard(0), &[]).idle()];
    assert!(said(first.tick(&mut context(99).with_shards(&idle)).unwrap_err()).starts_with("LeaseLost"));
    assert!(alerts(&url).is_empty());
    for (number, second_of) in [(1, 10), (2, 11), (3, 12)] {
        watch(&mut second, 0, number, second_of).unwrap(); // the first two come again
    }
    assert_eq!((alerts(&url).len(), tallied(&url)), (1, "3".into()));
}

/// A lesson's: what the fence is for.
#[test]
fn without_the_fence_an_event_counts_twice() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("alerts without a fence"), stream(1));
    let taken = || {
        let mut detection = detection(&busy(3)).shared_in(&url, &stream).unwrap().without_fence();
        detection.shard_taken(&shard(0), &mut context(0)).unwrap();
        detection
    };
    let mut first = taken();
    watch(&mut first, 0, 1, 10).unwrap();
    let mut second = taken();
    watch(&mut second, 0, 2, 11).unwrap();
    assert!(alerts(&url).is_empty());
    watch(&mut first, 0, 2, 11).unwrap();
    assert_eq!((alerts(&url).len(), tallied(&url)), (1, "3".into()), "of two events");
}

/// The answer to a COMMIT is lost, or the COMMIT is: nobody on this side can tell.
#[test]
fn a_commit_in_doubt_is_settled() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("alerts in doubt"), stream(1));
    let line = CutLine::to(server.port);
    let mut detection = taken(&line.url(&url), &stream, 0);
    let mut number = 0;
    for cut in [Cut::Answer, Cut::Commit, Cut::Answer, Cut::Nothing, Cut::Commit, Cut::Answer] {
        number += 1;
        line.cut_next(cut);
        let mut outcome = watch(&mut detection, 0, number, 1);
        for _ in 0..100 {
            let Err(error) = outcome else { break };
            assert!(said(error).starts_with("Wait"), "{cut:?}");
            std::thread::sleep(millis(20));
            outcome = detection.tick(&mut context(10));
        }
        assert_eq!(tallied(&url), number.to_string(), "{cut:?}");
    }
    assert_eq!(alerts(&url).len(), 1);
}

#[test]
fn a_database_from_an_older_state_is_noticed() {
    let Some(server) = postgres() else { return };
    let stream = stream(1);
    for (n, harm) in [
        "UPDATE alert_shards SET sequence = '1'",
        "UPDATE alert_shards SET epoch = epoch - 1",
        "DELETE FROM alert_shards",
        "DELETE FROM alert_progress",
    ]
    .iter()
    .enumerate()
    {
        let url = server.database(&format!("alerts restored {n}"));
        let mut detection = taken(&url, &stream, 0);
        watch(&mut detection, 0, 1, 10).unwrap();
        watch(&mut detection, 0, 2, 20).unwrap();
        execute(&connect(&url), harm);
        let error = said(watch(&mut detection, 0, 3, 30).unwrap_err());
        assert!(error.starts_with("Stop") && error.contains("tart"), "{harm}: {error}");
        assert_eq!((tallied(&url), alerts(&url).len()), ("2".into(), 0), "{harm}");
    }
}

/// What a worker and a single process have counted is one sum, in either order; never both at once.
#[test]
fn a_process_and_a_fleet_take_turns() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("alert turns"), stream(1));
    let single = || detection(&busy(3)).stored_in(&url).unwrap();
    stream.put("any", "192.0.2.66 - - [06/Sep/2018:08:00:05 +0000] \"GET / HTTP/1.1\" 200 1").unwrap();
    let mut process = single();
    stream.consumer().trim_horizon().run_until_caught_up(&mut process).unwrap();
    let mut worker = detection(&busy(3)).shared_in(&url, &stream).unwrap();
    let error = said(worker.shard_taken(&shard(0), &mut context(0)).unwrap_err());
    assert!(error.starts_with("Wait: one process writes its alerts into"), "{error}");
    drop(process);
    while let Err(error) = worker.shard_taken(&shard(0), &mut context(0)) {
        assert!(said(error).starts_with("Wait"));
        std::thread::sleep(millis(20));
    }
    // It goes on behind what the process has read.
    let time = Timestamp::from_secs(NOON + 10);
    let data = format!(r#"{{"time":"{time}","ip":"192.0.2.66"}}"#);
    let mut all = Collected::default();
    stream.put("any", data).unwrap();
    stream.consumer().trim_horizon().run_until_caught_up(&mut all).unwrap();
    worker.process(&Batch::new("log", &shard(0), all.0[&shard(0)].clone()), &mut context(0)).unwrap();
    worker.tick(&mut context(1)).unwrap();
    assert_eq!((tallied(&url), alerts(&url).len()), ("2".into(), 0));
    drop(worker);
    stream.put("any", format!(r#"{{"time":"{time}","ip":"192.0.2.66"}}"#)).unwrap();
    let mut process = single();
    stream.consumer().trim_horizon().run_until_caught_up(&mut process).unwrap();
    assert_eq!((process.totals().alerts, alerts(&url).len()), (1, 1));
    assert_eq!((tallied(&url), alerts(&url)[0].count), ("3".into(), 3));
}

/// Who was given an alert to deliver, and is killed, leaves it to another, 30 s later.
#[test]
fn an_alert_is_one_workers_to_deliver() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("outbox"), stream(2));
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = |name: &'static str| {
        let told = told.clone();
        detection(&busy(3)).on_alert(move |alert| told.lock().unwrap().push((name, alert.id.clone())))
    };
    let mut first = taken_with(telling("first"), &url, &stream, 0);
    let mut second = taken_with(telling("second"), &url, &stream, 1);
    // One that is being delivered by a third, which is killed then.
    for number in 1..4 {
        first.process(&batch(0, number, 10, None), &mut context(0)).unwrap();
    }
    let admin = connect(&url);
    execute(
        &admin,
        "ALTER TABLE alerts ALTER COLUMN claimed SET DEFAULT clock_timestamp() + interval '30 s'",
    );
    first.tick(&mut context(10)).unwrap();
    second.tick(&mut context(10)).unwrap();
    assert_eq!((alerts(&url).len(), told.lock().unwrap().len()), (1, 0));
    execute(&admin, "UPDATE alerts SET claimed = claimed - interval '30 s'");
    second.tick(&mut context(12)).unwrap();
    first.tick(&mut context(12)).unwrap();
    second.tick(&mut context(14)).unwrap();
    execute(&admin, "UPDATE alerts SET claimed = claimed - interval '31 s'");
    first.tick(&mut context(16)).unwrap();
    assert_eq!(*told.lock().unwrap(), [("second", alerts(&url)[0].id.clone())]);
    assert_eq!(query(&admin, "SELECT delivered FROM alerts")[0][0], "t");
}

/// The stream of alerts is away at first; nothing is lost, and whoever may deliver does.
#[test]
fn alerts_go_to_their_stream() {
    let Some(server) = postgres() else { return };
    let (url, log) = (server.database("alert stream"), stream(2));
    let out = Kinesis::local().unwrap().create_stream("alerts", 1).unwrap();
    let mut worker = taken_with(detection(&busy(1)).alerts_to(&out), &url, &log, 0);
    for number in 1..4 {
        let time = Timestamp::from_secs(NOON);
        let data = format!(r#"{{"time":"{time}","ip":"192.0.2.{number}"}}"#);
        let record = Record::new("any", data, number.to_string(), time);
        worker.process(&Batch::new("log", &shard(0), vec![record]), &mut context(0)).unwrap();
    }
    worker.tick(&mut context(1)).unwrap();
    let mut all = Collected::default();
    out.consumer().trim_horizon().run_until_caught_up(&mut all).unwrap();
    let mut read: Vec<Alert> = all.0.values().flatten().map(|record| Alert::parse(record).unwrap()).collect();
    read.sort_by_key(|alert| alert.id.raw().to_owned());
    let mut written = alerts(&url);
    written.sort_by_key(|alert| alert.id.raw().to_owned());
    assert_eq!((read.len(), read), (3, written));
}

#[test]
fn what_is_another_fleets_is_refused() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("alerts refused"), stream(1));
    let mut first = taken(&url, &stream, 0);
    watch(&mut first, 0, 1, 10).unwrap();
    let try_with = |detection: Detection| {
        said(detection.shared_in(&url, &stream).unwrap().shard_taken(&shard(0), &mut context(0)).unwrap_err())
    };
    let error = try_with(Detection::new(&busy(3)).lateness(secs(10)));
    assert!(
        error.starts_with("Stop") && error.contains("30 s for late events, and this one 10 s"),
        "{error}"
    );
    // Other playbooks: as long as somebody watches with these.
    let error = try_with(detection(&busy(4)));
    assert!(error.starts_with("Wait: workers with other playbooks"), "{error}");
    execute(&connect(&url), "UPDATE alert_shards SET reported = reported - interval '15 s'");
    let mut second = taken_with(detection(&busy(4)), &url, &stream, 0);
    watch(&mut second, 0, 2, 11).unwrap();
    assert_eq!(tallied(&url), "2", "the same is counted, and another number is too many");
    let error = said(watch(&mut first, 0, 2, 11).unwrap_err());
    assert!(error.starts_with("Stop") && error.contains("other playbooks by now"), "{error}");
    // By a consumer it is not driven.
    let mut shared = detection(&busy(4)).shared_in(&url, &stream).unwrap();
    let error = stream.consumer().run_until_caught_up(&mut shared).unwrap_err();
    assert!(error.to_string().contains("kinesis_lab::kcl::run"), "{error}");
    assert!(!format!("{shared:?}").contains("s3cret"));
}

/// What no open window needs is forgotten when all shards are further, and what comes for it then is late.
#[test]
fn what_all_shards_have_passed_is_forgotten() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("alerts forgotten"), stream(2));
    let mut workers: Vec<SharedDetection> = (0..2).map(|n| taken(&url, &stream, n)).collect();
    watch(&mut workers[0], 0, 1, 10).unwrap();
    watch(&mut workers[0], 0, 2, 500).unwrap();
    watch(&mut workers[0], 0, 3, 501).unwrap();
    assert_eq!(tallied(&url), "3", "nothing is known of the other shard");
    watch(&mut workers[1], 1, 1, 20).unwrap();
    watch(&mut workers[1], 1, 2, 500).unwrap();
    watch(&mut workers[1], 1, 3, 21).unwrap();
    assert_eq!((tallied(&url), total(&url, "late")), ("3".into(), "1".into()));
    // Of these three in the last minute, the third was too many; none of the first ones counts.
    assert_eq!(alerts(&url).len(), 1);
    assert_eq!(alerts(&url)[0].start, Timestamp::from_secs(NOON + 480));
}

/// Tables of the version before, with counts in them.
#[test]
fn older_tables_are_brought_up_to_date() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("alert layout 1"), stream(1));
    stream.put("any", r#"{"time":"2018-09-06T08:00:05Z","ip":"192.0.2.66"}"#).unwrap();
    let mut single = detection(&busy(1)).stored_in(&url).unwrap();
    stream.consumer().trim_horizon().run_until_caught_up(&mut single).unwrap();
    drop(single);
    let admin = connect(&url);
    execute(
        &admin,
        "ALTER TABLE alert_progress DROP COLUMN lateness, DROP COLUMN playbooks; ALTER TABLE alerts DROP COLUMN claimed; \
         DROP INDEX open_tallies_by_key; DROP INDEX open_items_by_key; \
         UPDATE kinesis_lab SET layout = 1 WHERE what = 'alerts'",
    );
    assert_eq!(alerts(&url).len(), 1); // whoever reads changes nothing
    let mut worker = detection(&busy(1)).shared_in(&url, &stream).unwrap();
    while worker.shard_taken(&shard(0), &mut context(0)).is_err() {
        std::thread::sleep(millis(20));
    }
    assert_eq!(query(&admin, "SELECT layout FROM kinesis_lab WHERE what = 'alerts'")[0][0], "2");
    assert_eq!((alerts(&url).len(), tallied(&url)), (1, "1".into()));
}

/// The children of a shard are entered with its end: before anybody reads them, they hold what is counted.
#[test]
fn an_end_is_written_with_its_children() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("alerts children"), stream(1));
    let mut detection = taken(&url, &stream, 0);
    stream.split_shard(&shard(0)).unwrap();
    detection.shard_ended(&shard(0), &mut context(1)).unwrap();
    let rows = query(&connect(&url), "SELECT shard, ended FROM alert_shards ORDER BY shard");
    assert_eq!(rows.iter().map(|row| &*row[1]).collect::<Vec<_>>(), ["t", "f", "f"]);
}

/// Whoever was replaced while it had nothing to write is refused, too.
#[test]
fn whoever_was_replaced_does_not_say_that_nothing_comes() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("alerts idle zombie"), stream(1));
    let mut first = taken(&url, &stream, 0);
    watch(&mut first, 0, 1, 1).unwrap();
    drop(taken(&url, &stream, 0));
    let idle = [ShardProgress::reading(&shard(0), &[]).idle()];
    // At its end, and so soon that it has nothing to write before.
    stream.split_shard(&shard(0)).unwrap();
    assert!(said(first.shard_ended(&shard(0), &mut context(10)).unwrap_err()).starts_with("LeaseLost"));
    assert!(said(first.tick(&mut context(99).with_shards(&idle)).unwrap_err()).starts_with("LeaseLost"));
    assert_eq!(query(&connect(&url), "SELECT idle, ended FROM alert_shards ORDER BY shard")[0], ["f", "f"]);
}

/// How many batches of some hundred records a database takes, which is on a disk. A number for docs/fleet.md, not a test.
#[test]
#[ignore = "a measurement: cargo test --release --features full --test fleet_alerts -- --ignored --nocapture"]
fn how_many_batches_a_second() {
    let Some(server) = server::Postgres::start(&["fsync=on"]) else { return };
    let stream = stream(3);
    for (workers, records) in [(1, 10_usize), (3, 10), (1, 500), (3, 500)] {
        let url = server.database(&format!("speed {workers} {records}"));
        let playbooks = Playbooks::new(vec![
            Playbook::new("busy", 1_000),
            Playbook::new("a page", 1_000).key(&["ip", "page"]),
        ])
        .unwrap();
        let children: Vec<SharedDetection> =
            (0..workers).map(|n| taken_with(detection(&playbooks), &url, &stream, n)).collect();
        let (began, lasts) = (std::time::Instant::now(), secs(5));
        let batches: u64 = std::thread::scope(|scope| {
            let run = |(n, mut child): (usize, SharedDetection)| {
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(n as u64);
                    let mut done = 0;
                    while began.elapsed() < lasts {
                        let record = |at: usize| {
                            let number = done as usize * records + at;
                            let time = Timestamp::from_secs(NOON + number as i64 / 1_000);
                            let (ip, page) = (random.u8(..), random.u8(0..9));
                            let data = format!(r#"{{"time":"{time}","ip":"192.0.2.{ip}","path":"/{page}"}}"#);
                            Record::new("any", data, (1_000_000 + number).to_string(), time)
                        };
                        let batch = Batch::new("log", &shard(n), (0..records).map(record).collect());
                        child.process(&batch, &mut context(0)).unwrap();
                        while child.tick(&mut context(done as i64 / 100)).is_err() {}
                        done += 1;
                    }
                    done
                })
            };
            let threads: Vec<_> = children.into_iter().enumerate().map(run).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let a_second = batches as f64 / began.elapsed().as_secs_f64();
        println!(
            "{workers} workers, {records} records a batch: {a_second:.0} batches and {:.0} records a second",
            a_second * records as f64
        );
    }
}

/// As with counts: a word that waited before it was written moves no watermark past what came meanwhile.
#[test]
fn a_word_that_waited_is_not_believed_anew() {
    let Some(server) = postgres() else { return };
    let stream = stream(2);
    for (age, moves) in [(0, true), (20, false)] {
        let url = server.database(&format!("a word of alerts {age} s old"));
        let (mut waiting, mut other) = (taken(&url, &stream, 0), taken(&url, &stream, 1));
        for (n, detection) in [&mut waiting, &mut other].into_iter().enumerate() {
            watch(detection, n, 1, 10).unwrap();
        }
        let heard = Instant::now().checked_sub(secs(age)).unwrap();
        let tip = [ShardProgress::reading(&shard(0), &[]).idle_since(heard)];
        waiting.tick(&mut context(20).with_shards(&tip)).unwrap();
        watch(&mut other, 1, 2, 500).unwrap();
        watch(&mut other, 1, 3, 501).unwrap();
        let sql = format!("SELECT watermark > to_timestamp({NOON}) FROM alert_progress");
        assert_eq!(query(&connect(&url), &sql)[0][0], if moves { "t" } else { "f" }, "{age} s");
    }
}
