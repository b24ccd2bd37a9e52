//! [`ShardReader`]: the reading side of one shard, an async task that turns pages of GetRecords, or events of a
//! subscription, into deliveries.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use fastrand::Rng;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::delivery::{Delivery, Page};
use super::lag::AnsweredPage;
use super::options::{GET_RECORDS_LIMIT, READ_SPACING, ReadOptions};
use super::position::{Position, RunMoments};
use super::registration::Registration;
use super::report::Lost;
use super::schedule::PollSchedule;
use crate::backoff::delay;
use crate::error::{Error, ErrorKind, Result};
use crate::record::Record;
use crate::timestamp::Timestamp;

mod polling;
mod subscribing;

use subscribing::ShardSubscription;

/// How long a shard may be unreadable before the run ends with the error.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct ShardReader {
    options: ReadOptions,
    shard_id: Arc<str>,
    from: Position,
    origin: RunMoments,
    schedule: PollSchedule,
    deliveries: UnboundedSender<Delivery>,
    /// Nothing yet, or the shard's end.
    iterator: Option<String>,
    /// Where the next page begins when the iterator is lost.
    last_sequence_number: Option<String>,
    /// Whether there was an iterator before.
    reopened: bool,
    /// The tip was seen, or all that had arrived when the run began.
    caught_up: bool,
    rng: Rng,
    /// Set where the consumer was told to fan out; it may poll all the same.
    registration: Option<Arc<Registration>>,
    subscription: Option<ShardSubscription>,
    /// What the last one was asked for with.
    arn: Arc<str>,
    /// What the last event said: a subscription that is made now begins there.
    continuation: Option<String>,
    /// When a poll is over that reads more often than once, if it is at the tip then: a subscriber's, an adaptive one.
    poll_due: Instant,
}

/// What a GetRecords gave, or an event.
struct Got {
    records: Vec<Record>,
    millis_behind_latest: Option<i64>,
    /// It says nothing of what follows it.
    may_have_ended: bool,
    /// It named the shards that follow, which it does at the end of a shard.
    has_children: bool,
    /// Since when it may grow old.
    at: Instant,
    /// How old the run was then, where that is certain: an event may have waited for its reader.
    running: Option<Duration>,
    /// It has not waited for its reader.
    fresh: bool,
}

impl ShardReader {
    pub(super) fn new(
        options: &ReadOptions,
        shard_id: &str,
        from: Position,
        origin: RunMoments,
        epoch: Instant,
        deliveries: UnboundedSender<Delivery>,
        registration: Option<Arc<Registration>>,
    ) -> ShardReader {
        let (poll_every, adaptive) = (options.poll_every, options.adaptive);
        ShardReader {
            options: options.clone(),
            shard_id: shard_id.into(),
            from,
            origin,
            schedule: PollSchedule { epoch, poll_every, adaptive },
            deliveries,
            iterator: None,
            last_sequence_number: None,
            reopened: false,
            caught_up: false,
            rng: Rng::new(),
            registration,
            subscription: None,
            arn: Arc::from(""),
            continuation: None,
            poll_due: epoch,
        }
    }

    /// Whether it reads by subscriptions at present.
    fn subscribes(&self) -> bool {
        self.registration.as_ref().is_some_and(|registration| !registration.polls())
    }

    /// Gets the first iterator now and not when the task gets round to it: what is put after this
    /// must be seen by a reader that begins at the latest record.
    pub(super) async fn open_early(&mut self) -> Result<()> {
        loop {
            let subscribes = self.subscribes();
            let opened = if subscribes { self.subscribe().await } else { self.open().await };
            let error = match opened {
                Ok(()) => return Ok(()),
                Err(error) if subscribes => match self.after_subscription(error, 0).await? {
                    None => continue,
                    Some(error) => error,
                },
                Err(error) => error,
            };
            // Tried again by the task, which then begins at the time at which the run did.
            if subscribes || error.is_transient() {
                self.reopened = true;
                return Ok(());
            }
            return Err(error);
        }
    }

    /// Reads until the shard ends, the stream is gone, or something does not heal; then says so.
    pub(super) async fn run(mut self) {
        let span = tracing::debug_span!(
            target: "kinesis_lab", "shard", stream = self.options.stream.name(), shard = %self.shard_id
        );
        let last = match self.read().instrument(span).await {
            Ok(()) => Delivery::ShardEnded(self.shard_id.clone()),
            Err(error) => Delivery::Failed(self.shard_id.clone(), error),
        };
        self.deliver(last);
    }

    fn deliver(&self, delivery: Delivery) {
        // An error means that the run is over, and this task about to be aborted.
        let _ = self.deliveries.send(delivery);
    }

