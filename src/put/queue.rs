//! Which record is put when: batches, retries and order, as a pure function of answers and time.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use fastrand::Rng;

use super::report::{FailedEntry, PutReceipt};
use crate::backoff::step;
use crate::error::Error;
use crate::record::Entry;

/// PutRecords takes 500 records …
pub(crate) const MAX_RECORDS: usize = 500;
/// … and 5 MiB in older service models (10 MiB now), keys included; stay clearly below.
pub(crate) const MAX_BYTES: usize = 5 * (1 << 20) - (64 << 10);

/// How records are put, by [`PutMany`] and by producers alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PutOptions {
    pub(crate) ordered: bool,
    pub(crate) max_attempts: u32,
}

impl Default for PutOptions {
    fn default() -> PutOptions {
        // Fifteen attempts with full jitter are about 25 seconds of waiting: longer than a throttled
        // burst or a failover lasts, shorter than a reader's patience.
        PutOptions { ordered: false, max_attempts: 15 }
    }
}

/// A record that is under way.
pub(crate) struct Pending {
    pub(crate) entry: Entry,
    failures: u32,
    /// Not before this time (since the queue's beginning).
    due: Duration,
}

impl Pending {
    /// The first is 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.failures + 1
    }
}

/// What came of one record of a batch.
#[derive(Clone)]
pub(crate) enum Outcome {
    Stored(PutReceipt),
    Retry(Error),
    /// The call was refused as a whole, for what is in one of its records or in several.
    Refused(Error),
    Failed(Error),
}

impl Outcome {
    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Outcome::Stored(_) => None,
            Outcome::Retry(error) | Outcome::Refused(error) | Outcome::Failed(error) => Some(error),
        }
    }
}

/// What came of a batch.
#[derive(Default)]
pub(crate) struct Settled {
    pub(crate) stored: u64,
    pub(crate) retried: u64,
    pub(crate) last: Option<PutReceipt>,
    pub(crate) failed: Vec<FailedEntry>,
}

pub(crate) struct Queue {
    options: PutOptions,
    /// Never tried, in the order in which they came.
    fresh: VecDeque<Entry>,
    /// Failed before, to be tried again when they are due.
    retries: Vec<Pending>,
    /// Halves of batches that were refused as a whole: one record of 500 that the service doesn't take fails the
    /// call, and it doesn't say which. Each goes out as a call of its own, and is halved again when that is refused
    /// too, until the culprit stands alone: some 19 calls for one among 500, 999 if all of them are.
    halves: VecDeque<Vec<Pending>>,
    /// With `ordered`: the keys that have a record in a batch, in `fresh` or in `retries`, and what
    /// waits behind it.
    behind: HashMap<String, VecDeque<Entry>>,
}

impl Queue {
    pub(crate) fn new(options: PutOptions) -> Queue {
        Queue {
            options,
            fresh: VecDeque::new(),
            retries: Vec::new(),
            halves: VecDeque::new(),
            behind: HashMap::new(),
        }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        if self.options.ordered {
            if let Some(waiting) = self.behind.get_mut(&entry.partition_key) {
                return waiting.push_back(entry);
            }
            self.behind.insert(entry.partition_key.clone(), VecDeque::new());
        }
        self.fresh.push_back(entry);
    }

    /// Records that are not settled yet.
    #[cfg(feature = "agent")]
    pub(crate) fn len(&self) -> usize {
        let behind: usize = self.behind.values().map(VecDeque::len).sum();
        let halves: usize = self.halves.iter().map(Vec::len).sum();
        self.fresh.len() + self.retries.len() + halves + behind
    }

