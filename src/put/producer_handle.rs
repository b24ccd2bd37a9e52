//! [`ProducerHandle`]: a producer that runs.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::producer_report::ProducerReport;
use crate::error::Error;
use crate::notice::notice;
use crate::runtime::block_on;

/// A producer in the background; dropping it stops the producer.
///
/// Made by [`Producer::start`](crate::Producer::start) and [`Replay::start`](crate::Replay::start). Where the
/// next call blocks, a service awaits it: `handle.await` is [`join`](Self::join), and
/// [`stop_async`](Self::stop_async) is [`stop`](Self::stop).
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("clicks", 1)?;
/// let producer = stream.producer("192.0.2.10").interval(millis(10)).start();
/// while producer.sent() < 2 {
///     assert!(producer.is_running() && producer.last_error().is_none());
///     std::thread::sleep(millis(10));
/// }
/// let report = producer.stop();
/// assert!(report.sent >= 2 && report.given_up == 0);
///
/// # async fn in_a_service(stream: Stream) {
/// let all = stream.producer("192.0.2.20").at_once().limit(100).start();
/// assert_eq!(all.await.sent, 100);
/// let endless = stream.producer("192.0.2.30").start();
/// assert_eq!(endless.stop_async().await.given_up, 0);
/// # }
/// # block_on(in_a_service(stream));
/// # Ok::<(), Error>(())
/// ```
///
/// # How it ends
/// Asked to stop, it emits nothing more and sends what it has emitted, for 2 seconds at the most: whatever has no
/// answer by then is given up and counted as [`ambiguous`](ProducerReport::ambiguous), and the rest is handed back
/// in [`failed`](ProducerReport::failed). Dropping the handle asks for the same and waits for nothing; what is
/// given up then is told on stderr.
#[must_use = "dropping the handle stops the producer: keep it in a variable"]
pub struct ProducerHandle {
    progress: Arc<ProducerState>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
    endless: bool,
}

/// What the handle and the task behind it share.
#[derive(Default)]
pub(super) struct ProducerState {
    // A std mutex: it is held for the copy of a few numbers, never across an await.
    report: Mutex<ProducerReport>,
    /// Nobody asks for the report any more.
    abandoned: Mutex<bool>,
}

impl ProducerState {
    pub(super) fn report(&self) -> MutexGuard<'_, ProducerReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_abandoned(&self) -> bool {
        *self.abandoned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProducerHandle {
    pub(super) fn new(
        progress: Arc<ProducerState>,
        stop: watch::Sender<bool>,
        ended: watch::Receiver<bool>,
        endless: bool,
    ) -> ProducerHandle {
        ProducerHandle { progress, stop, ended, endless }
    }

    /// Records acknowledged so far.
    pub fn sent(&self) -> u64 {
        self.progress.report().sent
    }

    /// What went wrong last, if anything did.
    pub fn last_error(&self) -> Option<Error> {
        self.progress.report().last_error.clone()
    }

    /// Whether it is still at work.
    pub fn is_running(&self) -> bool {
        // A task that is gone without a word, with its runtime, is at work no more.
        !*self.ended.borrow() && self.ended.has_changed().is_ok()
    }

    /// What it has done so far.
    pub fn report(&self) -> ProducerReport {
        self.progress.report().clone()
    }

    /// Asks it to end, waits for that (2 seconds at the most while the service doesn't answer), and says what it
    /// has done and what it has not.
    pub fn stop(self) -> ProducerReport {
        block_on(self.stop_async())
    }

    /// As [`stop`](Self::stop), to be awaited.
    pub async fn stop_async(self) -> ProducerReport {
        let _ = self.stop.send(true);
        self.ended().await
    }

    /// Waits until it has emitted all that it was to emit, or its stream is deleted.
    ///
    /// One without a limit ends only with its stream: [`stop`](Self::stop) it instead. In a service, `.await` the
    /// handle; a future that is dropped before it is done stops the producer, as a dropped handle does.
    pub fn join(self) -> ProducerReport {
        block_on(self.into_future())
    }

    async fn ended(self) -> ProducerReport {
        let mut ended = self.ended.clone();
        // An error means that the task is gone, which is an end too.
        let _ = ended.wait_for(|ended| *ended).await;
        self.report()
    }
}

impl IntoFuture for ProducerHandle {
    type Output = ProducerReport;
    type IntoFuture = Pin<Box<dyn Future<Output = ProducerReport> + Send>>;

    /// [`join`](ProducerHandle::join), to be awaited.
    fn into_future(self) -> Self::IntoFuture {
        if self.endless && self.is_running() {
            notice(
                "waiting for a producer without a limit: it ends only when its stream is deleted (.stop() ends it now)",
            );
        }
        Box::pin(self.ended())
    }
}

impl Drop for ProducerHandle {
    fn drop(&mut self) {
        // Before the stop, so that whoever sees that knows.
        *self.progress.abandoned.lock().unwrap_or_else(PoisonError::into_inner) = true;
        let _ = self.stop.send(true);
    }
}

impl fmt::Debug for ProducerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_running() { "running" } else { "ended" };
        write!(f, "producer, {state}, {} records sent", self.sent())
    }
}