    async fn read(&mut self) -> Result<()> {
        let pages = Arc::new(Semaphore::new(2));
        let mut next_read = Instant::now();
        let (mut failures, mut failing_since) = (0, None);
        loop {
            let permit = pages.clone().acquire_owned().await.map_err(|_| closed())?;
            tokio::time::sleep_until(next_read).await;
            let (asked, subscribes) = (Instant::now(), self.subscribes());
            next_read = if subscribes { asked } else { asked + READ_SPACING };
            let got = if subscribes { self.event().await } else { self.polled_page(asked).await };
            let error = match got {
                Ok(got) => {
                    let may_have_ended = got.may_have_ended;
                    tracing::trace!(
                        target: "kinesis_lab", records = got.records.len(), behind = got.millis_behind_latest, "page"
                    );
                    let (mut page, at_tip) = self.take(&got, subscribes, permit);
                    page.records = got.records;
                    self.pass_checkpoint(&mut page.records);
                    if let Some(last) = page.records.last() {
                        self.last_sequence_number = Some(last.sequence_number.clone());
                    }
                    if may_have_ended {
                        // The end is told apart from the tip, and it may not be the end.
                        (page.idle, page.caught_up) = (false, false);
                    } else if !subscribes {
                        next_read =
                            self.schedule.next_read(asked, Instant::now(), at_tip, page.records.len());
                    }
                    self.deliver(Delivery::Page(self.shard_id.clone(), page));
                    if !may_have_ended {
                        (failures, failing_since) = (0, None);
                        continue;
                    }
                    match self.has_ended(got.has_children).await {
                        Ok(true) => return Ok(()),
                        Ok(false) => self.no_end(),
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            let expired = error.kind() == ErrorKind::ExpiredIterator;
            if expired {
                self.iterator = None;
            }
            let error = match subscribes {
                true => match self.after_subscription(error, failures).await? {
                    Some(error) => error,
                    None => continue,
                },
                // A limit of the account is that on looks at the stream.
                false if expired || error.is_transient() || error.kind() == ErrorKind::LimitExceeded => error,
                false => return Err(error),
            };
            failures += 1;
            if failing_since.get_or_insert(asked).elapsed() > PATIENCE {
                if !subscribes {
                    return Err(error);
                }
                // Something on the way may not let events through. Whether the shard can be read at all, polls tell.
                self.give_up_subscribing(&error);
                (failures, failing_since) = (0, None);
                continue;
            }
            // An iterator expires when polls are far apart; only one that does so at once is a failure.
            if !(expired && failures == 1) {
                let delay = delay(failures, &mut self.rng);
                tracing::debug!(target: "kinesis_lab", attempt = failures, ?delay, %error, "reading again");
                self.deliver(Delivery::Retrying(self.shard_id.clone(), error));
                next_read += delay;
            }
        }
    }

    /// The page as it is delivered, and whether nothing more was there when it was read.
    fn take(
        &mut self,
        got: &Got,
        subscribes: bool,
        permit: tokio::sync::OwnedSemaphorePermit,
    ) -> (Page, bool) {
        let answer = AnsweredPage {
            records: &got.records,
            service: got.millis_behind_latest,
            limit: if subscribes { GET_RECORDS_LIMIT } else { self.options.limit },
            running: got.running,
            began: self.origin.began,
            now: Timestamp::now(),
        };
        let lag = answer.lag();
        // One page more after the one that was caught up: where that is empty, the shard is idle, and no
        // reason for event time to wait; where it is not, it won't be for long.
        let caught_up = lag.idle || self.caught_up;
        self.caught_up |= lag.caught_up;
        let at_tip = if self.options.until_caught_up { caught_up } else { lag.at_tip };
        let mut poll_done = at_tip;
        if subscribes || self.schedule.adaptive {
            // Events come when they come; a poll is over once in its time all the same.
            poll_done &= self.poll_due <= got.at;
            if poll_done {
                self.poll_due = self.schedule.next_poll(Instant::now());
            }
        }
        let page = Page {
            records: Vec::new(),
            millis_behind_latest: lag.millis,
            asked: got.at,
            idle: lag.idle && got.fresh,
            caught_up,
            poll_done,
            permit,
        };
        (page, at_tip)
    }

    /// An answer without a next iterator names the shards that follow, or ListShards knows that the shard is
    /// closed; otherwise it is no end, however it came about. (The KCL, too, asks again then.)
    async fn has_ended(&self, has_children: bool) -> Result<bool> {
        if has_children {
            return Ok(true);
        }
        let shards = self.options.stream.list_shards().await?;
        let listed = shards.iter().find(|shard| *shard.id == *self.shard_id);
        // One that is no longer listed has outlived its retention.
        Ok(listed.is_none_or(|shard| !shard.is_open()))
    }

    fn no_end(&self) -> Error {
        Error::new(
            ErrorKind::Service,
            format!(
                "the service says that {} of stream {} has ended, but names no shards that follow, and lists it as \
                 open: it is read on after its last record",
                self.shard_id,
                self.options.stream.name()
            ),
        )
    }

    /// Reading began *at* the checkpoint's record, so that its absence shows: it has outlived the
    /// stream's retention, and perhaps others after it.
    fn pass_checkpoint(&mut self, records: &mut Vec<Record>) {
        let (Position::Checkpoint(number, arrival), None) = (&self.from, &self.last_sequence_number) else {
            return;
        };
        let Some(first) = records.first() else { return };
        if first.sequence_number == *number {
            self.last_sequence_number = Some(records.remove(0).sequence_number);
        } else {
            let (shard_id, before) = (self.shard_id.to_string(), Some(first.arrival));
            self.deliver(Delivery::Lost(Lost { shard_id, after: *arrival, before }));
        }
    }

    fn explain<E>(
        &self,
        error: aws_sdk_kinesis::error::SdkError<E, aws_sdk_kinesis::config::http::HttpResponse>,
    ) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        self.options.stream.kinesis().place().explain(self.options.stream.name(), error)
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Processor, "the run has ended")
}
