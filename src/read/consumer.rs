//! [`Consumer`]: which records are read, and for how long.

use std::time::Duration;

use super::batches::Batches;
use super::drive;
use super::handle::ConsumerHandle;
use super::options::{GET_RECORDS_LIMIT, ReadOptions};
use super::position::Position;
use super::processor::RecordProcessor;
use super::report::{ConsumerReport, SharedReport};
use crate::error::Result;
use crate::into_duration::IntoDuration;
use crate::runtime::wait_here;
use crate::stop::Stop;
use crate::stream::Stream;
use crate::timestamp::Timestamp;

mod fan_out;

/// Reads a stream and hands its records to a [`RecordProcessor`]; made by [`Stream::consumer`].
///
/// Reading changes nothing in the stream: any number of consumers can read it, from any place.
/// Defaults: from the latest record on, all open shards and later their children, up to 10,000
/// records a call, a poll every 0.5 s, runs of 30 s. While it is behind, it reads on without waiting
/// for the next poll, up to five calls a second and shard, which is what the service allows.
///
/// Aggregates, as the Kinesis Producer Library (KPL) packs them, are unpacked: each user record is a
/// [`Record`](crate::Record) with a sub-sequence number. Positions and checkpoints stay at whole records of Kinesis.
///
/// [`fan_out`](Consumer::fan_out) has the service push records instead, as they come.
///
/// Throttling, dropped connections and server errors are waited out; an expired iterator is opened
/// again after the last sequence number; the children of a split or merged shard are read when all
/// their parents have been read to the end. When the stream is deleted, `stream … not found.
/// Exiting` is said on stderr, and the run ends; another one that was created under its name is not
/// read. (AWS refuses iterators of an earlier stream. Emulators go by the name: at an endpoint that is
/// not AWS's, each page is followed by a look at the stream's creation time.)
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("echo", 1)?;
/// stream.put("192.0.2.10", "hello")?;
/// let report = stream.consumer().trim_horizon().run_until_caught_up(&mut Echo::new())?;
/// assert_eq!(report.records, 1);
///
/// // From other places, and for other times.
/// let put = stream.put("192.0.2.10", "again")?;
/// let from = stream.consumer().limit(100).poll_every(millis(250));
/// for consumer in [
///     from.clone().after_sequence_number(&put.shard_id, &report.positions[&put.shard_id]),
///     from.clone().at_sequence_number(&put.shard_id, &put.sequence_number),
/// ] {
///     assert_eq!(consumer.run_until_caught_up(&mut Echo::new())?.records, 1);
/// }
/// let from = from.at_timestamp(stream.created()).shard(&put.shard_id);
/// assert_eq!(from.run_for(secs(1), &mut Echo::new())?.records, 2);
/// assert_eq!(from.until_caught_up().run(&mut Echo::new())?.ended, Some(Ended::CaughtUp));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is read before .run(…), .run_for(…), .run_until_caught_up(…), .start(…) or .batches()"]
pub struct Consumer {
    options: ReadOptions,
}

impl Stream {
    /// A consumer, to be configured and run.
    pub fn consumer(&self) -> Consumer {
        Consumer { options: ReadOptions::new(self.clone()) }
    }
}

