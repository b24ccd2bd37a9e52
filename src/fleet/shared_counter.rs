//! [`SharedCounter`]: a counter of which each worker of a fleet counts a shard.

use std::fmt;
use std::time::Duration;

use super::assignment::{ListShards, ShardAssignment};
use super::completion::WindowSpan;
use super::store::{FleetStore, ShardChange};
use super::tip::Tip;
use crate::count::{Counter, Fingerprint, STORED_LATENESS};
use crate::error::Result;
use crate::read::{Checkpoint, Context, ProcessError, RecordProcessor, StreamId};
use crate::record::Batch;
use crate::timestamp::Timestamp;

/// A [`Counter`] whose counts many workers of the Kinesis Client Library share, in one database; made by
/// [`Counter::shared_in`].
///
/// Each worker's child counts its shard. What it has counted, and up to which record, are one transaction, which is
/// refused where another worker has taken the shard since: a worker that was cut off and goes on, without knowing, adds
/// nothing. Windows are completed by whichever worker sees first that all shards have passed them. So the counts are those
/// of the stream's records, each once, whatever happens to workers, leases, network and database.
///
/// - A database that does not answer is waited for; where the answer to a commit was lost, it is asked whether it was
///   written.
/// - A shard that nobody reads (its worker has died, another has not taken it yet) holds the windows of all: they come
///   late, and not wrong.
/// - An event with an `id` is counted once in its shard, and in those that this one came from. Copies with another
///   partition key are in another shard, and are counted.
/// - The daemon has to say `callProcessRecordsEvenForEmptyRecordList = true`: a shard on which nothing comes says so, or
///   windows wait for it.
/// - All workers have the same windows, lateness and stream; another is refused.
pub struct SharedCounter {
    counter: Counter,
    lateness: Duration,
    keep: Option<Duration>,
    assignment: ShardAssignment,
}

impl SharedCounter {
    pub(crate) fn new(
        counter: Counter,
        store: Box<dyn FleetStore>,
        stream: StreamId,
        list: ListShards,
    ) -> SharedCounter {
        let lateness = counter.watermark.as_ref().map_or(STORED_LATENESS, |watermark| watermark.lateness());
        let mut counter = counter.lateness(lateness);
        counter.late.stored = true;
        SharedCounter { counter, lateness, keep: None, assignment: ShardAssignment::new(store, stream, list) }
    }

