//! [`RecordProcessor`]: what is done with the records that a consumer reads.

use std::fmt;
use std::sync::Arc;

use crate::record::Batch;
use crate::stop::Stop;
use crate::stream::ShardProgress;
use crate::timestamp::Timestamp;

/// What is done with the records of a stream: the one trait that a consumer drives.
///
/// Only [`process`](RecordProcessor::process) must be written. Batches of one shard come one after
/// the other, in the order of the shard; batches of several shards are interleaved, never at the
/// same time. The trait is object-safe, and a consumer takes `&mut dyn RecordProcessor`, so one
/// that is written in a notebook cell needs no generic code compiled there.
///
/// ```
/// use kinesis_lab::prelude::*;
///
/// /// Adds up bytes.
/// struct Volume(u64);
///
/// impl RecordProcessor for Volume {
///     fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
///         self.0 += batch.bytes();
///         Ok(())
///     }
/// }
///
/// let stream = Kinesis::local()?.create_stream("bytes", 1)?;
/// stream.put("key", "hello")?;
/// let mut volume = Volume(0);
/// stream.consumer().trim_horizon().run_until_caught_up(&mut volume)?;
/// assert_eq!(volume.0, 5);
/// # Ok::<(), Error>(())
/// ```
pub trait RecordProcessor {
    /// Where reading goes on: what this processor remembers of the stream, of this run or of one that
    /// crashed. Called once, before a run begins. Shards that it names are read after their checkpoint,
    /// and not at all when they had ended; where it names none (the default), the consumer begins where
    /// it was told to.
    ///
    /// # Errors
    /// When what is remembered can't be read, or is of another stream: the run does not begin.
    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        let _ = stream;
        Ok(Vec::new())
    }

    /// Takes the records of a batch, which is of one shard and never empty.
    ///
    /// # Errors
    /// A [`ProcessError`] says what is to happen; an error of any other type, by `?`, means *stop*.
    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError>;

    /// Called once a poll, after all that the poll brought was processed (also when it was nothing),
    /// and once more at the end of a run.
    ///
    /// # Errors
    /// As [`process`](RecordProcessor::process); *retry* and *skip* mean nothing here.
    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        let _ = ctx;
        Ok(())
    }

    /// A shard was split or merged, and its last record has been processed.
    ///
    /// # Errors
    /// As [`tick`](RecordProcessor::tick).
    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        let _ = (shard_id, ctx);
        Ok(())
    }
}

/// Which stream: a name, and when it was created. One deleted and created again is another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamId {
    /// The stream's name.
    pub name: Arc<str>,
    /// When it was created.
    pub created: Timestamp,
}

impl StreamId {
    /// The stream of this name that was created then.
    pub fn new(name: &str, created: Timestamp) -> StreamId {
        StreamId { name: name.into(), created }
    }
}

/// Up to where a shard has been processed.
///
/// ```
/// use kinesis_lab::{Checkpoint, Timestamp};
///
/// let (shard, at) = ("shardId-000000000000", Timestamp::from_secs(1_536_220_800));
/// let after_a_record = Checkpoint::new(shard, Some("49590338271490256608559692538361571095"), at);
/// assert!(!after_a_record.ended && after_a_record.ended().ended);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The shard.
    pub shard_id: String,
    /// The last record that was processed; `None` when the shard ended without one.
    pub sequence_number: Option<String>,
    /// When that record arrived.
    pub arrival: Timestamp,
    /// The shard was split or merged, and has been processed to its end.
    pub ended: bool,
}

impl Checkpoint {
    /// A shard processed up to a record that arrived then; without a number, one that was empty until then.
    pub fn new(shard_id: impl Into<String>, sequence_number: Option<&str>, arrival: Timestamp) -> Checkpoint {
        Checkpoint {
            shard_id: shard_id.into(),
            sequence_number: sequence_number.map(str::to_owned),
            arrival,
            ended: false,
        }
    }

    /// The same shard, processed to its end.
    pub fn ended(self) -> Checkpoint {
        Checkpoint { ended: true, ..self }
    }
}

/// What a processor is told beside its records.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Context {
    /// The time of the call. A processor takes it from here, so that its tests need no clock.
    pub now: Timestamp,
    /// How far behind the tip of the stream the consumer is, in milliseconds: the maximum over the
    /// shards, 0 when caught up, `None` before the first answer.
    pub millis_behind_latest: Option<u64>,
    /// How far each shard of the run is: all that are being read, and those that ended while their
    /// children are not open yet.
    pub shards: Arc<[ShardProgress]>,
    pub(super) stop: Stop,
}

impl Context {
    /// A context as a consumer would give it: for tests of your own processors.
    pub fn at(now: Timestamp) -> Context {
        Context { now, millis_behind_latest: None, shards: Arc::from([]), stop: Stop::default() }
    }

    /// The same, with shards.
    pub fn with_shards(self, shards: &[ShardProgress]) -> Context {
        Context { shards: shards.into(), ..self }
    }

    /// Whether the consumer was asked to stop. What waits (for a service that is down, say) gives up then, with
    /// [`ProcessError::retry`]: the batch is not processed, and the next run begins with it.
    ///
    /// ```
    /// use kinesis_lab::{Context, Timestamp};
    ///
    /// assert!(!Context::at(Timestamp::now()).stopping());
    /// ```
    pub fn stopping(&self) -> bool {
        self.stop.is_asked()
    }

    /// Turns true when the consumer is asked to stop: for waits of this crate's own (a put's cutoff).
    pub(crate) fn stop(&self) -> tokio::sync::watch::Receiver<bool> {
        self.stop.watch()
    }
}

/// Why a batch was not processed, and what is to happen.
///
/// It is not a `std::error::Error` itself, so that `?` can turn every such error into one that
/// means *stop*, the safe default: nothing after the batch is processed.
pub struct ProcessError {
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Retry,
    Skip,
    Stop,
}

impl ProcessError {
    /// Deliver the same batch again a little later: after 0.1 s, doubling up to 5 s, at most 10
    /// times; then *stop*. The processor must not have counted it yet.
    pub fn retry(message: impl Into<String>) -> ProcessError {
        ProcessError { verdict: Verdict::Retry, message: message.into() }
    }

    /// Go on with the next batch; this one is counted, and kept, in the report.
    pub fn skip(message: impl Into<String>) -> ProcessError {
        ProcessError { verdict: Verdict::Skip, message: message.into() }
    }

    /// End the run with this as its error.
    pub fn stop(message: impl Into<String>) -> ProcessError {
        ProcessError { verdict: Verdict::Stop, message: message.into() }
    }
}

impl<E: std::error::Error> From<E> for ProcessError {
    fn from(error: E) -> ProcessError {
        ProcessError::stop(error.to_string())
    }
}

impl fmt::Debug for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.verdict, crate::text::printable(self.message.as_bytes()))
    }
}
