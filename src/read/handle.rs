//! [`ConsumerHandle`]: a consumer that runs in the background.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot::{Receiver, Sender, channel};
use tokio::time::Instant;

use super::drive;
use super::options::ReadOptions;
use super::process_error::ProcessError;
use super::processor::{Checkpoint, Context, RecordProcessor, StreamId};
use super::report::{ConsumerReport, SharedReport};
use crate::error::{Error, ErrorKind, Result};
use crate::notice::notice;
use crate::record::Batch;
use crate::runtime::{hosted, wait_here};
use crate::stop::Stop;

/// A processor that is at work for longer than this after it was asked to stop is named on stderr.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// A consumer in the background; made by [`Consumer::start`](crate::Consumer::start) and
/// [`start_async`](crate::Consumer::start_async). Dropping it stops the consumer.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("background", 1)?;
/// let consumer = stream.consumer().start(Counter::per_minute())?;
/// stream.put("192.0.2.10", "2018-09-06T08:04:56Z")?;
/// while consumer.report().records == 0 {}
/// assert!(consumer.is_running());
/// assert_eq!((consumer.snapshot().total(), consumer.with(|counter| counter.windows().len())), (1, 1));
/// let (counter, outcome) = consumer.stop();
/// assert_eq!((counter.total(), outcome?.records), (1, 1));
///
/// // One that ends by itself is waited for.
/// let consumer = stream.consumer().trim_horizon().until_caught_up().start(counter)?;
/// assert_eq!(consumer.join().0.total(), 2);
/// # Ok::<(), Error>(())
/// ```
///
/// In async code it is awaited, or stopped; a future that is dropped stops it, too. The processor runs on a
/// thread of its own, and may block.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
/// # runtime.block_on(async {
/// let stream = Kinesis::local()?.create_stream_async("awaited", 1).await?;
/// let consumer = stream.consumer().until_caught_up().start_async(Counter::per_minute()).await?;
/// let (counter, outcome) = consumer.await;
/// assert_eq!(outcome?.ended, Some(Ended::CaughtUp));
///
/// let consumer = stream.consumer().start_async(counter).await?;
/// let (_, outcome) = consumer.stop_async().await;
/// assert_eq!(outcome?.ended, Some(Ended::Stopped));
/// # Ok::<(), Error>(())
/// # })?;
/// # Ok::<(), Error>(())
/// ```
#[must_use = "dropping the handle stops the consumer: keep it in a variable"]
pub struct ConsumerHandle<P> {
    processor: Option<Arc<Mutex<P>>>,
    report: SharedReport,
    stop: Stop,
    /// Taken by whoever waits for it.
    outcome: Option<Receiver<Result<ConsumerReport>>>,
    /// Closed when the thread has let go of everything.
    alive: Sender<()>,
}

impl<P: RecordProcessor + Send + 'static> ConsumerHandle<P> {
    /// Returns once "latest" means the past.
    pub(super) async fn start(options: &ReadOptions, processor: P) -> Result<ConsumerHandle<P>> {
        let processor = Arc::new(Mutex::new(processor));
        let (report, stop) = (SharedReport::default(), Stop::default());
        let shared: Arc<Mutex<dyn RecordProcessor + Send>> = processor.clone();
        let thread = spawn(options.clone(), shared, report.clone(), stop.clone())?;
        // Made before the first wait: when this future is dropped, so is the handle, and the thread ends.
        let handle = ConsumerHandle {
            processor: Some(processor),
            report,
            stop,
            outcome: Some(thread.outcome),
            alive: thread.alive,
        };
        thread.begun.await.unwrap_or_else(|_| Err(gone()))?;
        Ok(handle)
    }
}

/// What a thread tells of itself.
struct ConsumerThread {
    begun: Receiver<Result<()>>,
    outcome: Receiver<Result<ConsumerReport>>,
    alive: Sender<()>,
}

// Apart from the generic part, so that a notebook cell compiles only that.
fn spawn(
    options: ReadOptions,
    processor: Arc<Mutex<dyn RecordProcessor + Send>>,
    report: SharedReport,
    stop: Stop,
) -> Result<ConsumerThread> {
    let ((tell_begun, begun), (tell_outcome, outcome)) = (channel(), channel());
    let (alive, living) = channel();
    std::thread::Builder::new().name("kinesis-lab consumer".into()).spawn(move || {
        let mut shared = Shared(processor);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let begin = drive::begin(&options, None, &mut shared, &report, &stop);
            let run = match wait_here(begin) {
                Ok(Some(run)) => run,
                Ok(None) => {
                    let _ = tell_begun.send(Ok(())); // nobody waits for what was stopped
                    return Ok(drive::stopped(&report));
                }
                Err(error) => {
                    let _ = tell_begun.send(Err(error.clone()));
                    return Err(error);
                }
            };
            let _ = tell_begun.send(Ok(())); // an error means that nobody waits any more: then it is stopped
            let outcome = wait_here(drive::drive(run, &mut shared, &stop));
            if let Err(error) = &outcome {
                // Nobody may be waiting; a consumer that ends in silence would be looked for long.
                notice(&format!("a consumer in the background has ended: {error}"));
            }
            outcome
        }))
        .unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<&str>().map(|s| s.to_string());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            let error = Error::new(ErrorKind::Processor, format!("the record processor panicked: {said}"));
            notice(&format!("a consumer in the background has ended: {error}"));
            report.lag().over(Instant::now());
            Err(error)
        });
        // Before the outcome is told: whoever waits for it takes the processor back.
        drop(shared);
        drop(living);
        let _ = tell_outcome.send(outcome); // an error means that the handle was dropped
    })?;
    Ok(ConsumerThread { begun, outcome, alive })
}