    /// Drops completed windows, and what came too late for them, from the database when they ended longer than this
    /// before the watermark, as [`StoredCounter::keep_for`](crate::StoredCounter::keep_for) does. Default: all are kept.
    ///
    /// ```no_run
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::aws().connect()?.stream("visits")?;
    /// let counter = Counter::per_minute().shared_in("postgres://ann@db.example/shop", &stream)?;
    /// let mut counter = counter.keep_for(secs(30 * 86_400));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn keep_for(mut self, time: Duration) -> SharedCounter {
        self.keep = Some(time);
        self
    }

    /// For a lesson, and for tests that must see the difference: writes whatever it has counted, without a look at who has
    /// the shard by now and up to where it is counted. Counts are **wrong** then as soon as a worker is cut off, stands
    /// still or does not hear that something was written. Default: such a worker is refused.
    ///
    /// ```no_run
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::aws().connect()?.stream("visits")?;
    /// let counter = Counter::per_minute().shared_in("postgres://ann@db.example/shop", &stream)?;
    /// let mut counter = counter.without_fence(); // to see what the fence is for
    /// # Ok::<(), Error>(())
    /// ```
    pub fn without_fence(mut self) -> SharedCounter {
        self.assignment.is_fenced = false;
        self
    }

    #[cfg(test)]
    pub(super) fn epoch(&self) -> Option<i64> {
        self.assignment.shard.as_ref().map(|shard| shard.claim.epoch)
    }

    fn take(&mut self, shard_id: &str) -> Result<()> {
        let (size, slide) = (self.counter.windows.size(), self.counter.windows.slide());
        let fingerprint = Fingerprint::new(self.assignment.stream.clone(), size, slide);
        let fingerprint = Fingerprint { key: self.counter.key_name(), ..fingerprint };
        let saved = self.assignment.take(shard_id, &fingerprint, self.lateness, self.keep)?;
        self.counter.restore(saved);
        Ok(())
    }

    /// Writes what was counted; again, if it could not be written before.
    pub(super) fn write(&mut self, now: Timestamp, tip: Tip) -> Result<()> {
        if let Some(saved) = self.assignment.reload_if_stale()? {
            self.counter.restore(saved);
        }
        let ShardAssignment { store, shard: Some(shard), .. } = &mut self.assignment else { return Ok(()) };
        if !shard.has_news(now, tip.reached) {
            return Ok(());
        }
        shard.stale = true;
        let (position, arrival) = shard.next_position();
        let mut context = Context::at(now).with_shards(&[shard.progress()]);
        let (counter, pending, id) = (&mut self.counter, &shard.pending, &shard.claim.shard_id);
        let mut failed = None;
        store.write(&shard.claim, &mut |watermark| {
            // Of the fleet's windows, what is in memory is a part: they are made where all parts are.
            counter.windows.complete(watermark);
            for batch in pending {
                if let Err(error) = counter.process(batch, &mut context) {
                    failed = Some(error.message);
                }
            }
            let change = counter.take_change();
            let newest_event =
                change.shard_times.iter().find(|(shard, _)| shard == id).map(|(_, time)| *time);
            ShardChange { change, position: position.clone(), arrival, newest_event, tip }
        })?;
        debug_assert_eq!(failed, None, "a counter takes any batch");
        shard.written(now, tip.reached);
        Ok(())
    }

    /// Completes windows, if it is time to look. What can't be done now is done later, by whomever.
    fn complete(&mut self, now: Timestamp, idle: bool) -> Result<()> {
        let allows = idle || self.allows_a_window();
        if allows { self.assignment.complete(now) } else { Ok(()) }
    }

    /// Whether this shard is far enough: while it is read and is not, no other can complete one, nor can this one.
    fn allows_a_window(&self) -> bool {
        let (size, slide) = (self.counter.windows.size(), self.counter.windows.slide());
        let newest =
            self.counter.watermark.iter().flat_map(|watermark| watermark.times()).map(|(_, time)| time).max();
        let last_end = |newest: Timestamp| WindowSpan::new(size, slide).last_end(newest - self.lateness);
        newest.is_some_and(|newest| last_end(newest) > self.counter.windows.completed_until())
    }
}

impl RecordProcessor for SharedCounter {
    fn shard_taken(&mut self, shard_id: &str, _: &mut Context) -> Result<(), ProcessError> {
        self.take(shard_id).map_err(ProcessError::of_store)
    }

    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.assignment.checkpoints(
            stream,
            "these counts are",
            "counts that a fleet shares are counted a shard a worker: run this as a child of the Kinesis Client Library \
             (kinesis_lab::kcl::run), or, in one process, use stored_in",
        )
    }

    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.assignment.shard_of(&batch.shard_id)?.push(batch);
        Ok(())
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        let tip = self.assignment.shard.as_ref().map_or(Tip::default(), |shard| shard.tip(ctx));
        self.write(ctx.now, tip).map_err(ProcessError::of_store)?;
        self.complete(ctx.now, tip.reached).map_err(ProcessError::of_store)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.write(ctx.now, Tip::default()).map_err(ProcessError::of_store)?;
        self.assignment.end(shard_id)
    }
}

impl fmt::Debug for SharedCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shard = self.assignment.shard.as_ref().map_or("no shard", |shard| &shard.claim.shard_id);
        write!(f, "shared counter of {shard}, in {}", self.assignment.store.place())
    }
}
