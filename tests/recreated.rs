//! A stream that is deleted and created again under its name is another stream: no handle of the first
//! one may read it, write to it or delete it.

#![cfg(feature = "full")]

mod common;

use std::time::Instant;

use common::{Faults, Faulty, faulty};
use kinesis_lab::prelude::*;
use kinesis_lab::{PutReceipt, block_on};

#[derive(Default, Clone)]
struct Seen(Vec<String>);

impl RecordProcessor for Seen {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.0.extend(batch.records.iter().map(|r| String::from_utf8_lossy(&r.data).into_owned()));
        Ok(())
    }
}

/// A service that creates and deletes at once, a stream in it, and what was put there.
fn with_stream() -> (Faulty, Stream, PutReceipt) {
    let service = faulty(1, Faults::default());
    let stream = service.kinesis.create_stream("name", 1).unwrap();
    let receipt = stream.put("k", "old").unwrap();
    (service, stream, receipt)
}

/// Somebody else deletes the stream and creates it again, at once.
fn replace(service: &Faulty, old: &Stream) -> Stream {
    let direct = service.direct.stream("name").unwrap();
    another_second(old);
    direct.delete().unwrap();
    service.direct.create_stream("name", 2).unwrap()
}

/// Creation times are in whole seconds (and those of ferrokinesis are two seconds in the past).
fn another_second(old: &Stream) {
    wait_for(|| Timestamp::now() >= old.created() + secs(3));
}

/// What it saw until it noticed, by itself, that its stream is no more.
fn read_to_the_end(consumer: ConsumerHandle<Seen>) -> Vec<String> {
    wait_for(|| !consumer.is_running());
    let (seen, outcome) = consumer.join();
    assert_eq!(outcome.unwrap().ended, Some(Ended::StreamDeleted));
    seen.0
}

fn held(stream: &Stream) -> Vec<String> {
    let mut seen = Seen::default();
    stream.consumer().trim_horizon().run_until_caught_up(&mut seen).unwrap();
    seen.0
}

fn assert_replaced<T: std::fmt::Debug>(outcome: Result<T, Error>) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StreamNotFound);
    let said = error.to_string();
    assert!(
        said.contains("another was created under its name at ") && said.contains("open that one"),
        "{said}"
    );
}

#[test]
fn a_consumer_ends_where_its_stream_did() {
    let (service, stream, _) = with_stream();
    let consumer = stream.consumer().trim_horizon().poll_every(millis(200)).start(Seen::default()).unwrap();
    wait_for(|| consumer.report().records == 1);
    service.direct.delete_stream("name").unwrap();
    wait_for(|| !consumer.is_running());
    another_second(&stream);
    service.direct.create_stream("name", 1).unwrap().put("k", "new").unwrap();
    assert_eq!(read_to_the_end(consumer), ["old"]);
}

/// Between two polls, so that no call of the consumer finds the name without a stream. The local service
/// then takes the old iterator and gives the new stream's records for it.
#[test]
fn a_consumer_that_saw_no_gap_reads_nothing_of_the_new_stream() {
    let (service, stream, _) = with_stream();
    let iterator = {
        let client = service.direct.client().clone();
        block_on(async move {
            let call = client.get_shard_iterator().stream_name("name").shard_id("shardId-000000000000");
            call.shard_iterator_type("TRIM_HORIZON".into()).send().await.unwrap().shard_iterator
        })
    };
    let consumer = stream.consumer().trim_horizon().poll_every(secs(1)).start(Seen::default()).unwrap();
    wait_for(|| consumer.report().records == 1);
    let new = replace(&service, &stream);
    new.put_many((0..9).map(|n| Entry::new(format!("{n}"), "new")).collect()).send().unwrap();

    let client = service.direct.client().clone();
    let read =
        block_on(async move { client.get_records().set_shard_iterator(iterator).send().await.unwrap() });
    assert!(
        !read.records.is_empty(),
        "the local service refuses the iterator: this no longer proves anything"
    );

    assert_eq!(read_to_the_end(consumer), ["old"]);
    assert_eq!(held(&new).len(), 9);
}

/// At any moment: in a read, between a read and the next, before the first.
#[test]
fn no_moment_lets_a_record_of_the_new_stream_through() {
    std::thread::scope(|scope| {
        for seed in 0..16 {
            scope.spawn(move || {
                let (service, stream, _) = with_stream();
                let consumer = stream.consumer().trim_horizon().poll_every(millis(200));
                let consumer = consumer.start(Seen::default()).unwrap();
                another_second(&stream);
                std::thread::sleep(millis(fastrand::Rng::with_seed(seed).u64(0..450)));
                let new = replace(&service, &stream);
                new.put_many((0..9).map(|n| Entry::new(format!("{n}"), "new")).collect()).send().unwrap();
                let seen = read_to_the_end(consumer);
                assert!(!seen.contains(&"new".to_owned()), "seed {seed}: {seen:?}");
            });
        }
    });
}

