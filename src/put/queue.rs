//! Which record is put when: batches, retries and order, as a pure function of answers and time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::lanes::Lanes;
use super::parcel::Parcel;
use super::report::{FailedEntry, PutReceipt};
use crate::backoff::step;
use crate::error::Error;
use crate::record::Entry;

/// PutRecords takes 500 records …
pub(crate) const MAX_RECORDS: usize = 500;
/// … and 5 MiB in older service models (10 MiB now), keys included; stay clearly below.
pub(crate) const MAX_BYTES: usize = 5 * (1 << 20) - (64 << 10);

/// What an aggregate has, if nothing else is said. A PUT payload unit is 25 KB (Pricing page), and it is not said
/// whether that is 25,600: with its partition key (one byte), this is one of either.
pub(crate) const AGGREGATE_BYTES: usize = 24_999;

/// The longest wait of a queue that [hurries](Queue::hurry).
pub(super) const HURRY: Duration = Duration::from_millis(250);

/// So far ahead a call may reach for what it may take, past what it may not: of two lanes, none runs away from the
/// other.
const WINDOW: usize = 4 * MAX_RECORDS;

/// How records are put, by [`PutMany`] and by producers alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PutOptions {
    pub(crate) ordered: bool,
    pub(crate) max_attempts: u32,
    /// Packed to aggregates of up to so many bytes, one of a shard under way at a time.
    pub(crate) aggregate: Option<usize>,
    /// So many calls may be under way at once.
    pub(crate) lanes: usize,
}

impl Default for PutOptions {
    fn default() -> PutOptions {
        // Fifteen attempts with full jitter are about 25 seconds of waiting: longer than a throttled
        // burst or a failover lasts, shorter than a reader's patience.
        PutOptions { ordered: false, max_attempts: 15, aggregate: None, lanes: 2 }
    }
}

/// A record that is under way.
pub(crate) struct Pending {
    pub(crate) parcel: Parcel,
    failures: u32,
    /// Not before this time (since the queue's beginning).
    due: Duration,
    /// It failed last because its whole call did, for no reason of its own.
    call_failed: bool,
}

impl Pending {
    /// The first is 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.failures + 1
    }

    pub(crate) fn records(&self) -> u64 {
        self.parcel.records() as u64
    }
}

/// What came of one record of a batch.
#[derive(Clone)]
pub(crate) enum Outcome {
    Stored(PutReceipt),
    Retry(Error),
    /// The call failed as a whole: the service was not there, or not well.
    CallFailed(Error),
    /// The call was refused as a whole, for what is in one of its records or in several.
    Refused(Error),
    Failed(Error),
}

impl Outcome {
    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Outcome::Stored(_) => None,
            Outcome::Retry(error)
            | Outcome::CallFailed(error)
            | Outcome::Refused(error)
            | Outcome::Failed(error) => Some(error),
        }
    }
}

/// What came of a batch.
#[derive(Default)]
pub(crate) struct Settled {
    pub(crate) stored: u64,
    pub(crate) kinesis_records: u64,
    /// Aggregates that another shard took than the one that they were packed for.
    pub(crate) strayed: Vec<(Parcel, PutReceipt)>,
    pub(crate) retried: u64,
    pub(crate) last: Option<PutReceipt>,
    pub(crate) failed: Vec<FailedEntry>,
}

pub(crate) struct Queue {
    options: PutOptions,
    /// The longest wait before another attempt, where that is less than the back-off's own.
    longest_wait: Duration,
    /// Never tried, in the order in which they came.
    fresh: VecDeque<Parcel>,
    /// Failed before, to be tried again when they are due.
    retries: Vec<Pending>,
    /// Halves of batches that were refused as a whole: one record of 500 that the service doesn't take fails the
    /// call, and it doesn't say which. Each goes out as a call of its own, and is halved again when that is refused
    /// too, until the culprit stands alone: some 19 calls for one among 500, 999 if all of them are.
    halves: VecDeque<Vec<Pending>>,
    /// What must stay in order (a key's records, or a shard's aggregates) and has a parcel in a batch, in `fresh`, in
    /// `retries` or in `halves`; and what waits behind it.
    behind: HashMap<Arc<str>, VecDeque<Parcel>>,
}

impl Queue {
    pub(crate) fn new(options: PutOptions) -> Queue {
        Queue {
            options,
            longest_wait: Duration::MAX,
            fresh: VecDeque::new(),
            retries: Vec::new(),
            halves: VecDeque::new(),
            behind: HashMap::new(),
        }
    }

