//! A stream, its lease table and its workers, moved a step at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::completion::WindowSpan;
use super::super::model::{ModelStore, Tables};
use super::super::shared_counter::SharedCounter;
use super::super::tip::Tip;
use super::plan::{PlannedShard, StreamPlan, key};
use crate::count::{Counter, Windows};
use crate::error::{Error, ErrorKind};
use crate::read::{Context, ProcessError, RecordProcessor, StreamId};
use crate::record::Batch;
use crate::timestamp::Timestamp;

/// Events come at most so much later than the newest of their shard.
pub(super) const LATENESS: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A worker gets the lease, whoever had it: that one does not hear of it.
    Take(usize, usize),
    /// The next record; what could not be written before is written first.
    Batch(usize, usize),
    Checkpoint(usize, usize),
    End(usize, usize),
    Idle(usize, usize),
    Advance,
    Move,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Lease {
    owner: Option<usize>,
    /// How many records are processed, as the lease table has it.
    checkpoint: usize,
    ended: bool,
    taken: usize,
}

struct WorkersChild {
    counter: SharedCounter,
    next: usize,
    unwritten: bool,
}

pub(super) struct World {
    pub(super) plan: StreamPlan,
    pub(super) store: ModelStore,
    size: Duration,
    slide: Duration,
    leases: Vec<Lease>,
    children: BTreeMap<(usize, usize), WorkersChild>,
    now: Timestamp,
}

/// All that decides what can happen next.
pub(super) type State = (Tables, Vec<u8>);

impl World {
    pub(super) fn new(plan: StreamPlan, size: Duration, slide: Duration) -> World {
        let leases = vec![Lease::default(); plan.shards.len()];
        let store = ModelStore::new(size, slide, LATENESS);
        let now = Timestamp::from_secs(1_000_000);
        World { plan, store, size, slide, leases, children: BTreeMap::new(), now }
    }

    pub(super) fn takes(&self, shard: usize) -> usize {
        self.leases[shard].taken
    }

    pub(super) fn state(&self) -> State {
        let children: Vec<_> = self
            .children
            .iter()
            .map(|(at, child)| (at, child.next, child.unwritten, child.counter.epoch()))
            .collect();
        (self.store.now().tables.clone(), format!("{:?} {children:?}", self.leases).into_bytes())
    }

