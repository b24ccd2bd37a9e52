//! A detection whose counts are in tables that other workers write, too: what it decides by is read there, event by
//! event of a batch, before it decides.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;

use super::super::alert::Alert;
use super::super::alert_store::{AlertChange, SavedDetection, Undelivered};
use super::super::detector::SavedTally;
use super::super::playbooks::Playbooks;
use super::Detection;
use crate::count::RecentIds;
use crate::event::{Event, EventError};
use crate::read::ProcessError;
use crate::record::Batch;
use crate::stream::ShardProgress;
use crate::timestamp::Timestamp;

/// On what the alerts of some batches depend.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct KeysAndIds {
    /// Playbooks and keys.
    pub(crate) keys: BTreeSet<(String, String)>,
    /// Of events, by their minutes.
    pub(crate) ids: BTreeSet<(Timestamp, u128)>,
}

/// What there is of it.
#[derive(Debug, Clone)]
pub(crate) struct KnownState {
    pub(crate) watermark: Timestamp,
    pub(crate) tallies: Vec<SavedTally>,
    /// Playbook, key and time of the last alert.
    pub(crate) fired: Vec<(String, String, Timestamp)>,
    pub(crate) ids: Vec<(Timestamp, u128)>,
}

/// Batches of a shard, and the events in them.
pub(crate) struct Parsed<'a> {
    batches: &'a [Batch],
    /// Which record of which batch, and what it says.
    events: Vec<(usize, usize, Result<Event, EventError>)>,
}

impl Detection {
    pub(crate) fn playbooks(&self) -> &Playbooks {
        &self.playbooks
    }

    pub(crate) fn waits_for_late_events(&self) -> Duration {
        self.watermark.lateness()
    }

    /// In place of what is in memory: what is saved of a shard.
    pub(crate) fn take_up(&mut self, mut saved: SavedDetection) {
        // What became of alerts since it last wrote is not undone by a transaction that was.
        let (now, then) = (self.totals(), &mut saved.totals);
        then.undeliverable = then.undeliverable.max(now.undeliverable);
        then.callback_panics = then.callback_panics.max(now.callback_panics);
        self.restore(saved);
    }

    /// Takes the records apart; nobody waits for that.
    pub(crate) fn parse<'a>(&self, batches: &'a [Batch]) -> Parsed<'a> {
        let mut events = Vec::new();
        for (at, batch) in batches.iter().enumerate() {
            for (n, record) in batch.records.iter().enumerate() {
                self.format.read_record(record, &mut |found| events.push((at, n, found)));
            }
        }
        Parsed { batches, events }
    }

    /// What must be known of the other shards' events, to decide about these.
    pub(crate) fn asks(&self, parsed: &Parsed<'_>) -> KeysAndIds {
        let mut asked = KeysAndIds::default();
        for (_, _, event) in &parsed.events {
            let Ok(event) = event else { continue };
            asked.ids.extend(event.id.as_ref().map(|id| RecentIds::place(id.raw(), event.time)));
            let keys = self.detector.keys_of(event);
            asked.keys.extend(keys.map(|(playbook, key)| (playbook.to_owned(), key)));
        }
        asked
    }

    /// Decides. What it held of counts, cool-downs and ids is of no more use: what is known is all that counts.
    pub(crate) fn decide(
        &mut self,
        parsed: Parsed<'_>,
        known: KnownState,
        shard: &ShardProgress,
    ) -> AlertChange {
        self.copies.follow(std::slice::from_ref(shard));
        let times: Vec<_> = self.watermark.times().map(|(shard, time)| (shard.to_owned(), time)).collect();
        self.watermark.restore(known.watermark, times);
        self.detector.refresh(known.watermark, known.tallies, known.fired);
        self.ids.restore(known.ids);
        for (batch, record, found) in parsed.events {
            let batch = &parsed.batches[batch];
            self.observe(&batch.shard_id, &batch.records[record], found);
        }
        parsed.batches.iter().for_each(|batch| self.clocks_ahead.pass(batch));
        self.take_change()
    }

    /// These are in the store.
    pub(crate) fn wrote(&mut self, alerts: &[Alert]) {
        alerts.iter().for_each(|alert| self.keep_recent(alert));
    }

    /// Delivers alerts of the store, which this worker has for a while; of those that can't be delivered now, nothing
    /// is kept: another time they are somebody's again.
    pub(crate) fn deliver_claimed(
        &mut self,
        claimed: Vec<Alert>,
        stop: &watch::Receiver<bool>,
        store: &mut (dyn Undelivered + 'static),
    ) -> Result<(), ProcessError> {
        self.outbox.hold(claimed);
        let delivered = self.outbox.deliver(stop, Some(store));
        self.outbox.hold(Vec::new());
        delivered
    }
}
