//! A filter of many workers: each event is counted once in the second stream, whatever happens to workers, leases and
//! connections; and none comes after its own event time.

#![cfg(all(feature = "full", unix))]

#[allow(dead_code, reason = "not all of it is used here")]
#[path = "common/postgres.rs"]
mod server;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "fleet_counts/workers.rs"]
mod workers;

use std::collections::BTreeMap;

use kinesis_lab::prelude::*;
use kinesis_lab::{Filter, ShardProgress, SharedFilter};
use server::postgres;
use workers::{Fleet, stream_with_reshards};

const SHARD: &str = "shardId-000000000000";

fn context(second: i64) -> Context {
    Context::at(Timestamp::from_secs(1_800_000_000 + second))
}

fn filter(url: &str, from: &Stream, to: &Stream) -> SharedFilter {
    // The clients .0 to .5 of seven.
    Filter::new(to, |event| !event.key.raw().ends_with(".6")).shared_in(url, from).unwrap()
}

fn counted(stream: &Stream, lateness: u64) -> Counter {
    let mut counter = Counter::per_minute().lateness(secs(lateness));
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    counter
}

/// Each record by itself, in the order in which they were put: in a large batch none would be late.
fn one_after_the_other(log: &Stream) -> Counter {
    let mut all = workers::Collected::default();
    log.consumer().trim_horizon().run_until_caught_up(&mut all).unwrap();
    let mut counter = Counter::per_minute().lateness(secs(0));
    let mut context = context(0).with_shards(&[ShardProgress::reading(SHARD, &[])]);
    for record in &all.0[SHARD] {
        counter.process(&Batch::new("visits-log", SHARD, vec![record.clone()]), &mut context).unwrap();
        counter.tick(&mut context).unwrap();
    }
    counter
}

/// Of complete windows and of open ones.
fn pairs(counter: &mut Counter) -> BTreeMap<(Timestamp, String), u64> {
    let windows = counter.take_completed().into_iter().chain(counter.windows());
    let pair = |start: Timestamp, key: &str, count: u64| ((start, key.to_owned()), count);
    windows
        .flat_map(|window| {
            let start = window.start;
            window.counts.into_iter().map(move |(key, count)| pair(start, key.raw(), count))
        })
        .collect()
}

/// Without a word on lateness: what the second stream says of event time has to hold by itself.
#[test]
fn each_event_is_counted_once_in_the_second_stream_and_none_is_late() {
    let Some(server) = postgres() else { return };
    let stream = stream_with_reshards();
    let mut kept = pairs(&mut counted(&stream, 3_600));
    kept.retain(|(_, key), _| !key.ends_with(".6"));
    let seeds = if std::env::var_os("KINESIS_LAB_FULL").is_some() { 60 } else { 3 };
    let (mut fences, mut copies, mut advanced) = (0, 0, 0);
    for seed in 0..seeds {
        let url = server.database(&format!("filter {seed}"));
        let log = Kinesis::local().unwrap().create_stream("visits-log", 1).unwrap();
        let (database, from, to) = (url.clone(), stream.clone(), log.clone());
        let make = move || -> Box<dyn RecordProcessor> { Box::new(filter(&database, &from, &to)) };
        let mut fleet = Fleet::running(&url, &stream, seed, Box::new(make));
        fleet.run(200);
        fleet.finish();
        let mut counter = one_after_the_other(&log);
        assert_eq!(counter.late().count(), 0, "seed {seed}");
        assert_eq!(pairs(&mut counter), kept, "seed {seed}");
        fences += fleet.fenced;
        copies += counter.duplicates();
        advanced += u64::from(counter.watermark() > Timestamp::MIN);
    }
    println!("{seeds} orders, {fences} times a worker was refused, {copies} copies: all exact");
    assert!(fences > 0 && copies > 0 && advanced == seeds, "{fences} {copies} {advanced}");
}

fn batch(records: &[(u64, i64)]) -> Batch {
    let record = |(number, second): &(u64, i64)| {
        let time = Timestamp::from_secs(1_536_220_800 + second);
        Record::new("192.0.2.10", time.to_string(), number.to_string(), time)
    };
    Batch::new("visits", SHARD, records.iter().map(record).collect())
}

fn sent(log: &Stream) -> Vec<(u64, Option<String>, Timestamp)> {
    let mut all = workers::Collected::default();
    log.consumer().trim_horizon().run_until_caught_up(&mut all).unwrap();
    let origin = |record: &Record| kinesis_lab::Event::parse(record).unwrap().origin.unwrap();
    let told = |origin: kinesis_lab::Origin| {
        (origin.sequence_number.parse().unwrap(), origin.after, origin.watermark)
    };
    all.0.values().flatten().map(|record| told(origin(record))).collect()
}