impl<P> ConsumerHandle<P> {
    /// What it has read so far.
    pub fn report(&self) -> ConsumerReport {
        self.report.get()
    }

    /// Whether it is still at work.
    pub fn is_running(&self) -> bool {
        !self.alive.is_closed()
    }

    /// Looks at the processor between two batches: `consumer.with(|counter| counter.chart())`.
    pub fn with<T>(&self, look: impl FnOnce(&P) -> T) -> T {
        look(&self.lock())
    }

    /// A copy of the processor as it is between two batches.
    pub fn snapshot(&self) -> P
    where
        P: Clone,
    {
        self.lock().clone()
    }

    /// Asks it to end after the batch under way, waits for that, and gives the processor back with
    /// the report, or the error that ended the run.
    ///
    /// What the consumer itself waits for ends at once: an answer, the next poll, the pause before a batch is
    /// given to the processor again ([`unfinished`](ConsumerReport::unfinished) in the report says of which).
    /// What the processor waits for is its own; [`Context::stopping`] tells it. One that is still at work
    /// after 5 s is named on stderr.
    pub fn stop(mut self) -> (P, Result<ConsumerReport>) {
        let outcome = wait_here(self.stopped());
        (self.into_processor(), outcome)
    }

    /// [`stop`](Self::stop) for async code.
    pub async fn stop_async(mut self) -> (P, Result<ConsumerReport>) {
        let outcome = self.stopped().await;
        (self.into_processor(), outcome)
    }

    /// Waits until it ends by itself (its stream is deleted, or something failed), and gives the
    /// processor back with the report, or the error that ended the run. In async code, await the handle.
    pub fn join(mut self) -> (P, Result<ConsumerReport>) {
        let outcome = wait_here(ended(self.outcome.take()));
        (self.into_processor(), outcome)
    }

    async fn stopped(&mut self) -> Result<ConsumerReport> {
        self.stop.ask();
        let (outcome, report) = (self.outcome.take(), self.report.clone());
        hosted(async move {
            let mut ended = std::pin::pin!(ended(outcome));
            match tokio::time::timeout(STOP_PATIENCE, ended.as_mut()).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let what = report.busy_with();
                    notice(&format!(
                        "a consumer was asked to stop, and its processor is still at work: {what}. Waiting for it"
                    ));
                    ended.await
                }
            }
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, P> {
        match &self.processor {
            // Poisoned when the processor panicked: what it had counted is still worth a look.
            Some(processor) => processor.lock().unwrap_or_else(PoisonError::into_inner),
            None => unreachable!("the processor is taken only by what takes the handle"),
        }
    }

    /// The thread has told its outcome and dropped its share, so this one is the last.
    fn into_processor(mut self) -> P {
        match self.processor.take().map(Arc::try_unwrap) {
            Some(Ok(mutex)) => mutex.into_inner().unwrap_or_else(PoisonError::into_inner),
            _ => unreachable!("the thread that shared the processor has ended"),
        }
    }
}

async fn ended(outcome: Option<Receiver<Result<ConsumerReport>>>) -> Result<ConsumerReport> {
    match outcome {
        Some(outcome) => outcome.await.unwrap_or_else(|_| Err(gone())),
        None => Err(gone()),
    }
}

// Panics are caught inside, and whatever takes the outcome takes the handle: it is not reached.
fn gone() -> Error {
    Error::new(ErrorKind::Processor, "the consumer's thread is gone")
}

/// Waits, without blocking, until the consumer ends by itself; gives what [`join`](ConsumerHandle::join) gives.
impl<P: Send + 'static> IntoFuture for ConsumerHandle<P> {
    type Output = (P, Result<ConsumerReport>);
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let outcome = ended(self.outcome.take()).await;
            (self.into_processor(), outcome)
        })
    }
}

impl<P> Drop for ConsumerHandle<P> {
    fn drop(&mut self) {
        self.stop.ask();
    }
}

impl<P> fmt::Debug for ConsumerHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_running() { "running" } else { "ended" };
        write!(f, "consumer, {state}, {} records read", self.report.lock().records)
    }
}

/// Lets the loop and the handle take turns with the processor, a batch at a time.
struct Shared(Arc<Mutex<dyn RecordProcessor + Send>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, dyn RecordProcessor + Send + 'static> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecordProcessor for Shared {
    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.lock().checkpoints(stream)
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        self.lock().process(batch, ctx)
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.lock().tick(ctx)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.lock().shard_ended(shard_id, ctx)
    }
}
