//! Where a consumer begins, what ends it, and what its processor's errors mean.

#![cfg(feature = "full")]

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::time::Instant;

use kinesis_lab::prelude::*;

/// Remembers what it saw, in order, and which shards ended.
#[derive(Default, Clone)]
struct Seen {
    data: Vec<String>,
    ended: Vec<String>,
}

impl RecordProcessor for Seen {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        assert!(!batch.records.is_empty());
        self.data.extend(batch.records.iter().map(|r| String::from_utf8_lossy(&r.data).into_owned()));
        Ok(())
    }

    fn shard_ended(&mut self, shard_id: &str, _: &mut Context) -> Result<(), ProcessError> {
        self.ended.push(shard_id.to_owned());
        Ok(())
    }
}

fn stream(name: &str, shards: u32) -> Stream {
    Kinesis::local().unwrap().create_stream(name, shards).unwrap()
}

fn all(consumer: Consumer) -> (Vec<String>, ConsumerReport) {
    let mut seen = Seen::default();
    let report = consumer.run_until_caught_up(&mut seen).unwrap();
    (seen.data, report)
}

#[test]
fn every_place_to_begin() {
    let stream = stream("places", 1);
    let first = stream.put("k", "1").unwrap();
    let second = stream.put("k", "2").unwrap();
    stream.put("k", "3").unwrap();
    let shard = first.shard_id.as_str();

    let (data, report) = all(stream.consumer().trim_horizon());
    assert_eq!(data, ["1", "2", "3"]);
    assert_eq!((report.records, report.bytes, report.ended), (3, 3, Some(Ended::CaughtUp)));
    assert_eq!(report.millis_behind_latest, Some(0));

    assert_eq!(all(stream.consumer().at_sequence_number(shard, &second.sequence_number)).0, ["2", "3"]);
    assert_eq!(all(stream.consumer().after_sequence_number(shard, &second.sequence_number)).0, ["3"]);
    assert!(all(stream.consumer().after_sequence_number(shard, &report.positions[shard])).0.is_empty());
    assert!(all(stream.consumer().latest()).0.is_empty());
    assert_eq!(all(stream.consumer().at_timestamp(stream.created() - secs(1))).0, ["1", "2", "3"]);
    let later = stream.consumer().at_timestamp(Timestamp::now() + secs(60));
    let refused = later.run_until_caught_up(&mut Echo::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput); // Kinesis knows no future
    // One record a call: as many calls, the same records.
    assert_eq!(all(stream.consumer().trim_horizon().limit(1)).0, ["1", "2", "3"]);
}

/// Whichever way it is run then.
#[test]
fn until_caught_up_may_be_said_before() {
    let stream = stream("said-before", 2);
    for n in 0..10 {
        stream.put(format!("{n}"), "1").unwrap();
    }
    let consumer = stream.consumer().trim_horizon().until_caught_up();
    let for_a_time = consumer.run_for(secs(10), &mut Seen::default()).unwrap();
    let for_its_time = consumer.run(&mut Seen::default()).unwrap();
    let running = consumer.start(Seen::default()).unwrap();
    let begun = Instant::now();
    while running.is_running() {
        assert!(begun.elapsed() < secs(10), "it goes on");
        std::thread::sleep(millis(5));
    }
    for report in [for_a_time, for_its_time, running.join().1.unwrap()] {
        assert_eq!((report.records, report.ended), (10, Some(Ended::CaughtUp)));
    }
}

#[test]
fn one_shard_or_all() {
    let stream = stream("shards", 4);
    let keys: Vec<String> = (0..40).map(|n| format!("192.0.2.{n}")).collect();
    stream.put_many(keys.iter().map(|key| Entry::new(key, key.as_str())).collect()).send().unwrap();
    let (mut data, _) = all(stream.consumer().trim_horizon());
    data.sort();
    let mut expected = keys.clone();
    expected.sort();
    assert_eq!(data, expected);

    let shard = stream.shard_for(&keys[0]).unwrap();
    let (data, _) = all(stream.consumer().trim_horizon().shard(&shard.id));
    let here: Vec<&String> = keys.iter().filter(|key| shard.takes(key)).collect();
    assert_eq!(data.iter().collect::<Vec<_>>(), here);
    let unknown = stream.consumer().shard("shardId-7").run(&mut Echo::new()).unwrap_err();
    assert!(unknown.to_string().contains("has no shard shardId-7; it has shardId-000000000000"), "{unknown}");
}

#[test]
fn latest_means_the_moment_of_the_call() {
    let stream = stream("latest", 2);
    stream.put("a", "old").unwrap();
    let consumer = stream.consumer().poll_every(millis(200)).start(Seen::default()).unwrap();
    stream.put("a", "new").unwrap();
    wait_for(|| consumer.report().records == 1);
    assert_eq!(consumer.snapshot().data, ["new"]);
    assert_eq!(consumer.with(|seen| seen.data.len()), 1);
    let (seen, outcome) = consumer.stop();
    assert_eq!((seen.data.len(), outcome.unwrap().ended), (1, Some(Ended::Stopped)));
}

