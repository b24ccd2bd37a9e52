//! What is committed, and what never is: a store that fails when it is told to.

use std::sync::{Arc, Mutex};

use super::super::store::SavedState;
use super::super::window::Window;
use super::*;
use crate::record::Record;
use crate::timestamp::Timestamp;

#[derive(Default)]
struct Kept {
    /// Why it takes nothing.
    fails: Option<ErrorKind>,
    names_stream: bool,
    loads: usize,
    commits: Vec<Change>,
}

impl Kept {
    /// Loads and commits.
    fn counts(&self) -> (usize, usize) {
        (self.loads, self.commits.len())
    }
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Kept>>);

impl Fake {
    fn now(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap()
    }
}

impl Store for Fake {
    fn load(&mut self, _: &Fingerprint) -> Result<SavedState> {
        self.now().loads += 1;
        let mut saved = SavedState::default();
        // Enough of it to go on from: where the shard is.
        for change in &self.now().commits {
            saved.checkpoints.extend(change.checkpoints.iter().cloned());
            saved.watermark = change.watermark;
        }
        Ok(saved)
    }

    fn commit(&mut self, change: &Change) -> Result<()> {
        if let Some(kind) = self.now().fails {
            return Err(Error::new(kind, "no room on the disk"));
        }
        self.now().commits.push(change.clone());
        Ok(())
    }

    fn stream(&mut self) -> Result<Option<StreamId>> {
        Ok(self.now().names_stream.then(stream))
    }
}

fn stream() -> StreamId {
    StreamId::new("s", Timestamp::from_secs(1))
}

fn ctx() -> Context {
    Context::at(Timestamp::from_secs(1_536_220_800))
}

fn batch(number: u64) -> Batch {
    let record = Record::new("k", "2018-09-06T08:00:00Z", number.to_string(), ctx().now);
    Batch::new("s", "shard", vec![record])
}

fn began() -> (Fake, StoredCounter) {
    let store = Fake::default();
    let mut counter = Counter::per_minute().stored(Box::new(store.clone()));
    counter.checkpoints(&stream()).unwrap();
    (store, counter)
}

/// It committed the next checkpoint without the counts of the batches before.
#[test]
fn after_a_commit_that_failed_nothing_is_committed_before_it_has_loaded() {
    let fail: [fn(&mut StoredCounter) -> bool; 3] = [
        |counter| counter.tick(&mut ctx()).is_err(),
        |counter| counter.shard_ended("shard", &mut ctx()).is_err(),
        |counter| counter.flush().is_err(),
    ];
    for fail in fail {
        let (store, mut counter) = began();
        counter.process(&batch(1), &mut ctx()).unwrap();
        store.now().fails = Some(ErrorKind::Store);
        assert!(fail(&mut counter));
        store.now().fails = None;
        for refused in [
            counter.process(&batch(2), &mut ctx()),
            counter.tick(&mut ctx()),
            counter.shard_ended("shard", &mut ctx()),
            counter.flush().map_err(ProcessError::from),
        ] {
            assert!(refused.is_err(), "{refused:?}");
        }
        assert_eq!(store.now().commits.len(), 0);

        // The next run reads the batch again, and all is there.
        assert!(counter.checkpoints(&stream()).unwrap().is_empty());
        counter.process(&batch(1), &mut ctx()).unwrap();
        counter.tick(&mut ctx()).unwrap();
        let committed = store.now().commits.clone();
        assert_eq!((committed.len(), &committed[0].panes[0].1.counts), (1, &vec![("k".into(), 1)]));
        assert_eq!(committed[0].checkpoints[0].sequence_number.as_deref(), Some("1"));
    }
}

/// A locked store ended the run. What it could not take is what it is given first, whole and once, whoever calls.
#[test]
fn what_a_store_could_not_take_for_now_is_given_again() {
    let calls: [fn(&mut StoredCounter) -> bool; 3] = [
        |counter| counter.tick(&mut ctx()).is_ok(),
        |counter| counter.shard_ended("shard", &mut ctx()).is_ok(),
        |counter| counter.flush().is_ok(),
    ];
    for first in calls {
        for second in calls {
            let (store, mut counter) = began();
            counter.process(&batch(1), &mut ctx()).unwrap();
            for kind in [ErrorKind::StoreUnavailable, ErrorKind::Unreachable, ErrorKind::Timeout] {
                store.now().fails = Some(kind);
                assert!(!first(&mut counter));
                assert!(!second(&mut counter));
            }
            // A run does not do so, but a driver of one's own may.
            counter.process(&batch(2), &mut ctx()).unwrap();
            store.now().fails = None;
            assert!(second(&mut counter));
            counter.flush().unwrap();
            let committed = store.now().commits.clone();
            let counted = |change: &Change| -> u64 {
                let open = change.panes.iter().flat_map(|(_, pane)| &pane.counts).map(|(_, count)| count);
                let completed = change.completed.iter().map(Window::total);
                // Counts of open panes are whole, not added; those of a window that is complete are gone from there.
                open.copied().chain(completed).sum::<u64>() + change.late.values().sum::<u64>()
            };
            assert_eq!(counted(&committed[0]), 1, "{committed:?}");
            let all = committed.iter().map(|change| change.completed.iter().map(Window::total).sum::<u64>());
            let late: u64 = committed.iter().map(|change| change.late.values().sum::<u64>()).sum();
            assert_eq!(all.sum::<u64>() + late, 2, "{committed:?}");
            assert_eq!(store.now().loads, 1);
            let numbers: Vec<_> = committed.iter().flat_map(|change| &change.checkpoints).collect();
            assert_eq!(numbers[0].sequence_number.as_deref(), Some("1"));
            assert_eq!(numbers.last().unwrap().sequence_number.as_deref(), Some("2"));
        }
    }
}

#[test]
fn a_run_asks_for_a_wait_and_begins_with_what_is_stored() {
    let (store, mut counter) = began();
    counter.process(&batch(1), &mut ctx()).unwrap();
    store.now().fails = Some(ErrorKind::StoreUnavailable);
    let asked = counter.tick(&mut ctx()).unwrap_err();
    assert_eq!(format!("{asked:?}"), "Wait: no room on the disk");
    // The run was stopped then: the next one reads the batch again, and nothing is left of the first.
    store.now().fails = None;
    assert!(counter.checkpoints(&stream()).unwrap().is_empty());
    counter.process(&batch(1), &mut ctx()).unwrap();
    counter.tick(&mut ctx()).unwrap();
    let committed = store.now().commits.clone();
    assert_eq!((committed.len(), &committed[0].panes[0].1.counts), (1, &vec![("k".into(), 1)]));
}

/// It wrote an empty state over what another process had counted.
#[test]
fn a_flush_before_a_run_loads_or_is_refused() {
    let store = Fake::default();
    let mut counter = Counter::per_minute().stored(Box::new(store.clone()));
    let error = counter.flush().unwrap_err();
    assert!(error.to_string().contains("run it over its stream first"), "{error}");
    assert_eq!(store.now().counts(), (0, 0));
    store.now().names_stream = true;
    counter.flush().unwrap();
    counter.flush().unwrap();
    assert_eq!(store.now().counts(), (1, 2));
}

#[test]
fn it_is_driven_by_a_consumer() {
    let store = Fake::default();
    let mut counter = Counter::per_minute().stored(Box::new(store.clone()));
    assert!(counter.process(&batch(1), &mut ctx()).is_err());
    assert!(counter.tick(&mut ctx()).is_err());
    assert_eq!(store.now().commits.len(), 0);
}
