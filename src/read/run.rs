//! [`Run`]: what the readers of a consumer deliver, put in order, as [`Step`]s.
//!
//! The readers (one async task a shard) only do I/O. Whoever drives a run takes one step after the other; what
//! it does between two of them, it does alone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::active_shards::ActiveShards;
use super::delivery::{Delivery, Page};
use super::lineage::Lineage;
use super::listing::Listing;
use super::options::ReadOptions;
use super::position::{Position, RunMoments};
use super::processor::Context;
use super::reader::ShardReader;
use super::registration::Registration;
use super::report::{ConsumerReport, Ended, Lost, SharedReport};
use super::run_lag::RunLag;
use super::shard_state::ShardState;
use super::unpacking::{Aggregates, Unpacking};
use crate::error::{Error, ErrorKind, Result};
use crate::notice::tell;
use crate::record::Batch;
use crate::stop::Stop;
use crate::stream::{Shard, ShardProgress};
use crate::timestamp::Timestamp;

mod resharding;

/// A shard that doesn't answer delays the `tick` of a poll by no more than this.
const TICK_GRACE: Duration = Duration::from_millis(500);

/// What is to be done next.
pub(super) enum Step {
    /// Records to be processed; their reader goes on when the permit is dropped, which the last batch of a page has.
    Batch(Batch, Option<OwnedSemaphorePermit>),
    /// A shard was read to its end.
    ShardEnded(Arc<str>),
    /// A poll is over.
    Tick,
    /// The last step.
    Ended(Ended),
}

pub(super) struct Run {
    pub(super) options: ReadOptions,
    origin: RunMoments,
    deliveries: UnboundedReceiver<Delivery>,
    sender: UnboundedSender<Delivery>,
    // Dropping it ends the readers, however the run ends: also when a processor panics.
    readers: JoinSet<()>,
    epoch: Instant,
    pub(super) until: Option<Instant>,
    lineage: Lineage,
    active: ActiveShards,
    pending: VecDeque<Step>,
    /// What is left of the page that came last.
    unpacking: Option<Unpacking>,
    listing: Listing,
    /// Before which list the last shard was caught up.
    caught_up: Option<u64>,
    /// When a tick comes though not every shard was polled; set anew when the one before is over, however
    /// long that took.
    tick_due: Option<Instant>,
    report: SharedReport,
    /// Set where it was told to fan out.
    pub(super) registration: Option<Arc<Registration>>,
}

impl Run {
    pub(super) fn new(
        options: ReadOptions,
        origin: RunMoments,
        lineage: Lineage,
        gone: Vec<Lost>,
        time: Option<Duration>,
        report: SharedReport,
    ) -> Run {
        let (sender, deliveries) = unbounded_channel();
        *report.lag() = RunLag::polled_every(options.answers_apart());
        let epoch = Instant::now();
        let mut run = Run {
            options,
            origin,
            deliveries,
            sender,
            readers: JoinSet::new(),
            epoch,
            until: time.and_then(|time| epoch.checked_add(time)),
            lineage,
            active: ActiveShards::default(),
            pending: VecDeque::new(),
            unpacking: None,
            listing: Listing::new(epoch),
            caught_up: None,
            tick_due: None,
            report,
            registration: None,
        };
        for lost in gone {
            run.pending.push_back(Step::ShardEnded(lost.shard_id.as_str().into()));
            run.lost(lost);
        }
        run
    }

    pub(super) fn reader(&self, shard: &Shard, from: Position) -> ShardReader {
        let (sender, registration) = (self.sender.clone(), self.registration.clone());
        ShardReader::new(&self.options, &shard.id, from, self.origin, self.epoch, sender, registration)
    }

    /// Begins to read a shard.
    pub(super) fn read(&mut self, shard: &Shard, position: &Position, reader: ShardReader) {
        self.readers.spawn(reader.run());
        let mut state = ShardState::new(shard, position.since(self.origin));
        state.aggregates = Aggregates::of(shard, self.options.aggregated);
        self.active.insert(shard.id.as_str().into(), state);
        self.lineage.begin(&shard.id);
        self.caught_up = None;
    }