/// The pair that the embedded service refused.
#[test]
fn two_shards_merge_whichever_is_named_first() {
    let stream = stream("upper-first", 2);
    let shards = stream.shards().unwrap();
    stream.merge_shards(&shards[1].id, &shards[0].id).unwrap();
    let merged = stream.shards().unwrap().into_iter().find(Shard::is_open).unwrap();
    assert_eq!(merged.hash_range, (0, u128::MAX));
}

#[test]
fn children_are_read_after_their_parents() {
    let stream = stream("family", 1);
    let root = stream.shards().unwrap()[0].id.clone();
    let keys: Vec<String> = (0..8).map(|n| format!("key {n}")).collect();
    let put = |round: u32| {
        let entries = keys.iter().map(|key| Entry::new(key, format!("{key} {round}")));
        stream.put_many(entries.collect()).send().unwrap();
    };
    let consumer = stream.consumer().trim_horizon().poll_every(millis(200)).start(Seen::default()).unwrap();
    put(0);
    stream.split_shard(&root).unwrap();
    put(1);
    let open: Vec<String> =
        stream.shards().unwrap().into_iter().filter(Shard::is_open).map(|s| s.id).collect();
    stream.merge_shards(&open[0], &open[1]).unwrap();
    put(2);
    wait_for(|| consumer.report().records == 24);
    let (seen, outcome) = consumer.stop();
    outcome.unwrap();
    assert_in_order(&keys, &seen.data);
    assert_eq!(seen.ended[0], root);
    assert_eq!(seen.ended.len(), 3);

    // Read in hindsight, the same; from now on, only the shard that is open.
    let (data, _) = all(stream.consumer().trim_horizon());
    assert_eq!(data.len(), 24);
    assert_in_order(&keys, &data);
    assert!(all(stream.consumer().latest()).0.is_empty());
    let (data, report) = all(stream.consumer().trim_horizon().shard(&root));
    assert_eq!((data.len(), report.ended), (8, Some(Ended::ShardsEnded)));
    let refused = stream.split_shard(&root).unwrap_err();
    assert!(refused.to_string().contains("has no open shard"), "{refused}");
}

/// Two to three, and to two: by way of shards that are closed as soon as they are opened.
#[test]
fn a_stream_that_is_scaled_is_read_in_order() {
    let stream = stream("scaled", 2);
    let keys: Vec<String> = (0..8).map(|n| format!("key {n}")).collect();
    let consumer = stream.consumer().trim_horizon().poll_every(millis(200)).start(Seen::default()).unwrap();
    for (round, shards) in [(0, 3), (1, 2), (2, 2)] {
        let entries = keys.iter().map(|key| Entry::new(key, format!("{key} {round}")));
        stream.put_many(entries.collect()).send().unwrap();
        stream.update_shard_count(shards).unwrap();
    }
    wait_for(|| consumer.report().records == 24);
    let (seen, outcome) = consumer.stop();
    outcome.unwrap();
    assert_in_order(&keys, &seen.data);
    let shards = stream.shards().unwrap();
    let orphans = shards.iter().filter(|shard| shard.parent.is_none()).count();
    assert_eq!((orphans, shards.iter().filter(|shard| shard.is_open()).count()), (2, 2));
}

fn assert_in_order(keys: &[String], data: &[String]) {
    let mut rounds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, round) in data.iter().map(|data| data.rsplit_once(' ').unwrap()) {
        rounds.entry(key).or_default().push(round);
    }
    assert_eq!(rounds.len(), keys.len());
    assert!(rounds.values().all(|rounds| *rounds == ["0", "1", "2"]), "{rounds:?}");
}

/// Splits the shard in the middle of the run, and puts a record into a child.
struct Splits(Stream, Seen);

impl RecordProcessor for Splits {
    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        if self.1.data.is_empty() {
            self.0.split_shard(&batch.shard_id)?;
            self.0.put("k", "in a child")?;
        }
        self.1.process(batch, ctx)
    }
}

#[test]
fn caught_up_means_with_the_children_of_a_shard_that_closed_meanwhile() {
    let stream = stream("meanwhile", 1);
    stream.put("k", "in the parent").unwrap();
    let mut splits = Splits(stream.clone(), Seen::default());
    let report = stream.consumer().trim_horizon().run_until_caught_up(&mut splits).unwrap();
    assert_eq!(splits.1.data, ["in the parent", "in a child"]);
    assert_eq!(report.ended, Some(Ended::CaughtUp));
}

