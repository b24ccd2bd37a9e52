//! A store of one's own, written with what the crate shows to everybody: counts are exact across a crash in
//! it as in the one that comes along, also of records that a filter sent on twice.

#![cfg(feature = "full")]

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use kinesis_lab::prelude::*;
use kinesis_lab::{
    Change, Checkpoint, Filter, Fingerprint, SavedOrigin, SavedPane, SavedState, Store, StoredCounter,
    StreamId, Totals,
};

/// Numbers of up to 128 digits, in their order.
fn number(digits: &str) -> (usize, &str) {
    (digits.len(), digits)
}

#[derive(Clone, Default)]
struct Pane {
    counts: HashMap<Text, u64>,
    overflow: u64,
    ids: BTreeSet<u128>,
}

#[derive(Clone, Default)]
struct Tables {
    of: Option<Fingerprint>,
    checkpoints: HashMap<String, Checkpoint>,
    shard_times: HashMap<String, Timestamp>,
    watermark: Option<Timestamp>,
    panes: HashMap<Timestamp, Pane>,
    totals: Totals,
    origins: HashMap<(String, Text), (Option<String>, BTreeSet<String>)>,
    windows: Vec<Window>,
    late: HashMap<(Timestamp, Text), u64>,
    commits: usize,
    /// This commit fails, as on a full disk.
    fails_at: Option<usize>,
}

/// What stays when the program that writes it is gone: clones see the same.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Tables>>);

impl Memory {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap()
    }
}

impl Store for Memory {
    fn load(&mut self, fingerprint: &Fingerprint) -> Result<SavedState, Error> {
        let mut tables = self.tables();
        let of = tables.of.get_or_insert_with(|| fingerprint.clone());
        if of != fingerprint {
            return Err(Error::new(
                ErrorKind::Store,
                "these are other windows: give them a store of their own",
            ));
        }
        let mut saved = SavedState::default();
        saved.checkpoints = tables.checkpoints.values().cloned().collect();
        saved.shard_times = tables.shard_times.clone().into_iter().collect();
        saved.watermark = tables.watermark.unwrap_or(Timestamp::MIN);
        for (start, pane) in &tables.panes {
            let mut open = SavedPane::default();
            open.counts = pane.counts.clone().into_iter().collect();
            open.overflow = pane.overflow;
            open.ids = pane.ids.iter().copied().collect();
            saved.panes.push((*start, open));
        }
        saved.totals = tables.totals;
        for ((shard_id, origin), (after, numbers)) in &tables.origins {
            let mut pair = SavedOrigin::new(shard_id, origin);
            pair.after = after.clone();
            pair.numbers = numbers.iter().cloned().collect();
            saved.origins.push(pair);
        }
        Ok(saved)
    }

    fn commit(&mut self, change: &Change) -> Result<(), Error> {
        let mut tables = self.tables();
        tables.commits += 1;
        if tables.fails_at == Some(tables.commits) {
            return Err(Error::new(ErrorKind::Store, "no room on the disk"));
        }
        for checkpoint in &change.checkpoints {
            tables.checkpoints.insert(checkpoint.shard_id.clone(), checkpoint.clone());
        }
        tables.shard_times = change.shard_times.iter().cloned().collect();
        tables.watermark = Some(change.watermark);
        tables.panes.retain(|start, _| *start >= change.oldest_pane);
        for (start, changed) in &change.panes {
            let pane = tables.panes.entry(*start).or_default();
            pane.counts.extend(changed.counts.iter().cloned());
            pane.overflow = changed.overflow;
            pane.ids.extend(&changed.ids);
        }
        tables.windows.extend(change.completed.iter().cloned());
        for (pair, count) in &change.late {
            *tables.late.entry(pair.clone()).or_default() += count;
        }
        tables.totals = change.totals;
        tables.origins.retain(|(shard, _), _| !change.gone_origins.contains(shard));
        for changed in &change.origins {
            let pair = (changed.shard_id.clone(), changed.origin.clone());
            let (after, numbers) = tables.origins.entry(pair).or_default();
            numbers.extend(changed.numbers.iter().cloned());
            after.clone_from(&changed.after);
            if let Some(after) = after {
                numbers.retain(|digits| number(digits) > number(after));
            }
        }
        Ok(())
    }

