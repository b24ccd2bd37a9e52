//! Driving a run: its steps, one after the other, handed to a processor.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;

use super::beginning::Beginning;
use super::delivering::{Delivering, Processed};
use super::options::ReadOptions;
use super::processor::{Checkpoint, Context, RecordProcessor, StreamId};
use super::report::{ConsumerReport, Ended, SharedReport};
use super::run::{Run, Step};
use crate::error::Result;
use crate::stop::Stop;
use crate::timestamp::Timestamp;

/// A run from its beginning to its end.
pub(super) async fn whole(
    options: &ReadOptions,
    time: Option<Duration>,
    processor: &mut dyn RecordProcessor,
    report: &SharedReport,
    stop: &Stop,
) -> Result<ConsumerReport> {
    match begin(options, time, processor, report, stop).await? {
        Some(run) => drive(run, processor, stop).await,
        None => Ok(stopped(report)),
    }
}

/// The report of a run that was stopped before it began.
pub(super) fn stopped(report: &SharedReport) -> ConsumerReport {
    report.lock().ended = Some(Ended::Stopped);
    report.get()
}

/// Begins: nothing was processed yet, and what a processor remembers was asked for. Nothing when it was
/// stopped meanwhile.
pub(super) async fn begin(
    options: &ReadOptions,
    time: Option<Duration>,
    processor: &mut dyn RecordProcessor,
    report: &SharedReport,
    stop: &Stop,
) -> Result<Option<Run>> {
    let opening = async {
        let beginning = Beginning::list(options, report).await?;
        let Some(remembered) = remembered(options, processor, &beginning.stream_id(), report, stop).await?
        else {
            return Ok(None);
        };
        beginning.open(&remembered, time).await.map(Some)
    };
    tokio::select! {
        biased;
        () = stop.asked() => Ok(None),
        run = opening => run,
    }
}

/// Whoever starts a run waits for this, too: not for ever.
async fn remembered(
    options: &ReadOptions,
    processor: &mut dyn RecordProcessor,
    id: &StreamId,
    report: &SharedReport,
    stop: &Stop,
) -> Result<Option<Vec<Checkpoint>>> {
    let (stream, context) = (options.stream.name(), || Context::at(Timestamp::now()));
    let delivering = Delivering { stream, report, stop, until: None, impatient: true, context: &context };
    delivering.checkpoints(id, processor).await
}

/// Runs to the end; the processor is called by whoever polls this, and by nobody else. Asked to stop, it ends
/// after the batch under way, and waits for nothing.
pub(super) async fn drive(
    run: Run,
    processor: &mut dyn RecordProcessor,
    stop: &Stop,
) -> Result<ConsumerReport> {
    let span = tracing::debug_span!(target: "kinesis_lab", "run", stream = run.stream_name());
    let report = run.report().clone();
    let outcome = steps(run, processor, stop).instrument(span).await;
    report.lag().over(Instant::now());
    outcome
}

async fn steps(mut run: Run, processor: &mut dyn RecordProcessor, stop: &Stop) -> Result<ConsumerReport> {
    // Something was processed since the last tick.
    let mut fresh = false;
    let ended = loop {
        let step = tokio::select! {
            biased;
            () = stop.asked() => Step::Ended(Ended::Stopped),
            step = run.next() => step?,
        };
        match step {
            Step::Batch(batch, permit) => {
                fresh = true;
                let shard_id = batch.shard_id.clone();
                match delivering(&run, stop, &|| run.context(stop)).batch(batch, processor).await? {
                    Processed::Whole => {}
                    Processed::Not => break Ended::Stopped,
                    Processed::NotWritten => {
                        fresh = false; // it has just been tried
                        break Ended::Stopped;
                    }
                }
                // Only now may its reader fetch another page.
                if let Some(permit) = permit {
                    run.processed(&shard_id);
                    drop(permit);
                }
            }
            Step::ShardEnded(shard_id) => {
                fresh = true;
                let context = || run.context(stop);
                if !delivering(&run, stop, &context).shard_ended(&shard_id, processor).await? {
                    fresh = false; // it has just been tried
                    break Ended::Stopped;
                }
            }
            Step::Tick => {
                fresh = false;
                if !delivering(&run, stop, &|| run.context(stop)).tick(processor).await? {
                    break Ended::Stopped;
                }
            }
            Step::Ended(ended) => break ended,
        }
    };
    let unwritten = fresh && !delivering(&run, stop, &|| run.context(stop)).tick(processor).await?;
    match unwritten {
        true => run.finish(Ended::Stopped),
        false => run.finish(ended),
    }
}

/// For the calls of the processor of this run.
fn delivering<'a>(run: &'a Run, stop: &'a Stop, context: &'a dyn Fn() -> Context) -> Delivering<'a> {
    let (until, impatient) = (run.until, run.options.until_caught_up);
    Delivering { stream: run.stream_name(), report: run.report(), stop, until, impatient, context }
}
