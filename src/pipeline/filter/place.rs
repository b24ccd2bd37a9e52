//! Where a filter is, and what its store has of that.

use std::time::Duration;

use super::Filter;
use crate::count::Watermark;
use crate::count::{Change, Fingerprint};
use crate::error::Result;
use crate::read::{Checkpoint, ProcessError, StreamId};
use crate::record::Batch;
use crate::timestamp::Timestamp;

impl Filter {
    pub(super) fn load(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>> {
        // In place of what is in memory: a run that failed may be ahead of what it saved.
        if let Some(store) = &mut self.store {
            let fingerprint = Fingerprint::new(stream.clone(), Duration::ZERO, Duration::ZERO);
            self.checkpoints.restore(&store.load(&fingerprint)?.checkpoints);
        } else if self.stream.as_ref() != Some(stream) {
            self.checkpoints.restore(&[]);
        }
        self.unsaved = false;
        // The shards are read anew: what one of them had to say is not known before it says it.
        self.watermark = Watermark::new(Duration::ZERO);
        self.stream = Some(stream.clone());
        match self.store {
            Some(_) => Ok(self.checkpoints.iter().cloned().collect()),
            // Without a store, the consumer begins where it was told to.
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn save(&mut self) -> Result<(), ProcessError> {
        let checkpoints = self.checkpoints.take_moved();
        if let Some(store) = &mut self.store
            && !checkpoints.is_empty()
        {
            // Event time is handed on, not kept: `Timestamp::MIN` says that no window is complete.
            let watermark = Timestamp::MIN;
            let change = Change { checkpoints, watermark, oldest_pane: watermark, ..Change::default() };
            if let Err(error) = store.commit(&change) {
                self.unsaved = true;
                self.checkpoints.put_back(&change.checkpoints);
                return Err(ProcessError::of_store(error));
            }
        }
        self.unsaved = false;
        Ok(())
    }

    /// Whether a batch was sent on already: it is given again because its place could not be saved.
    pub(super) fn has_forwarded(&self, batch: &Batch) -> bool {
        let place = self.checkpoints.get(&batch.shard_id).and_then(|place| place.sequence_number.as_ref());
        place.is_some() && place == batch.records.last().map(|last| &last.sequence_number)
    }

    /// Of all of a shard's events so far.
    #[cfg(feature = "postgres")]
    pub(in super::super) fn newest_event(&self, shard_id: &str) -> Option<Timestamp> {
        self.watermark.times().find(|(shard, _)| *shard == shard_id).map(|(_, time)| time)
    }

    /// To where it sends, and which one it is between the two streams.
    #[cfg(feature = "postgres")]
    pub(in super::super) fn target(&self) -> String {
        match &self.name {
            Some(name) => format!("{}, by the filter {name}", self.to.name()),
            None => self.to.name().to_owned(),
        }
    }
}
