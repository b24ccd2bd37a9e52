//! [`ConsumerHandle`]: a consumer that runs in the background.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::consumer::{Consumer, ConsumerReport};
use super::processor::{Checkpoint, Context, ProcessError, RecordProcessor, StreamId};
use super::run::{Delivery, Run};
use crate::error::{Error, ErrorKind, Result};
use crate::notice::notice;
use crate::record::Batch;

/// A consumer in the background; made by [`Consumer::start`]. Dropping it stops the consumer.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("background", 1)?;
/// let consumer = stream.consumer().start(Counter::per_minute())?;
/// stream.put("192.0.2.10", "2018-09-06T08:04:56Z")?;
/// while consumer.report().records == 0 {}
/// let (counter, outcome) = consumer.stop();
/// assert_eq!((counter.total(), outcome?.records), (1, 1));
/// # Ok::<(), Error>(())
/// ```
#[must_use = "dropping the handle stops the consumer: keep it in a variable"]
pub struct ConsumerHandle<P> {
    processor: Option<Arc<Mutex<P>>>,
    report: Arc<Mutex<ConsumerReport>>,
    stop: Sender<Delivery>,
    thread: Option<JoinHandle<Result<ConsumerReport>>>,
}

impl<P: RecordProcessor + Send + 'static> ConsumerHandle<P> {
    pub(crate) fn start(consumer: &Consumer, mut processor: P) -> Result<ConsumerHandle<P>> {
        let run = Run::begin(consumer, None, consumer.until_caught_up, &mut processor)?;
        let processor = Arc::new(Mutex::new(processor));
        let (report, stop) = (run.shared_report(), run.stopper());
        let shared: Arc<Mutex<dyn RecordProcessor + Send>> = processor.clone();
        let thread = spawn(run, shared)?;
        Ok(ConsumerHandle { processor: Some(processor), report, stop, thread: Some(thread) })
    }
}

// Apart from the generic part, so that a notebook cell compiles only that.
fn spawn(
    run: Run,
    processor: Arc<Mutex<dyn RecordProcessor + Send>>,
) -> Result<JoinHandle<Result<ConsumerReport>>> {
    let thread = std::thread::Builder::new().name("kinesis-lab consumer".into()).spawn(move || {
        let mut shared = Shared(processor);
        let outcome = catch_unwind(AssertUnwindSafe(|| run.drive(&mut shared))).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<&str>().map(|s| s.to_string());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(Error::new(ErrorKind::Processor, format!("the record processor panicked: {said}")))
        });
        if let Err(error) = &outcome {
            // Nobody may be waiting; a consumer that ends in silence would be looked for long.
            notice(&format!("a consumer in the background has ended: {error}"));
        }
        outcome
    });
    Ok(thread?)
}

impl<P> ConsumerHandle<P> {
    /// What it has read so far.
    pub fn report(&self) -> ConsumerReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is still at work.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
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
    pub fn stop(self) -> (P, Result<ConsumerReport>) {
        let _ = self.stop.send(Delivery::Stop);
        self.join()
    }

    /// Waits until it ends by itself (its stream is deleted, or something failed), and gives the
    /// processor back with the report, or the error that ended the run.
    pub fn join(mut self) -> (P, Result<ConsumerReport>) {
        let outcome = match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            // Panics are caught inside, and `join` takes the handle: neither is reached.
            _ => Err(Error::new(ErrorKind::Processor, "the consumer's thread is gone")),
        };
        (into_inner(self.processor.take()), outcome)
    }

    fn lock(&self) -> MutexGuard<'_, P> {
        match &self.processor {
            // Poisoned when the processor panicked: what it had counted is still worth a look.
            Some(processor) => processor.lock().unwrap_or_else(PoisonError::into_inner),
            None => unreachable!("the processor is taken only by join, which takes the handle"),
        }
    }
}

/// The thread has ended and dropped its share, so this one is the last.
fn into_inner<P>(processor: Option<Arc<Mutex<P>>>) -> P {
    match processor.map(Arc::try_unwrap) {
        Some(Ok(mutex)) => mutex.into_inner().unwrap_or_else(PoisonError::into_inner),
        _ => unreachable!("the thread that shared the processor has ended"),
    }
}

impl<P> Drop for ConsumerHandle<P> {
    fn drop(&mut self) {
        let _ = self.stop.send(Delivery::Stop);
    }
}

impl<P> fmt::Debug for ConsumerHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_running() { "running" } else { "ended" };
        write!(f, "consumer, {state}, {} records read", self.report().records)
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
