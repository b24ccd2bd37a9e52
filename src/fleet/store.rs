//! [`FleetStore`]: the tables that workers share, and the transactions on them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::claim::Claim;
use super::position::CountedPosition;
use super::tip::Tip;
use crate::count::{Change, Fingerprint, SavedState};
use crate::error::Result;
use crate::stream::Shard;
use crate::timestamp::Timestamp;

/// Each call is one transaction, or more that can be made again: whoever does not hear whether one was written asks
/// [`reload`](FleetStore::reload). Errors as [`Store`](crate::Store) has them, and `LeaseLost`.
pub(crate) trait FleetStore: Send {
    /// Enters all shards of the stream, and takes the next epoch of one: whoever had it before writes no more.
    fn take(&mut self, taking: &Taking<'_>) -> Result<TakenShard<SavedState>>;

    /// What is there of a shard that was taken.
    fn reload(&mut self, claim: &Claim, lineage: &[ShardLineage]) -> Result<TakenShard<SavedState>>;

    /// Writes what a worker has counted, where its epoch is the latest. `count` is told the watermark, which does not
    /// move before this is written, and called once at the most.
    fn write(&mut self, claim: &Claim, count: &mut dyn FnMut(Timestamp) -> ShardChange) -> Result<()>;

    /// Enters the children of a shard, and that it is processed to its end.
    fn end(&mut self, claim: &Claim, lineage: &[ShardLineage]) -> Result<()>;

    /// Moves the watermark, if the shards allow for a window more. Batches that are under way are waited for.
    fn advance(&mut self) -> Result<()>;

    /// Makes windows of the counts that the watermark has passed; batches go on meanwhile.
    fn move_windows(&mut self) -> Result<()>;

    /// For people; without a password.
    fn place(&self) -> String;
}

/// Which shard, of which counts.
pub(crate) struct Taking<'a> {
    pub(crate) fingerprint: &'a Fingerprint,
    pub(crate) lateness: Duration,
    /// How long completed windows are kept.
    pub(crate) keep: Option<Duration>,
    pub(crate) shard_id: &'a str,
    pub(crate) lineage: &'a [ShardLineage],
}

/// A shard, and those that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardLineage {
    pub(crate) shard_id: String,
    pub(crate) parents: Vec<String>,
}

impl ShardLineage {
    pub(crate) fn of(shard: &Shard) -> ShardLineage {
        ShardLineage { shard_id: shard.id.clone(), parents: shard.parent_ids() }
    }
}

/// The shards that one came from, over all generations that are known.
pub(crate) fn ancestors(shard_id: &str, lineage: &[ShardLineage]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut from = vec![shard_id];
    while let Some(id) = from.pop() {
        let Some(shard) = lineage.iter().find(|shard| shard.shard_id == id) else { continue };
        from.extend(
            shard.parents.iter().filter(|parent| found.insert((*parent).clone())).map(String::as_str),
        );
    }
    found
}

/// Where a worker goes on, and from what.
#[derive(Debug, Clone, Default)]
pub(crate) struct TakenShard<S> {
    pub(crate) epoch: i64,
    pub(crate) position: Option<CountedPosition>,
    /// Of the record at that position.
    pub(crate) arrival: Option<Timestamp>,
    pub(crate) ended: bool,
    /// Of this shard alone, but for the watermark, and for ids and origins of those that it came from.
    pub(crate) saved: S,
}

impl<S> TakenShard<S> {
    /// The place, and what is saved up to there.
    pub(crate) fn split(self) -> (TakenShard<()>, S) {
        let TakenShard { epoch, position, arrival, ended, saved } = self;
        (TakenShard { epoch, position, arrival, ended, saved: () }, saved)
    }
}

impl TakenShard<()> {
    /// The place, with what is saved up to there.
    pub(crate) fn with<S>(self, saved: S) -> TakenShard<S> {
        let TakenShard { epoch, position, arrival, ended, .. } = self;
        TakenShard { epoch, position, arrival, ended, saved }
    }
}

/// What a worker has counted since it last wrote.
pub(crate) struct ShardChange {
    pub(crate) change: Change,
    pub(crate) position: Option<CountedPosition>,
    pub(crate) arrival: Option<Timestamp>,
    pub(crate) newest_event: Option<Timestamp>,
    pub(crate) tip: Tip,
}
