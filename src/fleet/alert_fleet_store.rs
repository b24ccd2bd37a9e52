//! [`AlertFleetStore`]: the tables of a detection that workers share, and the transactions on them.

use std::time::Duration;

use super::claim::Claim;
use super::position::CountedPosition;
use super::store::{ShardLineage, TakenShard};
use super::tip::Tip;
use crate::detect::{Alert, AlertChange, KeysAndIds, KnownState, Playbooks, SavedDetection, Undelivered};
use crate::error::Result;
use crate::read::StreamId;
use crate::timestamp::Timestamp;

/// As [`FleetStore`](super::FleetStore) is for a counter. `undelivered` gives alerts to this worker for a while: others
/// that ask are not given them meanwhile.
pub(crate) trait AlertFleetStore: Undelivered {
    /// Enters all shards of the stream, and takes the next epoch of one: whoever had it before writes no more.
    fn take(&mut self, taking: &TakingAlerts<'_>) -> Result<TakenShard<SavedDetection>>;

    /// What is there of a shard that was taken.
    fn reload(&mut self, claim: &Claim, lineage: &[ShardLineage]) -> Result<TakenShard<SavedDetection>>;

    /// Writes what a worker's batch has set off, where its epoch is the latest, and gives its alerts. No other batch of
    /// any worker is under way meanwhile: `decide` is told what all of them have come to, once at the most.
    fn write(
        &mut self,
        claim: &Claim,
        batch: &WatchedBatch<'_>,
        decide: &mut dyn FnMut(KnownState) -> ShardAlerts,
    ) -> Result<Vec<Alert>>;

    /// Writes that a shard was read to its tip, or not, and nothing came of it.
    fn report(&mut self, claim: &Claim, tip: Tip) -> Result<()>;

    /// Enters the children of a shard, and that it is processed to its end.
    fn end(&mut self, claim: &Claim, lineage: &[ShardLineage]) -> Result<()>;

    /// For people; without a password.
    fn place(&self) -> String;
}

/// Which shard, watched by what.
pub(crate) struct TakingAlerts<'a> {
    pub(crate) stream: &'a StreamId,
    pub(crate) playbooks: &'a Playbooks,
    pub(crate) lateness: Duration,
    pub(crate) shard_id: &'a str,
    pub(crate) lineage: &'a [ShardLineage],
}

/// What a batch brings, but for its events.
pub(crate) struct WatchedBatch<'a> {
    pub(crate) asked: &'a KeysAndIds,
    pub(crate) position: Option<CountedPosition>,
    /// Of the record at that position.
    pub(crate) arrival: Option<Timestamp>,
    /// It is time to see how far event time has advanced over all shards.
    pub(crate) looks: bool,
}

/// What came of it.
pub(crate) struct ShardAlerts {
    pub(crate) change: AlertChange,
    pub(crate) newest_event: Option<Timestamp>,
}
