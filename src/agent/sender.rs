//! The task that takes events from the queue to the stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::counters::AgentCounters;
use super::request_event::RequestEvent;
use crate::error::ErrorKind;
use crate::notice::notice;
use crate::put::MAX_RECORDS;
use crate::put::Putter;
use crate::text::grouped;

/// How long events are gathered before a call that they don't fill: twenty calls a second at most, of the
/// five thousand records a second of five shards. Waking up for each event would cost its request more
/// than everything else does.
const BEAT: Duration = Duration::from_millis(50);
/// Taken from the queue and not acknowledged: two calls. So a shard that refuses its records for a while
/// does not hold up the others, and memory has an end.
const UNDER_WAY: usize = 2 * MAX_RECORDS;
/// When they are packed: a call holds many more of them.
const UNDER_WAY_AGGREGATED: usize = 20 * MAX_RECORDS;
/// Before the next call, when the last one was refused for a reason that stays: the stream is gone, the
/// credentials are not good enough.
const PAUSE: Duration = Duration::from_secs(5);
/// The same misfortune is told once in so long.
const QUIET: Duration = Duration::from_secs(60);

pub(crate) struct Sender {
    putter: Putter,
    events: Receiver<RequestEvent>,
    closing: watch::Receiver<bool>,
    closed: bool,
    counters: Arc<AgentCounters>,
    run: String,
    /// How many events may wait, for the sentence that says that more did.
    room: usize,
    /// How long events are gathered, and how many are under way at most.
    beat: Duration,
    under_way: usize,
    /// The last call was refused for a reason that stays.
    refused: bool,
    told: Option<Instant>,
}

impl Sender {
    pub(crate) fn new(
        putter: Putter,
        events: Receiver<RequestEvent>,
        closing: watch::Receiver<bool>,
        counters: Arc<AgentCounters>,
        run: String,
        room: usize,
        aggregated: Option<Duration>,
    ) -> Sender {
        let (beat, under_way) = match aggregated {
            Some(delay) => (delay, UNDER_WAY_AGGREGATED),
            None => (BEAT, UNDER_WAY),
        };
        Sender {
            putter,
            events,
            closing,
            closed: false,
            counters,
            run,
            room,
            beat,
            under_way,
            refused: false,
            told: None,
        }
    }

    /// Sends until it is asked to end, or nobody is left who could emit an event; and then the rest.
    pub(crate) async fn run(mut self) {
        let (counters, room) = (self.counters.clone(), self.room);
        tokio::select! {
            () = self.send() => {}
            () = tell_of_overflow(&counters, room) => {}
        }
    }

    async fn send(&mut self) {
        while self.next().await {
            self.gather().await;
            self.send_what_is_due().await;
        }
    }

    /// Waits for something to do; false at the end.
    async fn next(&mut self) -> bool {
        if self.putter.pending() > 0 {
            return true;
        }
        let event = tokio::select! {
            event = self.events.recv() => event,
            () = asked(&mut self.closing), if !self.closed => {
                self.close();
                self.events.recv().await
            }
        };
        event.map(|event| self.take(event)).is_some()
    }

    /// Lets more events come, so that a call has many of them.
    async fn gather(&mut self) {
        if !self.closed {
            let time = if self.refused { PAUSE } else { self.beat };
            tokio::select! {
                () = sleep(time) => {}
                () = asked(&mut self.closing) => self.close(),
            }
        } else if self.events.is_empty()
            && let Some(due) = self.putter.next_due()
        {
            sleep_until(due).await;
        }
    }

    async fn send_what_is_due(&mut self) {
        self.take_all();
        while self.putter.next_due().is_some_and(|due| due <= Instant::now()) {
            self.putter.step().await;
            self.publish();
            if self.refused && !self.closed {
                return;
            }
            // A call's worth has come meanwhile: it need not wait for the next beat.
            if self.closed || self.events.len() >= MAX_RECORDS {
                self.take_all();
            }
        }
    }

