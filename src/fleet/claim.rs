//! [`Claim`]: by what a worker writes for a shard, and when it may not. Pure.

use super::position::CountedPosition;
use crate::error::{Error, ErrorKind, Result};

/// A shard as a worker took it, and up to where it has counted it since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) shard_id: String,
    /// Larger with each worker that takes the shard.
    pub(crate) epoch: i64,
    pub(crate) position: Option<CountedPosition>,
    /// Without it, nobody is refused: a lesson's counts, which are wrong then.
    pub(crate) is_fenced: bool,
}

impl Claim {
    /// Whether the shard's row, locked, is still this worker's. `place` names the table to people.
    ///
    /// # Errors
    /// [`ErrorKind::LeaseLost`] when another has taken the shard; [`ErrorKind::Store`] where the row is from before this
    /// worker took it.
    pub(crate) fn check_epoch(&self, epoch: i64, place: &str) -> Result<()> {
        match epoch.cmp(&self.epoch) {
            _ if !self.is_fenced => Ok(()),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(self.lost(place)),
            std::cmp::Ordering::Less => Err(self.restored(place)),
        }
    }

    /// The same, and whether the shard is counted up to where this worker believes.
    ///
    /// # Errors
    /// As [`check_epoch`](Claim::check_epoch).
    pub(crate) fn check(&self, epoch: i64, position: Option<&CountedPosition>, place: &str) -> Result<()> {
        self.check_epoch(epoch, place)?;
        match position == self.position.as_ref() || !self.is_fenced {
            true => Ok(()),
            false => Err(self.restored(place)),
        }
    }

    fn lost(&self, place: &str) -> Error {
        Error::new(
            ErrorKind::LeaseLost,
            format!(
                "another worker has taken {} in {place}: nothing more of it is counted here",
                self.shard_id
            ),
        )
    }

    fn restored(&self, place: &str) -> Error {
        Error::new(
            ErrorKind::Store,
            format!(
                "{} in {place} is not as this worker left it: was the database restored from an older state? Start \
                 again, and what the lease table has beyond it is refused",
                self.shard_id
            ),
        )
    }
}
