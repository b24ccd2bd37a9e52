//! [`OwnShard`]: the shard that a worker was given, and what of it waits to be written. Pure.

use std::time::Duration;

use super::claim::Claim;
use super::position::CountedPosition;
use super::store::{ShardLineage, TakenShard, ancestors};
use super::tip::Tip;
use crate::read::{Checkpoint, Context};
use crate::record::Batch;
use crate::stream::ShardProgress;
use crate::timestamp::Timestamp;

/// A shard of which nothing comes says so this often: what it said before is believed for a few times as long.
const REPORT_EVERY: Duration = Duration::from_secs(2);
/// How often a worker looks whether a window is complete, or an alert is to be delivered.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct OwnShard {
    pub(crate) claim: Claim,
    pub(crate) lineage: Vec<ShardLineage>,
    arrival: Option<Timestamp>,
    pub(crate) ended: bool,
    /// Processed, and not written.
    pub(crate) pending: Vec<Batch>,
    /// What is in memory may not be what is written: a transaction failed, or its answer was lost.
    pub(crate) stale: bool,
    idle: bool,
    reported: Option<Timestamp>,
    looked: Option<Timestamp>,
    looked_for_alerts: Option<Timestamp>,
}

impl OwnShard {
    pub(crate) fn new(
        shard_id: &str,
        lineage: Vec<ShardLineage>,
        taken: &TakenShard<()>,
        is_fenced: bool,
    ) -> OwnShard {
        let (epoch, position) = (taken.epoch, taken.position.clone());
        let claim = Claim { shard_id: shard_id.to_owned(), epoch, position, is_fenced };
        OwnShard {
            claim,
            lineage,
            arrival: taken.arrival,
            ended: taken.ended,
            pending: Vec::new(),
            stale: false,
            idle: false,
            reported: None,
            looked: None,
            looked_for_alerts: None,
        }
    }

    /// What is written, as whoever drives the processor knows it.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let number = self.claim.position.as_ref().map(|position| &*position.sequence_number);
        let place = Checkpoint::new(&*self.claim.shard_id, number, self.arrival.unwrap_or(Timestamp::MIN));
        if self.ended { place.ended() } else { place }
    }

    /// What comes again is left out.
    pub(crate) fn push(&mut self, batch: &Batch) {
        self.pending.extend(self.uncovered(batch));
    }

    /// A batch without the records that were processed before; nothing, where that are all.
    pub(crate) fn uncovered(&self, batch: &Batch) -> Option<Batch> {
        let (last, _) = self.next_position();
        let is_new = |record: &&crate::record::Record| last.as_ref().is_none_or(|last| !last.covers(record));
        let records: Vec<_> = batch.records.iter().filter(is_new).cloned().collect();
        (!records.is_empty()).then(|| Batch { records, ..batch.clone() })
    }

    /// What is written is as was read just now.
    pub(crate) fn reloaded(&mut self, taken: &TakenShard<()>) {
        if !self.claim.is_fenced {
            // Who does not ask whose the shard is does not ask either whether what it waits to write is written already.
            self.stale = false;
            return;
        }
        self.claim.position = taken.position.clone();
        (self.arrival, self.ended, self.stale) = (taken.arrival, taken.ended, false);
        for batch in std::mem::take(&mut self.pending) {
            self.push(&batch);
        }
    }

    /// Where the shard is when all that is pending is written, and when that record arrived.
    pub(crate) fn next_position(&self) -> (Option<CountedPosition>, Option<Timestamp>) {
        match self.pending.last().and_then(|batch| batch.records.last()) {
            Some(last) => (Some(CountedPosition::of(last)), Some(last.arrival)),
            None => (self.claim.position.clone(), self.arrival),
        }
    }

    /// All that was pending is written.
    pub(crate) fn written(&mut self, now: Timestamp, idle: bool) {
        let (position, arrival) = self.next_position();
        (self.claim.position, self.arrival) = (position, arrival);
        self.pending.clear();
        (self.idle, self.reported, self.stale) = (idle, Some(now), false);
    }

    /// Read to its tip, as the driver says, and nothing of it waits.
    pub(crate) fn tip(&self, ctx: &Context) -> Tip {
        let told = ctx.shards.iter().find(|shard| *shard.shard_id == *self.claim.shard_id && shard.idle);
        match told.filter(|_| self.pending.is_empty()) {
            Some(told) => Tip { reached: true, heard: told.heard },
            None => Tip::default(),
        }
    }

    /// Whether there is something to be written.
    pub(crate) fn has_news(&self, now: Timestamp, idle: bool) -> bool {
        let is_due = self.reported.is_none_or(|reported| now >= reported + REPORT_EVERY || now < reported);
        !self.ended && (!self.pending.is_empty() || idle != self.idle || is_due)
    }

    /// Whether it is time to look how far event time has advanced over all shards; then it is not, for a while.
    pub(crate) fn looks(&mut self, now: Timestamp) -> bool {
        is_time(&mut self.looked, now)
    }

    /// The same for alerts that are to be delivered.
    pub(crate) fn looks_for_alerts(&mut self, now: Timestamp) -> bool {
        is_time(&mut self.looked_for_alerts, now)
    }

    /// What the counter is told of it. All those before it are its parents: one on which nothing came has handed nothing
    /// on, since nobody wrote for it.
    pub(crate) fn progress(&self) -> ShardProgress {
        let parents = ancestors(&self.claim.shard_id, &self.lineage);
        let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
        ShardProgress::reading(&self.claim.shard_id, &parents)
    }
}

fn is_time(looked: &mut Option<Timestamp>, now: Timestamp) -> bool {
    let is_time = looked.is_none_or(|looked| now >= looked + LOOK_EVERY || now < looked);
    if is_time {
        *looked = Some(now);
    }
    is_time
}
