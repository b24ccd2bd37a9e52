//! Aggregates, through a whole stream: written, read, filtered, counted, and interrupted.

#![cfg(feature = "full")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kinesis_lab::prelude::*;
use kinesis_lab::{
    Change, Checkpoint, Filter, Fingerprint, SavedState, Sqlite, Store, StoredCounter, StreamId, hash_key,
};

const BEGAN: i64 = 1_536_220_800;

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packed").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Of seven visitors, one a second; each says which it is.
fn visits(n: i64) -> Vec<Entry> {
    let visit = |n: i64| {
        let (ip, time) = (format!("192.0.2.{}", n % 7), Timestamp::from_secs(BEGAN + n));
        Entry::new(ip.clone(), format!(r#"{{"ip":"{ip}","time":"{time}","n":{n}}}"#))
    };
    (0..n).map(visit).collect()
}

fn expected(n: i64) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    visits(n).into_iter().for_each(|entry| *counts.entry(entry.partition_key).or_default() += 1);
    counts
}

fn counts(windows: &[Window]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (key, count) in windows.iter().flat_map(|window| &window.counts) {
        *counts.entry(key.raw().to_owned()).or_default() += count;
    }
    counts
}

/// Keeps what it is given.
#[derive(Default)]
struct Kept(Vec<(String, Record)>);

impl RecordProcessor for Kept {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.0.extend(batch.records.iter().map(|record| (batch.shard_id.to_string(), record.clone())));
        Ok(())
    }
}

fn read(stream: &Stream) -> (Vec<(String, Record)>, ConsumerReport) {
    let mut kept = Kept::default();
    let report = stream.consumer().trim_horizon().run_until_caught_up(&mut kept).unwrap();
    (kept.0, report)
}

#[test]
fn what_is_put_aggregated_is_read_record_by_record() {
    let stream = Kinesis::local().unwrap().create_stream("visits", 3).unwrap();
    let put = stream.put_many(visits(2_000)).aggregated().send().unwrap();
    assert_eq!(put.sent, 2_000);
    assert!(put.kinesis_records < 10, "{put:?}");
    let (records, report) = read(&stream);
    assert_eq!((report.records, report.kinesis_records), (2_000, put.kinesis_records));
    assert_eq!(report.misplaced, 0);
    // Every record is where its own key belongs, and those of a key are in order.
    let shards = stream.shards().unwrap();
    let mut last = BTreeMap::<String, u64>::new();
    for (shard_id, record) in &records {
        let shard = shards.iter().find(|shard| shard.id == *shard_id).unwrap();
        assert!(shard.takes(record.partition_key.raw()));
        let text = String::from_utf8(record.data.to_vec()).unwrap();
        let n: u64 = text.rsplit(':').next().unwrap().trim_end_matches('}').parse().unwrap();
        let before = last.insert(record.partition_key.to_string(), n);
        assert!(before.is_none_or(|before| before < n), "{text}");
    }
    let places: std::collections::BTreeSet<_> = records
        .iter()
        .map(|(_, record)| (record.sequence_number.clone(), record.sub_sequence_number))
        .collect();
    assert_eq!(places.len(), 2_000);
}

/// Ends a run as a crash would, after so many batches; the processor's last tick never comes.
struct Crashing<'a> {
    counter: &'a mut StoredCounter,
    batches: usize,
}

impl RecordProcessor for Crashing<'_> {
    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.counter.checkpoints(stream)
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        if self.batches == 0 {
            return Err(ProcessError::stop("a crash"));
        }
        self.batches -= 1;
        self.counter.process(batch, ctx)
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.tick(ctx)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.shard_ended(shard_id, ctx)
    }
}

/// Before every batch of the stream once, counted since the beginning or since the last crash; and what is in memory
/// is committed or lost.
#[test]
fn counts_are_exact_whichever_batch_is_the_last() {
    const VISITS: i64 = 400;
    let stream = Kinesis::local().unwrap().create_stream("visits", 1).unwrap();
    let put = stream.put_many(visits(VISITS)).aggregated_up_to(3_000).send().unwrap();
    let boundaries = usize::try_from(put.kinesis_records).unwrap();
    assert!((6..30).contains(&boundaries), "{boundaries}");
    let file = |name: String| scratch(&name).join("counts.db");
    let counter = |file: &Path| Counter::per_minute().lateness(secs(30)).stored_in(file).unwrap();
    let finish = |file: &Path, crashes: usize| {
        let mut counter = counter(file);
        stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
        assert_eq!(counter.duplicates(), 0, "nothing is read twice that was committed");
        counter.flush().unwrap();
        drop(counter);
        assert_eq!(
            counts(&Counts::open(file).unwrap().windows().unwrap()),
            expected(VISITS),
            "{crashes} crashes"
        );
    };
    // One record of Kinesis a page: every boundary is the end of a batch.
    let consumer = stream.consumer().trim_horizon().limit(1).poll_every(millis(200));
    let crash = |file: &Path, batches: usize| {
        let mut counter = counter(file);
        let outcome = consumer.run_until_caught_up(&mut Crashing { counter: &mut counter, batches });
        outcome.is_err()
    };
    for batches in (0..boundaries).step_by(3) {
        let file = file(format!("once {batches}"));
        assert!(crash(&file, batches));
        finish(&file, 1);
    }
    // Every run gets one or two batches further than the one before.
    let file = file("again and again".into());
    let crashes = (0..boundaries).take_while(|n| crash(&file, 1 + n % 2)).count();
    finish(&file, crashes);
}

