//! [`RunningPart`]: a part at work, and started again when it fails.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use super::restarts::Restarts;
use super::status::PartStatus;
use super::summary::{PartSummary, Summary};
use crate::error::{Error, ErrorKind, Result};
use crate::notice::tell;
use crate::read::{
    Checkpoint, Consumer, ConsumerHandle, ConsumerReport, Context, ProcessError, RecordProcessor, StreamId,
};
use crate::record::Batch;

/// How soon an end is noticed.
const CHECK: Duration = Duration::from_millis(50);

/// The error that ended a pipeline, once a part has failed too often.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    pub(super) fn error(&self) -> Option<Error> {
        lock(&self.0).clone()
    }

    pub(super) fn forgive(&self) {
        lock(&self.0).take();
    }
}

/// A part at work: a consumer in the background, and a thread that starts it again when it fails. The kinds
/// of parts are told apart only inside.
pub(super) struct RunningPart {
    status: Box<dyn Fn() -> PartStatus + Send + Sync>,
    // What is sent means nothing: its end is the signal.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RunningPart {
    /// Starts it; an error of the first start is the caller's.
    pub(super) fn start<P: Summary>(
        consumer: Consumer,
        processor: P,
        max_restarts: u32,
        failure: Failure,
    ) -> Result<RunningPart> {
        let processor = SharedProcessor(Arc::new(Mutex::new(processor)));
        let run = consumer.start(processor.clone())?;
        let summary = lock(&processor.0).summary();
        let progress = Arc::new(Mutex::new(PartProgress {
            summary,
            work: Some(Work { processor, run: Some(run) }),
            earlier_records: 0,
            report: ConsumerReport::default(),
            restarts: 0,
            last_error: None,
            error: None,
        }));
        let (stop, stopped) = channel();
        let supervisor = Supervisor {
            consumer,
            progress: progress.clone(),
            restarts: Restarts::up_to(max_restarts),
            stopped,
            failure,
        };
        let thread = std::thread::Builder::new()
            .name(format!("kinesis-lab {}", P::PART))
            .spawn(move || supervisor.keep_running())?;
        let status = Box::new(move || lock(&progress).status());
        Ok(RunningPart { status, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn status(&self) -> PartStatus {
        (self.status)()
    }

    /// Asks it to end; [`join`](RunningPart::join) waits for that.
    pub(super) fn ask_to_end(&mut self) {
        self.stop.take();
    }

    /// Waits until it has ended and its file is free.
    pub(super) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Its panic, of which there should be none, is on stderr.
            let _ = thread.join();
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

/// What is known of a part: a mutex around it is never held while anything is waited for.
struct PartProgress<P> {
    /// Until the part has ended: with it, its file is given back.
    work: Option<Work<P>>,
    /// Of the runs before this one.
    earlier_records: u64,
    /// Of the run before this one.
    report: ConsumerReport,
    summary: PartSummary,
    restarts: u64,
    last_error: Option<String>,
    error: Option<String>,
}

struct Work<P> {
    processor: SharedProcessor<P>,
    /// `None` while it waits to be started again.
    run: Option<ConsumerHandle<SharedProcessor<P>>>,
}

impl<P: Summary> PartProgress<P> {
    fn status(&mut self) -> PartStatus {
        self.summarize();
        let run = self.work.as_ref().and_then(|work| work.run.as_ref());
        let now = run.map(ConsumerHandle::report);
        let report = now.as_ref().unwrap_or(&self.report);
        let records = self.earlier_records + now.as_ref().map_or(0, |report| report.records);
        let status = PartStatus::new(P::PART, self.work.is_some(), report, self.summary.clone());
        PartStatus {
            records,
            // Nobody reads until it is started again; what the last run knew says nothing of now.
            millis_behind_latest: now.as_ref().and(status.millis_behind_latest),
            restarts: self.restarts,
            last_error: self.last_error.clone(),
            error: self.error.clone(),
            ..status
        }
    }

    /// While a batch is under way, which can take a while, the last summary has to do.
    fn summarize(&mut self) {
        let Some(work) = &self.work else { return };
        if let Some(processor) = work.processor.try_lock() {
            self.summary = processor.summary();
        }
    }

    fn run_has_ended(&self) -> bool {
        !self.work.as_ref().and_then(|work| work.run.as_ref()).is_some_and(ConsumerHandle::is_running)
    }

    fn note(&mut self, report: ConsumerReport) {
        self.earlier_records += report.records;
        self.report = report;
    }
}

/// The thread that watches over a part.
struct Supervisor<P> {
    consumer: Consumer,
    progress: Arc<Mutex<PartProgress<P>>>,
    restarts: Restarts,
    stopped: Receiver<()>,
    failure: Failure,
}

impl<P: Summary> Supervisor<P> {
    fn keep_running(mut self) {
        loop {
            let asked = self.wait_until(|progress| progress.run_has_ended());
            let outcome = self.end_of_run(asked);
            let error = match outcome {
                Ok(()) => return self.finish(None),
                Err(error) if asked => return self.finish(Some(error)),
                Err(error) => error,
            };
            if !self.start_again(error) {
                return;
            }
        }
    }

    /// Waits for the condition; true when the part is asked to end before that.
    fn wait_until(&self, done: impl Fn(&PartProgress<P>) -> bool) -> bool {
        loop {
            match self.stopped.recv_timeout(CHECK) {
                Err(RecvTimeoutError::Timeout) if self.failure.error().is_none() => {
                    if done(&lock(&self.progress)) {
                        return false;
                    }
                }
                _ => return true,
            }
        }
    }

    fn end_of_run(&self, asked: bool) -> Result<()> {
        let run = {
            let mut progress = lock(&self.progress);
            let run = progress.work.as_mut().and_then(|work| work.run.take());
            if let Some(run) = &run {
                progress.note(run.report());
            }
            run
        };
        let Some(run) = run else { return Ok(()) };
        let before = run.report().records;
        let (_, outcome) = if asked { run.stop() } else { run.join() };
        let report = outcome?;
        let mut progress = lock(&self.progress);
        // What it did while it was ending.
        progress.earlier_records += report.records.saturating_sub(before);
        progress.report = report;
        Ok(())
    }

    /// False when that is the end.
    fn start_again(&mut self, mut error: Error) -> bool {
        loop {
            let Some(delay) = self.restarts.delay_after_failure(Instant::now()) else {
                self.give_up(error);
                return false;
            };
            let (part, seconds) = (P::PART.to_string(), delay.as_secs_f64());
            tell!(
                WARN,
                [part = part.as_str(), seconds = seconds],
                "the {part} has failed, and is started again in {seconds:.1} s: {error}"
            );
            {
                let mut progress = lock(&self.progress);
                progress.restarts += 1;
                progress.last_error = Some(error.to_string());
            }
            let due = Instant::now() + delay;
            if self.wait_until(|_| Instant::now() >= due) {
                self.finish(Some(error));
                return false;
            }
            let processor = lock(&self.progress).work.as_ref().map(|work| work.processor.clone());
            let Some(processor) = processor else { return false };
            match self.consumer.start(processor) {
                Ok(run) => {
                    if let Some(work) = &mut lock(&self.progress).work {
                        work.run = Some(run);
                    }
                    return true;
                }
                Err(again) => error = again,
            }
        }
    }

    fn give_up(&self, error: Error) {
        let restarts = lock(&self.progress).restarts;
        let whole = Error::with_source(
            ErrorKind::Processor,
            format!(
                "the {} has failed too often ({restarts} times it was started again), and the pipeline ends: {error}",
                P::PART
            ),
            error.clone(),
        );
        tell!(ERROR, [part = P::PART.to_string().as_str(), restarts = restarts], "{whole}");
        self.finish(Some(error));
        lock(&self.failure.0).get_or_insert(whole);
    }

    /// Takes note of the end, and gives its file back by dropping the processor.
    fn finish(&self, error: Option<Error>) {
        let mut progress = lock(&self.progress);
        progress.summarize();
        progress.error = error.map(|error| error.to_string());
        let work = progress.work.take();
        drop(progress);
        drop(work);
    }
}

/// Lets a part outlive its runs: so its file stays its own while it waits to be started again.
struct SharedProcessor<P>(Arc<Mutex<P>>);

impl<P> SharedProcessor<P> {
    fn try_lock(&self) -> Option<MutexGuard<'_, P>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            // It panicked: what it had counted is still worth showing.
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }
}

impl<P> Clone for SharedProcessor<P> {
    fn clone(&self) -> Self {
        SharedProcessor(self.0.clone())
    }
}

impl<P: RecordProcessor> RecordProcessor for SharedProcessor<P> {
    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        lock(&self.0).checkpoints(stream)
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        lock(&self.0).process(batch, ctx)
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        lock(&self.0).tick(ctx)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        lock(&self.0).shard_ended(shard_id, ctx)
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
