//! [`LeasedShard`]: what a child knows of its shard. Pure.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::place::ExtendedSequenceNumber;
use crate::error::{Error, ErrorKind, Result};
use crate::read::{Checkpoint, Context};
use crate::sequence_order::order;
use crate::stop::Stop;
use crate::stream::ShardProgress;
use crate::timestamp::Timestamp;

/// What a child knows of its shard.
pub(super) struct LeasedShard {
    pub(super) id: Arc<str>,
    /// From when on it is read, where that is known.
    pub(super) since: Timestamp,
    /// What the processor remembers of it.
    pub(super) remembered: Option<Checkpoint>,
    pub(super) millis_behind_latest: Option<u64>,
    /// Read to its tip, by the last message; and when that was so, at the earliest.
    pub(super) idle: bool,
    heard: Instant,
    received: Instant,
    /// While a message was acted upon for long, the daemon has fetched others: since when, and how many of them may come.
    fetched_before: Option<(Instant, u32)>,
    /// Since when another worker has it, though the daemon has not said so yet.
    pub(super) lost: Option<Instant>,
}

/// How long a daemon may go on with a shard whose lease it has lost. Its own time for that is
/// `failoverTimeMillis`, 10 s unless told otherwise.
const LETS_GO: Duration = Duration::from_secs(60);

/// What takes longer lets the daemon fetch ahead.
const LONG: Duration = Duration::from_secs(1);
/// How many answers of the service a daemon holds ready. KCL 3.1.3: 3 of a poll
/// (`PollingConfig.maxPendingProcessRecordsInput` has 3 as its default), 10 events of a subscription
/// (`FanOutRecordsPublisher.MAX_EVENT_BURST_FROM_SERVICE`), and one on its way.
const FETCHED_AHEAD: u32 = 11;

impl LeasedShard {
    pub(super) fn new(
        id: String,
        since: Timestamp,
        remembered: Option<Checkpoint>,
        now: Instant,
    ) -> LeasedShard {
        LeasedShard {
            id: id.into(),
            since,
            remembered,
            millis_behind_latest: None,
            idle: false,
            heard: now,
            received: now,
            fetched_before: None,
            lost: None,
        }
    }

    /// Of a message that has just come: whether nothing was in it, and the service had nothing more.
    pub(super) fn hears(&mut self, idle: bool, now: Instant) {
        (self.idle, self.heard, self.received) = (idle, now, now);
        if let Some((since, left)) = self.fetched_before {
            self.heard = since;
            self.fetched_before = (left > 1).then_some((since, left - 1));
        }
    }

    /// It was acted upon.
    pub(super) fn acted(&mut self, now: Instant) {
        if now.duration_since(self.received) > LONG {
            let since = self.fetched_before.map_or(self.received, |(since, _)| since);
            self.fetched_before = Some((since, FETCHED_AHEAD));
        }
    }

    /// Its lease is another worker's.
    ///
    /// # Errors
    /// When the daemon does not notice: nothing of the shard would be processed here, and perhaps nowhere.
    pub(super) fn is_lost(&self, now: Instant) -> Result<bool> {
        match self.gone_by() {
            None => Ok(false),
            Some(until) if now < until => Ok(true),
            Some(_) => Err(self.not_let_go()),
        }
    }

    /// Until when the daemon must have let go of it.
    pub(super) fn gone_by(&self) -> Option<Instant> {
        Some(self.lost? + LETS_GO)
    }

    pub(super) fn not_let_go(&self) -> Error {
        Error::new(
            ErrorKind::Service,
            format!(
                "a checkpoint of {} was refused because another worker has its lease, and the KCL's daemon does not let go \
                 of it for {} s: this child ends, so that the lease is somebody's again",
                self.id,
                LETS_GO.as_secs()
            ),
        )
    }

    pub(super) fn end_not_written(&self) -> Error {
        Error::new(
            ErrorKind::Service,
            format!(
                "the lease table does not take that {} is at its end, so its children can't begin: is DynamoDB throttling, \
                 or out of reach, or has another worker the lease? The next worker that has it reads it from its last \
                 checkpoint on",
                self.id
            ),
        )
    }

    pub(super) fn context(&self, stop: &Stop) -> Context {
        let mut progress = ShardProgress::reading(&self.id, &[]).since(self.since);
        (progress.idle, progress.heard) = (self.idle, Some(self.heard.into_std()));
        let mut context = Context::at(Timestamp::now()).with_shards(&[progress]).stopped_by(stop);
        context.millis_behind_latest = self.millis_behind_latest;
        context
    }

    /// The processor has it already: its store went on where the lease table did not hear of it.
    pub(super) fn remembers(&self, sequence_number: &str) -> bool {
        self.remembered.as_ref().is_some_and(|checkpoint| {
            let place = checkpoint.sequence_number.as_deref();
            checkpoint.ended || place.is_some_and(|place| order(sequence_number, place).is_le())
        })
    }
}

/// A processor commits before the lease table hears of it, so the table can't know more; unless the processor's store
/// is an older one that somebody has put back.
pub(super) fn check_not_ahead(
    shard_id: &str,
    lease: &ExtendedSequenceNumber,
    remembered: &Checkpoint,
) -> Result<()> {
    let place = remembered.sequence_number.as_deref();
    if remembered.ended || place.is_some_and(|place| order(&lease.sequence_number, place).is_le()) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Store,
        format!(
            "the lease table has {shard_id} processed up to {}, and the processor's store only up to {}: was the store \
             put back to an older state? What is between would never be counted. Put the lease back too, to {}, or begin \
             with another application name",
            lease.sequence_number,
            place.unwrap_or("its beginning"),
            place.unwrap_or("TRIM_HORIZON"),
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_fetched_while_a_message_was_acted_upon_is_as_old() {
        let began = Instant::now();
        let at = |secs: u64| began + Duration::from_secs(secs);
        let mut shard = LeasedShard::new("shardId-000000000000".into(), Timestamp::MIN, None, began);
        shard.hears(true, at(1));
        shard.acted(at(1));
        assert!(shard.idle && shard.heard == at(1), "what is quick is as it is told");
        shard.hears(false, at(2));
        shard.acted(at(22));
        for n in 0..FETCHED_AHEAD {
            shard.hears(true, at(22));
            assert_eq!(shard.heard, at(2), "{n}");
        }
        shard.hears(true, at(23));
        assert_eq!(shard.heard, at(23));
        // One that takes long among them makes them older, not younger.
        shard.acted(at(33));
        shard.hears(true, at(33));
        shard.acted(at(43));
        shard.hears(true, at(43));
        assert_eq!(shard.heard, at(23));
    }
}
