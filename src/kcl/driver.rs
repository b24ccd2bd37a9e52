//! [`Driver`]: what the daemon asks of a child, done by a processor.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::checkpointing::{CheckpointSchedule, Setback};
use super::conversation::Conversation;
use super::delivery::{delivering, tell_skipped};
use super::leased_shard::{LeasedShard, check_not_ahead};
use super::message::{DaemonMessage, LeasePosition};
use super::panic_sentence::PanicSentence;
use super::place::ExtendedSequenceNumber;
use super::records::DaemonRecords;
use super::stdio::Daemon;
use crate::backoff::step;
use crate::error::{Error, ErrorKind, Result};
use crate::notice::tell;
use crate::read::{ConsumerReport, Context, Ended, Processed, RecordProcessor, SharedReport, StreamId};
use crate::record::Batch;
use crate::stop::Stop;
use crate::timestamp::Timestamp;

/// How often the checkpoint at the end of a shard is asked for, which its children wait for.
const TRIES_AT_THE_END: u32 = 10;
/// And the one before the worker ends, for which there is a short grace.
const TRIES_AT_A_SHUTDOWN: u32 = 3;

/// Whether the daemon is still there.
#[derive(PartialEq)]
enum Reached {
    Yes,
    Gone,
}

/// What became of a checkpoint.
enum CheckpointOutcome {
    Done,
    Later,
    LeaseLost,
    Gone,
}

pub(super) struct Driver<'a, D> {
    daemon: D,
    stream: &'a StreamId,
    processor: &'a mut dyn RecordProcessor,
    stop: &'a Stop,
    report: SharedReport,
    conversation: Conversation,
    schedule: CheckpointSchedule,
    began: Instant,
    /// Checkpoints that failed since the last that did not.
    setbacks: u32,
    shard: Option<LeasedShard>,
    ended: Ended,
}