impl Consumer {
    /// Begin after the newest record: only what arrives from now on. The default.
    ///
    /// A processor that remembers its place remembers this moment, too, by the service's clock, which tells it
    /// to the second: after a crash before the first record, what arrived since is read, and perhaps what
    /// arrived up to a second before.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("news", 1)?;
    /// stream.put("192.0.2.10", "of yesterday")?;
    /// let consumer = stream.consumer().latest().start(Echo::new())?; // from this moment on
    /// stream.put("192.0.2.10", "of today")?;
    /// while consumer.report().records == 0 {
    ///     std::thread::sleep(millis(10));
    /// }
    /// assert_eq!(consumer.stop().1?.records, 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn latest(mut self) -> Consumer {
        self.options.from = Position::Latest;
        self
    }

    /// Begin with the oldest record that the stream still keeps.
    pub fn trim_horizon(mut self) -> Consumer {
        self.options.from = Position::TrimHorizon;
        self
    }

    /// Begin with the first record that *arrived* at or after this time.
    pub fn at_timestamp(mut self, time: Timestamp) -> Consumer {
        self.options.from = Position::AtTimestamp(time);
        self
    }

    /// Begin with this record of this shard.
    pub fn at_sequence_number(mut self, shard_id: &str, sequence_number: &str) -> Consumer {
        self.options.from = Position::AtSequenceNumber(sequence_number.to_owned());
        self.shard(shard_id)
    }

    /// Begin after this record of this shard: go on where an earlier run ended.
    ///
    /// A position belongs to one stream: its name and its [creation time](Stream::created), which is
    /// worth keeping beside it. One of an earlier stream of the same name is refused by the service
    /// ([`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput)), except by other emulators than
    /// [`Local`](crate::Kinesis::local) when both were created within the same second.
    pub fn after_sequence_number(mut self, shard_id: &str, sequence_number: &str) -> Consumer {
        self.options.from = Position::AfterSequenceNumber(sequence_number.to_owned());
        self.shard(shard_id)
    }

    /// Read this shard alone. Default: all open shards, and their children.
    pub fn shard(mut self, shard_id: &str) -> Consumer {
        self.options.shard = Some(shard_id.to_owned());
        self
    }

    /// How many records to ask for in a call, 1 to 10,000. Default: 10,000.
    pub fn limit(mut self, records: u32) -> Consumer {
        self.options.limit = records.clamp(1, GET_RECORDS_LIMIT as u32) as i32;
        self
    }

    /// The time between two polls of a shard that has nothing new, 0.2 s (the service allows five reads a
    /// second and shard) to a day. Default: 0.5 s. See also [`adaptive_polling`](Self::adaptive_polling).
    pub fn poll_every(mut self, interval: impl IntoDuration) -> Consumer {
        self.options.set_poll_every(interval.into_duration());
        self
    }

    /// Adaptive polling: after a page with records, the shard is read again after 0.2 s, and only when there are none
    /// after [`poll_every`](Self::poll_every). So half of what comes in a flow waits for less than 0.11 s instead of
    /// 0.24 s, and all but a hundredth for less than 0.37 s instead of 0.49 s (ten records a second and shard, at random
    /// moments: BENCHMARKS.md); an idle shard costs no more calls than before, and what comes now and then waits as
    /// long. Processors tick, and print, once a `poll_every` all the same. Default: no.
    ///
    /// Never more than five GetRecords a second and shard, which is what the service allows all readers of a shard
    /// *together*: beside another consumer of the stream, an adaptive one may take what that one needs, and both are
    /// throttled. Where there are several, each gets its own by [`fan_out`](Self::fan_out).
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("alerts", 1)?;
    /// let consumer = stream.consumer().adaptive_polling().start(Echo::new())?;
    /// for n in 1..=3 {
    ///     stream.put("192.0.2.10", format!("{n} tries"))?;
    ///     while consumer.report().records < n {
    ///         std::thread::sleep(millis(10));
    ///     }
    /// }
    /// consumer.stop().1?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn adaptive_polling(mut self) -> Consumer {
        self.options.adaptive = true;
        self
    }

    /// Whether aggregates are unpacked, as the KCL does. Default: yes. Otherwise they come as the records of Kinesis
    /// that they are, magic, message and checksum.
    ///
    /// A user record whose hash key is not of the shard that it is in, after a reshard, is not delivered but counted
    /// ([`misplaced`](ConsumerReport::misplaced)): its producer learns where it went, and puts it again. A shard
    /// that was there from the beginning can't have got it so; what a producer packed across shards is delivered
    /// from there. (The KCL drops it there too, and with it all else that is in the aggregate.)
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("packed", 1)?;
    /// let entries = (0..100).map(|n| Entry::new(format!("192.0.2.{n}"), "hello")).collect();
    /// stream.put_many(entries).aggregated().send()?;
    ///
    /// let consumer = stream.consumer().trim_horizon();
    /// let report = consumer.run_until_caught_up(&mut Echo::new())?; // 192.0.2.0 : hello (user record 0) …
    /// assert_eq!((report.records, report.kinesis_records), (100, 1));
    /// let report = consumer.aggregated(false).run_until_caught_up(&mut Echo::new())?;
    /// assert_eq!((report.records, report.kinesis_records), (1, 1));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn aggregated(mut self, unpacked: bool) -> Consumer {
        self.options.aggregated = unpacked;
        self
    }

    /// Lets every run end once all shards have been read to their tips, as
    /// [`run_until_caught_up`](Self::run_until_caught_up) does, if its time is not over before. Default: it goes
    /// on.
    pub fn until_caught_up(mut self) -> Consumer {
        self.options.until_caught_up = true;
        self
    }

    /// Reads for 30 seconds.
    ///
    /// # Errors
    /// As [`run_for`](Self::run_for).
    pub fn run(&self, processor: &mut dyn RecordProcessor) -> Result<ConsumerReport> {
        self.run_for(self.options.run_for, processor)
    }

    /// Reads for a given time. It blocks; the processor runs on this thread.
    ///
    /// # Errors
    /// [`ErrorKind::Processor`](crate::ErrorKind::Processor) when the processor said *stop*;
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound) when the stream is not there at
    /// the beginning, or another bears its name; whatever else kept a shard from being read for a minute.
    pub fn run_for(
        &self,
        time: impl IntoDuration,
        processor: &mut dyn RecordProcessor,
    ) -> Result<ConsumerReport> {
        self.run_as_long(time.into_duration(), processor)
    }

    // Not generic: a notebook cell would compile the run.
    fn run_as_long(&self, time: Duration, processor: &mut dyn RecordProcessor) -> Result<ConsumerReport> {
        wait_here(drive::whole(
            &self.options,
            Some(time),
            processor,
            &SharedReport::default(),
            &Stop::default(),
        ))
    }

    /// Reads until every shard has been read to its tip, however long that takes: until a page that was not
    /// full is 0 ms behind, or, where records come so fast that none is, until all is read that had arrived
    /// when the run began.
    ///
    /// # Errors
    /// As [`run_for`](Self::run_for); [`ErrorKind::Service`](crate::ErrorKind::Service) when a closed shard
    /// gives empty pages for half a minute and does not end (moto), or ListShards does not name its children
    /// for a minute.
    pub fn run_until_caught_up(&self, processor: &mut dyn RecordProcessor) -> Result<ConsumerReport> {
        let options = ReadOptions { until_caught_up: true, ..self.options.clone() };
        wait_here(drive::whole(&options, None, processor, &SharedReport::default(), &Stop::default()))
    }

    /// Reads in the background, on a thread of its own, until it is stopped or the stream is deleted.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound) when the stream is not there, or another
    /// bears its name; when its shards can't be listed, or the processor can't read its checkpoints. What goes
    /// wrong later is the outcome of [`ConsumerHandle::join`](crate::ConsumerHandle::join) and [`stop`](crate::ConsumerHandle::stop).
    pub fn start<P>(&self, processor: P) -> Result<ConsumerHandle<P>>
    where
        P: RecordProcessor + Send + 'static,
    {
        wait_here(self.start_async(processor))
    }

    /// [`start`](Self::start) for async code: begins without blocking. The processor runs on a thread of its
    /// own all the same, so that what it blocks is nobody's worker; see [`ConsumerHandle`].
    ///
    /// # Errors
    /// As `start`.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// async fn count_all(stream: &Stream) -> Result<Counter, Error> {
    ///     let consumer = stream.consumer().trim_horizon().until_caught_up();
    ///     let (counter, outcome) = consumer.start_async(Counter::per_minute()).await?.await;
    ///     outcome.map(|_| counter)
    /// }
    ///
    /// let stream = Kinesis::local()?.create_stream("visits", 1)?;
    /// stream.put("192.0.2.10", "2018-09-06T08:04:56Z")?;
    /// assert_eq!(block_on(async move { count_all(&stream).await })?.total(), 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub async fn start_async<P>(&self, processor: P) -> Result<ConsumerHandle<P>>
    where
        P: RecordProcessor + Send + 'static,
    {
        ConsumerHandle::start(&self.options, processor).await
    }

    /// The batches themselves, for async code without a processor; see [`Batches`].
    pub fn batches(&self) -> Batches {
        Batches::new(&self.options)
    }
}