    /// The next step; an error is the last one. When the future is dropped, the run is over.
    pub(super) async fn next(&mut self) -> Result<Step> {
        loop {
            let now = Instant::now();
            if let Some(step) = self.pending.pop_front() {
                return Ok(step);
            }
            if self.until.is_some_and(|until| until <= now) {
                return Ok(Step::Ended(Ended::Time));
            }
            if let Some(step) = self.unpack().or_else(|| self.due(now)) {
                return Ok(step);
            }
            self.listing.begin_if_due(&self.options.stream, now);
            let wake = [self.tick_due, self.until, self.listing.due()].into_iter().flatten().min();
            tokio::select! {
                biased;
                listed = self.listing.answer() => self.listed(listed)?,
                Some(delivery) = self.deliveries.recv() => {
                    if let Some(step) = self.delivered(delivery).await? {
                        return Ok(step);
                    }
                }
                Some(Err(_)) = self.readers.join_next(), if !self.readers.is_empty() => {
                    return Err(Error::new(ErrorKind::Processor, "the reader of a shard has come to a sudden end"));
                }
                () = tokio::time::sleep_until(wake.unwrap_or(now)) => {}
            }
        }
    }

    /// What is to be done without a delivery.
    fn due(&mut self, now: Instant) -> Option<Step> {
        let tick_due = *self.tick_due.get_or_insert(now + self.options.poll_every + TICK_GRACE);
        let polled = !self.active.is_empty() && self.active.states().all(|shard| shard.polled);
        if polled || tick_due <= now {
            self.active.begin_poll();
            self.tick_due = None;
            self.look_for_closed(now);
            return Some(Step::Tick);
        }
        if self.options.shard.is_none() && !self.lineage.waiting().is_empty() {
            return None; // children are still to be found, or to be opened
        }
        if self.active.is_empty() {
            return Some(Step::Ended(Ended::ShardsEnded));
        }
        if !self.options.until_caught_up || !self.active.states().all(|shard| shard.caught_up) {
            self.caught_up = None;
            return None;
        }
        // Whether the shards at whose tips we are still are the stream's tips: one that was split or merged
        // while it was read may have children with records in them already.
        let since = *self.caught_up.get_or_insert(self.listing.moment());
        if self.options.shard.is_some() || self.listing.is_younger_than(since) {
            return Some(Step::Ended(Ended::CaughtUp));
        }
        self.listing.want(now);
        None
    }

    async fn delivered(&mut self, delivery: Delivery) -> Result<Option<Step>> {
        match delivery {
            Delivery::Page(shard, page) => return self.page(shard, page),
            Delivery::ShardEnded(shard) => return Ok(Some(self.shard_ended(shard))),
            Delivery::Retrying(shard, error) => {
                self.report.lock().retries += 1;
                self.active.update(&shard, |state| state.failed(error));
            }
            // AWS calls an iterator or a position of an earlier stream of the name an invalid argument.
            Delivery::Failed(shard, error)
                if error.is_stream_not_found() || error.kind() == ErrorKind::InvalidInput =>
            {
                if self.stream_is_gone().await? {
                    return Ok(Some(self.gone()));
                }
                if !error.is_stream_not_found() {
                    return Err(error);
                }
                // The stream is there: only the shard has outlived its retention.
                return Ok(Some(self.shard_ended(shard)));
            }
            Delivery::Failed(_, error) => return Err(error),
            Delivery::Lost(lost) => self.lost(lost),
        }
        Ok(None)
    }