#[test]
fn a_deleted_stream_ends_its_consumers() {
    let stream = stream("deleted", 1);
    stream.put("k", "1").unwrap();
    let consumer = stream.consumer().trim_horizon().poll_every(millis(200)).start(Seen::default()).unwrap();
    wait_for(|| consumer.report().records == 1);
    stream.delete().unwrap();
    let (seen, outcome) = consumer.join();
    assert_eq!((seen.data.len(), outcome.unwrap().ended), (1, Some(Ended::StreamDeleted)));
    let error = stream.consumer().run(&mut Echo::new()).unwrap_err();
    assert!(error.is_stream_not_found());
}

/// Says of each batch what it is told to, then takes it.
struct Verdicts(Vec<ProcessError>, Seen);

impl RecordProcessor for Verdicts {
    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        match self.0.pop() {
            Some(error) => Err(error),
            None => self.1.process(batch, ctx),
        }
    }
}

#[test]
fn retry_skip_and_stop() {
    let stream = stream("verdicts", 1);
    stream.put("k", "1").unwrap();
    stream.put("k", "2").unwrap();
    let one_by_one = stream.consumer().trim_horizon().limit(1);

    let mut retry = Verdicts(vec![ProcessError::retry("busy"), ProcessError::retry("busy")], Seen::default());
    assert_eq!(one_by_one.run_until_caught_up(&mut retry).unwrap().records, 2);
    assert_eq!(retry.1.data, ["1", "2"]);

    let mut skip = Verdicts(vec![ProcessError::skip("not mine")], Seen::default());
    let report = one_by_one.run_until_caught_up(&mut skip).unwrap();
    assert_eq!((report.records, report.skipped_records), (1, 1));
    assert_eq!((&*report.skipped[0].0.records[0].data, &*report.skipped[0].1), (&b"1"[..], "not mine"));

    let io: Result<(), ProcessError> = (|| {
        Err(std::io::Error::other("disk full"))?;
        Ok(())
    })();
    let mut stop = Verdicts(vec![io.unwrap_err()], Seen::default());
    let error = one_by_one.run_until_caught_up(&mut stop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Processor);
    assert!(error.to_string().contains("disk full"), "{error}");
    assert!(stop.1.data.is_empty());
}

#[derive(Default)]
struct Panics(u32);

impl RecordProcessor for Panics {
    fn process(&mut self, _: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.0 += 1;
        panic!("a bug of the reader's")
    }
}

#[test]
fn join_gives_the_processor_back_also_after_a_panic() {
    let stream = stream("panics", 1);
    stream.put("k", "1").unwrap();
    let (processor, outcome) = stream.consumer().trim_horizon().start(Panics::default()).unwrap().join();
    assert_eq!(processor.0, 1);
    assert!(outcome.unwrap_err().to_string().contains("panicked: a bug of the reader's"));
}

#[test]
fn a_consumer_says_what_kept_it_from_reading() {
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("unreachable", 1).unwrap();
    let nowhere = Kinesis::endpoint("http://127.0.0.1:9").unwrap();
    assert_eq!(nowhere.stream("unreachable").unwrap_err().kind(), ErrorKind::Unreachable);
    // Two consumers on one stream do not disturb each other.
    stream.put("k", "1").unwrap();
    for _ in 0..2 {
        assert_eq!(all(stream.consumer().trim_horizon()).0, ["1"]);
    }
}

fn wait_for(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < secs(30), "it did not come about within 30 s");
        std::thread::sleep(millis(10));
    }
}

/// What a processor of a service does: a blocking call from inside each of its calls.
struct Forwards {
    to: Stream,
    ticked: bool,
}

impl RecordProcessor for Forwards {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            self.to.put(&record.partition_key, record.data.clone())?;
        }
        Ok(())
    }

    fn tick(&mut self, _: &mut Context) -> Result<(), ProcessError> {
        if !std::mem::replace(&mut self.ticked, true) {
            self.to.put("k", "from a tick")?;
        }
        Ok(())
    }
}