/// Whatever a service says of an iterator whose stream was replaced (AWS: an invalid argument).
#[test]
fn a_refused_iterator_is_looked_into() {
    for code in ["InvalidArgumentException", "ResourceNotFoundException", "ExpiredIteratorException"] {
        let (service, stream, _) = with_stream();
        let consumer = stream.consumer().trim_horizon().poll_every(secs(1)).start(Seen::default()).unwrap();
        wait_for(|| consumer.report().records == 1);
        service.refuse_reads(code);
        replace(&service, &stream).put("k", "new").unwrap();
        assert_eq!(read_to_the_end(consumer), ["old"], "{code}");
    }
    // Where the stream is the same, an invalid argument is what it says.
    let (service, stream, _) = with_stream();
    service.refuse_reads("InvalidArgumentException");
    let error = stream.consumer().trim_horizon().run(&mut Echo::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// "Latest" is looked up again by time when its iterator expires before the first record came.
#[test]
fn an_iterator_that_expired_is_not_opened_on_the_new_stream() {
    let kinesis = Local::new().iterator_lifetime(secs(1)).transition(millis(0)).open().unwrap();
    let stream = kinesis.create_stream("name", 1).unwrap();
    let consumer = stream.consumer().latest().poll_every(millis(2_500)).start(Seen::default()).unwrap();
    kinesis.delete_stream("name").unwrap();
    kinesis.create_stream("name", 1).unwrap().put("k", "new").unwrap();
    assert_eq!(read_to_the_end(consumer), [""; 0]);
}

#[test]
fn positions_of_the_old_stream_are_refused() {
    let (service, old, receipt) = with_stream();
    let new = replace(&service, &old);
    new.put("k", "new").unwrap();
    let after = |stream: &Stream| {
        let consumer = stream.consumer().after_sequence_number(&receipt.shard_id, &receipt.sequence_number);
        consumer.run_until_caught_up(&mut Echo::new())
    };
    let error = after(&new).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let said = error.to_string();
    assert!(said.contains("an earlier stream of this name") && said.contains(".trim_horizon()"), "{said}");
    assert!(said.contains(&new.created().to_string()), "{said}");
    assert_replaced(after(&old));
}

#[test]
fn a_producer_ends_and_hands_back_what_it_did_not_write() {
    let (service, stream, _) = with_stream();
    let producer = stream.producer("k").interval(millis(5)).start();
    wait_for(|| producer.sent() > 0);
    service.direct.delete_stream("name").unwrap();
    wait_for(|| !producer.is_running());
    another_second(&stream);
    let new = service.direct.create_stream("name", 1).unwrap();
    let report = producer.join();
    assert!(report.last_error.unwrap().is_stream_not_found());
    assert!(!report.failed.is_empty(), "the record that found no stream is handed back");

    // The handle was told that there is no such stream, so it looks before it puts again.
    assert_replaced(stream.put("k", "for the old stream"));
    let entries: Vec<Entry> = (0..700).map(|n| Entry::new("k", format!("{n}"))).collect();
    let failure = stream.put_many(entries.clone()).send().unwrap_err();
    assert_eq!((failure.report.sent, failure.report.ambiguous), (0, 0));
    assert_eq!(failure.failed.into_iter().map(|failed| failed.entry).collect::<Vec<_>>(), entries);
    assert_replaced(stream.producer("k").limit(1).start().join().last_error.map_or(Ok(()), Err));
    assert!(held(&new).is_empty());
}

#[test]
fn a_put_that_finds_the_stream_gone_says_so_when_another_is_there_already() {
    let (service, stream, _) = with_stream();
    service.direct.delete_stream("name").unwrap();
    let error = stream.put("k", "too late").unwrap_err();
    assert!(error.to_string().starts_with("stream name not found in region us-east-1"), "{error}");
    another_second(&stream);
    service.direct.create_stream("name", 1).unwrap();
    assert_replaced(stream.put("k", "too late"));
}

#[test]
fn the_handle_that_deleted_it_does_not_use_the_new_one() {
    let (service, stream, _) = with_stream();
    let other = stream.clone();
    stream.delete().unwrap();
    another_second(&stream);
    let new = service.direct.create_stream("name", 2).unwrap();
    new.put("k", "new").unwrap();
    assert_replaced(other.put("k", "for the old stream"));
    assert_replaced(other.describe());
    assert_replaced(other.shards());
    assert_replaced(other.set_retention(48));
    assert_replaced(other.split_shard("shardId-000000000000"));
    assert_replaced(other.merge_shards("shardId-000000000000", "shardId-000000000001"));
    assert_replaced(other.consumer().trim_horizon().run(&mut Echo::new()));
    assert_replaced(other.delete());
    assert_eq!(held(&new), ["new"]);
}

/// Waiting for the name to be free would wait for ever.
#[test]
fn a_deletion_is_done_also_when_the_name_is_taken_at_once() {
    let kinesis = Local::new().open().unwrap();
    let stream = kinesis.create_stream("name", 1).unwrap();
    let deleted = std::thread::scope(|scope| {
        let deletion = scope.spawn(|| stream.delete());
        let client = kinesis.client().clone();
        block_on(async move {
            let create = || client.create_stream().stream_name("name").shard_count(1).send();
            while create().await.is_err() {
                tokio::time::sleep(millis(5)).await;
            }
        });
        deletion.join().unwrap()
    });
    deleted.unwrap();
    assert_replaced(stream.describe());
}

fn wait_for(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < secs(30), "it did not come about within 30 s");
        std::thread::sleep(millis(10));
    }
}
