//! [`SharedDetection`]: a detection of which each worker of a fleet watches a shard.

use std::fmt;

use super::alert_fleet_store::{AlertFleetStore, ShardAlerts, TakingAlerts, WatchedBatch};
use super::assignment::{ListShards, ShardAssignment};
use super::tip::Tip;
use crate::detect::{Detection, is_told};
use crate::error::Result;
use crate::read::{Checkpoint, Context, ProcessError, RecordProcessor, StreamId};
use crate::record::Batch;
use crate::timestamp::Timestamp;

/// How many alerts a worker has at once to deliver: a call of PutRecords takes so many.
const CLAIMED: usize = 500;

/// A [`Detection`] whose counts and alerts many workers of the Kinesis Client Library share, in one database; made by
/// [`Detection::shared_in`].
///
/// Each worker's child watches its shard, and what it decides by are the counts of all: a key whose events are spread over
/// shards sets off its alert at the event that is one too many over all of them, in the order in which batches are
/// written. What a batch adds, the alerts that it sets off, and up to which record it goes, are one transaction, which is
/// refused where another worker has taken the shard since. So each alert is written once, whatever happens to workers,
/// leases, network and database.
///
/// - Batches of all workers are written one after another. What a worker waits for is the database: the records of a
///   batch are taken apart before its turn. Where one database is not enough, give playbooks or ranges of keys databases
///   of their own.
/// - An event with an `id` counts once, in whichever shards its copies are.
/// - An alert is delivered by whichever worker comes first, which has 30 s for that: at least once, and again, with the
///   same id, where a worker was killed in between, or the stream of alerts was down.
/// - The number of keys that a client may make in a slide, and the room that open counts may take, are as of one process
///   ([`DetectionTotals::overflow`](crate::DetectionTotals::overflow)), for each worker, and begin anew where it does.
/// - A database that does not answer is waited for; where the answer to a commit was lost, it is asked whether it was
///   written.
/// - The daemon has to say `callProcessRecordsEvenForEmptyRecordList = true`: a shard on which nothing comes says so, or
///   counts are kept for it.
/// - All workers have the same playbooks, lateness and stream. Another lateness or stream is refused. Other playbooks are
///   waited with until no worker has reported for 15 s: end all, then start all with the new ones.
pub struct SharedDetection {
    detection: Detection,
    assignment: ShardAssignment<dyn AlertFleetStore>,
    /// It has written alerts of which somebody is to be told.
    has_news: bool,
}

impl SharedDetection {
    pub(crate) fn new(
        detection: Detection,
        store: Box<dyn AlertFleetStore>,
        stream: StreamId,
        list: ListShards,
    ) -> SharedDetection {
        SharedDetection { detection, assignment: ShardAssignment::new(store, stream, list), has_news: false }
    }

    /// For a lesson, and for tests that must see the difference: writes whatever it has seen, without a look at who has the
    /// shard by now and up to where it is watched. An event may count twice then as soon as a worker is cut off or stands
    /// still, and alerts are **wrong**. Default: such a worker is refused.
    ///
    /// ```no_run
    /// # use kinesis_lab::prelude::*;
    /// # use kinesis_lab::{Detection, Playbook, Playbooks};
    /// let log = Kinesis::aws().connect()?.stream("log")?;
    /// let playbooks = Playbooks::new(vec![Playbook::new("busy", 300)])?;
    /// let detection = Detection::new(&playbooks).shared_in("postgres://ann@db.example/shop", &log)?;
    /// let mut detection = detection.without_fence(); // to see what the fence is for
    /// # Ok::<(), Error>(())
    /// ```
    pub fn without_fence(mut self) -> SharedDetection {
        self.assignment.is_fenced = false;
        self
    }

