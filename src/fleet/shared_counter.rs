//! [`SharedCounter`]: a counter of which each worker of a fleet counts a shard.

use std::fmt;
use std::time::Duration;

use super::completion::WindowSpan;
use super::coverage::is_covered;
use super::own_shard::OwnShard;
use super::store::{FleetStore, ShardChange, ShardLineage, Taking};
use crate::count::{Counter, Fingerprint, STORED_LATENESS};
use crate::error::Result;
use crate::read::{Checkpoint, Context, ProcessError, RecordProcessor, StreamId};
use crate::record::Batch;
use crate::stream::Shard;
use crate::timestamp::Timestamp;

pub(crate) type ListShards = Box<dyn FnMut() -> Result<Vec<Shard>> + Send>;

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
    store: Box<dyn FleetStore>,
    list: ListShards,
    stream: StreamId,
    keep: Option<Duration>,
    shard: Option<OwnShard>,
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
        SharedCounter { counter, lateness, store, list, stream, keep: None, shard: None }
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

    #[cfg(test)]
    pub(super) fn epoch(&self) -> Option<i64> {
        self.shard.as_ref().map(|shard| shard.claim.epoch)
    }

    fn lineage(&mut self) -> Result<(Vec<Shard>, Vec<ShardLineage>)> {
        let shards = (self.list)()?;
        let lineage = shards.iter().map(ShardLineage::of).collect();
        Ok((shards, lineage))
    }

    fn take(&mut self, shard_id: &str) -> Result<()> {
        self.shard = None;
        // Once a take, not a batch: a stream takes 1,000 such calls a second (API reference, ListShards).
        let (_, mut lineage) = self.lineage()?;
        if lineage.iter().all(|shard| shard.shard_id != shard_id) {
            lineage.push(ShardLineage { shard_id: shard_id.to_owned(), parents: Vec::new() });
        }
        let (size, slide) = (self.counter.windows.size(), self.counter.windows.slide());
        let fingerprint = Fingerprint::new(self.stream.clone(), size, slide);
        let fingerprint = Fingerprint { key: self.counter.key_name(), ..fingerprint };
        let (lateness, keep) = (self.lateness, self.keep);
        let taking = Taking { fingerprint: &fingerprint, lateness, keep, shard_id, lineage: &lineage };
        let mut taken = self.store.take(&taking)?;
        self.counter.restore(std::mem::take(&mut taken.saved));
        self.shard = Some(OwnShard::new(shard_id, lineage, &taken));
        Ok(())
    }

    /// Writes what was counted; again, if it could not be written before.
    pub(super) fn write(&mut self, now: Timestamp, idle: bool) -> Result<()> {
        let Some(shard) = &mut self.shard else { return Ok(()) };
        if shard.stale {
            // This settles a commit in doubt, too: it is there, or it never will be.
            let mut taken = self.store.reload(&shard.claim, &shard.lineage)?;
            shard.reloaded(&taken);
            self.counter.restore(std::mem::take(&mut taken.saved));
        }
        if !shard.has_news(now, idle) {
            return Ok(());
        }
        shard.stale = true;
        let (position, arrival) = shard.next_position();
        let mut context = Context::at(now).with_shards(&[shard.progress()]);
        let (counter, pending, id) = (&mut self.counter, &shard.pending, &shard.claim.shard_id);
        let mut failed = None;
        self.store.write(&shard.claim, &mut |watermark| {
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
            ShardChange { change, position: position.clone(), arrival, newest_event, idle }
        })?;
        debug_assert_eq!(failed, None, "a counter takes any batch");
        shard.written(now, idle);
        Ok(())
    }

    /// Completes windows, if it is time to look. What can't be done now is done later, by whomever.
    fn complete(&mut self, now: Timestamp, idle: bool) -> Result<()> {
        let allows = idle || self.allows_a_window();
        let Some(shard) = self.shard.as_mut().filter(|_| allows) else { return Ok(()) };
        if !shard.looks(now) {
            return Ok(());
        }
        let outcome = self.store.advance().and_then(|()| self.store.move_windows());
        match outcome {
            Err(error) if error.is_transient() => {
                tracing::debug!(target: "kinesis_lab", %error, "windows are completed later");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Whether this shard is far enough: while it is read and is not, no other can complete one, nor can this one.
    fn allows_a_window(&self) -> bool {
        let (size, slide) = (self.counter.windows.size(), self.counter.windows.slide());
        let newest =
            self.counter.watermark.iter().flat_map(|watermark| watermark.times()).map(|(_, time)| time).max();
        let last_end = |newest: Timestamp| WindowSpan::new(size, slide).last_end(newest - self.lateness);
        newest.is_some_and(|newest| last_end(newest) > self.counter.windows.completed_until())
    }

    fn end(&mut self, shard_id: &str, now: Timestamp) -> Result<Known, ProcessError> {
        self.write(now, false).map_err(ProcessError::of_store)?;
        let (shards, lineage) = self.lineage().map_err(ProcessError::of_store)?;
        if !is_covered(shard_id, &shards) {
            return Ok(Known::NotYet);
        }
        let Some(shard) = &mut self.shard else { return Ok(Known::All) };
        self.store.end(&shard.claim, &lineage).map_err(ProcessError::of_store)?;
        (shard.ended, shard.lineage) = (true, lineage);
        Ok(Known::All)
    }
}

/// Whether all children of a shard are.
enum Known {
    All,
    NotYet,
}

impl RecordProcessor for SharedCounter {
    fn shard_taken(&mut self, shard_id: &str, _: &mut Context) -> Result<(), ProcessError> {
        self.take(shard_id).map_err(ProcessError::of_store)
    }

    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        // The daemon does not say which stream it reads.
        if !stream.name.is_empty() && *stream != self.stream {
            return Err(ProcessError::stop(format!(
                "these counts are of the stream {}, and the worker reads {}, or one of that name that was created at \
                 another time",
                self.stream.name, stream.name
            )));
        }
        match &self.shard {
            Some(shard) => Ok(vec![shard.checkpoint()]),
            None => Err(ProcessError::stop(
                "counts that a fleet shares are counted a shard a worker: run this as a child of the Kinesis Client \
                 Library (kinesis_lab::kcl::run), or, in one process, use stored_in",
            )),
        }
    }

    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        let shard = self.shard.as_mut().filter(|shard| *shard.claim.shard_id == *batch.shard_id);
        let Some(shard) = shard else {
            return Err(ProcessError::stop(format!("records of {}, which was not taken", batch.shard_id)));
        };
        shard.push(batch);
        Ok(())
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        let idle = self.shard.as_ref().is_some_and(|shard| shard.is_idle(ctx));
        self.write(ctx.now, idle).map_err(ProcessError::of_store)?;
        self.complete(ctx.now, idle).map_err(ProcessError::of_store)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        match self.end(shard_id, ctx.now)? {
            Known::All => Ok(()),
            Known::NotYet => Err(ProcessError::wait(format!(
                "the list of shards does not have all children of {shard_id} yet"
            ))),
        }
    }
}

impl fmt::Debug for SharedCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shard = self.shard.as_ref().map_or("no shard", |shard| &shard.claim.shard_id);
        write!(f, "shared counter of {shard}, in {}", self.store.place())
    }
}