    pub(crate) fn push(&mut self, parcel: impl Into<Parcel>) {
        let parcel = parcel.into();
        if let Some(line) = parcel.line(self.options.ordered) {
            if let Some(waiting) = self.behind.get_mut(&line) {
                return waiting.push_back(parcel);
            }
            self.behind.insert(line, VecDeque::new());
        }
        self.fresh.push_back(parcel);
    }

    /// Records that are not settled yet.
    #[cfg(feature = "agent")]
    pub(crate) fn len(&self) -> usize {
        let behind = self.behind.values().flatten();
        let tried = self.halves.iter().flatten().chain(&self.retries).map(|pending| &pending.parcel);
        self.fresh.iter().chain(behind).chain(tried).map(Parcel::records).sum()
    }

    /// When there is something to send; `None` when nothing is left.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        match self.fresh.is_empty() && self.halves.is_empty() {
            false => Some(Duration::ZERO),
            true => self.retries.iter().map(|pending| pending.due).min(),
        }
    }

    /// Whether there is a half of a refused batch. It may hold records of any lane.
    pub(super) fn has_halves(&self) -> bool {
        !self.halves.is_empty()
    }

    /// Whether what was never tried is more than so many calls take.
    pub(super) fn is_more_than(&self, calls: usize) -> bool {
        let sizes = self.fresh.iter().take(calls * MAX_RECORDS).map(|parcel| parcel.entry().size());
        self.fresh.len() > calls * MAX_RECORDS || sizes.sum::<usize>() > calls * MAX_BYTES
    }

    /// For which lanes there is enough that they begin a call of their own: half of what it may hold. In a hurry
    /// beside another call, anything is.
    pub(super) fn enough(&mut self, lanes: &Lanes, now: Duration) -> Vec<bool> {
        let mut shares = vec![(0, 0); lanes.count()];
        let anything = self.longest_wait == HURRY && !lanes.is_idle();
        let due = self.retries.iter_mut().filter(|pending| pending.due <= now);
        for parcel in due.map(|pending| &mut pending.parcel).chain(self.fresh.iter_mut().take(WINDOW)) {
            let (records, bytes) = &mut shares[lanes.lane_of(parcel.hash())];
            (*records, *bytes) = (*records + 1, *bytes + parcel.entry().size());
        }
        let enough = |(records, bytes)| match anything {
            true => records > 0,
            false => records >= MAX_RECORDS / 2 || bytes >= MAX_BYTES / 2,
        };
        shares.into_iter().map(enough).collect()
    }

    /// The next batch: half of a refused one, or retries that are due first, then fresh records. Each one of
    /// it must be settled, or it is lost.
    pub(crate) fn take(&mut self, now: Duration) -> Vec<Pending> {
        match self.halves.pop_front() {
            Some(half) => half,
            None => self.take_those(now, |_| true),
        }
    }

    /// The next batch of a lane: of retries that are due, and of fresh records.
    pub(super) fn take_lane(&mut self, now: Duration, lanes: &Lanes, lane: usize) -> Vec<Pending> {
        self.take_those(now, |parcel| lanes.lane_of(parcel.hash()) == lane)
    }

    fn take_those(&mut self, now: Duration, mut wanted: impl FnMut(&mut Parcel) -> bool) -> Vec<Pending> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut fits = |parcel: &Parcel, records: usize| {
            let size = parcel.entry().size();
            // A record alone always fits: its size was checked before.
            let fits = records == 0 || (records < MAX_RECORDS && bytes + size <= MAX_BYTES);
            bytes += if fits { size } else { 0 };
            fits
        };
        let mut later = Vec::new();
        for mut pending in self.retries.drain(..) {
            match pending.due <= now && wanted(&mut pending.parcel) && fits(&pending.parcel, batch.len()) {
                true => batch.push(pending),
                false => later.push(pending),
            }
        }
        self.retries = later;
        let mut passed = Vec::new();
        while batch.len() + passed.len() < WINDOW
            && let Some(mut parcel) = self.fresh.pop_front()
        {
            if !wanted(&mut parcel) {
                passed.push(parcel);
            } else if fits(&parcel, batch.len()) {
                batch.push(Pending { parcel, failures: 0, due: Duration::ZERO, call_failed: false });
            } else {
                // Nor does one behind it go: it could be of the same key.
                passed.push(parcel);
                break;
            }
        }
        passed.into_iter().rev().for_each(|parcel| self.fresh.push_front(parcel));
        batch
    }

    /// Takes back a batch with what came of each record, in the same order. An answer with fewer
    /// lines than the batch leaves the rest unacknowledged: those are tried again.
    ///
    /// One draw of the jitter serves the whole batch: records that were refused together and as often
    /// are due together, and go out as one call again. With a draw each, a refused batch of 500 came
    /// back as hundreds of calls of one or two records.
    ///
    /// A call that came through is the end of every back-off from a call that did not: the service is well again,
    /// and what waits for it would wait up to five seconds more. What a shard throttled waits on; that another one
    /// takes records says nothing of it.
    pub(crate) fn settle(
        &mut self,
        batch: Vec<Pending>,
        outcomes: Vec<Outcome>,
        now: Duration,
        rng: &mut Rng,
    ) -> Settled {
        let mut settled = Settled::default();
        if batch.len() > 1 && outcomes.iter().any(|outcome| matches!(outcome, Outcome::Refused(_))) {
            settled.retried = batch.iter().map(Pending::records).sum();
            self.halve(batch);
            return settled;
        }
        let mut outcomes = outcomes.into_iter();
        let jitter = rng.f64();
        for mut pending in batch {
            let outcome = outcomes.next().unwrap_or_else(|| Outcome::Retry(unanswered()));
            let call_failed = matches!(outcome, Outcome::CallFailed(_));
            let error = match outcome {
                Outcome::Stored(receipt) => {
                    settled.kinesis_records += 1;
                    settled.last = Some(receipt.clone());
                    self.release(&pending.parcel);
                    if pending.parcel.has_strayed(&receipt) {
                        settled.strayed.push((pending.parcel, receipt));
                    } else {
                        settled.stored += pending.records();
                    }
                    continue;
                }
                Outcome::Retry(error) | Outcome::CallFailed(error) => {
                    pending.failures += 1;
                    pending.call_failed = call_failed;
                    if pending.failures < self.options.max_attempts {
                        settled.retried += pending.records();
                        pending.due = now + step(pending.failures).mul_f64(jitter).min(self.longest_wait);
                        self.retries.push(pending);
                        continue;
                    }
                    error
                }
                Outcome::Refused(error) | Outcome::Failed(error) => error,
            };
            self.release(&pending.parcel);
            let failed = |entry| FailedEntry { entry, error: error.clone() };
            settled.failed.extend(pending.parcel.into_entries().into_iter().map(failed));
        }
        if settled.kinesis_records > 0 {
            for waiting in self.retries.iter_mut().filter(|pending| pending.call_failed) {
                waiting.due = waiting.due.min(now);
            }
        }
        settled
    }

    /// From now on there is little time, and somebody else who counts it: what failed is tried four times a second,
    /// however often it has failed. With the back-off of a service that has all day, an event that had failed six
    /// times would sleep through the few seconds that its process still has.
    pub(crate) fn hurry(&mut self, now: Duration) {
        self.options.max_attempts = u32::MAX;
        self.longest_wait = HURRY;
        for pending in &mut self.retries {
            pending.due = pending.due.min(now + HURRY);
        }
    }

    /// The first half goes first, so that a key's records stay in order where none of them is at fault.
    fn halve(&mut self, mut batch: Vec<Pending>) {
        let second = batch.split_off(batch.len() / 2);
        self.halves.push_front(second);
        self.halves.push_front(batch);
    }

    /// What was under way is done with; the next one of its line may go.
    fn release(&mut self, parcel: &Parcel) {
        let Some(line) = parcel.line(self.options.ordered) else { return };
        let Some(waiting) = self.behind.get_mut(&line) else { return };
        match waiting.pop_front() {
            Some(next) => self.fresh.push_back(next),
            None => drop(self.behind.remove(&line)),
        }
    }

    /// Everything that is left; what must stay in order is in it.
    pub(crate) fn drain(&mut self) -> Vec<Entry> {
        let tried = self.halves.drain(..).flatten().chain(self.retries.drain(..));
        let retries = tried.map(|pending| pending.parcel);
        let behind = self.behind.drain().flat_map(|(_, waiting)| waiting);
        retries.chain(self.fresh.drain(..)).chain(behind).flat_map(Parcel::into_entries).collect()
    }
}

fn unanswered() -> Error {
    Error::new(crate::error::ErrorKind::Service, "the service answered for fewer records than it was sent")
}

#[cfg(test)]
mod tests;
