//! The counts of a fleet in PostgreSQL: each record once, whatever happens to workers, leases and connections.

#![cfg(all(feature = "full", unix))]

#[allow(dead_code, reason = "not all of it is used here")]
mod cut_line;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "common/postgres.rs"]
mod server;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "fleet_counts/workers.rs"]
mod workers;

use std::sync::Barrier;
use std::time::Instant;

use cut_line::{Cut, CutLine};
use kinesis_lab::prelude::*;
use kinesis_lab::{Detection, Live, Playbooks, ShardProgress, SharedCounter, StreamId};
use server::{connect, execute, postgres, query};
use workers::{Fleet, stream_with_reshards};

const SHARD: &str = "shardId-000000000000";

fn context(second: i64) -> Context {
    Context::at(Timestamp::from_secs(1_800_000_000 + second))
}

fn idle(second: i64) -> Context {
    context(second).with_shards(&[ShardProgress::reading(SHARD, &[]).idle()])
}

fn counter(url: &str, stream: &Stream) -> SharedCounter {
    Counter::per_minute().lateness(secs(30)).shared_in(url, stream).unwrap()
}

fn taken(url: &str, stream: &Stream) -> SharedCounter {
    let mut counter = counter(url, stream);
    counter.shard_taken(SHARD, &mut context(0)).unwrap();
    counter
}

/// One record, at so many seconds after 08:00, with its number.
fn batch(number: u64, second: i64) -> Batch {
    let time = Timestamp::from_secs(1_536_220_800 + second);
    let record = Record::new("192.0.2.10", time.to_string(), number.to_string(), time);
    Batch::new("visits", SHARD, vec![record])
}

fn count(counter: &mut SharedCounter, number: u64, second: i64) -> Result<(), ProcessError> {
    counter.process(&batch(number, second), &mut context(0))?;
    counter.tick(&mut context(10 * second))
}

fn open(url: &str) -> u64 {
    Counts::open(url).unwrap().early().unwrap().iter().map(Window::total).sum()
}

fn said(error: ProcessError) -> String {
    format!("{error:?}")
}

fn one_shard() -> Stream {
    Kinesis::local().unwrap().create_stream("visits", 1).unwrap()
}

/// The same workers, in another order each time, with connections that break and workers that are cut off: what they have
/// counted is what one process would have.
#[test]
fn counts_are_exact_in_any_order() {
    let Some(server) = postgres() else { return };
    let stream = stream_with_reshards();
    let seeds = if std::env::var_os("KINESIS_LAB_FULL").is_some() { 100 } else { 3 };
    let mut fences = 0;
    for seed in 0..seeds {
        let url = server.database(&format!("any order {seed}"));
        let mut fleet = Fleet::new(&url, &stream, seed);
        fleet.run(200);
        fleet.finish();
        fleet.check();
        fences += fleet.fenced;
    }
    println!("{seeds} orders, {fences} times a worker was refused: all exact");
    assert!(fences > 0);
}

#[test]
fn whoever_was_replaced_writes_nothing_more() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("zombie"), one_shard());
    let mut first = taken(&url, &stream);
    count(&mut first, 1, 10).unwrap();
    let mut second = taken(&url, &stream);
    let refused = said(count(&mut first, 2, 20).unwrap_err());
    assert!(refused.starts_with("LeaseLost: another worker has taken shardId-000000000000"), "{refused}");
    assert_eq!(open(&url), 1);
    // Its end would open the children, its word that nothing comes would let windows pass.
    assert!(said(first.shard_ended(SHARD, &mut context(99)).unwrap_err()).starts_with("LeaseLost"));
    assert!(said(first.tick(&mut idle(99)).unwrap_err()).starts_with("LeaseLost"));
    count(&mut second, 1, 10).unwrap(); // it comes again: the lease table did not hear of it
    count(&mut second, 2, 20).unwrap();
    assert_eq!(open(&url), 2);
    let place = second.checkpoints(&StreamId::new("", Timestamp::MIN)).unwrap();
    assert_eq!(place[0].sequence_number.as_deref(), Some("2"));
}