    fn page(&mut self, shard_id: Arc<str>, page: Page) -> Result<Option<Step>> {
        let stream = self.options.stream.name();
        let answered = self.active.update(&shard_id, |state| {
            state.answered(&page);
            state.check_end(&shard_id, stream, Instant::now()).map(|()| state.aggregates)
        });
        let aggregates = answered.transpose()?.unwrap_or_default();
        let has_records = !page.records.is_empty();
        self.report.lag().answered(&shard_id, page.millis_behind_latest, page.asked, has_records);
        self.unpacking = Some(Unpacking::new(shard_id, aggregates, page.records, Some(page.permit)));
        Ok(self.unpack())
    }

    /// The next batch of the page that came last.
    fn unpack(&mut self) -> Option<Step> {
        while let Some(page) = self.unpacking.as_mut().filter(|page| !page.is_done()) {
            let batch = page.next_batch();
            let shard_id = page.shard_id.clone();
            if batch.misplaced > 0 {
                self.misplaced(&shard_id, batch.misplaced);
            }
            if !batch.records.is_empty() {
                let stream = self.options.stream.shared_name();
                return Some(Step::Batch(Batch { stream, shard_id, records: batch.records }, batch.permit));
            }
            if batch.permit.is_some() {
                self.processed(&shard_id); // nothing of it is this shard's
            }
        }
        self.unpacking = None;
        None
    }

    /// The last batch of a page is.
    pub(super) fn processed(&self, shard_id: &str) {
        self.report.lag().processed(shard_id);
    }

    fn misplaced(&self, shard_id: &str, records: u64) {
        let before = {
            let mut report = self.report.lock();
            report.misplaced += records;
            report.misplaced - records
        };
        if before == 0 {
            tell!(
                WARN,
                [stream = self.stream_name(), shard = shard_id, records = records],
                "{shard_id} holds an aggregate with records that belong to another shard since a reshard: they are left \
                 out, because their producer puts them again there; the report counts them as misplaced"
            );
        }
    }

    pub(super) fn stream_name(&self) -> &str {
        self.options.stream.name()
    }

    fn lost(&mut self, lost: Lost) {
        tell!(WARN, [stream = self.stream_name(), shard = lost.shard_id.as_str()], "{lost}");
        self.report.lock().lost.push(lost);
    }

    fn shard_ended(&mut self, shard_id: Arc<str>) -> Step {
        let state = self.active.remove(&shard_id);
        self.report.lag().shard_ended(&shard_id);
        if self.options.shard.is_none() {
            self.lineage.end(&shard_id, state.map(|state| state.parents).unwrap_or_default());
            self.listing.want(Instant::now());
        }
        Step::ShardEnded(shard_id)
    }

    /// Says why the run ends.
    fn gone(&self) -> Step {
        tell!(INFO, [stream = self.stream_name()], "{}", self.options.stream.farewell());
        Step::Ended(Ended::StreamDeleted)
    }

    /// Whether it was deleted; one created again under its name is another stream.
    async fn stream_is_gone(&self) -> Result<bool> {
        match self.options.stream.describe_async().await {
            Ok(found) => Ok(found.status == "DELETING"),
            Err(error) if error.is_stream_not_found() => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// What a processor is told beside its records.
    pub(super) fn context(&self, stop: &Stop) -> Context {
        let waiting = self.lineage.waiting().iter().map(|(id, parents)| ShardProgress {
            shard_id: id.clone(),
            parents: parents.clone(),
            since: self.origin.created,
            answered: true,
            idle: false,
            heard: None,
            ended: true,
        });
        Context {
            now: Timestamp::now(),
            millis_behind_latest: self.report.lag().millis_behind_batch(Instant::now()),
            shards: self.active.progress(waiting),
            stop: stop.clone(),
        }
    }

    pub(super) fn report(&self) -> &SharedReport {
        &self.report
    }

    /// What it came to.
    pub(super) fn finish(mut self, ended: Ended) -> Result<ConsumerReport> {
        if ended == Ended::Time
            && let Some(error) = self.active.take_unread()
        {
            return Err(error); // the whole run went by without one answer for this shard
        }
        self.report.lock().ended = Some(ended);
        Ok(self.report.get())
    }
}
