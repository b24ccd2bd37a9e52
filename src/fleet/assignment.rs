//! [`ShardAssignment`]: a shard that this worker was given, with the tables that all workers share.

use std::time::Duration;

use super::claim::Claim;
use super::coverage::is_covered;
use super::own_shard::OwnShard;
use super::store::{FleetStore, ShardLineage, TakenShard, Taking};
use crate::count::{Fingerprint, SavedState};
use crate::error::Result;
use crate::read::{Checkpoint, ProcessError, StreamId};
use crate::stream::Shard;
use crate::timestamp::Timestamp;

pub(crate) type ListShards = Box<dyn FnMut() -> Result<Vec<Shard>> + Send>;

/// What is the same for all that a worker does with a shard: it takes it, knows where it is, and ends it.
pub(crate) struct ShardAssignment<S: ?Sized = dyn FleetStore> {
    pub(crate) store: Box<S>,
    pub(crate) stream: StreamId,
    list: ListShards,
    /// False for a lesson alone.
    pub(crate) is_fenced: bool,
    pub(crate) shard: Option<OwnShard>,
}

impl<S: ?Sized> ShardAssignment<S> {
    pub(crate) fn new(store: Box<S>, stream: StreamId, list: ListShards) -> ShardAssignment<S> {
        ShardAssignment { store, stream, list, is_fenced: true, shard: None }
    }

    /// Makes this worker the one that writes for a shard, and gives what it goes on from.
    pub(crate) fn take_by<T>(
        &mut self,
        shard_id: &str,
        take: impl FnOnce(&mut S, &[ShardLineage]) -> Result<TakenShard<T>>,
    ) -> Result<T> {
        self.shard = None;
        // Once a take, not a batch: a stream takes 1,000 such calls a second (API reference, ListShards).
        let (_, mut lineage) = self.lineage()?;
        if lineage.iter().all(|shard| shard.shard_id != shard_id) {
            lineage.push(ShardLineage { shard_id: shard_id.to_owned(), parents: Vec::new() });
        }
        let (taken, saved) = take(&mut self.store, &lineage)?.split();
        self.shard = Some(OwnShard::new(shard_id, lineage, &taken, self.is_fenced));
        Ok(saved)
    }

    /// What is written, where what is in memory may be something else: a transaction failed, or its answer was lost.
    pub(crate) fn reload_by<T>(
        &mut self,
        reload: impl FnOnce(&mut S, &Claim, &[ShardLineage]) -> Result<TakenShard<T>>,
    ) -> Result<Option<T>> {
        let Some(shard) = self.shard.as_mut().filter(|shard| shard.stale) else { return Ok(None) };
        // This settles a commit in doubt, too: it is there, or it never will be.
        let (taken, saved) = reload(&mut self.store, &shard.claim, &shard.lineage)?.split();
        shard.reloaded(&taken);
        Ok(Some(saved))
    }

    /// The shard of a batch, where it is the one that was taken.
    pub(crate) fn shard_of(&mut self, shard_id: &str) -> Result<&mut OwnShard, ProcessError> {
        self.shard
            .as_mut()
            .filter(|shard| shard.claim.shard_id == shard_id)
            .ok_or_else(|| ProcessError::stop(format!("records of {shard_id}, which was not taken")))
    }

    /// Where it is. `what` names what is written, and `alone` is advice to whoever runs it in one process.
    pub(crate) fn checkpoints(
        &self,
        stream: &StreamId,
        what: &str,
        alone: &str,
    ) -> Result<Vec<Checkpoint>, ProcessError> {
        // The daemon does not say which stream it reads.
        if !stream.name.is_empty() && *stream != self.stream {
            return Err(ProcessError::stop(format!(
                "{what} of the stream {}, and the worker reads {}, or one of that name that was created at another time",
                self.stream.name, stream.name
            )));
        }
        match &self.shard {
            Some(shard) => Ok(vec![shard.checkpoint()]),
            None => Err(ProcessError::stop(alone)),
        }
    }

    /// Enters that the shard is processed to its end, and its children; once all of these are known.
    pub(crate) fn end_by(
        &mut self,
        shard_id: &str,
        end: impl FnOnce(&mut S, &Claim, &[ShardLineage]) -> Result<()>,
    ) -> Result<(), ProcessError> {
        let (shards, lineage) = self.lineage().map_err(ProcessError::of_store)?;
        if !is_covered(shard_id, &shards) {
            return Err(ProcessError::wait(format!(
                "the list of shards does not have all children of {shard_id} yet"
            )));
        }
        let Some(shard) = &mut self.shard else { return Ok(()) };
        end(&mut self.store, &shard.claim, &lineage).map_err(ProcessError::of_store)?;
        (shard.ended, shard.lineage) = (true, lineage);
        Ok(())
    }

    fn lineage(&mut self) -> Result<(Vec<Shard>, Vec<ShardLineage>)> {
        let shards = (self.list)()?;
        let lineage = shards.iter().map(ShardLineage::of).collect();
        Ok((shards, lineage))
    }
}

impl ShardAssignment {
    /// [`take_by`](ShardAssignment::take_by) of what is counted.
    pub(crate) fn take(
        &mut self,
        shard_id: &str,
        fingerprint: &Fingerprint,
        lateness: Duration,
        keep: Option<Duration>,
    ) -> Result<SavedState> {
        self.take_by(shard_id, |store, lineage| {
            store.take(&Taking { fingerprint, lateness, keep, shard_id, lineage })
        })
    }

    /// [`reload_by`](ShardAssignment::reload_by) of what is counted.
    pub(crate) fn reload_if_stale(&mut self) -> Result<Option<SavedState>> {
        self.reload_by(|store, claim, lineage| store.reload(claim, lineage))
    }

    /// [`end_by`](ShardAssignment::end_by) of what is counted.
    pub(crate) fn end(&mut self, shard_id: &str) -> Result<(), ProcessError> {
        self.end_by(shard_id, |store, claim, lineage| store.end(claim, lineage))
    }

    /// Moves the watermark, if it is time to look and the shards allow for it. What can't be done now is done later, by
    /// whomever.
    pub(crate) fn complete(&mut self, now: Timestamp) -> Result<()> {
        if !self.shard.as_mut().is_some_and(|shard| shard.looks(now)) {
            return Ok(());
        }
        self.complete_now()
    }

    /// The same, without a look at the time.
    pub(crate) fn complete_now(&mut self) -> Result<()> {
        let outcome = self.store.advance().and_then(|()| self.store.move_windows());
        match outcome {
            Err(error) if error.is_transient() => {
                tracing::debug!(target: "kinesis_lab", %error, "windows are completed later");
                Ok(())
            }
            outcome => outcome,
        }
    }
}
