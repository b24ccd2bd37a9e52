//! Driving a run: its steps, one after the other, handed to a processor.

use std::time::Duration;

use tracing::Instrument as _;

use super::beginning::Beginning;
use super::options::ReadOptions;
use super::processor::{Checkpoint, RecordProcessor, StreamId, Verdict};
use super::report::{ConsumerReport, Ended, SharedReport};
use super::run::{Run, Step};
use crate::backoff::delay;
use crate::error::{Error, ErrorKind, Result};
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
        let beginning = Beginning::list(options).await?;
        let remembered = remembered(processor, &beginning.stream_id())?;
        beginning.open(&remembered, time, report.clone()).await
    };
    tokio::select! {
        biased;
        () = stop.asked() => Ok(None),
        run = opening => run.map(Some),
    }
}

fn remembered(processor: &mut dyn RecordProcessor, id: &StreamId) -> Result<Vec<Checkpoint>> {
    processor.checkpoints(id).map_err(|error| failed(&error.message))
}

/// Runs to the end; the processor is called by whoever polls this, and by nobody else. Asked to stop, it ends
/// after the batch under way, and waits for nothing.
pub(super) async fn drive(
    run: Run,
    processor: &mut dyn RecordProcessor,
    stop: &Stop,
) -> Result<ConsumerReport> {
    let span = tracing::debug_span!(target: "kinesis_lab", "run", stream = run.stream_name());
    steps(run, processor, stop).instrument(span).await
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
                if let Some(ended) = process(&run, batch, processor, stop).await? {
                    break ended;
                }
                // Only now may its reader fetch another page.
                drop(permit);
            }
            Step::ShardEnded(shard_id) => {
                fresh = true;
                let ended = processor.shard_ended(&shard_id, &mut run.context(stop));
                ended.map_err(|error| failed(&error.message))?;
            }
            Step::Tick => {
                fresh = false;
                tick(&run, processor, stop)?;
            }
            Step::Ended(ended) => break ended,
        }
    };
    if fresh {
        tick(&run, processor, stop)?;
    }
    run.finish(ended)
}

fn tick(run: &Run, processor: &mut dyn RecordProcessor, stop: &Stop) -> Result<()> {
    run.report().set_busy_with(Some("what it does once a poll".to_owned()));
    let outcome = processor.tick(&mut run.context(stop));
    run.report().set_busy_with(None);
    outcome.map_err(|error| failed(&error.message))
}

/// Delivers a batch until the processor has an opinion; says why the run ends when it was stopped before.
async fn process(
    run: &Run,
    batch: Batch,
    processor: &mut dyn RecordProcessor,
    stop: &Stop,
) -> Result<Option<Ended>> {
    let report = run.report();
    let what = format!("{} records of {}", batch.records.len(), batch.shard_id);
    let mut failures = 0;
    loop {
        report.set_busy_with(Some(what.clone()));
        let outcome = processor.process(&batch, &mut run.context(stop));
        report.set_busy_with(None);
        let Err(error) = outcome else {
            report.lock().pass(&batch);
            return Ok(None);
        };
        match error.verdict {
            Verdict::Skip => {
                report.lock().skip(batch, &error.message);
                return Ok(None);
            }
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
        return Ok(Some(Ended::Stopped));
    }
}

/// Adds what makes an error of a run understood: whose it is.
fn failed(message: &str) -> Error {
    Error::new(ErrorKind::Processor, format!("the record processor asked to stop: {message}"))
}
