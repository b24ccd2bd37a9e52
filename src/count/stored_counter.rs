//! [`StoredCounter`]: a counter whose counts survive it.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::counter::Counter;
use super::store::{Change, Fingerprint, Store, Totals};
use super::watermark::Watermark;
use super::windows::SavedPane;
use crate::error::Result;
use crate::read::{Checkpoint, Checkpoints, Context, ProcessError, RecordProcessor, StreamId};
use crate::record::Batch;

/// Where none was given: without a watermark the open state would grow for ever.
const STORED_LATENESS: Duration = Duration::from_secs(30);

/// A [`Counter`] that keeps its windows and its place in the stream in a [`Store`]; made by
/// [`Counter::stored_in`] and [`Counter::stored`].
///
/// Completed windows, what the open ones consist of, late events, and the checkpoint of each shard are
/// committed together once a poll. So whatever ends it, at whatever moment, the next run goes on from the
/// last commit, and counts each record of the stream exactly once.
///
/// It is the counter in everything that can be looked at: `windows()` (those in memory: the early results),
/// `watermark()`, `late()`, `chart()`.
pub struct StoredCounter {
    counter: Counter,
    store: Box<dyn Store>,
    checkpoints: Checkpoints,
    dirty: bool,
    loaded: bool,
}

impl Counter {
    /// The same counter, keeping its windows and its place in the stream in a store of your own.
    pub fn stored(mut self, store: Box<dyn Store>) -> StoredCounter {
        // Without a watermark the open state would grow for ever, and no window ever reach its table.
        self.watermark.get_or_insert_with(|| Watermark::new(STORED_LATENESS));
        StoredCounter::new(self, store)
    }
}

impl StoredCounter {
    fn new(mut counter: Counter, store: Box<dyn Store>) -> StoredCounter {
        counter.late.stored = true;
        StoredCounter { counter, store, checkpoints: Checkpoints::default(), dirty: false, loaded: false }
    }

    /// Completes the windows still open, and commits: nothing more is expected.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn flush(&mut self) -> Result<()> {
        self.counter.flush();
        self.dirty = true;
        self.commit()
    }

    /// Where each shard is.
    pub fn positions(&self) -> impl Iterator<Item = &Checkpoint> {
        self.checkpoints.iter()
    }

    fn load(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>> {
        let (size, slide) = (self.counter.windows.size(), self.counter.windows.slide());
        let saved = self.store.load(&Fingerprint { stream: stream.clone(), size, slide })?;
        // In place of what is in memory: a run that failed may have counted more than it committed.
        let counter = &mut self.counter;
        counter.windows.restore(saved.watermark, saved.panes);
        if let Some(watermark) = &mut counter.watermark {
            watermark.restore(saved.watermark, saved.shard_times);
        }
        counter.completed.clear();
        counter.late.restore(saved.totals.late);
        counter.refused.restore(saved.totals.refused);
        counter.duplicates = saved.totals.duplicates;
        counter.unparsed.restore(saved.totals.unparsed);
        counter.copies.restore(saved.origins);
        self.dirty = false;
        self.checkpoints.restore(&saved.checkpoints);
        self.loaded = true;
        Ok(saved.checkpoints)
    }

    fn commit(&mut self) -> Result<()> {
        if !self.dirty && !self.checkpoints.have_moved() {
            return Ok(());
        }
        let change = self.change();
        self.store.commit(&change)?;
        self.dirty = false;
        Ok(())
    }

    /// Takes out of the counter what its store has not yet. When the commit fails, the run ends, and the
    /// next one loads what the store has.
    fn change(&mut self) -> Change {
        let counter = &mut self.counter;
        let (gone_origins, origins) = counter.copies.changes();
        let watermark = counter.watermark.as_ref();
        let shard_times =
            watermark.into_iter().flat_map(|w| w.times()).map(|(s, t)| (s.to_owned(), t)).collect();
        Change {
            checkpoints: self.checkpoints.take_moved(),
            shard_times,
            watermark: counter.windows.completed_until(),
            oldest_pane: counter.windows.oldest_needed(),
            completed: std::mem::take(&mut counter.completed),
            late: counter.late.take_windows(),
            totals: Totals {
                late: counter.late.count(),
                refused: counter.refused.count(),
                duplicates: counter.duplicates,
                unparsed: counter.unparsed(),
            },
            gone_origins,
            origins,
            panes: counter
                .windows
                .panes()
                .filter_map(|(start, pane)| Some((start, pane.changes()?)))
                .collect(),
        }
    }
}

impl RecordProcessor for StoredCounter {
    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        Ok(self.load(stream)?)
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        if !self.loaded {
            return Err(ProcessError::stop(
                "a stored counter is driven by a consumer, which asks it where to begin",
            ));
        }
        self.counter.process(batch, ctx)?;
        self.checkpoints.pass(batch);
        Ok(())
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.checkpoints.begin(ctx);
        self.counter.tick(ctx)?;
        self.dirty |= !self.counter.completed.is_empty();
        Ok(self.commit()?)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.checkpoints.end(shard_id, ctx);
        // Its children are read next: their records must not be committed without this.
        Ok(self.commit()?)
    }
}

impl Deref for StoredCounter {
    type Target = Counter;

    fn deref(&self) -> &Counter {
        &self.counter
    }
}

impl fmt::Debug for StoredCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shards, watermark) = (self.checkpoints.len(), self.counter.watermark());
        write!(f, "stored counter of {shards} shards, watermark {watermark}")
    }
}

impl super::windows::Pane {
    /// What a store has not yet, which from now on it has; nothing when it has all.
    fn changes(&mut self) -> Option<SavedPane> {
        let mut saved = SavedPane { ids: std::mem::take(&mut self.new_ids), ..SavedPane::default() };
        let overflow_changed = std::mem::take(&mut self.overflow.changed);
        for (key, count) in &mut self.counts {
            if std::mem::take(&mut count.changed) {
                saved.counts.push((key.to_string(), count.n));
            }
        }
        saved.overflow = self.overflow.n;
        (overflow_changed || !saved.counts.is_empty() || !saved.ids.is_empty()).then_some(saved)
    }
}
