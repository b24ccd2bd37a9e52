//! [`ArchivedShard`]: how far a shard is archived, and what of it is not yet.

use super::buffer::Buffer;
use super::extent::Extent;
use super::names::SequenceKey;
use crate::read::Checkpoint;
use crate::timestamp::Timestamp;

/// One shard of the stream that is being archived.
#[derive(Debug, Default)]
pub(super) struct ArchivedShard {
    /// Its `shard.json` is there.
    pub(super) is_known: bool,
    /// Its `ended.json` is there.
    pub(super) has_ended: bool,
    /// From when on it is read.
    pub(super) since: Timestamp,
    /// The last record that is in an object, and when it arrived.
    pub(super) archived: Option<(SequenceKey, Timestamp)>,
    /// The last record that was taken, or need not be.
    pub(super) taken: Option<SequenceKey>,
    pub(super) buffer: Buffer,
}

impl ArchivedShard {
    /// Its objects go up to here.
    pub(super) fn reach(&mut self, extent: &Extent) {
        if self.archived.as_ref().is_none_or(|(last, _)| *last < extent.last) {
            self.archived = Some((extent.last.clone(), extent.arrival));
        }
        self.taken = self.taken.take().max(Some(extent.last.clone()));
    }

    /// Where reading it goes on.
    pub(super) fn checkpoint(&self, shard_id: &str) -> Checkpoint {
        let place = match &self.archived {
            Some((last, arrival)) => Checkpoint::new(shard_id, Some(last.number()), *arrival),
            None => Checkpoint::new(shard_id, None, self.since),
        };
        if self.has_ended { place.ended() } else { place }
    }
}