/// A lesson's: what the fence is for.
#[test]
fn without_the_fence_whoever_was_replaced_makes_the_counts_wrong() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("without a fence"), one_shard());
    let counter = |url: &str| counter(url, &stream).without_fence();
    let mut first = counter(&url);
    first.shard_taken(SHARD, &mut context(0)).unwrap();
    count(&mut first, 1, 10).unwrap();
    let mut second = counter(&url);
    second.shard_taken(SHARD, &mut context(0)).unwrap();
    for (number, second_of_event) in [(2, 20), (3, 21), (4, 22)] {
        count(&mut second, number, second_of_event).unwrap();
    }
    assert_eq!(open(&url), 4);
    count(&mut first, 2, 20).unwrap();
    assert_eq!(open(&url), 2, "what it has not seen is missing");
    // Two minutes later the window is complete; and then the first one counts what is in it.
    count(&mut second, 5, 150).unwrap();
    assert_eq!(Counts::open(&url).unwrap().windows().unwrap().len(), 1);
    count(&mut first, 3, 21).unwrap();
    let late: u64 = Counts::open(&url).unwrap().late().unwrap().iter().map(|(_, _, n)| n).sum();
    assert_eq!(late, 1, "what another has counted is counted again");
}

/// It does not ask whether what it waits to write is written already, either.
#[test]
fn without_the_fence_a_commit_in_doubt_counts_twice() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("in doubt without a fence"), one_shard());
    let line = CutLine::to(server.port);
    let mut counter = counter(&line.url(&url), &stream).without_fence();
    counter.shard_taken(SHARD, &mut context(0)).unwrap();
    line.cut_next(Cut::Answer);
    let mut outcome = count(&mut counter, 1, 1);
    for _ in 0..100 {
        if outcome.is_ok() {
            break;
        }
        std::thread::sleep(millis(20));
        outcome = counter.tick(&mut context(10));
    }
    assert_eq!(open(&url), 2);
}

/// The answer to a COMMIT is lost, or the COMMIT is: nobody on this side can tell.
#[test]
fn a_commit_in_doubt_is_settled() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("fleet in doubt"), one_shard());
    let line = CutLine::to(server.port);
    let mut counter = taken(&line.url(&url), &stream);
    let mut number = 0;
    for cut in [Cut::Answer, Cut::Commit, Cut::Answer, Cut::Nothing, Cut::Commit, Cut::Answer] {
        number += 1;
        line.cut_next(cut);
        let mut outcome = count(&mut counter, number, 1);
        for _ in 0..100 {
            let Err(error) = outcome else { break };
            assert!(said(error).starts_with("Wait"), "{cut:?}");
            std::thread::sleep(millis(20));
            outcome = counter.tick(&mut context(10));
        }
        assert_eq!(open(&url), number, "{cut:?}");
    }
}

/// Its line stands still in the middle of a transaction: others are held up for seconds, and then it is refused.
#[test]
fn one_that_is_cut_off_in_a_transaction_holds_nobody_for_long() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("fleet still"), one_shard());
    let line = CutLine::to(server.port);
    let mut first = taken(&line.url(&url), &stream);
    line.cut_next(Cut::Silence);
    std::thread::scope(|scope| {
        let first = scope.spawn(move || {
            let cut_off = said(count(&mut first, 1, 1).unwrap_err());
            (first, cut_off)
        });
        while !line.is_silent() {
            std::thread::sleep(millis(20));
        }
        let began = std::time::Instant::now();
        let mut second = counter(&url, &stream);
        while let Err(error) = second.shard_taken(SHARD, &mut context(0)) {
            assert!(said(error).starts_with("Wait") && began.elapsed() < secs(15));
        }
        count(&mut second, 1, 1).unwrap();
        assert_eq!(open(&url), 1);
        line.hang_up();
        let (mut first, cut_off) = first.join().unwrap();
        assert!(cut_off.starts_with("Wait"), "{cut_off}");
        while let Err(error) = first.tick(&mut context(9)) {
            let refused = said(error);
            if refused.starts_with("LeaseLost") {
                break;
            }
            assert!(refused.starts_with("Wait"), "{refused}");
        }
    });
    assert_eq!(open(&url), 1);
}

#[test]
fn a_database_from_an_older_state_is_noticed() {
    let Some(server) = postgres() else { return };
    let stream = one_shard();
    for (n, harm) in [
        "UPDATE shards SET sequence = '1'",
        "UPDATE shards SET epoch = epoch - 1",
        "DELETE FROM shards",
        "DELETE FROM progress",
    ]
    .iter()
    .enumerate()
    {
        let url = server.database(&format!("fleet restored {n}"));
        let mut counter = taken(&url, &stream);
        count(&mut counter, 1, 10).unwrap();
        count(&mut counter, 2, 20).unwrap();
        execute(&connect(&url), harm);
        let error = said(count(&mut counter, 3, 30).unwrap_err());
        assert!(error.starts_with("Stop") && error.contains("tart"), "{harm}: {error}");
        assert_eq!(
            query(&connect(&url), "SELECT coalesce(sum(count), 0) FROM open_counts")[0][0],
            "2",
            "{harm}"
        );
    }
}

