//! Driving a run: its steps, one after the other, handed to a processor.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;

use super::beginning::Beginning;
use super::options::ReadOptions;
use super::process_error::Verdict;
use super::processor::{Checkpoint, RecordProcessor, StreamId};
use super::report::{ConsumerReport, Ended, SharedReport};
use super::run::{Run, Step};
use super::waiting::{Waiting, failed};
use crate::backoff::delay;
use crate::error::Result;
use crate::notice::tell;
use crate::record::Batch;
use crate::stop::Stop;

/// How often a batch is delivered again before *retry* becomes *stop*.
const RETRIES: u32 = 10;

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
    let waiting = Waiting::new(options.stream.name(), report, stop, None, true);
    waiting.call(|| processor.checkpoints(id)).await
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
                match process(&run, batch, processor, stop).await? {
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
                let call = || processor.shard_ended(&shard_id, &mut run.context(stop));
                if waiting(&run, stop).call(call).await?.is_none() {
                    fresh = false; // it has just been tried
                    break Ended::Stopped;
                }
            }
            Step::Tick => {
                fresh = false;
                if !tick(&run, processor, stop).await? {
                    break Ended::Stopped;
                }
            }
            Step::Ended(ended) => break ended,
        }
    };
    match fresh && !tick(&run, processor, stop).await? {
        true => run.finish(Ended::Stopped),
        false => run.finish(ended),
    }
}

/// For a call of the processor of this run.
fn waiting<'a>(run: &'a Run, stop: &'a Stop) -> Waiting<'a> {
    Waiting::new(run.stream_name(), run.report(), stop, run.until, run.options.until_caught_up)
}

/// False when the run was asked to stop before it was done.
async fn tick(run: &Run, processor: &mut dyn RecordProcessor, stop: &Stop) -> Result<bool> {
    let call = || {
        run.report().set_busy_with(Some("what it does once a poll".to_owned()));
        let outcome = processor.tick(&mut run.context(stop));
        run.report().set_busy_with(None);
        outcome
    };
    Ok(waiting(run, stop).call(call).await?.is_some())
}

/// What became of a batch; unless it is whole, the run was asked to stop.
enum Processed {
    Whole,
    Not,
    /// A store has yet to take it.
    NotWritten,
}

/// Delivers a batch until the processor has an opinion.
async fn process(
    run: &Run,
    batch: Batch,
    processor: &mut dyn RecordProcessor,
    stop: &Stop,
) -> Result<Processed> {
    let report = run.report();
    let what = format!("{} records of {}", batch.records.len(), batch.shard_id);
    let mut failures = 0;
    let mut waiting = waiting(run, stop);
    loop {
        report.set_busy_with(Some(what.clone()));
        let outcome = processor.process(&batch, &mut run.context(stop));
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
            Verdict::Retry if stop.is_asked() => {}
            Verdict::Retry if failures < RETRIES => {
                failures += 1;
                let pause = delay(failures, &mut fastrand::Rng::new());
                tokio::select! {
                    () = stop.asked() => {}
                    () = tokio::time::sleep(pause) => continue,
                }
            }
            Verdict::Retry | Verdict::Stop => return Err(failed(&error.message)),
        }
        let unfinished = format!(
            "stopped before {what} were processed: the processor had asked for them again ({})",
            crate::text::printable(error.message.as_bytes())
        );
        tell!(WARN, [stream = run.stream_name(), shard = &*batch.shard_id], "{unfinished}");
        report.lock().unfinished = Some(unfinished);
        return Ok(Processed::Not);
    }
}
