//! [`ConsumerReport`]: what a run came to.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::run_lag::RunLag;
use crate::record::{Batch, Record};
use crate::text::printable;
use crate::timestamp::Timestamp;

/// How many skipped batches a report keeps, and how much memory they may take: all are counted.
const SKIPPED_KEPT: usize = 100;
const SKIPPED_BYTES: usize = 16 << 20;

/// What a run of a consumer came to.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("report", 1)?;
/// let put = stream.put("key", "data")?;
/// let report = stream.consumer().trim_horizon().run_until_caught_up(&mut Echo::new())?;
/// assert_eq!((report.records, report.bytes, report.ended), (1, 4, Some(Ended::CaughtUp)));
/// assert_eq!(report.positions[&put.shard_id], put.sequence_number);
/// assert!(report.lost.is_empty() && report.skipped.is_empty());
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConsumerReport {
    /// Records that were processed; of an aggregate, each user record.
    pub records: u64,
    /// Records of Kinesis that they came in: an aggregate is one. What the service counts and bills.
    pub kinesis_records: u64,
    /// User records of aggregates that were not delivered, because their hash keys are another shard's since a
    /// reshard: the KPL puts them again, and there they are read. (So does [`PutMany`](crate::PutMany); a producer
    /// that does not should pack records of one shard together.)
    pub misplaced: u64,
    /// Bytes of their data.
    pub bytes: u64,
    /// How far behind the tip the slowest shard is, in milliseconds; `None` before the first answer. What the last
    /// answer says counts with its age while its records are not processed yet, and when no other answer followed
    /// within a poll and a second.
    pub millis_behind_latest: Option<u64>,
    /// Calls that failed and were made again.
    pub retries: u64,
    /// Records in batches that the processor said to skip.
    pub skipped_records: u64,
    /// The first skipped batches, up to 100 and 16 MiB, each with the processor's message, made
    /// [`printable`](crate::printable).
    pub skipped: VecDeque<(Arc<Batch>, String)>,
    /// How often the processor had to be called again because its store was locked or full
    /// ([`ProcessError::wait`](crate::ProcessError::wait)).
    pub waits: u64,
    /// Why that is so at present; `None` while it is not.
    pub waiting: Option<String>,
    /// What a stop cut short, and why: the batch that the processor had asked to be given again, or what a store
    /// that was locked or full had yet to take. The next run begins with these records.
    pub unfinished: Option<String>,
    /// The last processed sequence number of each shard: where another run on the same stream can go
    /// on, with [`Consumer::after_sequence_number`](crate::Consumer::after_sequence_number).
    pub positions: BTreeMap<String, String>,
    /// What had outlived the stream's retention before it could be read.
    pub lost: Vec<Lost>,
    /// Why the run polls though its consumer was told to fan out ([`fan_out`](crate::Consumer::fan_out)), made
    /// [`printable`](crate::printable); `None` while it does not.
    pub polls_because: Option<String>,
    /// Why the run ended; `None` while it goes on.
    pub ended: Option<Ended>,
}

impl ConsumerReport {
    pub(super) fn pass(&mut self, batch: &Batch) {
        self.records += batch.records.len() as u64;
        self.kinesis_records += batch.kinesis_records() as u64;
        self.bytes += batch.bytes();
        self.reach(batch);
    }

    pub(super) fn skip(&mut self, batch: Batch, message: &str) {
        self.reach(&batch);
        self.skipped_records += batch.records.len() as u64;
        let kept: usize = self.skipped.iter().map(|(batch, message)| size(batch) + message.len()).sum();
        // It may quote the record, and a report is there to be printed.
        let message = printable(message.as_bytes()).into_owned();
        if self.skipped.len() < SKIPPED_KEPT && kept + size(&batch) + message.len() <= SKIPPED_BYTES {
            self.skipped.push_back((Arc::new(batch), message));
        }
    }

    fn reach(&mut self, batch: &Batch) {
        if let Some(last) = batch.records.last() {
            self.positions.insert(batch.shard_id.to_string(), last.sequence_number.clone());
        }
    }
}

/// What a batch takes in memory.
fn size(batch: &Batch) -> usize {
    let of_record = |record: &Record| {
        let text = record.partition_key.len() + record.data.len() + record.sequence_number.len();
        text + std::mem::size_of::<Record>()
    };
    batch.records.iter().map(of_record).sum()
}

/// The report of a run under way, and what its processor is busy with.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedReport {
    report: Arc<Mutex<ConsumerReport>>,
    /// Of the report's `millis_behind_latest`, which is worked out when it is asked for.
    lag: Arc<Mutex<RunLag>>,
    busy_with: Arc<Mutex<Option<String>>>,
}

impl SharedReport {
    pub(crate) fn lock(&self) -> MutexGuard<'_, ConsumerReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy, as it is now.
    pub(crate) fn get(&self) -> ConsumerReport {
        let millis_behind_latest = self.lag().millis(Instant::now());
        ConsumerReport { millis_behind_latest, ..self.lock().clone() }
    }

    pub(super) fn lag(&self) -> MutexGuard<'_, RunLag> {
        self.lag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_busy_with(&self, what: Option<String>) {
        *self.busy_with.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    pub(super) fn busy_with(&self) -> String {
        let what = self.busy_with.lock().unwrap_or_else(PoisonError::into_inner).clone();
        what.unwrap_or_else(|| "what comes after its last batch".to_owned())
    }
}

/// Records that a checkpoint promised to read, and that the stream no longer keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// Their shard.
    pub shard_id: String,
    /// When the last record arrived that was processed.
    pub after: Timestamp,
    /// When the oldest record arrived that is still there; `None` when the shard itself is gone.
    pub before: Option<Timestamp>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shard, after) = (&self.shard_id, self.after.plain(0));
        match self.before {
            Some(before) => write!(
                f,
                "{shard}: what arrived between {after} and {} has outlived the stream's retention unread; \
                 reading goes on with the oldest record",
                before.plain(0)
            ),
            None => write!(
                f,
                "{shard} is gone: what arrived there after {after} has outlived the stream's retention unread"
            ),
        }
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Its time was over.
    Time,
    /// Every shard was read to its tip, or at least all that had arrived when the run began.
    CaughtUp,
    /// It was stopped.
    Stopped,
    /// The stream was deleted, also when another was created under its name.
    StreamDeleted,
    /// The shards that it was to read are closed, and read to their ends.
    ShardsEnded,
    /// Another worker has the shard (`kcl`): what was processed since the last checkpoint, it processes again.
    LeaseLost,
    /// The Kinesis Client Library's daemon has ended (`kcl`), without asking for a last checkpoint.
    DaemonGone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_batches_are_kept_within_bounds_and_all_counted() {
        let batch = |bytes: usize| {
            let record = Record::new("k", vec![0; bytes], "1", Timestamp::MIN);
            Batch::new("s", "a", vec![record])
        };
        let mut report = ConsumerReport::default();
        for _ in 0..100 {
            report.skip(batch(10 << 20), "too large");
        }
        assert_eq!((report.skipped.len(), report.skipped_records), (1, 100));
        report = ConsumerReport::default();
        for _ in 0..150 {
            report.skip(batch(9), "not mine");
        }
        assert_eq!((report.skipped.len(), report.skipped_records), (SKIPPED_KEPT, 150));
    }
}