    pub(super) fn is_possible(&self, action: Action) -> bool {
        let child = |worker, shard| self.children.get(&(worker, shard));
        let planned = |shard: usize| &self.plan.shards[shard];
        match action {
            Action::Take(worker, shard) => {
                let parents_ended = planned(shard).parents.iter().all(|parent| self.leases[*parent].ended);
                parents_ended && !self.leases[shard].ended && child(worker, shard).is_none()
            }
            Action::Batch(worker, shard) => child(worker, shard)
                .is_some_and(|child| child.unwritten || child.next < planned(shard).records.len()),
            Action::Checkpoint(worker, shard) => {
                let checkpoint = self.leases[shard].checkpoint;
                child(worker, shard).is_some_and(|child| !child.unwritten && child.next > checkpoint)
            }
            Action::End(worker, shard) => child(worker, shard).is_some_and(|child| {
                !child.unwritten && child.next == planned(shard).records.len() && planned(shard).closed
            }),
            Action::Idle(worker, shard) => child(worker, shard).is_some_and(|child| {
                !child.unwritten && child.next == planned(shard).records.len() && !planned(shard).closed
            }),
            Action::Advance | Action::Move => true,
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        use super::super::store::FleetStore as _;
        self.now = self.now + Duration::from_millis(10);
        let outcome = match action {
            Action::Take(worker, shard) => {
                self.take(worker, shard);
                return;
            }
            Action::Advance => return self.store.clone().advance().unwrap(),
            Action::Move => return self.store.clone().move_windows().unwrap(),
            Action::Batch(worker, shard) => self.batch(worker, shard).map(|()| true),
            Action::Checkpoint(worker, shard) => {
                let next = self.children[&(worker, shard)].next;
                let lease = &mut self.leases[shard];
                // DynamoDB refuses it to whoever has lost the lease; then the daemon ends the child.
                let own = lease.owner == Some(worker);
                if own {
                    lease.checkpoint = next;
                }
                Ok(own)
            }
            Action::Idle(worker, shard) => {
                let child = self.children.get_mut(&(worker, shard)).unwrap();
                child.counter.write(self.now, Tip { reached: true, heard: None }).map(|()| true)
            }
            Action::End(worker, shard) => self.end(worker, shard),
        };
        let (Action::Batch(worker, shard)
        | Action::Checkpoint(worker, shard)
        | Action::Idle(worker, shard)
        | Action::End(worker, shard)) = action
        else {
            return;
        };
        match outcome {
            Ok(true) => {}
            Ok(false) => drop(self.children.remove(&(worker, shard))),
            Err(error) if error.kind() == ErrorKind::LeaseLost => {
                assert_ne!(self.leases[shard].owner, Some(worker), "whoever has the lease is not refused");
                self.children.remove(&(worker, shard));
            }
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }

    fn take(&mut self, worker: usize, shard: usize) {
        let plan = self.plan.clone();
        let counter = Counter::sliding(self.size, self.slide).lateness(LATENESS);
        let stream = StreamId::new("visits", Timestamp::MIN);
        let mut counter = SharedCounter::new(
            counter,
            Box::new(self.store.clone()),
            stream,
            Box::new(move || Ok(plan.list())),
        );
        let id = &self.plan.shards[shard].id;
        counter.shard_taken(id, &mut Context::at(self.now)).unwrap();
        let lease = &mut self.leases[shard];
        (lease.owner, lease.taken) = (Some(worker), lease.taken + 1);
        let next = lease.checkpoint;
        self.children.insert((worker, shard), WorkersChild { counter, next, unwritten: false });
    }

    fn batch(&mut self, worker: usize, shard: usize) -> Result<(), Error> {
        let child = self.children.get_mut(&(worker, shard)).unwrap();
        if !child.unwritten {
            let record = self.plan.record(shard, child.next);
            let batch = Batch::new("visits", &self.plan.shards[shard].id, vec![record]);
            child.counter.process(&batch, &mut Context::at(self.now)).unwrap();
            child.next += 1;
        }
        child.unwritten = true;
        child.counter.write(self.now, Tip::default())?;
        child.unwritten = false;
        Ok(())
    }

    /// False when the child is of no more use.
    fn end(&mut self, worker: usize, shard: usize) -> Result<bool, Error> {
        let child = self.children.get_mut(&(worker, shard)).unwrap();
        let ended = child.counter.shard_ended(&self.plan.shards[shard].id, &mut Context::at(self.now));
        match ended.map_err(kind_of) {
            Ok(()) => {}
            Err(error) => return Err(error),
        }
        let lease = &mut self.leases[shard];
        lease.ended |= lease.owner == Some(worker);
        Ok(false)
    }

    /// Worker 0 does what is left.
    pub(super) fn finish(&mut self) {
        self.children.clear();
        for shard in 0..self.plan.shards.len() {
            if self.leases[shard].ended {
                continue;
            }
            self.act(Action::Take(0, shard));
            while self.is_possible(Action::Batch(0, shard)) {
                self.act(Action::Batch(0, shard));
            }
            if self.is_possible(Action::End(0, shard)) {
                self.act(Action::End(0, shard));
                assert!(self.leases[shard].ended);
            }
        }
        self.act(Action::Advance);
        self.act(Action::Move);
    }

    pub(super) fn check(&self) {
        assert_eq!(self.faults(), Vec::<String>::new());
    }

    /// What is not as it must be at any moment.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let tables = self.store.now().tables.clone();
        if !tables.late.is_empty() {
            faults.push(format!("late: {:?}", tables.late));
        }
        for (at, shard) in self.plan.shards.iter().enumerate() {
            let row = tables.shards.get(&shard.id).cloned().unwrap_or_default();
            let position = row.sequence.map_or(0, |(number, _)| number.parse().unwrap());
            if self.leases[at].checkpoint > position {
                faults.push(format!("the lease of {at} is ahead of its position"));
            }
            let ended = |parent: &usize| {
                tables.shards.get(&self.plan.shards[*parent].id).is_some_and(|row| row.ended)
            };
            if row.epoch > 0 && !shard.parents.iter().all(ended) {
                faults.push(format!("{at} is read before its parents' ends"));
            }
            for n in 0..shard.records.len() {
                let key = key(at, n);
                let windows: Vec<Timestamp> =
                    tables.windows.keys().filter(|(_, of)| *of == key).map(|(start, _)| *start).collect();
                let most = tables.windows.iter().filter(|((_, of), _)| *of == key).map(|(_, n)| *n).max();
                let open: u64 = tables.open.iter().filter(|((.., of), _)| *of == key).map(|(_, n)| *n).sum();
                let seen = open.max(most.unwrap_or(0));
                let tumbling = self.size == self.slide;
                let all = if tumbling { open + windows.len() as u64 } else { seen };
                if all != u64::from(n < position) || seen > 1 {
                    faults.push(format!("record {key} is counted {all} times at position {position}"));
                }
            }
        }
        faults
    }

    /// After [`finish`](World::finish).
    pub(super) fn check_against_one_process(&self) {
        let mut oracle = Windows::sliding(self.size, self.slide);
        for (at, shard) in self.plan.shards.iter().enumerate() {
            for n in 0..shard.records.len() {
                oracle.add(key(at, n), Timestamp::from_secs(1_000 + shard.records[n]), 1);
            }
        }
        let tables = self.store.now().tables.clone();
        let expected: BTreeSet<(Timestamp, String, u64)> = oracle
            .complete(tables.watermark)
            .into_iter()
            .flat_map(|window| {
                let start = window.start;
                window.counts.into_iter().map(move |(key, n)| (start, key.raw().to_owned(), n))
            })
            .collect();
        let found: BTreeSet<(Timestamp, String, u64)> =
            tables.windows.iter().map(|((start, key), n)| (*start, key.clone(), *n)).collect();
        assert_eq!(found, expected);
        // And they were completed as far as they can be.
        let newest = |shard: &PlannedShard| self.newest(shard);
        let open: Vec<_> = self.plan.shards.iter().filter(|shard| !shard.closed).map(newest).collect();
        if let Some(slowest) = open.into_iter().min().flatten() {
            let span = WindowSpan::new(self.size, self.slide);
            assert!(tables.watermark >= span.last_end(slowest - LATENESS)); // further, where a shard was idle
        }
    }

    fn newest(&self, shard: &PlannedShard) -> Option<Timestamp> {
        let own = shard.records.iter().map(|time| Timestamp::from_secs(1_000 + time)).max();
        let parents = || shard.parents.iter().filter_map(|at| self.newest(&self.plan.shards[*at])).min();
        own.or_else(parents)
    }
}

/// A processor's error as the driver of a child knows it.
fn kind_of(error: ProcessError) -> Error {
    use crate::read::Verdict;
    let kind = match error.verdict {
        Verdict::LeaseLost => ErrorKind::LeaseLost,
        Verdict::Wait => ErrorKind::StoreUnavailable,
        _ => ErrorKind::Processor,
    };
    Error::new(kind, error.message)
}
