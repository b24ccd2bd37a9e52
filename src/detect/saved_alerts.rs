//! [`SavedAlerts`]: what a database of alerts can be asked, whichever it is.

use super::alert::Alert;
use crate::error::Result;
use crate::read::Checkpoint;

/// Reads what a detection has written, beside it.
pub(crate) trait SavedAlerts: Send {
    /// For people; without a password.
    fn place(&self) -> String;

    /// All of them, the oldest first.
    fn all(&self) -> Result<Vec<Alert>>;

    /// So many, the newest first.
    fn recent(&self, limit: usize) -> Result<Vec<Alert>>;

    /// How many there are.
    fn count(&self) -> Result<u64>;

    /// How many the detection says that it has written, at once whatever is there: for a status.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "for the status of a pipeline"))]
    fn written(&self) -> Result<u64>;

    /// How many (playbook, window) pairs an event came too late for, as the detection says.
    #[cfg_attr(not(feature = "live"), allow(dead_code, reason = "for a page that shows them"))]
    fn late(&self) -> Result<u64>;

    /// The last record of each shard that was committed.
    fn positions(&self) -> Result<Vec<Checkpoint>>;
}
