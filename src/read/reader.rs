//! The reading side of one shard: an async task that turns GetRecords into deliveries.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;
use fastrand::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::consumer::{Consumer, From, Lost};
use super::run::Delivery;
use crate::backoff::delay;
use crate::error::{Error, ErrorKind, Result};
use crate::record::Record;
use crate::stream::Stream;
use crate::timestamp::Timestamp;

/// GetRecords gives at most 10,000 records or 10 MiB a call (API reference).
pub(crate) const GET_RECORDS_LIMIT: i32 = 10_000;
/// Five GetRecords a second and shard (Quotas page), evenly spaced. A local service would allow
/// more; what runs there must also be right on AWS.
const READ_SPACING: Duration = Duration::from_millis(200);
/// How long a shard may be unreadable before the run ends with the error.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a page was: its records, and what it says of the shard.
pub(crate) struct Page {
    pub(crate) records: Vec<Record>,
    pub(crate) millis_behind_latest: u64,
    /// An empty page at the tip: there is nothing more for now.
    pub(crate) caught_up: bool,
    /// The last page of this poll.
    pub(crate) poll_done: bool,
    /// Held until the page is processed: a reader is at most two pages ahead of the processor.
    pub(crate) _permit: OwnedSemaphorePermit,
}

pub(crate) struct ShardReader {
    stream: Stream,
    shard_id: Arc<str>,
    from: From,
    limit: i32,
    poll_every: Duration,
    /// Read on until a page is empty, instead of waiting for the next poll once at the tip.
    eager: bool,
    /// When polls are due: this, and whole intervals after it, the same for all shards of a run.
    epoch: Instant,
    deliveries: Sender<Delivery>,
    /// Nothing yet, or the shard's end.
    iterator: Option<String>,
    /// Where the next page begins when the iterator is lost.
    last_sequence_number: Option<String>,
    opened: Timestamp,
    /// Whether there was an iterator before.
    reopened: bool,
    rng: Rng,
}

impl ShardReader {
    pub(crate) fn new(
        consumer: &Consumer,
        shard_id: &str,
        from: From,
        eager: bool,
        epoch: Instant,
        loop_: Sender<Delivery>,
    ) -> ShardReader {
        ShardReader {
            stream: consumer.stream.clone(),
            shard_id: shard_id.into(),
            from,
            limit: consumer.limit,
            poll_every: consumer.poll_every,
            eager,
            epoch,
            deliveries: loop_,
            iterator: None,
            last_sequence_number: None,
            opened: Timestamp::now(),
            reopened: false,
            rng: Rng::new(),
        }
    }

    /// Gets the first iterator now and not when the task gets round to it: what is put after this
    /// must be seen by a reader that begins at the latest record.
    pub(crate) async fn open_early(&mut self) -> Result<()> {
        match self.open().await {
            // Tried again by the task, which then begins at the time of this attempt.
            Err(error) if error.is_transient() => {
                self.reopened = true;
                Ok(())
            }
            other => other,
        }
    }

