//! [`ProducerHandle`]: a producer that runs, and the loop that it runs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::pace::Pace;
use super::putter::Putter;
use super::queue::{MAX_RECORDS, PutOptions};
use super::report::FailedEntry;
use crate::error::{Error, ErrorKind, Result};
use crate::notice::notice;
use crate::record::Entry;
use crate::runtime::{self, block_on};
use crate::stream::Stream;
use crate::timestamp::Timestamp;

/// What is to be emitted, and when.
pub(crate) trait Plan: Send {
    /// Event time of the next record since the first one's; `None` at the end, an error when what
    /// is emitted can't be read any further.
    fn next_offset(&mut self) -> Result<Option<Duration>>;
    /// The next record; only called after `next_offset` gave one. `now` is for live records.
    fn emit(&mut self, now: Timestamp) -> Entry;
}

/// A producer in the background; dropping it stops the producer.
///
/// Made by [`Producer::start`](crate::Producer::start) and [`Replay::start`](crate::Replay::start).
#[must_use = "dropping the handle stops the producer: keep it in a variable"]
pub struct ProducerHandle {
    state: Arc<Mutex<ProducerReport>>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
    endless: bool,
}

/// What a producer has done so far.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ProducerReport {
    /// Records that the service acknowledged.
    pub sent: u64,
    /// Attempts that were made again after a failure.
    pub retried: u64,
    /// Attempts whose answer never came: their records may be in the stream, even twice. The stream
    /// holds at most `sent + ambiguous` of this producer's records.
    pub ambiguous: u64,
    /// The records that were given up, each with its error.
    pub failed: Vec<FailedEntry>,
    /// What went wrong last, if anything did.
    pub last_error: Option<Error>,
}

impl ProducerHandle {
    /// Records acknowledged so far.
    pub fn sent(&self) -> u64 {
        lock(&self.state).sent
    }

    /// What went wrong last, if anything did.
    pub fn last_error(&self) -> Option<Error> {
        lock(&self.state).last_error.clone()
    }

    /// Whether it is still at work.
    pub fn is_running(&self) -> bool {
        !*self.ended.borrow()
    }

    /// What it has done so far.
    pub fn report(&self) -> ProducerReport {
        lock(&self.state).clone()
    }

    /// Asks it to end after the call under way, waits for that, and says what it has done.
    pub fn stop(self) -> ProducerReport {
        let _ = self.stop.send(true);
        self.wait()
    }

    /// Waits until it has emitted all that it was to emit, or its stream is deleted.
    ///
    /// One without a limit ends only with its stream: [`stop`](Self::stop) it instead.
    pub fn join(self) -> ProducerReport {
        if self.endless && self.is_running() {
            notice(
                "waiting for a producer without a limit: it ends only when its stream is deleted (.stop() ends it now)",
            );
        }
        self.wait()
    }

    fn wait(self) -> ProducerReport {
        let mut ended = self.ended.clone();
        // An error means that the task is gone, which is an end too.
        block_on(async move { ended.wait_for(|ended| *ended).await.map(drop).unwrap_or_default() });
        self.report()
    }
}

impl Drop for ProducerHandle {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

impl fmt::Debug for ProducerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_running() { "running" } else { "ended" };
        write!(f, "producer, {state}, {} records sent", self.sent())
    }
}

// A std mutex: it is held for the copy of a few numbers, never across an await.
fn lock(state: &Mutex<ProducerReport>) -> MutexGuard<'_, ProducerReport> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn launch(
    stream: Stream,
    plan: Box<dyn Plan>,
    pace: Pace,
    options: PutOptions,
    endless: bool,
) -> ProducerHandle {
    let state = Arc::new(Mutex::new(ProducerReport::default()));
    let (stop, stopped) = watch::channel(false);
    let (end, ended) = watch::channel(false);
    let task = Emitter {
        putter: Putter::new(stream, options, fastrand::Rng::new()),
        plan,
        pace,
        state: state.clone(),
        stop: stopped,
    };
    runtime::handle().spawn(async move {
        // Moved in, so that a panic in a payload function ends the producer for its handle too.
        let _end = SendOnDrop(end);
        task.run().await;
    });
    ProducerHandle { state, stop, ended, endless }
}

struct SendOnDrop(watch::Sender<bool>);

impl Drop for SendOnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(true);
    }
}

struct Emitter {
    putter: Putter,
    plan: Box<dyn Plan>,
    pace: Pace,
    state: Arc<Mutex<ProducerReport>>,
    stop: watch::Receiver<bool>,
}

impl Emitter {
    async fn run(mut self) {
        if let Err(error) = self.emit().await {
            notice(&format!("a producer has ended: {error}"));
            lock(&self.state).last_error = Some(error);
        }
    }

    async fn emit(&mut self) -> Result<()> {
        let begun = Instant::now();
        while let Some(offset) = self.plan.next_offset()? {
            if *self.stop.borrow() {
                return Ok(());
            }
            let due = self.pace.due(offset);
            if due > begun.elapsed() {
                tokio::select! {
                    // A due time beyond what the clock can hold is never.
                    () = sleep_until(begun.checked_add(due)) => {}
                    _ = self.stop.wait_for(|stop| *stop) => return Ok(()),
                }
            }
            // All that is due goes out together: one record, or a full batch when it falls behind.
            for _ in 0..MAX_RECORDS {
                match self.plan.next_offset()? {
                    Some(offset) if self.pace.due(offset) <= begun.elapsed() => {
                        self.putter.push(self.plan.emit(Timestamp::now()));
                    }
                    _ => break,
                }
            }
            self.putter.flush(&self.stop).await;
            if self.publish() {
                break;
            }
        }
        Ok(())
    }

    /// Brings the report up to date; true when there is no point in going on.
    fn publish(&mut self) -> bool {
        let mut state = lock(&self.state);
        let report = &self.putter.report;
        (state.sent, state.retried, state.ambiguous) = (report.sent, report.retried, report.ambiguous);
        let Some(last) = self.putter.failed.last() else { return false };
        let error = last.error.clone();
        state.failed.append(&mut self.putter.failed);
        state.last_error = Some(error.clone());
        match error.kind() {
            ErrorKind::StreamNotFound => notice(&self.putter.stream().farewell()),
            ErrorKind::AccessDenied
            | ErrorKind::NoCredentials
            | ErrorKind::InvalidInput
            | ErrorKind::Refused => {
                notice(&format!("{error}. Exiting"));
            }
            _ => return false,
        }
        true
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
