//! What a store keeps of a [`Counter`], and how it comes back.

use super::super::store::{Change, SavedState, Totals};
use super::Counter;

impl Counter {
    /// What a store has, in place of what is in memory: a run that failed may have counted more than it committed.
    pub(crate) fn restore(&mut self, saved: SavedState) {
        self.windows.restore(saved.watermark, saved.panes);
        if let Some(watermark) = &mut self.watermark {
            watermark.restore(saved.watermark, saved.shard_times);
        }
        self.completed.clear();
        self.late.restore(saved.totals.late);
        self.refused.restore(saved.totals.refused);
        self.duplicates = saved.totals.duplicates;
        self.unparsed.restore(saved.totals.unparsed);
        self.windows.unplaced = saved.totals.unplaced;
        self.copies.restore(saved.origins);
    }

    /// Takes out what a store has not yet; checkpoints are the caller's.
    pub(crate) fn take_change(&mut self) -> Change {
        let (gone_origins, origins) = self.copies.changes();
        let times = self.watermark.iter().flat_map(|watermark| watermark.times());
        Change {
            shard_times: times.map(|(shard, time)| (shard.to_owned(), time)).collect(),
            watermark: self.windows.completed_until(),
            oldest_pane: self.windows.oldest_needed(),
            completed: std::mem::take(&mut self.completed),
            late: self.late.take_windows(),
            totals: Totals {
                late: self.late.count(),
                refused: self.refused.count(),
                duplicates: self.duplicates,
                unparsed: self.unparsed(),
                unplaced: self.unplaced(),
            },
            gone_origins,
            origins,
            panes: self.windows.panes().filter_map(|(start, pane)| Some((start, pane.changes()?))).collect(),
            ..Change::default()
        }
    }
}