    fn take(&mut self, shard_id: &str) -> Result<()> {
        let (playbooks, lateness) = (self.detection.playbooks(), self.detection.waits_for_late_events());
        let stream = self.assignment.stream.clone();
        let saved = self.assignment.take_by(shard_id, |store, lineage| {
            store.take(&TakingAlerts { stream: &stream, playbooks, lateness, shard_id, lineage })
        })?;
        self.detection.take_up(saved);
        Ok(())
    }

    /// Writes what was processed; again, if it could not be written before.
    fn write(&mut self, now: Timestamp, tip: Tip) -> Result<()> {
        if let Some(saved) =
            self.assignment.reload_by(|store, claim, lineage| store.reload(claim, lineage))?
        {
            self.detection.take_up(saved);
        }
        let ShardAssignment { store, shard: Some(shard), .. } = &mut self.assignment else { return Ok(()) };
        if !shard.has_news(now, tip.reached) {
            return Ok(());
        }
        shard.stale = true;
        if shard.pending.is_empty() {
            store.report(&shard.claim, tip)?;
            shard.written(now, tip.reached);
            return Ok(());
        }
        let looks = shard.looks(now);
        let ((position, arrival), progress) = (shard.next_position(), shard.progress());
        let parsed = self.detection.parse(&shard.pending);
        let asked = self.detection.asks(&parsed);
        let batch = WatchedBatch { asked: &asked, position, arrival, looks };
        let (detection, mut parsed) = (&mut self.detection, Some(parsed));
        let alerts = store.write(&shard.claim, &batch, &mut |known| {
            let parsed = parsed.take().unwrap_or_else(|| detection.parse(&shard.pending));
            let change = detection.decide(parsed, known, &progress);
            let own = change.shard_times.iter().find(|(id, _)| *id == shard.claim.shard_id);
            ShardAlerts { newest_event: own.map(|(_, time)| *time), change }
        })?;
        shard.written(now, false);
        self.has_news |= alerts.iter().any(is_told);
        self.detection.wrote(&alerts);
        Ok(())
    }

    /// Delivers what is not delivered, whoever wrote it, if it is time to look.
    fn deliver(&mut self, ctx: &Context) -> Result<(), ProcessError> {
        let ShardAssignment { store, shard: Some(shard), .. } = &mut self.assignment else { return Ok(()) };
        if !shard.looks_for_alerts(ctx.now) && !self.has_news {
            return Ok(());
        }
        let claimed = match store.undelivered(CLAIMED) {
            Err(error) if error.is_transient() => {
                tracing::debug!(target: "kinesis_lab", %error, "alerts are delivered later");
                return Ok(());
            }
            claimed => claimed.map_err(ProcessError::of_store)?,
        };
        self.has_news = claimed.len() == CLAIMED;
        self.detection.deliver_claimed(claimed, &ctx.stop(), &mut **store)
    }
}

impl RecordProcessor for SharedDetection {
    fn shard_taken(&mut self, shard_id: &str, _: &mut Context) -> Result<(), ProcessError> {
        self.take(shard_id).map_err(ProcessError::of_store)
    }

    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.assignment.checkpoints(
            stream,
            "these alerts are",
            "a detection that a fleet shares watches a shard a worker: run this as a child of the Kinesis Client Library \
             (kinesis_lab::kcl::run), or, in one process, use stored_in",
        )
    }

    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.assignment.shard_of(&batch.shard_id)?.push(batch);
        Ok(())
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        let tip = self.assignment.shard.as_ref().map_or(Tip::default(), |shard| shard.tip(ctx));
        self.write(ctx.now, tip).map_err(ProcessError::of_store)?;
        self.deliver(ctx)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.write(ctx.now, Tip::default()).map_err(ProcessError::of_store)?;
        self.assignment.end_by(shard_id, |store, claim, lineage| store.end(claim, lineage))
    }
}

impl fmt::Debug for SharedDetection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shard = self.assignment.shard.as_ref().map_or("no shard", |shard| &shard.claim.shard_id);
        write!(f, "shared detection of {shard}, in {}", self.assignment.store.place())
    }
}
