//! [`RecordProcessor`]: what is done with the records that a consumer reads.

use std::sync::Arc;

use super::process_error::ProcessError;
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
///
/// With all four, one that goes on where its last run ended (here in memory; in a database, what it has counted
/// and where it is belong in one transaction, as in [`StoredCounter`](crate::StoredCounter)):
///
/// ```
/// use std::collections::BTreeMap;
///
/// use kinesis_lab::{Checkpoint, StreamId, prelude::*};
///
/// #[derive(Default)]
/// struct Volume {
///     bytes: u64,
///     /// What `tick` has seen last: for a page that shows it, say.
///     behind: Option<u64>,
///     places: BTreeMap<String, Checkpoint>,
/// }
///
/// impl RecordProcessor for Volume {
///     fn checkpoints(&mut self, _: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
///         Ok(self.places.values().cloned().collect())
///     }
///
///     fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
///         self.bytes += batch.bytes();
///         let last = &batch.records[batch.records.len() - 1];
///         let place = Checkpoint::new(&*batch.shard_id, Some(&last.sequence_number), last.arrival);
///         self.places.insert(place.shard_id.clone(), place);
///         Ok(())
///     }
///
///     fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
///         self.behind = ctx.millis_behind_latest;
///         Ok(())
///     }
///
///     fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
///         let place = self.places.remove(shard_id); // none, of a shard that was empty
///         let place = place.unwrap_or_else(|| Checkpoint::new(shard_id, None, ctx.now)).ended();
///         self.places.insert(place.shard_id.clone(), place);
///         Ok(())
///     }
/// }
///
/// let stream = Kinesis::local()?.create_stream("bytes", 1)?;
/// let parent = stream.put("key", "hello")?.shard_id;
/// let mut volume = Volume::default();
/// stream.consumer().trim_horizon().run_until_caught_up(&mut volume)?;
/// stream.split_shard(&parent)?;
/// stream.put("key", "again")?;
/// stream.consumer().trim_horizon().run_until_caught_up(&mut volume)?;
/// assert_eq!((volume.bytes, volume.behind), (10, Some(0))); // the first record was not read twice
/// assert!(volume.places[&parent].ended);
/// # Ok::<(), Error>(())
/// ```
pub trait RecordProcessor {
    /// Where reading goes on: what this processor remembers of the stream, of this run or of one that
    /// crashed. Called once, before a run begins. Shards that it names are read after their checkpoint,
    /// and not at all when they had ended; where it names none (the default), the consumer begins where
    /// it was told to.
    ///
    /// # Errors
    /// When what is remembered can't be read, or is of another stream: the run does not begin. After
    /// [`ProcessError::wait`], it is asked again for a minute.
    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        let _ = stream;
        Ok(Vec::new())
    }

    /// A worker of the Kinesis Client Library (feature `kcl`) was given this shard, whoever had it before. Called first of all, before
    /// [`checkpoints`](RecordProcessor::checkpoints); a consumer does not call it, because a consumer reads all shards. A
    /// processor with a store that a fleet shares takes the shard there, as a `SharedCounter` does (feature `postgres`).
    ///
    /// # Errors
    /// As [`tick`](RecordProcessor::tick).
    ///
    /// ```
    /// use kinesis_lab::prelude::*;
    ///
    /// struct Named(String);
    ///
    /// impl RecordProcessor for Named {
    ///     fn shard_taken(&mut self, shard_id: &str, _: &mut Context) -> Result<(), ProcessError> {
    ///         self.0 = shard_id.to_owned();
    ///         Ok(())
    ///     }
    ///
    ///     fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
    ///         println!("{}: {} records", self.0, batch.records.len());
    ///         Ok(())
    ///     }
    /// }
    /// ```
    fn shard_taken(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        let _ = (shard_id, ctx);
        Ok(())
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
    /// As [`process`](RecordProcessor::process): after [`ProcessError::wait`], it is called again, and nothing
    /// else in between. *Retry* and *skip* mean *stop* here.
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
///
/// ```
/// use kinesis_lab::{StreamId, prelude::*};
///
/// let stream = Kinesis::local()?.create_stream("visits", 1)?;
/// let id = StreamId::new(stream.name(), stream.created()); // to be kept beside the checkpoints
/// assert_eq!(id, StreamId::new("visits", stream.created()));
/// assert_ne!(id, StreamId::new("visits", stream.created() + secs(60)));
/// # Ok::<(), Error>(())
/// ```
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
///
/// ```
/// use kinesis_lab::{ShardProgress, prelude::*};
///
/// // In a test: one shard has an event of 12:01:30, and nothing was read yet of the other.
/// let now: Timestamp = "2018-09-06T12:01:30Z".parse()?;
/// let (a, b) = (ShardProgress::reading("a", &[]), ShardProgress::reading("b", &[]));
/// let mut counter = Counter::per_minute().lateness(secs(10));
/// let record = Record::new("192.0.2.10", "2018-09-06T12:01:30Z", "1", now);
/// let mut ctx = Context::at(now).with_shards(&[a.clone(), b.clone()]);
/// counter.process(&Batch::new("visits", "a", vec![record]), &mut ctx).expect("a counter takes any batch");
/// counter.tick(&mut ctx).expect("a counter has no store to fail");
/// assert_eq!(counter.watermark(), Timestamp::MIN); // b may still bring older events
///
/// let mut ctx = Context::at(now).with_shards(&[a, b.idle()]);
/// counter.tick(&mut ctx).expect("a counter has no store to fail");
/// assert_eq!(counter.watermark().plain(0), "2018-09-06 12:01:20");
/// # Ok::<(), Error>(())
/// ```
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

    /// The same, with shards: all that the consumer reads, not only the one of the batch. Default: none.
    pub fn with_shards(self, shards: &[ShardProgress]) -> Context {
        Context { shards: shards.into(), ..self }
    }

    /// The same, of a run that whoever holds this can stop.
    #[cfg(all(feature = "kcl", unix))]
    pub(crate) fn stopped_by(self, stop: &Stop) -> Context {
        Context { stop: stop.clone(), ..self }
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
