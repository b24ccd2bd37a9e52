//! [`ShardReader`]: the reading side of one shard, an async task that turns GetRecords into deliveries.

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
use super::options::{READ_SPACING, ReadOptions};
use super::position::{Position, RunMoments};
use super::report::Lost;
use crate::backoff::delay;
use crate::error::{Error, ErrorKind, Result};
use crate::record::Record;
use crate::timestamp::Timestamp;

/// How long a shard may be unreadable before the run ends with the error.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct ShardReader {
    options: ReadOptions,
    shard_id: Arc<str>,
    from: Position,
    origin: RunMoments,
    /// When polls are due: this, and whole intervals after it, the same for all shards of a run.
    epoch: Instant,
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
}

/// What a GetRecords gave.
struct Got {
    records: Vec<Record>,
    millis_behind_latest: Option<i64>,
    /// It named the shards that follow, which it does at the end of a shard.
    has_children: bool,
}

impl ShardReader {
    pub(super) fn new(
        options: &ReadOptions,
        shard_id: &str,
        from: Position,
        origin: RunMoments,
        epoch: Instant,
        deliveries: UnboundedSender<Delivery>,
    ) -> ShardReader {
        ShardReader {
            options: options.clone(),
            shard_id: shard_id.into(),
            from,
            origin,
            epoch,
            deliveries,
            iterator: None,
            last_sequence_number: None,
            reopened: false,
            caught_up: false,
            rng: Rng::new(),
        }
    }

    /// Gets the first iterator now and not when the task gets round to it: what is put after this
    /// must be seen by a reader that begins at the latest record.
    pub(super) async fn open_early(&mut self) -> Result<()> {
        match self.open().await {
            // Tried again by the task, which then begins at the time at which the run did.
            Err(error) if error.is_transient() => {
                self.reopened = true;
                Ok(())
            }
            other => other,
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
            let asked = Instant::now();
            next_read = asked + READ_SPACING;
            let error = match self.page().await {
                Ok(got) => {
                    let may_have_ended = self.iterator.is_none();
                    tracing::trace!(
                        target: "kinesis_lab", records = got.records.len(), behind = got.millis_behind_latest, "page"
                    );
                    let mut page = self.take(&got, asked, permit);
                    page.records = got.records;
                    self.pass_checkpoint(&mut page.records);
                    if let Some(last) = page.records.last() {
                        self.last_sequence_number = Some(last.sequence_number.clone());
                    }
                    if may_have_ended {
                        // The end is told apart from the tip, and it may not be the end.
                        (page.idle, page.caught_up) = (false, false);
                    } else if page.poll_done {
                        next_read = next_read.max(self.next_poll());
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
            // A limit of the account is that on looks at the stream.
            if !(expired || error.is_transient() || error.kind() == ErrorKind::LimitExceeded) {
                return Err(error);
            }
            failures += 1;
            if failing_since.get_or_insert(asked).elapsed() > PATIENCE {
                return Err(error);
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

    fn take(&mut self, got: &Got, asked: Instant, permit: tokio::sync::OwnedSemaphorePermit) -> Page {
        let answer = AnsweredPage {
            records: &got.records,
            service: got.millis_behind_latest,
            limit: self.options.limit,
            running: asked.saturating_duration_since(self.epoch),
            began: self.origin.began,
            now: Timestamp::now(),
        };
        let lag = answer.lag();
        // One page more after the one that was caught up: where that is empty, the shard is idle, and no
        // reason for event time to wait; where it is not, it won't be for long.
        let caught_up = lag.idle || self.caught_up;
        self.caught_up |= lag.caught_up;
        Page {
            records: Vec::new(),
            millis_behind_latest: lag.millis,
            asked,
            idle: lag.idle,
            caught_up,
            poll_done: if self.options.until_caught_up { caught_up } else { lag.at_tip },
            permit,
        }
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

    fn next_poll(&self) -> Instant {
        let interval = self.options.poll_every.as_nanos();
        let polls = self.epoch.elapsed().as_nanos() / interval + 1;
        let after = Duration::from_nanos(u64::try_from(polls * interval).unwrap_or(u64::MAX));
        self.epoch.checked_add(after).unwrap_or_else(|| Instant::now() + self.options.poll_every)
    }

    /// One GetRecords; leaves the next iterator in `self.iterator`, nothing at the end of a closed
    /// shard.
    async fn page(&mut self) -> Result<Got> {
        if self.iterator.is_none() {
            self.open().await?;
        }
        let call = self.options.stream.kinesis().data().get_records();
        let call = call.set_shard_iterator(self.iterator.clone()).limit(self.options.limit);
        let call = call.set_stream_arn(self.options.stream.address().stream_arn());
        // The same iterator gives the same records again, so a failed read is simply repeated.
        let page = call.send().await.map_err(|error| self.explain(error))?;
        self.make_sure(true).await?;
        self.iterator = page.next_shard_iterator;
        Ok(Got {
            records: page.records.into_iter().map(Record::from_sdk).collect(),
            millis_behind_latest: page.millis_behind_latest,
            has_children: page.child_shards.is_some_and(|children| !children.is_empty()),
        })
    }

    async fn open(&mut self) -> Result<()> {
        let call = self.options.stream.kinesis().data().get_shard_iterator();
        let address = self.options.stream.address();
        let call = call.set_stream_name(address.stream_name()).set_stream_arn(address.stream_arn());
        let call = call.shard_id(&*self.shard_id);
        let position = self.position();
        let by_number = position.is_number();
        let answer = position.ask(call).send().await.map_err(|error| match self.explain(error) {
            error if by_number && error.kind() == ErrorKind::InvalidInput => self.unknown_position(&error),
            error => error,
        })?;
        if answer.shard_iterator.is_none() {
            return Err(Error::new(ErrorKind::Service, "the service gave no shard iterator"));
        }
        // The first time, the run has looked just before.
        self.make_sure(by_number || !self.reopened).await?;
        self.iterator = answer.shard_iterator;
        self.reopened = true;
        Ok(())
    }

    /// Makes sure that what was just answered is of the stream that this reader was made for, and not
    /// of another one of its name. AWS refuses iterators and sequence numbers of an earlier stream;
    /// emulators (kinesalite, ferrokinesis 0.7) know no more of an iterator than the stream's name.
    /// Looking *after* an answer is enough: a stream that is gone doesn't come back.
    async fn make_sure(&self, aws_refuses: bool) -> Result<()> {
        match aws_refuses && self.options.stream.kinesis().place().is_aws() {
            true => Ok(()),
            false => self.options.stream.verify().await.map(drop),
        }
    }

    fn unknown_position(&self, said: &Error) -> Error {
        let stream = &self.options.stream;
        Error::invalid(format!(
            "shard {} of stream {}, which was created at {}, has no such position: it is one of another shard, \
             or of an earlier stream of this name. Begin with .trim_horizon() where that is so (the service's \
             words: {said})",
            self.shard_id,
            stream.name(),
            stream.created(),
        ))
    }

    /// Where an iterator opened now must begin.
    fn position(&self) -> Position {
        match (&self.last_sequence_number, &self.from) {
            (Some(last), _) => Position::AfterSequenceNumber(last.clone()),
            // "Latest" moves on with the clock; when the iterator is lost before the first record came,
            // what arrived in between must not be lost with it.
            (None, Position::Latest) if self.reopened => Position::AtTimestamp(self.origin.began),
            (None, from) => from.clone(),
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