/// What a worker and a single process have counted is one sum; never both at once.
#[test]
fn a_process_and_a_fleet_take_turns() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("turns"), one_shard());
    for second in [10, 20] {
        stream.put("192.0.2.10", format!("2018-09-06T08:00:{second}Z")).unwrap();
    }
    let mut single = Counter::per_minute().lateness(secs(30)).stored_in(&url).unwrap();
    stream.consumer().trim_horizon().run_until_caught_up(&mut single).unwrap();
    let mut worker = counter(&url, &stream);
    let error = said(worker.shard_taken(SHARD, &mut context(0)).unwrap_err());
    assert!(error.starts_with("Wait: one process counts into"), "{error}");
    drop(single);
    while let Err(error) = worker.shard_taken(SHARD, &mut context(0)) {
        assert!(said(error).starts_with("Wait"));
        std::thread::sleep(millis(20));
    }
    // It goes on behind what the process has read.
    let last = "9".repeat(60);
    let time = Timestamp::from_secs(1_536_220_800 + 30);
    let record = Record::new("192.0.2.10", time.to_string(), last, time);
    worker.process(&Batch::new("visits", SHARD, vec![record]), &mut context(0)).unwrap();
    worker.tick(&mut context(1)).unwrap();
    assert_eq!(open(&url), 3);
    drop(worker);
    let mut single = Counter::per_minute().lateness(secs(30)).stored_in(&url).unwrap();
    single.flush().unwrap();
    assert_eq!(Counts::open(&url).unwrap().windows().unwrap()[0].total(), 3);
}

#[test]
fn what_is_another_fleets_is_refused() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("fleet refused"), one_shard());
    drop(taken(&url, &stream));
    let mut other = Counter::per_minute().lateness(secs(10)).shared_in(&url, &stream).unwrap();
    let error = said(other.shard_taken(SHARD, &mut context(0)).unwrap_err());
    assert!(
        error.starts_with("Stop") && error.contains("30 s for late events, and this one 10 s"),
        "{error}"
    );
    let mut other = Counter::tumbling(secs(30)).lateness(secs(30)).shared_in(&url, &stream).unwrap();
    let error = said(other.shard_taken(SHARD, &mut context(0)).unwrap_err());
    assert!(error.contains("another window size"), "{error}");
    // By a consumer it is not driven.
    let error = stream.consumer().run_until_caught_up(&mut counter(&url, &stream)).unwrap_err();
    assert!(error.to_string().contains("kinesis_lab::kcl::run"), "{error}");
    assert!(!format!("{:?}", counter(&url, &stream)).contains("s3cret"));
}

/// Tables of the version before, with counts in them.
#[test]
fn older_tables_are_brought_up_to_date() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("layout 1"), one_shard());
    stream.put("192.0.2.10", "2018-09-06T08:00:10Z").unwrap();
    let mut single = Counter::per_minute().lateness(secs(30)).stored_in(&url).unwrap();
    stream.consumer().trim_horizon().run_until_caught_up(&mut single).unwrap();
    drop(single);
    let admin = connect(&url);
    execute(
        &admin,
        "ALTER TABLE progress DROP COLUMN moved; UPDATE kinesis_lab SET layout = 1 WHERE what = 'counts'",
    );
    assert_eq!(open(&url), 1); // whoever reads changes nothing
    let mut worker = counter(&url, &stream);
    while worker.shard_taken(SHARD, &mut context(0)).is_err() {
        std::thread::sleep(millis(20));
    }
    assert_eq!(query(&admin, "SELECT layout FROM kinesis_lab WHERE what = 'counts'")[0][0], "2");
    assert_eq!(open(&url), 1);
}

