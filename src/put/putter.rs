//! [`Putter`]: the thin I/O around [`Queue`]. Sends what it gives, tells it what came of it.
//!
//! Dropped in the middle (with the future that drives it), it sends nothing more.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use super::cutoff::Cutoff;
use super::lanes::{Lane, Lanes};
use super::parcel::Parcel;
use super::queue::{HURRY, Outcome, Pending, PutOptions, Queue};
use super::report::{FailedEntry, PutReceipt, PutReport};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Entry;
use crate::stream::{Shard, Stream};

mod call;
mod flight;
mod packing;

use call::CallResult;
use flight::{Flight, landed};
use packing::Packing;

/// The shards are listed for the lanes when so many calls wait: a put of few records has no use for a list.
const WORTH_A_LIST: usize = 2;
/// Before they are listed again: ListShards lags behind a reshard by some seconds.
const LIST_AGAIN: Duration = Duration::from_secs(1);

type ShardListing = Pin<Box<dyn Future<Output = Result<Vec<Shard>>> + Send>>;

pub(crate) struct Putter {
    stream: Stream,
    queue: Queue,
    /// Where records are packed to aggregates: what is not packed yet, and for which shards.
    packing: Option<Packing>,
    lanes: Lanes,
    flights: Vec<Flight>,
    /// Of the shards, for the lanes; beside the calls, so that none waits for it.
    listing: Option<ShardListing>,
    list_after: Instant,
    /// Aggregates that went elsewhere, until nothing is under way that they must not overtake.
    strayed: Vec<(Parcel, PutReceipt)>,
    rng: fastrand::Rng,
    started: Instant,
    /// There is little time left.
    hurries: bool,
    pub(crate) report: PutReport,
    pub(crate) failed: Vec<FailedEntry>,
    /// What went wrong last; also when it was tried again since.
    #[cfg_attr(not(feature = "agent"), allow(dead_code, reason = "for the agent's report alone"))]
    pub(crate) last_error: Option<Error>,
}

impl Putter {
    pub(crate) fn new(stream: Stream, options: PutOptions, rng: fastrand::Rng) -> Putter {
        let started = Instant::now();
        Putter {
            stream,
            queue: Queue::new(options),
            packing: options.aggregate.map(Packing::new),
            lanes: Lanes::new(options.lanes),
            flights: Vec::new(),
            listing: None,
            list_after: started,
            strayed: Vec::new(),
            rng,
            started,
            hurries: false,
            report: PutReport::default(),
            failed: Vec::new(),
            last_error: None,
        }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        match (entry.check(), &mut self.packing) {
            (Ok(()), Some(packing)) => packing.push(entry),
            (Ok(()), None) => self.queue.push(entry),
            (Err(error), _) => self.failed.push(FailedEntry { entry, error }),
        }
    }

    /// Records that are neither stored nor given up.
    #[cfg(feature = "agent")]
    pub(crate) fn pending(&self) -> usize {
        self.queue.len() + self.packing.as_ref().map_or(0, Packing::len)
    }

    /// See [`Queue::hurry`].
    pub(crate) fn hurry(&mut self) {
        self.hurries = true;
        self.queue.hurry(self.started.elapsed());
    }