impl<'a, D: Daemon> Driver<'a, D> {
    pub(super) fn new(
        daemon: D,
        stream: &'a StreamId,
        checkpoint_every: Duration,
        processor: &'a mut dyn RecordProcessor,
        stop: &'a Stop,
    ) -> Driver<'a, D> {
        Driver {
            daemon,
            stream,
            processor,
            stop,
            report: SharedReport::default(),
            conversation: Conversation::new(),
            schedule: CheckpointSchedule::new(checkpoint_every),
            began: Instant::now(),
            setbacks: 0,
            shard: None,
            ended: Ended::DaemonGone,
        }
    }

    /// Until the daemon lets go of the child.
    pub(super) async fn run(mut self) -> Result<ConsumerReport> {
        while let Some(line) = self.next_line().await? {
            let message = DaemonMessage::parse(&line)?;
            drop(line); // it may be hundreds of megabytes
            self.conversation.received(&message)?;
            let panics = PanicSentence { shard: self.shard_id(), action: message.action() };
            let reached = match self.act(message).await {
                Err(error) if error.kind() == ErrorKind::LeaseLost => self.fenced(&error)?,
                reached => reached?,
            };
            drop(panics);
            if let Some(shard) = self.shard.as_mut() {
                shard.acted(Instant::now());
            }
            let answered = reached == Reached::Yes && {
                let answer = self.conversation.answer()?.to_string();
                self.daemon.send(&answer)?
            };
            if !answered {
                self.ended = Ended::DaemonGone;
                break;
            }
        }
        if self.ended == Ended::DaemonGone {
            tell!(
                WARN,
                [shard = &*self.shard_id()],
                "the KCL's daemon is gone: what was processed since the last checkpoint comes again, here or elsewhere"
            );
        }
        self.report.lock().ended = Some(self.ended);
        let millis_behind_latest = self.shard.as_ref().and_then(|shard| shard.millis_behind_latest);
        Ok(ConsumerReport { millis_behind_latest, ..self.report.get() })
    }

    /// Of a daemon that has lost the lease, not for ever: with a quiet stream it may have nothing to say.
    async fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        let lost = self.shard.as_ref().and_then(|shard| Some((shard, shard.gone_by()?)));
        let Some((shard, until)) = lost else { return self.daemon.line().await };
        let line = tokio::time::timeout_at(until, self.daemon.line()).await;
        line.unwrap_or_else(|_| Err(shard.not_let_go()))
    }

    async fn act(&mut self, message: DaemonMessage) -> Result<Reached> {
        match message {
            DaemonMessage::Initialize { shard_id, position } => self.initialize(shard_id, &position).await,
            DaemonMessage::ProcessRecords { records, millis_behind_latest } => {
                self.process(records, millis_behind_latest).await
            }
            DaemonMessage::ShardEnded => self.shard_ended().await,
            DaemonMessage::ShutdownRequested => self.shutdown_requested().await,
            DaemonMessage::LeaseLost => {
                // A checkpoint is not to be had any more, and nothing may be written by whoever lost a lease.
                if self.ended != Ended::Stopped {
                    self.ended = Ended::LeaseLost;
                }
                Ok(Reached::Yes)
            }
            // `Conversation` lets none through here.
            DaemonMessage::Checkpoint { .. } => Ok(Reached::Yes),
        }
    }

    async fn initialize(&mut self, shard_id: String, position: &LeasePosition) -> Result<Reached> {
        let (now, began) = (Timestamp::now(), Instant::now());
        let context = || Context::at(now).stopped_by(self.stop);
        let delivering = delivering(self.stream, &self.report, self.stop, &context);
        if !delivering.shard_taken(&shard_id, self.processor).await? {
            return Ok(Reached::Gone);
        }
        let Some(remembered) = delivering.checkpoints(self.stream, self.processor).await? else {
            return Ok(Reached::Gone);
        };
        let remembered = remembered.into_iter().find(|checkpoint| checkpoint.shard_id == shard_id);
        if let (LeasePosition::After(lease), Some(checkpoint)) = (position, &remembered) {
            check_not_ahead(&shard_id, lease, checkpoint)?;
        }
        let since = if *position == LeasePosition::Latest { now } else { Timestamp::MIN };
        self.shard = Some(LeasedShard::new(shard_id, since, remembered, began));
        Ok(Reached::Yes)
    }

    async fn process(&mut self, records: DaemonRecords, behind: Option<u64>) -> Result<Reached> {
        let Some(shard) = self.shard.as_mut() else { return Ok(Reached::Yes) };
        if shard.is_lost(Instant::now())? {
            return Ok(Reached::Yes);
        }
        shard.hears(records.records.is_empty() && behind == Some(0), Instant::now());
        shard.millis_behind_latest = behind;
        let last = records.last.clone();
        let (shard, stop) = (&*shard, self.stop);
        let context = || shard.context(stop);
        let delivering = delivering(self.stream, &self.report, stop, &context);
        for mut records in records.into_batches() {
            records.retain(|record| !shard.remembers(&record.sequence_number));
            if records.is_empty() {
                continue;
            }
            let skipped = self.report.lock().skipped_records;
            let batch = Batch { stream: self.stream.name.clone(), shard_id: shard.id.clone(), records };
            match delivering.batch(batch, self.processor).await? {
                Processed::Whole => tell_skipped(&self.report, &shard.id, skipped),
                Processed::Not | Processed::NotWritten => return Ok(Reached::Gone),
            }
        }
        if !delivering.tick(self.processor).await? {
            return Ok(Reached::Gone);
        }
        if let Some(last) = last {
            self.schedule.processed(last);
        }
        match self.schedule.due(self.began.elapsed()).cloned() {
            Some(place) => Ok(self.checkpoint(Some(place)).await?.reached()),
            None => Ok(Reached::Yes),
        }
    }

    /// Written down, or the child ends with an error: answered without a checkpoint, the daemon would ask a child that is
    /// gone for one, for ever, and the shard's children would never begin.
    async fn shard_ended(&mut self) -> Result<Reached> {
        self.ended = Ended::ShardsEnded;
        let Some(shard) = self.shard.as_ref() else { return Ok(Reached::Yes) };
        if shard.lost.is_some() {
            return Err(shard.end_not_written());
        }
        let context = || shard.context(self.stop);
        let delivering = delivering(self.stream, &self.report, self.stop, &context);
        let ended_before = shard.remembered.as_ref().is_some_and(|checkpoint| checkpoint.ended);
        if !ended_before && !delivering.shard_ended(&shard.id, self.processor).await? {
            return Ok(Reached::Gone);
        }
        if !delivering.tick(self.processor).await? {
            return Ok(Reached::Gone);
        }
        match self.checkpoint_at_last(None, TRIES_AT_THE_END).await? {
            CheckpointOutcome::Done => Ok(Reached::Yes),
            CheckpointOutcome::Gone => Ok(Reached::Gone),
            CheckpointOutcome::Later | CheckpointOutcome::LeaseLost => {
                self.shard.as_ref().map_or(Ok(Reached::Yes), |shard| Err(shard.end_not_written()))
            }
        }
    }

    async fn shutdown_requested(&mut self) -> Result<Reached> {
        self.ended = Ended::Stopped;
        let Some(shard) = self.shard.as_ref().filter(|shard| shard.lost.is_none()) else {
            return Ok(Reached::Yes);
        };
        let context = || shard.context(self.stop);
        if !delivering(self.stream, &self.report, self.stop, &context).tick(self.processor).await? {
            return Ok(Reached::Gone);
        }
        let Some(place) = self.schedule.pending().cloned() else { return Ok(Reached::Yes) };
        // What can't be written down now is processed again by the next.
        Ok(self.checkpoint_at_last(Some(place), TRIES_AT_A_SHUTDOWN).await?.reached())
    }

    /// Tries again, because there is no later time.
    async fn checkpoint_at_last(
        &mut self,
        place: Option<ExtendedSequenceNumber>,
        tries: u32,
    ) -> Result<CheckpointOutcome> {
        for failures in 1..=tries {
            match self.checkpoint(place.clone()).await? {
                CheckpointOutcome::Later if failures < tries => {
                    tokio::select! {
                        () = self.stop.asked() => return Ok(CheckpointOutcome::Gone),
                        () = tokio::time::sleep(step(failures)) => {}
                    }
                }
                outcome => return Ok(outcome),
            }
        }
        Ok(CheckpointOutcome::Later)
    }

    async fn checkpoint(&mut self, place: Option<ExtendedSequenceNumber>) -> Result<CheckpointOutcome> {
        let request = self.conversation.checkpoint(place)?.to_string();
        if !self.daemon.send(&request)? {
            return Ok(CheckpointOutcome::Gone);
        }
        let Some(line) = self.daemon.line().await? else { return Ok(CheckpointOutcome::Gone) };
        let answer = DaemonMessage::parse(&line)?;
        self.conversation.received(&answer)?;
        let DaemonMessage::Checkpoint { error, .. } = answer else { return Ok(CheckpointOutcome::Gone) };
        self.schedule.asked(self.began.elapsed(), error.is_some());
        let shard = self.shard_id();
        let Some(class) = error else {
            if std::mem::take(&mut self.setbacks) > 0 {
                tell!(INFO, [shard = &*shard], "the lease table takes checkpoints of {shard} again");
            }
            return Ok(CheckpointOutcome::Done);
        };
        match Setback::of(&class) {
            Setback::Later => {
                if self.setbacks == 0 {
                    tell!(
                        WARN,
                        [shard = &*shard, error = class.as_str()],
                        "a checkpoint of {shard} failed ({class}): processing goes on, and the next one is tried as usual"
                    );
                }
                self.setbacks += 1;
                Ok(CheckpointOutcome::Later)
            }
            Setback::LeaseLost => {
                tell!(
                    WARN,
                    [shard = &*shard, error = class.as_str()],
                    "another worker has {shard} ({class}): nothing more of it is processed here"
                );
                if let Some(shard) = &mut self.shard {
                    shard.lost = Some(Instant::now());
                }
                Ok(CheckpointOutcome::LeaseLost)
            }
            Setback::Final => Err(Error::new(
                ErrorKind::Service,
                format!(
                    "a checkpoint of {shard} failed for good ({class}): is the application's table still in DynamoDB, and \
                     no other program writing to it? What was processed since the last checkpoint comes again"
                ),
            )),
        }
    }

    /// The processor's store says that another worker has the shard, before the daemon does. Its questions are answered;
    /// a checkpoint would pass records that are written nowhere.
    fn fenced(&mut self, error: &Error) -> Result<Reached> {
        let id = self.shard_id();
        tell!(WARN, [shard = &*id], "{error}");
        let Some(shard) = &mut self.shard else { return Err(error.clone()) };
        shard.lost.get_or_insert_with(Instant::now);
        match self.ended {
            Ended::ShardsEnded => Err(shard.end_not_written()),
            _ => Ok(Reached::Yes),
        }
    }

    fn shard_id(&self) -> Arc<str> {
        self.shard.as_ref().map_or_else(|| "a shard".into(), |shard| shard.id.clone())
    }
}

impl CheckpointOutcome {
    fn reached(&self) -> Reached {
        match self {
            CheckpointOutcome::Gone => Reached::Gone,
            CheckpointOutcome::Done | CheckpointOutcome::Later | CheckpointOutcome::LeaseLost => Reached::Yes,
        }
    }
}

#[cfg(test)]
mod tests;