/// A fleet that begins: each worker finds an empty database, and all make the tables.
#[test]
fn workers_that_start_at_once_make_the_tables_once() {
    let Some(server) = postgres() else { return };
    let (stream, playbooks) = (one_shard(), Playbooks::shipped());
    for round in 0..8 {
        let url = server.database(&format!("at once {round}"));
        let (start, stream, playbooks, url) = (Barrier::new(8), &stream, &playbooks, &url);
        std::thread::scope(|scope| {
            let workers = (0..8).map(|n| {
                let start = &start;
                scope.spawn(move || {
                    let mut processor: Box<dyn RecordProcessor> = match n % 2 {
                        0 => Box::new(counter(url, stream)),
                        _ => Box::new(Detection::new(playbooks).shared_in(url, stream).unwrap()),
                    };
                    start.wait();
                    processor.shard_taken(SHARD, &mut context(0)).map_err(said)
                })
            });
            for worker in workers.collect::<Vec<_>>() {
                assert_eq!(worker.join().unwrap(), Ok(()), "round {round}");
            }
        });
    }
}

/// A word that a shard is read to its tip is as old as it is: written after a wait, it lets no window pass in which the
/// shard has events that came meanwhile.
#[test]
fn a_word_that_waited_is_not_believed_anew() {
    let Some(server) = postgres() else { return };
    let stream = Kinesis::local().unwrap().create_stream("visits", 2).unwrap();
    let shards: Vec<String> = stream.shards().unwrap().into_iter().map(|shard| shard.id).collect();
    for (age, windows) in [(0, 1), (2, 1), (20, 0)] {
        let url = server.database(&format!("a word {age} s old"));
        let mut workers: Vec<SharedCounter> = shards.iter().map(|_| counter(&url, &stream)).collect();
        for (worker, shard) in workers.iter_mut().zip(&shards) {
            worker.shard_taken(shard, &mut context(0)).unwrap();
            let time = Timestamp::from_secs(1_536_220_810);
            let record = Record::new("192.0.2.10", time.to_string(), "1", time);
            worker.process(&Batch::new("visits", shard, vec![record]), &mut context(0)).unwrap();
            worker.tick(&mut context(0)).unwrap();
        }
        // One waits for the database; what is in the others' hands goes on.
        let heard = Instant::now().checked_sub(secs(age)).unwrap();
        let tip = [ShardProgress::reading(&shards[0], &[]).idle_since(heard)];
        workers[0].tick(&mut context(10).with_shards(&tip)).unwrap();
        let time = Timestamp::from_secs(1_536_220_800 + 190);
        let record = Record::new("192.0.2.10", time.to_string(), "2", time);
        workers[1].process(&Batch::new("visits", &shards[1], vec![record]), &mut context(20)).unwrap();
        workers[1].tick(&mut context(20)).unwrap();
        workers[1].tick(&mut context(30)).unwrap();
        assert_eq!(Counts::open(&url).unwrap().windows().unwrap().len(), windows, "{age} s");
    }
}