/// The async calls, and the blocking ones from inside a task.
async fn in_a_service(kinesis: Kinesis) {
    let from = kinesis.create_stream_async("from", 2).await.unwrap();
    let to = kinesis.create_stream_async("to", 1).await.unwrap();
    from.put("k", "from a task").unwrap();
    let consumer = from.consumer().trim_horizon().until_caught_up();
    let forwards = || Forwards { to: to.clone(), ticked: false };

    let (processor, outcome) = consumer.start_async(forwards()).await.unwrap().await;
    assert!(processor.ticked);
    assert_eq!((outcome.as_ref().unwrap().records, outcome.unwrap().ended), (1, Some(Ended::CaughtUp)));
    // The processor is called on this very thread, in the middle of a task.
    assert_eq!(consumer.run(&mut forwards()).unwrap().records, 1);
    assert_eq!(consumer.start(forwards()).unwrap().join().1.unwrap().records, 1);

    let mut batches = to.consumer().trim_horizon().until_caught_up().batches();
    let mut data = Vec::new();
    while let Some(next) = batches.next().await {
        data.extend(next.unwrap().batch.records.into_iter().map(|record| record.data));
    }
    data.sort();
    assert_eq!(data, [[&b"from a task"[..]; 3], [&b"from a tick"[..]; 3]].concat());
    assert_eq!(batches.report().records, 6);

    // One that is dropped, while it begins and later, stops; so does one that is awaited and cancelled.
    drop(from.consumer().start_async(forwards()));
    drop(from.consumer().start_async(forwards()).await.unwrap());
    let waits = from.consumer().start_async(forwards()).await.unwrap().into_future();
    assert!(tokio::time::timeout(millis(50), waits).await.is_err());
    let (_, outcome) = from.consumer().start_async(forwards()).await.unwrap().stop_async().await;
    assert_eq!(outcome.unwrap().ended, Some(Ended::Stopped));
    from.delete_async().await.unwrap();
    let gone = from.consumer().start_async(forwards()).await.unwrap_err();
    assert!(gone.is_stream_not_found());
    assert!(from.consumer().batches().next().await.unwrap().unwrap_err().is_stream_not_found());
}

#[test]
fn all_of_it_works_on_any_runtime() {
    let kinesis = || Kinesis::local().unwrap();
    let current = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    current.block_on(in_a_service(kinesis()));
    let several = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    several.block_on(async { tokio::spawn(in_a_service(kinesis())).await.unwrap() });
    // On none: these calls bring their own.
    kinesis_lab::block_on(in_a_service(kinesis()));
}

/// A run inside a task makes more calls than tokio's budget has for one poll: it must not starve.
#[test]
fn a_long_run_inside_a_task_ends() {
    let current = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    current.block_on(async {
        let stream = stream("long", 4);
        stream.put_many((0..400).map(|n| Entry::new(format!("{n}"), "x")).collect()).send().unwrap();
        let consumer = stream.consumer().trim_horizon().limit(5);
        assert_eq!(consumer.run_until_caught_up(&mut Seen::default()).unwrap().records, 400);
    });
}

/// Dropped in the middle of a batch, a handle leaves the processor to finish it, and no more.
#[test]
fn a_run_that_is_cancelled_in_the_middle_of_a_batch_ends_with_it() {
    struct Slow(std::sync::mpsc::Sender<bool>, std::sync::mpsc::Receiver<()>);
    impl RecordProcessor for Slow {
        fn process(&mut self, _: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
            self.0.send(ctx.stopping())?;
            self.1.recv()?;
            self.0.send(ctx.stopping())?;
            Ok(())
        }
    }
    let stream = stream("cancelled", 1);
    for data in ["1", "2", "3"] {
        stream.put("k", data).unwrap();
    }
    let ((tell, told), (go, wait)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let handle = stream.consumer().trim_horizon().limit(1).start(Slow(tell, wait)).unwrap();
    assert!(!told.recv().unwrap());
    drop(handle);
    go.send(()).unwrap();
    assert!(told.recv().unwrap(), "it can know that it is to hurry");
    // The processor is dropped with its end of the channel, and was given no other batch.
    assert!(told.recv().is_err());
}

#[test]
fn batches_go_on_from_their_checkpoints_through_a_split() {
    let stream = stream("resumed", 1);
    let read = |saved: &BTreeMap<String, kinesis_lab::Checkpoint>| {
        let (stream, saved) = (stream.clone(), saved.clone());
        kinesis_lab::block_on(async move {
            let consumer = stream.consumer().latest().until_caught_up();
            let mut batches = consumer.batches().resume(saved.into_values().collect());
            let (mut data, mut saved) = (Vec::new(), Vec::new());
            while let Some(next) = batches.next().await {
                let next = next.unwrap();
                data.extend(next.batch.records.iter().map(|r| String::from_utf8_lossy(&r.data).into_owned()));
                saved.push(next.checkpoint);
            }
            (data, saved)
        })
    };
    stream.put("k", "before").unwrap();
    let created = Timestamp::now();
    wait_for(|| Timestamp::now() > created + secs(2)); // arrival times are cut to seconds
    let mut saved = BTreeMap::new();
    for expected in [&[][..], &["1"], &["2", "3"], &[]] {
        match expected {
            ["1"] => drop(stream.put("k", "1").unwrap()),
            ["2", "3"] => {
                stream.put("k", "2").unwrap();
                stream.split_shard("shardId-000000000000").unwrap();
                stream.put("k", "3").unwrap();
            }
            _ => {}
        }
        let (data, places) = read(&saved);
        assert_eq!(data, expected);
        saved.extend(places.into_iter().map(|place| (place.shard_id.clone(), place)));
    }
    assert!(saved["shardId-000000000000"].ended);
}
