//! [`Consumer`]: which records are read, and for how long.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::handle::ConsumerHandle;
use super::processor::RecordProcessor;
use super::reader::GET_RECORDS_LIMIT;
use super::run::Run;
use crate::error::{Error, Result};
use crate::record::Batch;
use crate::stream::Stream;
use crate::timestamp::Timestamp;

/// Reads a stream and hands its records to a [`RecordProcessor`]; made by [`Stream::consumer`].
///
/// Reading changes nothing in the stream: any number of consumers can read it, from any place.
/// Defaults: from the latest record on, all open shards and later their children, up to 10,000
/// records a call, a poll every 0.5 s, runs of 30 s. While it is behind, it reads on without waiting
/// for the next poll, up to five calls a second and shard, which is what the service allows.
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
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is read before .run(…), .run_for(…), .run_until_caught_up(…) or .start(…)"]
pub struct Consumer {
    pub(crate) stream: Stream,
    pub(crate) from: From,
    pub(crate) shard: Option<String>,
    pub(crate) limit: i32,
    pub(crate) poll_every: Duration,
    pub(crate) run_for: Duration,
    pub(crate) until_caught_up: bool,
}

/// Where reading begins: the service's shard iterator types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    Latest,
    TrimHorizon,
    AtTimestamp(Timestamp),
    AtSequenceNumber(String),
    AfterSequenceNumber(String),
    /// After this record, which arrived then: if it is still there.
    Checkpoint(String, Timestamp),
}

impl Stream {
    /// A consumer, to be configured and run.
    pub fn consumer(&self) -> Consumer {
        Consumer::new(self.clone())
    }
}

impl Consumer {
    fn new(stream: Stream) -> Consumer {
        Consumer {
            stream,
            from: From::Latest,
            shard: None,
            limit: GET_RECORDS_LIMIT,
            poll_every: Duration::from_millis(500),
            run_for: Duration::from_secs(30),
            until_caught_up: false,
        }
    }

    /// Begin after the newest record: only what arrives from now on. The default.
    pub fn latest(mut self) -> Consumer {
        self.from = From::Latest;
        self
    }

    /// Begin with the oldest record that the stream still keeps.
    pub fn trim_horizon(mut self) -> Consumer {
        self.from = From::TrimHorizon;
        self
    }

    /// Begin with the first record that *arrived* at or after this time.
    pub fn at_timestamp(mut self, time: Timestamp) -> Consumer {
        self.from = From::AtTimestamp(time);
        self
    }

    /// Begin with this record of this shard.
    pub fn at_sequence_number(mut self, shard_id: &str, sequence_number: &str) -> Consumer {
        self.from = From::AtSequenceNumber(sequence_number.to_owned());
        self.shard(shard_id)
    }

    /// Begin after this record of this shard: go on where an earlier run ended.
    ///
    /// A position belongs to one stream: its name and its [creation time](Stream::created), which is
    /// worth keeping beside it. One of an earlier stream of the same name is refused by the service
    /// ([`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput)), except by other emulators than
    /// [`Local`](crate::Kinesis::local) when both were created within the same second.
    pub fn after_sequence_number(mut self, shard_id: &str, sequence_number: &str) -> Consumer {
        self.from = From::AfterSequenceNumber(sequence_number.to_owned());
        self.shard(shard_id)
    }

    /// Read this shard alone. Default: all open shards, and their children.
    pub fn shard(mut self, shard_id: &str) -> Consumer {
        self.shard = Some(shard_id.to_owned());
        self
    }

    /// How many records to ask for in a call, 1 to 10,000. Default: 10,000.
    pub fn limit(mut self, records: u32) -> Consumer {
        self.limit = records.clamp(1, GET_RECORDS_LIMIT as u32) as i32;
        self
    }

    /// The time between two polls of a shard that has nothing new, at least 0.2 s (the service allows
    /// five reads a second and shard). Default: 0.5 s.
    pub fn poll_every(mut self, interval: Duration) -> Consumer {
        self.poll_every = interval.max(Duration::from_millis(200));
        self
    }

