//! What a detection writes down, and delivers after that.

use tokio::sync::watch;

use super::super::alert::Alert;
use super::super::alert_store::{AlertChange, SavedDetection, Undelivered};
use super::super::detector::is_told;
use super::Detection;
use crate::error::Result;
use crate::read::{Checkpoint, ProcessError, StreamId};

/// How many alerts are kept to look at; a database has all.
const ALERTS_KEPT: usize = 10_000;

impl Detection {
    pub(super) fn load(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>> {
        let Some(store) = &mut self.store else { return Ok(Vec::new()) };
        let mut saved = store.load(stream, &self.playbooks)?;
        let checkpoints = std::mem::take(&mut saved.checkpoints);
        self.restore(saved);
        self.checkpoints.restore(&checkpoints);
        Ok(checkpoints)
    }

    /// Goes on from what is saved, but for the places in the shards.
    pub(super) fn restore(&mut self, saved: SavedDetection) {
        // In place of what is in memory: a run that failed may be ahead of what it committed.
        self.detector.restore(saved.watermark, saved.tallies, saved.fired, &saved.beyond_memory);
        self.watermark.restore(saved.watermark, saved.shard_times);
        self.copies.restore(saved.origins);
        self.ids.restore(saved.ids);
        self.totals = saved.totals;
        self.outbox.restore(saved.undelivered, saved.more_undelivered, saved.totals);
        self.unwritten = None;
        self.fresh.clear();
        self.dirty = false;
    }

    /// Writes down what came since the last time, the alerts among it.
    pub(super) fn commit(&mut self) -> Result<()> {
        self.write()?;
        let totals = self.totals();
        self.dirty |= totals != std::mem::replace(&mut self.totals, totals);
        if !self.dirty && !self.checkpoints.have_moved() {
            return Ok(());
        }
        // Taken also where there is no store, or what is new would add up for ever.
        self.unwritten = Some(self.take_change());
        self.dirty = false;
        self.write()
    }

    /// What changed since this was last called.
    pub(super) fn take_change(&mut self) -> AlertChange {
        let (gone_origins, origins) = self.copies.changes();
        // An id is needed while any window may be open in which its event counts.
        let ids_from = self.ids.forget(self.watermark.current() - self.playbooks.longest_window());
        AlertChange {
            checkpoints: self.checkpoints.take_moved(),
            shard_times: self.watermark.times().map(|(s, t)| (s.to_owned(), t)).collect(),
            watermark: self.detector.completed_until(),
            totals: self.totals,
            alerts: std::mem::take(&mut self.fresh),
            beyond_memory: self.detector.beyond_memory().map(|(name, n)| (name.to_owned(), n)).collect(),
            tallies: self.detector.changes(),
            oldest_panes: self.detector.oldest_panes(),
            ids: self.ids.changes(),
            ids_from,
            gone_origins,
            origins,
        }
    }

    /// Gives the store what it has not yet; again, if it could not take it before. Nobody hears of an alert that is
    /// not written down.
    pub(super) fn write(&mut self) -> Result<()> {
        if let (Some(change), Some(store)) = (&self.unwritten, &mut self.store) {
            let _span = tracing::debug_span!(
                target: "kinesis_lab", "commit", alerts = change.alerts.len(), checkpoints = change.checkpoints.len()
            )
            .entered();
            store.commit(change)?;
        }
        for alert in self.unwritten.take().map(|change| change.alerts).unwrap_or_default() {
            self.keep_recent(&alert);
            if is_told(&alert) {
                self.outbox.push(alert, self.store.is_some());
            }
        }
        Ok(())
    }

    /// To look at.
    pub(super) fn keep_recent(&mut self, alert: &Alert) {
        if self.recent.len() == ALERTS_KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(alert.clone());
    }

    /// What is committed, and not delivered.
    pub(super) fn deliver(&mut self, stop: &watch::Receiver<bool>) -> Result<(), ProcessError> {
        let store = self.store.as_deref_mut().map(|store| store as &mut dyn Undelivered);
        self.outbox.deliver(stop, store)
    }
}
