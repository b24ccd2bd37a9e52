//! [`Delivering`]: calls a processor until it has an opinion, in a run and as a child of the KCL alike.

use tokio::time::Instant;

use super::process_error::Verdict;
use super::processor::{Checkpoint, Context, RecordProcessor, StreamId};
use super::report::SharedReport;
use super::waiting::{Waiting, failed};
use crate::backoff::delay;
use crate::error::Result;
use crate::notice::tell;
use crate::record::Batch;
use crate::stop::Stop;

/// How often a batch is delivered again before *retry* becomes *stop*.
const RETRIES: u32 = 10;

/// What the calls of one processor have in common.
pub(crate) struct Delivering<'a> {
    pub(crate) stream: &'a str,
    pub(crate) report: &'a SharedReport,
    pub(crate) stop: &'a Stop,
    /// When the time of the run is over.
    pub(crate) until: Option<Instant>,
    /// Somebody expects the run to end by itself.
    pub(crate) impatient: bool,
    /// What a processor is told at this moment.
    pub(crate) context: &'a dyn Fn() -> Context,
}

/// What became of a batch; unless it is whole, the run was asked to stop.
pub(crate) enum Processed {
    Whole,
    Not,
    /// A store has yet to take it.
    NotWritten,
}

impl Delivering<'_> {
    fn waiting(&self) -> Waiting<'_> {
        Waiting::new(self.stream, self.report, self.stop, self.until, self.impatient)
    }

    /// False when the run was asked to stop before it was done.
    pub(crate) async fn tick(&self, processor: &mut dyn RecordProcessor) -> Result<bool> {
        let call = || {
            self.report.set_busy_with(Some("what it does once a poll".to_owned()));
            let outcome = processor.tick(&mut (self.context)());
            self.report.set_busy_with(None);
            outcome
        };
        Ok(self.waiting().call(call).await?.is_some())
    }

    /// False when the run was asked to stop before it was done.
    pub(crate) async fn shard_ended(
        &self,
        shard_id: &str,
        processor: &mut dyn RecordProcessor,
    ) -> Result<bool> {
        let call = || processor.shard_ended(shard_id, &mut (self.context)());
        Ok(self.waiting().call(call).await?.is_some())
    }

    /// A worker was given the shard; false when the run was asked to stop before the processor had it.
    #[cfg(all(feature = "kcl", unix))]
    pub(crate) async fn shard_taken(
        &self,
        shard_id: &str,
        processor: &mut dyn RecordProcessor,
    ) -> Result<bool> {
        let call = || processor.shard_taken(shard_id, &mut (self.context)());
        Ok(self.waiting().call(call).await?.is_some())
    }

    /// Where the processor goes on; nothing when the run was asked to stop before it said so.
    pub(crate) async fn checkpoints(
        &self,
        stream: &StreamId,
        processor: &mut dyn RecordProcessor,
    ) -> Result<Option<Vec<Checkpoint>>> {
        self.waiting().call(|| processor.checkpoints(stream)).await
    }

    pub(crate) async fn batch(&self, batch: Batch, processor: &mut dyn RecordProcessor) -> Result<Processed> {
        let report = self.report;
        let what = format!("{} records of {}", batch.records.len(), batch.shard_id);
        let mut failures = 0;
        let mut waiting = self.waiting();
        loop {
            report.set_busy_with(Some(what.clone()));
            let outcome = processor.process(&batch, &mut (self.context)());
            report.set_busy_with(None);
            if !matches!(&outcome, Err(error) if error.verdict == Verdict::Wait) {
                waiting.over();
            }
            let Err(error) = outcome else {
                report.lock().pass(&batch);
                return Ok(Processed::Whole);
            };
            match error.verdict {
                Verdict::Skip => {
                    report.lock().skip(batch, &error.message);
                    return Ok(Processed::Whole);
                }
                Verdict::Wait => match waiting.pause(&error.message).await? {
                    true => continue,
                    false => return Ok(Processed::NotWritten),
                },
                Verdict::Retry if self.stop.is_asked() => {}
                Verdict::Retry if failures < RETRIES => {
                    failures += 1;
                    let pause = delay(failures, &mut fastrand::Rng::new());
                    tokio::select! {
                        () = self.stop.asked() => {}
                        () = tokio::time::sleep(pause) => continue,
                    }
                }
                Verdict::Retry | Verdict::LeaseLost | Verdict::Stop => return Err(failed(&error)),
            }
            let unfinished = format!(
                "stopped before {what} were processed: the processor had asked for them again ({})",
                crate::text::printable(error.message.as_bytes())
            );
            tell!(WARN, [stream = self.stream, shard = &*batch.shard_id], "{unfinished}");
            report.lock().unfinished = Some(unfinished);
            return Ok(Processed::Not);
        }
    }
}