/// Overlapping windows, a cap, late events and ids: as one process has them.
#[test]
fn what_is_counted_is_what_one_process_counts() {
    let Some(server) = postgres() else { return };
    let (url, other, stream) = (server.database("fleet same"), server.database("single same"), one_shard());
    for (key, second) in [("a", 5), ("b", 15), ("a", 65), ("c", 70), ("a", 130), ("b", 1), ("a", 200)] {
        let time = Timestamp::from_secs(1_536_220_800 + second);
        stream.put(key, time.to_string()).unwrap();
    }
    for id in ["x", "x", "y"] {
        let event = format!(r#"{{"time":"2018-09-06T08:03:30Z","ip":"192.0.2.10","id":"{id}"}}"#);
        stream.put("192.0.2.10", event).unwrap();
    }
    stream.put("odd", "tomorrow").unwrap();
    let counter = || Counter::sliding(secs(60), secs(20)).lateness(secs(10)).max_pairs(6);
    let mut records = workers::Collected::default();
    stream.consumer().trim_horizon().run_until_caught_up(&mut records).unwrap();
    let mut single = counter().stored_in(&other).unwrap();
    let mut shared = counter().shared_in(&url, &stream).unwrap();
    shared.shard_taken(SHARD, &mut context(0)).unwrap();
    single.checkpoints(&StreamId::new(stream.name(), stream.created())).unwrap();
    for (n, record) in records.0[SHARD].iter().enumerate() {
        let batch = Batch::new("visits", SHARD, vec![record.clone()]);
        for processor in [&mut single as &mut dyn RecordProcessor, &mut shared] {
            let shards = [ShardProgress::reading(SHARD, &[])];
            let mut context = context(10 * n as i64).with_shards(&shards);
            processor.process(&batch, &mut context).unwrap();
            processor.tick(&mut context).unwrap();
        }
    }
    let (ours, theirs) = (Counts::open(&url).unwrap(), Counts::open(&other).unwrap());
    assert!(theirs.windows().unwrap().len() > 5 && !theirs.late().unwrap().is_empty());
    let shown = |counts: &Counts| {
        let (windows, early) = (counts.windows().unwrap(), counts.early().unwrap());
        let (late, totals) = (counts.late().unwrap(), counts.totals().unwrap());
        format!("{windows:?}\n{early:?}\n{late:?}\n{totals:?}\n{}", counts.pairs().unwrap())
    };
    assert_eq!(shown(&ours), shown(&theirs));
    // So the picture is one, too, and so is what a page shows of it.
    let picture = |counts: &Counts| counts.chart().unwrap().svg().unwrap();
    assert_eq!(picture(&ours), picture(&theirs));
}

/// Two workers, each with the half of a key's events: who looks sees what all of them have, before a window is complete and
/// after.
#[test]
fn a_page_shows_what_all_workers_have_counted() {
    let Some(server) = postgres() else { return };
    let url = server.database("fleet page");
    let stream = Kinesis::local().unwrap().create_stream("visits", 2).unwrap();
    let shards: Vec<String> = stream.shards().unwrap().into_iter().map(|shard| shard.id).collect();
    let mut workers: Vec<SharedCounter> = shards.iter().map(|_| counter(&url, &stream)).collect();
    let live = Live::of(&url).title("Shop").start().unwrap();
    for (worker, shard) in workers.iter_mut().zip(&shards) {
        worker.shard_taken(shard, &mut context(0)).unwrap();
    }
    let mut number = 0;
    let mut count = |second: i64, now: i64| {
        for (worker, shard) in workers.iter_mut().zip(&shards) {
            number += 1;
            let time = Timestamp::from_secs(1_536_220_800 + second);
            let record = Record::new("192.0.2.10", time.to_string(), number.to_string(), time);
            worker.process(&Batch::new("visits", shard, vec![record]), &mut context(now)).unwrap();
            worker.tick(&mut context(now)).unwrap();
        }
    };
    count(10, 1);
    count(20, 10);
    let text = live.chart().unwrap().text().to_owned();
    assert!(text.starts_with("Requests per minute, still open from 08:00"), "{text}");
    assert!(text.contains("192.0.2.10") && text.contains(" 4"), "{text}");
    // Past its end, and late events have been waited for: on both shards, or the window would stay open.
    count(100, 20);
    count(200, 40);
    count(201, 60);
    let complete = Counts::open(&url).unwrap().windows().unwrap();
    assert_eq!(complete.first().map(Window::total), Some(4), "{complete:?}");
    let picture = live.chart().unwrap();
    assert!(picture.text().starts_with("Requests per minute, still open from 08:03"), "{picture}");
    // What is final, alone.
    let chart = Counts::open(&url).unwrap().chart().unwrap();
    assert!(chart.text().starts_with("Requests per minute\n") && chart.text().contains("08:01"), "{chart}");
    assert!(!chart.text().contains("08:03"), "{chart}");
}

/// Of what was sent into a shard, its children know the copies: also its grandchildren, where nothing came in between.
#[test]
fn a_copy_is_known_across_a_shard_on_which_nothing_came() {
    let Some(server) = postgres() else { return };
    let (url, events, log) = (server.database("fleet copies"), one_shard(), one_shard());
    events.put("192.0.2.10", "2018-09-06T08:00:10Z").unwrap();
    let mut filter = kinesis_lab::Filter::new(&log, |_| true);
    events.consumer().trim_horizon().run_until_caught_up(&mut filter).unwrap();
    let mut sent = workers::Collected::default();
    log.consumer().trim_horizon().run_until_caught_up(&mut sent).unwrap();
    let record = sent.0[SHARD][0].clone();
    log.split_shard(SHARD).unwrap();
    let child = log.shards().unwrap().into_iter().find(Shard::is_open).unwrap().id;
    log.split_shard(&child).unwrap();
    let all = log.shards().unwrap();
    let grandchild = all.iter().find(|shard| shard.parent.as_deref() == Some(&*child)).unwrap().id.clone();
    for (shard, records) in [(SHARD, 1), (&*child, 0), (&*grandchild, 1)] {
        let mut counter = counter(&url, &log);
        counter.shard_taken(shard, &mut context(0)).unwrap();
        if records > 0 {
            let batch = Batch::new("visits", shard, vec![record.clone()]);
            counter.process(&batch, &mut context(0)).unwrap();
        }
        counter.tick(&mut context(1)).unwrap();
        if shard != grandchild {
            counter.shard_ended(shard, &mut context(2)).unwrap();
        }
    }
    assert_eq!((open(&url), Counts::open(&url).unwrap().totals().unwrap().duplicates), (1, 1));
}

/// A batch that has read the watermark is written before it moves, however long that takes.
#[test]
fn no_window_is_completed_under_a_batch() {
    let Some(server) = postgres() else { return };
    let (url, stream) =
        (server.database("under way"), Kinesis::local().unwrap().create_stream("visits", 2).unwrap());
    let shards = ["shardId-000000000000", "shardId-000000000001"];
    let mut workers: Vec<SharedCounter> = shards
        .iter()
        .map(|shard| {
            let mut counter = counter(&url, &stream);
            counter.shard_taken(shard, &mut context(0)).unwrap();
            counter
        })
        .collect();
    let give = |counter: &mut SharedCounter, shard: usize, number: u64, second: i64| {
        let mut batch = batch(number, second);
        batch.shard_id = shards[shard].into();
        counter.process(&batch, &mut context(0)).unwrap();
    };
    // Both are far enough for windows, of which nobody has looked yet.
    for (number, second) in [(1, 100), (2, 500)] {
        for (shard, worker) in workers.iter_mut().enumerate() {
            give(worker, shard, number, second);
            worker.tick(&mut context(0)).unwrap();
        }
    }
    let admin = connect(&url);
    let (mut second, mut first) = (workers.pop().unwrap(), workers.pop().unwrap());
    give(&mut first, 0, 3, 90);
    execute(&admin, &format!("BEGIN; SELECT FROM shards WHERE shard = '{SHARD}' FOR UPDATE"));
    std::thread::scope(|scope| {
        let under_way = scope.spawn(move || while first.tick(&mut context(0)).is_err() {});
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        let eyes = connect(&url);
        while query(&eyes, waits)[0][0] == "0" {
            std::thread::sleep(millis(1));
        }
        second.tick(&mut context(5)).unwrap();
        execute(&admin, "COMMIT");
        under_way.join().unwrap();
    });
    second.tick(&mut context(10)).unwrap();
    let counts = Counts::open(&url).unwrap();
    let (windows, early) = (counts.windows().unwrap(), counts.early().unwrap());
    let late: u64 = counts.late().unwrap().iter().map(|(_, _, n)| n).sum();
    let all = windows.iter().chain(&early).map(Window::total).sum::<u64>() + late;
    assert_eq!(all, 5, "{windows:?} {early:?} {late}");
    assert!(
        !windows.is_empty()
            && windows.iter().all(|window| early.iter().all(|open| open.start != window.start))
    );
}

/// The children of a shard are entered with its end: before anybody reads them, they hold the windows.
#[test]
fn an_end_is_written_with_its_children() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("children"), one_shard());
    let mut counter = taken(&url, &stream);
    stream.split_shard(SHARD).unwrap();
    counter.shard_ended(SHARD, &mut context(1)).unwrap();
    let rows = query(&connect(&url), "SELECT shard, ended FROM shards ORDER BY shard");
    assert_eq!(rows.iter().map(|row| &*row[1]).collect::<Vec<_>>(), ["t", "f", "f"]);
}

/// Whoever was replaced while it had nothing to write is refused, too: its word would let windows pass.
#[test]
fn whoever_was_replaced_does_not_say_that_nothing_comes() {
    let Some(server) = postgres() else { return };
    let (url, stream) = (server.database("idle zombie"), one_shard());
    let mut first = taken(&url, &stream);
    count(&mut first, 1, 1).unwrap();
    drop(taken(&url, &stream));
    // At its end, and so soon that it has nothing to write before.
    stream.split_shard(SHARD).unwrap();
    assert!(said(first.shard_ended(SHARD, &mut context(10)).unwrap_err()).starts_with("LeaseLost"));
    assert!(said(first.tick(&mut idle(99)).unwrap_err()).starts_with("LeaseLost"));
    assert_eq!(query(&connect(&url), "SELECT idle, ended FROM shards ORDER BY shard")[0], ["f", "f"]);
}