    fn take_all(&mut self) {
        while self.putter.pending() < self.under_way
            && let Ok(event) = self.events.try_recv()
        {
            self.take(event);
        }
    }

    fn take(&mut self, event: RequestEvent) {
        self.putter.push(event.entry(&self.run));
    }

    fn close(&mut self) {
        self.closed = true;
        self.events.close();
        self.putter.hurry();
    }

    /// Brings the counters up to date, and says what can't be helped.
    fn publish(&mut self) {
        let given_up = std::mem::take(&mut self.putter.failed);
        self.refused = given_up.last().is_some_and(|last| stays(last.error.kind()));
        let failed = {
            let (mut sending, report) = (self.counters.sending(), &self.putter.report);
            (sending.sent, sending.kinesis_records) = (report.sent, report.kinesis_records);
            (sending.retried, sending.ambiguous) = (report.retried, report.ambiguous);
            sending.failed += given_up.len() as u64;
            sending.last_error.clone_from(&self.putter.last_error);
            sending.failed
        };
        if let Some(last) = given_up.last()
            && self.told.is_none_or(|told| told.elapsed() >= QUIET)
        {
            self.told = Some(Instant::now());
            notice(&format!("the agent has given up {} events so far: {}", grouped(failed), last.error));
        }
    }
}

fn stays(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StreamNotFound | ErrorKind::AccessDenied | ErrorKind::NoCredentials)
}

/// Until somebody says *end*, or nobody is left to say it.
async fn asked(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// At once, and then at most once a minute; apart from the requests, because stderr may be slow.
async fn tell_of_overflow(counters: &AgentCounters, room: usize) {
    loop {
        counters.overflow.notified().await;
        let why =
            counters.sending().last_error.as_ref().map(|error| format!("; the last error was: {error}"));
        notice(&format!(
            "the agent drops events: {} wait already, more than the stream takes ({} dropped so far){}",
            grouped(room),
            grouped(counters.dropped.load(Ordering::Relaxed)),
            why.unwrap_or_default(),
        ));
        sleep(QUIET).await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::put_options;
    use super::*;
    use crate::read::scripted::stream;
    use crate::timestamp::Timestamp;
    use serde_json::{Value, json};
    use tokio::sync::mpsc;

    /// A disk that is full for a minute, at the service: longer than fifteen attempts take.
    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_not_well_loses_no_event_while_there_is_room() {
        let begun = Instant::now();
        let stream = stream(Duration::from_millis(5), move |_, body| {
            if begun.elapsed() < Duration::from_secs(60) {
                return Some(Err("InternalFailure"));
            }
            let stored = json!({ "ShardId": "shardId-000000000000", "SequenceNumber": "1" });
            let stored: Vec<Value> = body["Records"].as_array()?.iter().map(|_| stored.clone()).collect();
            Some(Ok(json!({ "FailedRecordCount": 0, "Records": stored })))
        });
        let (queue, waiting) = mpsc::channel(300);
        for number in 0..300 {
            let request = http::Request::get("/").body(()).unwrap();
            let event = RequestEvent::of(&request, number, "192.0.2.7".into(), Timestamp::from_secs(0));
            assert!(queue.try_send(event).is_ok());
        }
        // Nobody is left who could emit another one, and nobody is in a hurry.
        drop(queue);
        let (_open, closing) = watch::channel(false);
        let counters = Arc::<AgentCounters>::default();
        let putter = Putter::new(stream, put_options(None), fastrand::Rng::with_seed(1));
        Sender::new(putter, waiting, closing, counters.clone(), "run".into(), 300, None).run().await;
        let sending = counters.sending().clone();
        assert_eq!((sending.sent, sending.failed), (300, 0), "{:?}", sending.last_error);
        let late = begun.elapsed() - Duration::from_secs(60);
        assert!(late < Duration::from_secs(6), "{late:?} after the service was well again");
    }
}