    fn stream(&mut self) -> Result<Option<StreamId>, Error> {
        Ok(self.tables().of.as_ref().map(|of| of.stream.clone()))
    }
}

fn counter(store: &Memory) -> StoredCounter {
    Counter::per_minute().lateness(secs(600)).stored(Box::new(store.clone()))
}

/// Of each key, in all that the store has: completed windows and late events.
fn counted(store: &Memory) -> Vec<(Text, u64)> {
    let tables = store.tables();
    let mut counts: HashMap<Text, u64> = HashMap::new();
    let windows = tables.windows.iter().flat_map(|window| window.counts.iter().cloned());
    let late = tables.late.iter().map(|((_, key), count)| (key.clone(), *count));
    windows.chain(late).for_each(|(key, count)| *counts.entry(key).or_default() += count);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort();
    counts
}

fn produce(stream: &Stream, key: &str, events: u64) {
    let report = stream.producer(key).interval(secs(10)).at_once().limit(events).start().join();
    assert_eq!(report.sent, events);
}

/// Drives it to the tip, and dies there: what it had not committed is gone.
fn run_and_crash(stream: &Stream, store: &Memory) -> Result<u64, Error> {
    let mut counter = counter(store);
    Ok(stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?.records)
}

#[test]
fn counts_are_exact_across_a_crash_and_a_failed_commit() {
    let store = Memory::default();
    let stream = Kinesis::local().unwrap().create_stream("visits", 2).unwrap();
    produce(&stream, "192.0.2.10", 300);
    assert_eq!(run_and_crash(&stream, &store).unwrap(), 300);
    stream.split_shard("shardId-000000000000").unwrap();
    produce(&stream, "192.0.2.20", 200);
    let commits = store.tables().commits;
    store.tables().fails_at = Some(commits + 1);
    let mut second = counter(&store);
    let error = stream.consumer().trim_horizon().run_until_caught_up(&mut second).unwrap_err();
    assert!(error.to_string().contains("no room on the disk"), "{error}");
    // The same counter, again: it begins with what is stored, not with what it has in memory.
    let again = stream.consumer().trim_horizon().run_until_caught_up(&mut second).unwrap();
    assert_eq!(again.records, 200);
    drop(second);
    // Finished by a program that never reads the stream.
    counter(&store).flush().unwrap();
    assert_eq!(counted(&store), [("192.0.2.10".into(), 300), ("192.0.2.20".into(), 200)]);
}

/// A filter without a memory of its own sends all again; the counter's store tells the copies.
#[test]
fn records_that_were_sent_on_twice_count_once() {
    let kinesis = Kinesis::local().unwrap();
    let (events, log) =
        (kinesis.create_stream("events", 2).unwrap(), kinesis.create_stream("log", 2).unwrap());
    let store = Memory::default();
    let send_on = || {
        let mut filter = Filter::new(&log, |_| true);
        events.consumer().trim_horizon().run_until_caught_up(&mut filter).unwrap();
    };
    produce(&events, "192.0.2.10", 100);
    send_on();
    assert_eq!(run_and_crash(&log, &store).unwrap(), 100);
    assert!(!store.tables().origins.is_empty());
    produce(&events, "192.0.2.20", 50);
    send_on();
    let mut second = counter(&store);
    let report = log.consumer().trim_horizon().run_until_caught_up(&mut second).unwrap();
    assert_eq!((report.records, second.duplicates()), (150, 100));
    second.flush().unwrap();
    assert_eq!(counted(&store), [("192.0.2.10".into(), 100), ("192.0.2.20".into(), 50)]);
}