    /// Reads for 30 seconds.
    ///
    /// # Errors
    /// As [`run_for`](Self::run_for).
    pub fn run(&self, processor: &mut dyn RecordProcessor) -> Result<ConsumerReport> {
        self.run_for(self.run_for, processor)
    }

    /// Reads for a given time. It blocks; the processor runs on this thread.
    ///
    /// # Errors
    /// [`ErrorKind::Processor`](crate::ErrorKind::Processor) when the processor said *stop*;
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound) when the stream is not there at
    /// the beginning, or another bears its name; whatever else kept a shard from being read for a minute.
    pub fn run_for(&self, time: Duration, processor: &mut dyn RecordProcessor) -> Result<ConsumerReport> {
        self.drive(Some(time), false, processor)
    }

    /// Reads until every shard has been read to its tip, however long that takes.
    ///
    /// # Errors
    /// As [`run_for`](Self::run_for).
    pub fn run_until_caught_up(&self, processor: &mut dyn RecordProcessor) -> Result<ConsumerReport> {
        self.drive(None, true, processor)
    }

    fn drive(
        &self,
        time: Option<Duration>,
        until_caught_up: bool,
        processor: &mut dyn RecordProcessor,
    ) -> Result<ConsumerReport> {
        Run::begin(self, time, until_caught_up, processor)?.drive(processor)
    }

    /// Lets a run in the background end once every shard has been read to its tip, as
    /// [`run_until_caught_up`](Self::run_until_caught_up) does. Default: it goes on.
    pub fn until_caught_up(mut self) -> Consumer {
        self.until_caught_up = true;
        self
    }

    /// Reads in the background, on a thread of its own, until it is stopped or the stream is deleted.
    ///
    /// # Errors
    /// When the stream's shards can't be listed.
    pub fn start<P>(&self, processor: P) -> Result<ConsumerHandle<P>>
    where
        P: RecordProcessor + Send + 'static,
    {
        ConsumerHandle::start(self, processor)
    }
}

/// How many skipped batches a report keeps; all are counted.
pub(crate) const SKIPPED_KEPT: usize = 100;

/// What a run of a consumer came to.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConsumerReport {
    /// Records that were processed.
    pub records: u64,
    /// Bytes of their data.
    pub bytes: u64,
    /// How far behind the tip the slowest shard is, in milliseconds; `None` before the first answer.
    pub millis_behind_latest: Option<u64>,
    /// Calls that failed and were made again.
    pub retries: u64,
    /// Records in batches that the processor said to skip.
    pub skipped_records: u64,
    /// The first 100 skipped batches, each with the processor's message, made
    /// [`printable`](crate::printable).
    pub skipped: VecDeque<(Batch, String)>,
    /// The last processed sequence number of each shard: where another run on the same stream can go
    /// on, with [`Consumer::after_sequence_number`].
    pub positions: std::collections::BTreeMap<String, String>,
    /// What had outlived the stream's retention before it could be read.
    pub lost: Vec<Lost>,
    /// Why the run ended; `None` while it goes on.
    pub ended: Option<Ended>,
}

/// Records that a checkpoint promised to read, and that the stream no longer keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// Their shard.
    pub shard_id: String,
    /// When the last record arrived that was processed.
    pub after: Timestamp,
    /// When the oldest record arrived that is still there; `None` when the shard itself is gone.
    pub before: Option<Timestamp>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shard, after) = (&self.shard_id, self.after.plain(0));
        match self.before {
            Some(before) => write!(
                f,
                "{shard}: what arrived between {after} and {} has outlived the stream's retention unread; \
                 reading goes on with the oldest record",
                before.plain(0)
            ),
            None => write!(
                f,
                "{shard} is gone: what arrived there after {after} has outlived the stream's retention unread"
            ),
        }
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Its time was over.
    Time,
    /// Every shard was read to its tip.
    CaughtUp,
    /// It was stopped.
    Stopped,
    /// The stream was deleted, also when another was created under its name.
    StreamDeleted,
    /// The shards that it was to read are closed, and read to their ends.
    ShardsEnded,
}

/// Adds what makes an error of a run understood: whose it is.
pub(crate) fn processor_failed(message: &str) -> Error {
    Error::new(crate::error::ErrorKind::Processor, format!("the record processor asked to stop: {message}"))
}
