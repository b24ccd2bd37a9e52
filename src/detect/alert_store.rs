//! [`AlertStore`]: where a detection keeps what must survive it.

use super::alert::Alert;
use super::detector::SavedTally;
use super::playbooks::Playbooks;
use super::totals::DetectionTotals;
use crate::count::SavedOrigin;
use crate::error::Result;
use crate::read::{Checkpoint, StreamId};
use crate::timestamp::Timestamp;

/// As [`Store`](crate::Store) for a counter: alerts, counts and checkpoints are written together or not at
/// all.
pub(crate) trait AlertStore: Undelivered {
    /// What was saved; open counts of a playbook that counts other things now are left out.
    fn load(&mut self, stream: &StreamId, playbooks: &Playbooks) -> Result<SavedDetection>;

    /// Writes a change, whole or not at all.
    fn commit(&mut self, change: &AlertChange) -> Result<()>;
}

/// The alerts of a store of which somebody is still to be told.
pub(crate) trait Undelivered: Send {
    /// These alerts need not be delivered again.
    fn delivered(&mut self, alerts: &[Alert]) -> Result<()>;

    /// Alerts that are to be delivered, the oldest first, at most so many.
    fn undelivered(&mut self, limit: usize) -> Result<Vec<Alert>>;
}

/// What a detection goes on from.
pub(crate) struct SavedDetection {
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) shard_times: Vec<(String, Timestamp)>,
    pub(crate) watermark: Timestamp,
    pub(crate) totals: DetectionTotals,
    pub(crate) tallies: Vec<SavedTally>,
    /// Playbook, key and time of alerts, for their cool-downs.
    pub(crate) fired: Vec<(String, String, Timestamp)>,
    /// The oldest of them.
    pub(crate) undelivered: Vec<Alert>,
    /// How many there are beside these.
    pub(crate) more_undelivered: u64,
    /// Of each playbook that had any: events for which there was no room.
    pub(crate) beyond_memory: Vec<(String, u64)>,
    pub(crate) ids: Vec<(Timestamp, u128)>,
    pub(crate) origins: Vec<SavedOrigin>,
}

/// What changed since the last commit.
#[cfg_attr(not(any(feature = "postgres", feature = "sqlite")), allow(dead_code, reason = "for a store"))]
pub(crate) struct AlertChange {
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) shard_times: Vec<(String, Timestamp)>,
    pub(crate) watermark: Timestamp,
    pub(crate) totals: DetectionTotals,
    pub(crate) alerts: Vec<Alert>,
    /// All so far, not only the new ones.
    pub(crate) beyond_memory: Vec<(String, u64)>,
    /// Keys in panes whose count changed, with their new values.
    pub(crate) tallies: Vec<SavedTally>,
    /// Of each playbook, the oldest pane that is needed.
    pub(crate) oldest_panes: Vec<(String, Timestamp)>,
    pub(crate) ids: Vec<(Timestamp, u128)>,
    /// Ids before this time are needed no more.
    pub(crate) ids_from: Timestamp,
    pub(crate) gone_origins: Vec<String>,
    pub(crate) origins: Vec<SavedOrigin>,
}
