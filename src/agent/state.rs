//! What all clones of a layer share: the settings, the queue, the counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use ipnet::IpNet;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::block_feed::BlockFeed;
use super::client;
use super::counters::{AgentCounters, Sending};
use super::peer;
use super::report::AgentReport;
use super::request_event::RequestEvent;
use super::sender;
use crate::detect::BlockList;
use crate::error::{Error, ErrorKind};
use crate::event::{ForwardedHeader, is_trusted};
use crate::put::{AGGREGATE_BYTES, PutOptions, Putter};
use crate::runtime::{self, block_on};
use crate::stream::Stream;
use crate::timestamp::Timestamp;

/// Of a request whose server does not say who is there.
const NOBODY: &str = "-";
/// At the end, so long without an acknowledgement means that there will be none.
const STALLED: Duration = Duration::from_secs(5);

/// What an [`Agent`](crate::Agent) was told.
#[derive(Debug, Clone)]
pub(crate) struct AgentSettings {
    pub(super) stream: Stream,
    pub(super) trusted: Vec<IpNet>,
    pub(super) header: ForwardedHeader,
    /// How many events may wait to be sent.
    pub(super) queue: usize,
    pub(super) blocks: BlockList,
    /// For how long events are gathered to aggregates.
    pub(super) aggregated: Option<Duration>,
}

pub(crate) struct AgentState {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
    pub(crate) blocks: BlockList,
    queue: Sender<RequestEvent>,
    /// How many requests have come: the second part of an event's id.
    requests: AtomicU64,
    counters: Arc<AgentCounters>,
    closing: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
    task: AbortHandle,
    feed: Mutex<Option<BlockFeed>>,
}

impl AgentState {
    pub(crate) fn begin(settings: AgentSettings, run: String, feed: Option<BlockFeed>) -> AgentState {
        let AgentSettings { stream, trusted, header, queue, blocks, aggregated } = settings;
        let (events, waiting) = channel(queue);
        let (closing, asked) = watch::channel(false);
        let (end, ended) = watch::channel(false);
        let counters = Arc::<AgentCounters>::default();
        let putter = Putter::new(stream, put_options(aggregated), fastrand::Rng::new());
        // It has no share of this: when the last clone of the layer goes, so does the channel's end, and
        // the task sends what is left and ends.
        let sender = sender::Sender::new(putter, waiting, asked, counters.clone(), run, queue, aggregated);
        let task = runtime::handle().spawn(async move {
            sender.run().await;
            let _ = end.send(true);
        });
        AgentState {
            trusted,
            header,
            blocks,
            queue: events,
            requests: AtomicU64::new(0),
            counters,
            closing,
            ended,
            task: task.abort_handle(),
            feed: Mutex::new(feed),
        }
    }

    /// What is seen of a request when it comes; blocked or not.
    pub(crate) fn observe<B>(&self, request: &Request<B>) -> RequestEvent {
        let peer = peer::of(request.extensions());
        let client = client::client(peer, request.headers(), self.header, &self.trusted);
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let now = Timestamp::now();
        let ip = client.map_or_else(|| NOBODY.to_owned(), |client| client.to_string());
        let mut seen = RequestEvent::of(request, number, ip, now);
        // Nobody and a proxy are many: what one of them did is no reason to refuse all.
        let one = client.is_some_and(|client| !is_trusted(client, &self.trusted));
        if one && self.blocks.is_blocked(&seen.ip, now) {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            (seen.status, seen.blocked) = (403, true);
        }
        seen
    }

    /// Puts an event into the queue, or counts it as dropped; never waits.
    pub(crate) fn emit(&self, seen: RequestEvent) {
        self.counters.emitted.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(seen).is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            self.counters.overflow.notify_one();
        }
    }

    pub(crate) fn report(&self) -> AgentReport {
        // First what comes last: a request that comes meanwhile is waiting then, not negative.
        let Sending { sent, kinesis_records, retried, ambiguous, failed, last_error } =
            self.counters.sending().clone();
        AgentReport {
            dropped: self.counters.dropped.load(Ordering::Relaxed),
            refused: self.counters.refused.load(Ordering::Relaxed),
            emitted: self.counters.emitted.load(Ordering::Relaxed),
            sent,
            kinesis_records,
            retried,
            ambiguous,
            failed,
            last_error,
        }
    }

    /// Takes no more events, and waits until those in the queue are sent, or for so long.
    pub(crate) fn close(&self, limit: Duration) {
        drop(self.feed.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.closing.send(true);
        let (mut ended, counters) = (self.ended.clone(), self.counters.clone());
        let in_time = block_on(async move {
            // An error means that the task is gone, which is an end too.
            let end = async move { drop(ended.wait_for(|ended| *ended).await) };
            tokio::select! {
                () = end => true,
                () = sleep(limit) => false,
                () = stalled(&counters) => false,
            }
        });
        if in_time {
            return;
        }
        self.task.abort();
        let left = self.report().waiting();
        let mut sending = self.counters.sending();
        sending.failed += left;
        let late = || Error::new(ErrorKind::Timeout, "the agent was shut down before its events were sent");
        sending.last_error.get_or_insert_with(late);
    }
}

/// Until nothing has been acknowledged for 5 s: a service that is well takes thousands of events in that time.
async fn stalled(counters: &AgentCounters) {
    let mut before = counters.sending().sent;
    loop {
        sleep(STALLED).await;
        let sent = counters.sending().sent;
        if sent == before {
            return;
        }
        before = sent;
    }
}

/// An event waits as long as there is room for it: that the service is not well loses none before the queue is full.
/// With fifteen attempts, a disk at the service that was full for 20 s cost a fifth of them.
pub(super) fn put_options(aggregated: Option<Duration>) -> PutOptions {
    PutOptions {
        aggregate: aggregated.map(|_| AGGREGATE_BYTES),
        max_attempts: u32::MAX,
        ..PutOptions::default()
    }
}