#[test]
fn whoever_was_replaced_sends_copies_alone_and_keeps_no_place() {
    let Some(server) = postgres() else { return };
    let kinesis = Kinesis::local().unwrap();
    let (stream, log) =
        (kinesis.create_stream("visits", 1).unwrap(), kinesis.create_stream("log", 1).unwrap());
    let url = server.database("filter zombie");
    let mut first = filter(&url, &stream, &log);
    first.shard_taken(SHARD, &mut context(0)).unwrap();
    first.process(&batch(&[(1, 10), (2, 20)]), &mut context(0)).unwrap();
    first.tick(&mut context(1)).unwrap();
    let mut second = filter(&url, &stream, &log);
    second.shard_taken(SHARD, &mut context(2)).unwrap();
    // The first does not know.
    first.process(&batch(&[(3, 130)]), &mut context(3)).unwrap();
    let refused = format!("{:?}", first.tick(&mut context(4)).unwrap_err());
    assert!(refused.starts_with("LeaseLost"), "{refused}");
    // The lease table knows of none.
    second.process(&batch(&[(1, 10), (2, 20), (3, 130)]), &mut context(5)).unwrap();
    second.tick(&mut context(6)).unwrap();
    second.process(&batch(&[(4, 140)]), &mut context(7)).unwrap();
    second.tick(&mut context(8)).unwrap();
    let at = |second: i64| Timestamp::from_secs(1_536_220_800 + second);
    let two = Some("2".to_owned());
    let expected = [
        (1, None, Timestamp::MIN),
        (2, Some("1".to_owned()), at(10)),
        (3, two.clone(), at(10)),
        (3, two, at(20)), // the copy
        (4, Some("3".to_owned()), at(20)),
    ];
    assert_eq!(sent(&log), expected);
    assert_eq!(
        (first.kept(), second.kept(), second.dropped(), second.unparsed_samples().len()),
        (3, 2, 0, 0)
    );
    let counter = counted(&log, 0);
    assert_eq!((counter.total(), counter.duplicates()), (4, 1));
}

/// Of an aggregate of which a part was sent, the rest has the same number.
#[test]
fn the_rest_of_an_aggregate_is_no_copy() {
    let Some(server) = postgres() else { return };
    let kinesis = Kinesis::local().unwrap();
    let (stream, log) =
        (kinesis.create_stream("visits", 1).unwrap(), kinesis.create_stream("log", 1).unwrap());
    let mut filter = filter(&server.database("filter aggregate"), &stream, &log);
    filter.shard_taken(SHARD, &mut context(0)).unwrap();
    for part in [0..2, 2..4] {
        let mut whole = batch(&[(9, 1), (9, 2), (9, 3), (9, 4)]);
        let records = whole.records.drain(..).zip(0..).map(|(record, sub)| record.in_aggregate(sub));
        whole.records = records.skip(part.start).take(part.len()).collect();
        filter.process(&whole, &mut context(0)).unwrap();
        filter.tick(&mut context(1)).unwrap();
    }
    let counter = counted(&log, 3_600);
    assert_eq!((counter.total(), counter.duplicates()), (4, 0));
    assert!(sent(&log).iter().all(|(_, after, _)| after.is_none()));
}

/// What can't be sent now is tried again as a whole, and nothing is written before it is.
#[test]
fn what_was_not_sent_has_no_place() {
    let Some(server) = postgres() else { return };
    let kinesis = Kinesis::local().unwrap();
    let (stream, log) =
        (kinesis.create_stream("visits", 1).unwrap(), kinesis.create_stream("log", 1).unwrap());
    let url = server.database("filter unsent");
    let mut filter = filter(&url, &stream, &log);
    filter.shard_taken(SHARD, &mut context(0)).unwrap();
    log.delete().unwrap();
    filter.process(&batch(&[(1, 10)]), &mut context(0)).unwrap_err();
    filter.tick(&mut context(9)).unwrap();
    let place = filter.checkpoints(&kinesis_lab::StreamId::new("", Timestamp::MIN)).unwrap();
    assert_eq!((filter.kept(), place[0].sequence_number.as_deref()), (0, None));
}

/// An hour in one batch, and then nothing: the windows of the second stream are not held for want of a record more.
#[test]
fn the_last_record_says_how_far_event_time_is_behind_the_others() {
    let Some(server) = postgres() else { return };
    let kinesis = Kinesis::local().unwrap();
    let (stream, log) =
        (kinesis.create_stream("visits", 1).unwrap(), kinesis.create_stream("log", 1).unwrap());
    let mut filter = filter(&server.database("filter behind"), &stream, &log);
    filter.shard_taken(SHARD, &mut context(0)).unwrap();
    let hour: Vec<(u64, i64)> = (1..=60).map(|minute| (minute, 60 * minute as i64)).collect();
    filter.process(&batch(&hour), &mut context(1)).unwrap();
    filter.tick(&mut context(2)).unwrap();
    let watermark = |n: usize| sent(&log)[n].2;
    assert_eq!(watermark(58), Timestamp::MIN);
    assert_eq!(watermark(59), Timestamp::from_secs(1_536_220_800 + 59 * 60));
    // What is not far ahead goes in one part; how far event time is, this worker heard when it wrote last.
    filter.process(&batch(&[(61, 3_601)]), &mut context(3)).unwrap();
    filter.tick(&mut context(60)).unwrap();
    filter.process(&batch(&[(62, 3_602), (63, 3_604)]), &mut context(61)).unwrap();
    let after = |told: &(u64, Option<String>, Timestamp)| told.1.clone();
    assert_eq!(sent(&log)[60..].iter().filter_map(after).collect::<Vec<_>>(), ["60", "61", "61"]);
}