    /// Reads until the shard ends, the stream is gone, or something does not heal; then says so.
    pub(crate) async fn run(mut self) {
        let last = match self.read().await {
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
            next_read = Instant::now() + READ_SPACING;
            match self.page().await {
                Ok((mut records, lag)) => {
                    (failures, failing_since) = (0, None);
                    let ended = self.iterator.is_none();
                    let millis_behind_latest = millis_behind(&records, lag, self.limit, Timestamp::now());
                    let caught_up = records.is_empty() && millis_behind_latest == 0;
                    let at_tip = millis_behind_latest == 0 && records.len() < self.limit as usize;
                    let poll_done = if self.eager { caught_up } else { at_tip };
                    self.pass_checkpoint(&mut records);
                    if let Some(last) = records.last() {
                        self.last_sequence_number = Some(last.sequence_number.clone());
                    }
                    let page = Page { records, millis_behind_latest, caught_up, poll_done, _permit: permit };
                    self.deliver(Delivery::Page(self.shard_id.clone(), page));
                    if ended {
                        return Ok(());
                    }
                    if poll_done {
                        next_read = next_read.max(self.next_poll());
                    }
                }
                Err(error) if error.kind() == ErrorKind::ExpiredIterator => self.iterator = None,
                // A limit of the account is that on looks at the stream.
                Err(error) if error.is_transient() || error.kind() == ErrorKind::LimitExceeded => {
                    failures += 1;
                    self.deliver(Delivery::Retrying(self.shard_id.clone(), error.clone()));
                    if failing_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                        return Err(error);
                    }
                    next_read += delay(failures, &mut self.rng);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reading began *at* the checkpoint's record, so that its absence shows: it has outlived the
    /// stream's retention, and perhaps others after it.
    fn pass_checkpoint(&mut self, records: &mut Vec<Record>) {
        let (From::Checkpoint(number, arrival), None) = (&self.from, &self.last_sequence_number) else {
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
        let passed = self.epoch.elapsed().as_nanos();
        let polls = passed / self.poll_every.as_nanos().max(1) + 1;
        self.epoch + self.poll_every.saturating_mul(u32::try_from(polls).unwrap_or(u32::MAX))
    }

    /// One GetRecords; leaves the next iterator in `self.iterator`, nothing at the end of a closed
    /// shard.
    async fn page(&mut self) -> Result<(Vec<Record>, Option<i64>)> {
        if self.iterator.is_none() {
            self.open().await?;
        }
        let call = self.stream.kinesis().data().get_records().set_shard_iterator(self.iterator.clone());
        // The same iterator gives the same records again, so a failed read is simply repeated.
        let page = call.limit(self.limit).send().await.map_err(|error| self.explain(error))?;
        self.make_sure(true).await?;
        self.iterator = page.next_shard_iterator;
        Ok((page.records.into_iter().map(Record::from_sdk).collect(), page.millis_behind_latest))
    }

    async fn open(&mut self) -> Result<()> {
        let call = self.stream.kinesis().data().get_shard_iterator();
        let call = call.stream_name(self.stream.name()).shard_id(&*self.shard_id);
        let position = self.position();
        let by_number = matches!(position, From::AtSequenceNumber(_) | From::AfterSequenceNumber(_));
        let call = match position {
            From::Latest => call.shard_iterator_type(ShardIteratorType::Latest),
            From::TrimHorizon => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            From::AtTimestamp(time) => {
                call.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(date_time(time))
            }
            From::AtSequenceNumber(number) | From::Checkpoint(number, _) => {
                call.shard_iterator_type(ShardIteratorType::AtSequenceNumber).starting_sequence_number(number)
            }
            From::AfterSequenceNumber(number) => call
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(number),
        };
        let answer = call.send().await.map_err(|error| match self.explain(error) {
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
        match aws_refuses && self.stream.kinesis().place().is_aws() {
            true => Ok(()),
            false => self.stream.verify().await.map(drop),
        }
    }

    fn unknown_position(&self, said: &Error) -> Error {
        Error::invalid(format!(
            "shard {} of stream {}, which was created at {}, has no such position: it is one of another shard, \
             or of an earlier stream of this name. Begin with .trim_horizon() where that is so (the service's \
             words: {said})",
            self.shard_id,
            self.stream.name(),
            self.stream.created(),
        ))
    }

    /// Where an iterator opened now must begin.
    fn position(&self) -> From {
        match (&self.last_sequence_number, &self.from) {
            (Some(last), _) => From::AfterSequenceNumber(last.clone()),
            // "Latest" moves on with the clock; when the iterator is lost before the first record came,
            // what arrived in between must not be lost with it. Arrival times can be cut to seconds.
            (None, From::Latest) if self.reopened => {
                From::AtTimestamp(self.opened.truncate(Duration::from_secs(1)))
            }
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
        self.stream.kinesis().place().explain(self.stream.name(), error)
    }
}

/// How far behind a page is. The service's number counts where it is set; one that says 0 beside a
/// full page (ferrokinesis) or says nothing is replaced by the age of the page's last record. Arrival
/// times, never event times: a log of 2015 is not eleven years behind.
fn millis_behind(records: &[Record], service: Option<i64>, limit: i32, now: Timestamp) -> u64 {
    match (service, records.last()) {
        (Some(millis), _) if millis > 0 => millis.unsigned_abs(),
        (Some(_), Some(last)) if records.len() >= limit as usize => age(last, now),
        (None, Some(last)) => age(last, now),
        _ => 0,
    }
}

fn age(record: &Record, now: Timestamp) -> u64 {
    now.since(record.arrival).as_millis().try_into().unwrap_or(u64::MAX)
}

fn date_time(time: Timestamp) -> DateTime {
    let micros = time.as_micros();
    DateTime::from_secs_and_nanos(micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) as u32 * 1_000)
}

fn closed() -> Error {
    Error::new(ErrorKind::Processor, "the run has ended")
}