    /// When there is something to send; `None` when nothing is left.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        match self.fresh.is_empty() && self.halves.is_empty() {
            false => Some(Duration::ZERO),
            true => self.retries.iter().map(|pending| pending.due).min(),
        }
    }

    /// The next batch: half of a refused one, or retries that are due first, then fresh records. Each one of
    /// it must be settled, or it is lost.
    pub(crate) fn take(&mut self, now: Duration) -> Vec<Pending> {
        if let Some(half) = self.halves.pop_front() {
            return half;
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut fits = |entry: &Entry, records: usize| {
            // A record alone always fits: its size was checked before.
            let fits = records == 0 || (records < MAX_RECORDS && bytes + entry.size() <= MAX_BYTES);
            bytes += if fits { entry.size() } else { 0 };
            fits
        };
        let mut later = Vec::new();
        for pending in self.retries.drain(..) {
            match pending.due <= now && fits(&pending.entry, batch.len()) {
                true => batch.push(pending),
                false => later.push(pending),
            }
        }
        self.retries = later;
        while let Some(entry) = self.fresh.pop_front_if(|entry| fits(entry, batch.len())) {
            batch.push(Pending { entry, failures: 0, due: Duration::ZERO });
        }
        batch
    }

    /// Takes back a batch with what came of each record, in the same order. An answer with fewer
    /// lines than the batch leaves the rest unacknowledged: those are tried again.
    ///
    /// One draw of the jitter serves the whole batch: records that were refused together and as often
    /// are due together, and go out as one call again. With a draw each, a refused batch of 500 came
    /// back as hundreds of calls of one or two records.
    pub(crate) fn settle(
        &mut self,
        batch: Vec<Pending>,
        outcomes: Vec<Outcome>,
        now: Duration,
        rng: &mut Rng,
    ) -> Settled {
        let mut settled = Settled::default();
        if batch.len() > 1 && outcomes.iter().any(|outcome| matches!(outcome, Outcome::Refused(_))) {
            settled.retried = batch.len() as u64;
            self.halve(batch);
            return settled;
        }
        let mut outcomes = outcomes.into_iter();
        let jitter = rng.f64();
        for mut pending in batch {
            let outcome = outcomes.next().unwrap_or_else(|| Outcome::Retry(unanswered()));
            let error = match outcome {
                Outcome::Stored(receipt) => {
                    settled.stored += 1;
                    settled.last = Some(receipt);
                    self.release(&pending.entry.partition_key);
                    continue;
                }
                Outcome::Retry(error) => {
                    pending.failures += 1;
                    if pending.failures < self.options.max_attempts {
                        settled.retried += 1;
                        pending.due = now + step(pending.failures).mul_f64(jitter);
                        self.retries.push(pending);
                        continue;
                    }
                    error
                }
                Outcome::Refused(error) | Outcome::Failed(error) => error,
            };
            self.release(&pending.entry.partition_key);
            settled.failed.push(FailedEntry { entry: pending.entry, error });
        }
        settled
    }

    /// The first half goes first, so that a key's records stay in order where none of them is at fault.
    fn halve(&mut self, mut batch: Vec<Pending>) {
        let second = batch.split_off(batch.len() / 2);
        self.halves.push_front(second);
        self.halves.push_front(batch);
    }

    /// The record of this key that was under way is done with; the next one may go.
    fn release(&mut self, key: &str) {
        let Some(waiting) = self.behind.get_mut(key) else { return };
        match waiting.pop_front() {
            Some(next) => self.fresh.push_back(next),
            None => drop(self.behind.remove(key)),
        }
    }

    /// Everything that is left.
    pub(crate) fn drain(&mut self) -> Vec<Entry> {
        let tried = self.halves.drain(..).flatten().chain(self.retries.drain(..));
        let retries = tried.map(|pending| pending.entry);
        let behind = self.behind.drain().flat_map(|(_, waiting)| waiting);
        retries.chain(self.fresh.drain(..)).chain(behind).collect()
    }
}

fn unanswered() -> Error {
    Error::new(crate::error::ErrorKind::Service, "the service answered for fewer records than it was sent")
}

#[cfg(test)]
mod tests;