    /// When there is something to send; `None` when nothing is left but what is under way.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        match self.is_packing() {
            true => Some(self.started),
            false => self.queue.next_due().map(|due| self.started + due),
        }
    }

    fn is_packing(&self) -> bool {
        self.packing.as_ref().is_some_and(|packing| packing.len() > 0)
    }

    /// Makes one call, of what is due.
    #[cfg(feature = "agent")]
    pub(crate) async fn step(&mut self) {
        let cutoff = &mut Cutoff::never();
        loop {
            self.pack(cutoff).await;
            if self.depart(Lane::All) {
                let (flight, result) = landed(&mut self.flights).await;
                return self.land(flight, result, cutoff).await;
            }
            if !self.is_packing() {
                return;
            }
        }
    }

    /// Sends until nothing is left to be sent, or the cutoff is reached. Then the calls under way are dropped: their
    /// records may be stored, and are counted as ambiguous; they and all the rest go to `failed`.
    pub(crate) async fn flush(&mut self, cutoff: &mut Cutoff) {
        loop {
            self.start_calls(cutoff).await;
            let due = self.next_due();
            if due.is_none() && self.flights.is_empty() {
                return;
            }
            // Beside a call, nothing is sent for being due, unless there is little time: what waits may be too little.
            // But more is packed meanwhile.
            let wait = match (self.flights.is_empty() || self.is_packing(), self.hurries) {
                (true, _) => due,
                (false, true) => Some(Instant::now() + HURRY),
                (false, false) => None,
            };
            tokio::select! {
                // First, or what is always due would keep a cutoff from being seen.
                biased;
                () = cutoff.asked_or_reached(self.hurries) => {
                    if self.hurries {
                        return self.cut_off();
                    }
                    self.hurry();
                }
                (flight, result) = landed(&mut self.flights), if !self.flights.is_empty() => {
                    self.land(flight, result, cutoff).await;
                }
                listed = listed(&mut self.listing), if self.listing.is_some() => self.draw_lanes(listed),
                () = sleep_until(wait), if wait.is_some() => {}
            }
        }
    }

    /// As many as may be under way, as far as there is something for them.
    async fn start_calls(&mut self, cutoff: &mut Cutoff) {
        if !self.strayed.is_empty() {
            return;
        }
        self.pack(cutoff).await;
        while let Some(lane) = self.next_lane()
            && self.depart(lane)
        {}
        if self.lanes.wants_shards()
            && self.listing.is_none()
            && !self.hurries
            && self.list_after <= Instant::now()
            && self.queue.is_more_than(WORTH_A_LIST)
        {
            let stream = self.stream.clone();
            self.listing = Some(Box::pin(async move { stream.list_shards().await }));
        }
    }

    fn next_lane(&mut self) -> Option<Lane> {
        let (now, together) = (self.started.elapsed(), self.queue.has_halves());
        let (lanes, queue) = (&self.lanes, &mut self.queue);
        lanes.next(together, || queue.enough(lanes, now))
    }

    /// Begins a call; false when there is nothing for it. What was packed may have to wait for an aggregate before it
    /// that is to be tried again.
    fn depart(&mut self, lane: Lane) -> bool {
        let now = self.started.elapsed();
        let batch = match lane {
            Lane::All => self.queue.take(now),
            Lane::One(lane) => self.queue.take_lane(now, &self.lanes, lane),
        };
        if batch.is_empty() {
            return false;
        }
        let attempt = batch.iter().map(Pending::attempt).max().unwrap_or(1);
        let span = tracing::debug_span!(
            target: "kinesis_lab", "put", stream = self.stream.name(), records = records(&batch),
            kinesis_records = batch.len(), attempt
        );
        self.lanes.depart(lane);
        // Packing goes on beside it, as another lane's call would.
        let apart = lane != Lane::All || self.is_packing();
        self.flights.push(Flight::new(&self.stream, lane, batch, span, apart));
        true
    }

    async fn land(&mut self, flight: Flight, result: CallResult, cutoff: &mut Cutoff) {
        let Flight { lane, batch, span, .. } = flight;
        if result.ambiguous {
            self.report.ambiguous += records(&batch);
        }
        let outcomes = match result.outcomes {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.lanes.land(lane, &[]);
                // No later call will fare better: say so at once, for these and for the rest.
                self.last_error = Some(error.clone());
                self.fail(batch, &error);
                return self.give_up(&error);
            }
        };
        if self.lanes.land(lane, &outcomes) {
            self.list_after = Instant::now() + LIST_AGAIN;
        }
        let error = outcomes.iter().find_map(Outcome::error).cloned();
        let settled = self.queue.settle(batch, outcomes, self.started.elapsed(), &mut self.rng);
        self.report.sent += settled.stored;
        self.report.kinesis_records += settled.kinesis_records;
        self.report.retried += settled.retried;
        self.report.last = settled.last.or(self.report.last.take());
        if let Some(error) = error {
            let (again, failed) = (settled.retried, settled.failed.len());
            let delay = self.next_due().map(|due| due.saturating_duration_since(Instant::now()));
            tracing::debug!(
                target: "kinesis_lab", parent: &span, %error, again, failed, ?delay, "not all records were stored"
            );
            self.last_error = Some(error);
        }
        self.failed.extend(settled.failed);
        self.strayed.extend(settled.strayed);
        if self.strayed.is_empty() || self.flights.is_empty() {
            let strayed = std::mem::take(&mut self.strayed);
            self.repack(strayed, cutoff).await;
        }
    }

    /// Without a list there is one lane, as without shards enough.
    fn draw_lanes(&mut self, listed: Result<Vec<Shard>>) {
        self.listing = None;
        self.list_after = Instant::now() + LIST_AGAIN;
        match listed {
            Ok(shards) => self.lanes.split(&shards),
            Err(error) => {
                tracing::debug!(target: "kinesis_lab", stream = self.stream.name(), %error, "one lane: no list of shards");
                if !error.is_transient() && error.kind() != ErrorKind::LimitExceeded {
                    self.lanes.stay_one();
                }
            }
        }
    }

    fn cut_off(&mut self) {
        let error = stopped();
        for flight in std::mem::take(&mut self.flights) {
            self.lanes.land(flight.lane, &[]);
            if flight.may_be_stored() {
                self.report.ambiguous += records(&flight.batch);
            }
            self.last_error = Some(error.clone());
            self.fail(flight.batch, &error);
        }
        self.give_up(&error);
    }

    fn fail(&mut self, batch: Vec<Pending>, error: &Error) {
        let entries = batch.into_iter().flat_map(|pending| pending.parcel.into_entries());
        self.failed.extend(entries.map(|entry| FailedEntry { entry, error: error.clone() }));
    }

    fn give_up(&mut self, error: &Error) {
        let mut rest = self.queue.drain();
        for (parcel, _) in std::mem::take(&mut self.strayed) {
            // It is in the stream, and perhaps in its place.
            self.report.ambiguous += parcel.records() as u64;
            rest.extend(parcel.into_entries());
        }
        rest.extend(self.packing.as_mut().map(Packing::take).unwrap_or_default());
        self.failed.extend(rest.into_iter().map(|entry| FailedEntry { entry, error: error.clone() }));
    }
}

/// Of what was not put because nobody waits for it any more.
fn stopped() -> Error {
    Error::new(ErrorKind::Timeout, "stopped before it was acknowledged")
}

fn records(batch: &[Pending]) -> u64 {
    batch.iter().map(Pending::records).sum()
}

async fn listed(listing: &mut Option<ShardListing>) -> Result<Vec<Shard>> {
    match listing {
        Some(listing) => listing.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