/// Sends a batch on and crashes before it remembers: the next run sends it again.
struct Forgetful {
    store: Sqlite,
    commits_left: Arc<Mutex<usize>>,
}

impl Store for Forgetful {
    fn load(&mut self, fingerprint: &Fingerprint) -> Result<SavedState, Error> {
        self.store.load(fingerprint)
    }

    fn commit(&mut self, change: &Change) -> Result<(), Error> {
        let mut left = self.commits_left.lock().unwrap();
        if *left == 0 {
            return Err(std::io::Error::other("a crash").into());
        }
        *left -= 1;
        self.store.commit(change)
    }
}

/// The identity of what a filter sends on is that of a user record. By the sequence number alone, all but one of each
/// aggregate would be taken for copies.
#[test]
fn aggregates_are_counted_once_behind_a_filter_that_crashes() {
    const VISITS: i64 = 300;
    let kinesis = Kinesis::local().unwrap();
    let (events, log) =
        (kinesis.create_stream("events", 2).unwrap(), kinesis.create_stream("log", 2).unwrap());
    let put = events.put_many(visits(VISITS)).aggregated_up_to(3_000).send().unwrap();
    let folder = scratch("filter");
    let mut runs = 0;
    loop {
        let commits_left = Arc::new(Mutex::new(1));
        let store = Sqlite::open(folder.join("filter.db")).unwrap();
        let mut filter = Filter::new(&log, |_| true)
            .stored(Box::new(Forgetful { store, commits_left: commits_left.clone() }));
        let consumer = events.consumer().trim_horizon().limit(1).poll_every(millis(200));
        runs += 1;
        match consumer.run_until_caught_up(&mut filter) {
            Ok(_) => break,
            Err(error) => assert!(error.to_string().contains("a crash"), "{error}"),
        }
        assert!(runs < 50);
    }
    let sent = read(&log).1.records;
    assert!(runs > 3 && sent > u64::try_from(VISITS).unwrap(), "{runs} runs, {sent} records of {put:?}");
    // A counter with a store of its own, so that what it remembers of origins goes through the file, too.
    let file = folder.join("counts.db");
    for _ in 0..2 {
        let mut counter = Counter::per_minute().lateness(secs(600)).stored_in(&file).unwrap();
        log.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
        let counted: BTreeMap<String, u64> = counts(&counter.windows());
        assert_eq!(counted, expected(VISITS));
        assert_eq!(counter.duplicates(), sent - u64::try_from(VISITS).unwrap());
    }
    // And once more after the sender has moved on: its last batch again.
    let mut filter = Filter::new(&log, |_| true);
    events.consumer().trim_horizon().run_until_caught_up(&mut filter).unwrap();
    let mut counter = Counter::per_minute().lateness(secs(600)).stored_in(&file).unwrap();
    log.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!(counts(&counter.windows()), expected(VISITS), "zombies");
}

/// An aggregate that was packed before a split, and came after it: what is not the child's is left out, and nowhere
/// else is anything.
#[test]
fn after_a_split_a_record_is_read_in_one_shard_alone() {
    let stream = Kinesis::local().unwrap().create_stream("visits", 1).unwrap();
    let other = Kinesis::local().unwrap().create_stream("packed-elsewhere", 1).unwrap();
    other.put_many(visits(100)).aggregated().send().unwrap();
    let mut packed = Kept::default();
    other.consumer().trim_horizon().aggregated(false).run_until_caught_up(&mut packed).unwrap();
    let aggregate = packed.0[0].1.data.to_vec();

    let parent = stream.shards().unwrap()[0].id.clone();
    stream.split_shard(&parent).unwrap();
    let (first, last) = stream.shards().unwrap().iter().find(|shard| shard.is_open()).unwrap().hash_range;
    stream.put_many(vec![Entry::new("a", aggregate).explicit_hash_key(first)]).send().unwrap();
    let (records, report) = read(&stream);
    let here: Vec<Entry> = visits(100)
        .into_iter()
        .filter(|entry| (first..=last).contains(&hash_key(&entry.partition_key)))
        .collect();
    assert!(!here.is_empty() && here.len() < 100, "{}", here.len());
    assert_eq!((records.len(), report.misplaced), (here.len(), 100 - here.len() as u64));
    let keys = |keys: Vec<String>| keys.into_iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(
        keys(records.iter().map(|(_, record)| record.partition_key.to_string()).collect()),
        keys(here.into_iter().map(|entry| entry.partition_key).collect())
    );
}
