//! [`Archive`]: a stream's records in files, on a disk or in S3.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::chains::{Chains, ObjectLimits, Written};
use super::folders::sweep;
use super::names::stream_folder;
use super::objects::Objects;
use super::target::Target;
use crate::error::{Error, ErrorKind, Result, five_times};
use crate::put::PutReport;
use crate::read::{Checkpoint, Context, ProcessError, RecordProcessor, StreamId};
use crate::record::Batch;
use crate::service::{Aws, Kinesis};
use crate::stream::Stream;

const OBJECT_BYTES: usize = 16 << 20;
const MOST_OBJECT_BYTES: usize = 64 << 20;
const OBJECT_EVERY: Duration = Duration::from_secs(60);

/// Writes a stream's records into files of JSON lines, gzipped, in a folder or in a bucket of S3: each record once,
/// whatever ends it at whatever moment.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// use kinesis_lab::Archive;
///
/// # let folder = kinesis_lab::temporary_folder("doc-archive")?;
/// let kinesis = Kinesis::local()?;
/// let stream = kinesis.create_stream("visits", 2)?;
/// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(12).start().join();
///
/// let mut archive = Archive::to(&folder)?; // or "s3://my-bucket/visits"
/// stream.consumer().trim_horizon().run_until_caught_up(&mut archive)?;
/// archive.flush()?; // what is no full object yet
/// assert_eq!((archive.objects(), archive.records()), (1, 12)); // of one shard: there is one key
///
/// // Out of the files and into another stream, in the order that they arrived in.
/// let again = kinesis.create_stream("visits-again", 2)?;
/// assert_eq!(Archive::to(&folder)?.replay(&again)?.sent, 12);
/// # std::fs::remove_dir_all(&folder).expect("it was made above");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An object is `visits.20180906T080456.468067Z/shardId-000000000000/056-4959….jsonl.gz`: the stream's name and when it
/// was created, the shard, and the sequence number of the first record in it, behind the number of its digits, so that
/// names sort as records do. A line is
/// `{"partition_key":"192.0.2.10","sequence_number":"4959…","arrival":"2018-09-06T08:04:56.468067Z","data":"hello"}`;
/// data that are no UTF-8 are in `data_base64`, and a record of an aggregate has a `sub_sequence_number`. (Which
/// explicit hash key a record was put with, Kinesis does not tell those who read it.)
/// `zcat visits.*/*/*.jsonl.gz | jq .data` reads them all.
///
/// # When an object is written
/// When there are 16 MiB of lines of a shard ([`object_bytes`](Archive::object_bytes)), when the oldest record has waited
/// for 60 s ([`object_every`](Archive::object_every)), when a shard ends, and on [`flush`](Archive::flush). Until then
/// records are in memory alone, and in the stream: when this ends, they are read again.
///
/// # Each record once
/// There is no other checkpoint than the objects: a run goes on behind the last one of each shard. They are created,
/// whole or not at all, and never replaced; the next one's name is settled by where the last one ends. So a crash
/// between any two steps loses and doubles nothing, nor does a second process that archives the same stream into the
/// same place. What the stream no longer keeps when it is read again is lost, and in the run's report
/// ([`ConsumerReport::lost`](crate::ConsumerReport::lost)). At its start, a run lists the stream's objects: of S3,
/// 1,000 a call.
///
/// A disk that is full and a bucket that does not answer are waited for ([`ProcessError::wait`]); one that refuses ends
/// the run with a sentence. Nothing is lost by either: the next run goes on behind what was written.
pub struct Archive {
    pub(super) target: Target,
    pub(super) aws: Aws,
    limits: ObjectLimits,
    chains: Option<Chains>,
    written: Written,
}

impl Archive {
    /// An archive in a folder (made for this user alone, when it is not there; one that is keeps its mode), or in
    /// `s3://bucket/prefix` (with the feature `archive-s3`). Nothing is written or asked for before a run.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for what is neither.
    pub fn to(place: impl AsRef<Path>) -> Result<Archive> {
        Archive::at(place.as_ref())
    }

    // Apart from the generic part, so that a notebook cell compiles only that.
    fn at(place: &Path) -> Result<Archive> {
        Ok(Archive {
            target: Target::parse(place)?,
            aws: Kinesis::aws(),
            limits: ObjectLimits { bytes: OBJECT_BYTES, every: OBJECT_EVERY },
            chains: None,
            written: Written::default(),
        })
    }

    /// How credentials, region and endpoint of the bucket are found. Default: as [`Kinesis::aws`] finds them, from the
    /// environment and the default profile; an endpoint from `AWS_ENDPOINT_URL_S3`.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// use kinesis_lab::Archive;
    ///
    /// let aws = Kinesis::aws().profile("blogpost-kinesis").region("eu-west-1");
    /// let archive = Archive::to("s3://my-bucket/visits")?.aws(aws);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn aws(mut self, aws: Aws) -> Archive {
        self.aws = aws;
        self
    }

    /// How many bytes of lines, before gzip, are an object: 1 byte (each record has its own) to 64 MiB. Default: 16 MiB
    /// (16,777,216). So much is held in memory for each shard.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// use kinesis_lab::Archive;
    ///
    /// # let folder = kinesis_lab::temporary_folder("doc-archive-bytes")?;
    /// let stream = Kinesis::local()?.create_stream("visits", 1)?;
    /// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(12).start().join();
    /// let mut archive = Archive::to(&folder)?.object_bytes(1_000);
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut archive)?;
    /// assert!(archive.objects() > 1 && archive.records() + archive.unwritten() == 12);
    /// # std::fs::remove_dir_all(&folder).expect("it was made above");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn object_bytes(mut self, bytes: usize) -> Archive {
        self.limits.bytes = bytes.clamp(1, MOST_OBJECT_BYTES);
        self
    }

    /// For how long a record may wait until its object is written, to the next poll. Default: 60 s.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// use kinesis_lab::Archive;
    ///
    /// // A file an hour and shard, if it is not full before.
    /// let archive = Archive::to("archive")?.object_every(secs(3_600));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn object_every(mut self, time: Duration) -> Archive {
        self.limits.every = time;
        self
    }

    /// Writes what is in no object yet: after the last run, for what is not full.
    ///
    /// # Errors
    /// When it can't be written: with [`ErrorKind::StoreUnavailable`] for now (it is tried five times). It is kept for
    /// the next call, and in the stream for the next run.
    pub fn flush(&mut self) -> Result<()> {
        match &mut self.chains {
            Some(chains) => five_times(|| chains.write_since(None, &mut self.written)),
            None => Ok(()),
        }
    }

    /// Objects that this has written.
    pub fn objects(&self) -> u64 {
        self.written.objects
    }

    /// Records that are in them.
    pub fn records(&self) -> u64 {
        self.written.records
    }

    /// Records that were read and are in no object yet.
    pub fn unwritten(&self) -> u64 {
        self.chains.as_ref().map_or(0, |chains| chains.unwritten())
    }

    /// Up to where each shard is in objects.
    pub fn positions(&self) -> impl Iterator<Item = Checkpoint> {
        self.chains.iter().flat_map(Chains::checkpoints)
    }

    /// Puts all that is archived of a stream into this one, and returns when it is there: the records of each key in
    /// their order, those of different shards as they arrived. They are put one by one, also what came as aggregates;
    /// their partition keys say which shard takes them.
    ///
    /// A put whose answer is lost is made again: such records, of which the stream may hold two, are
    /// [`ambiguous`](PutReport::ambiguous).
    ///
    /// # Errors
    /// When nothing is there, or of more than one stream ([`replay_of`](Archive::replay_of) names one); when an object
    /// is damaged or can't be read, or a record can't be put: how many were put before is said.
    pub fn replay(&self, to: &Stream) -> Result<PutReport> {
        self.replay_from(None, to)
    }

    /// [`replay`](Archive::replay) of the stream of this name; where one of this name was deleted and created again,
    /// of the first and then of the second.
    ///
    /// # Errors
    /// Those of [`replay`](Archive::replay).
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// use kinesis_lab::Archive;
    ///
    /// # let folder = kinesis_lab::temporary_folder("doc-archive-of")?;
    /// let kinesis = Kinesis::local()?;
    /// for name in ["visits", "orders"] {
    ///     let stream = kinesis.create_stream(name, 1)?;
    ///     stream.put("192.0.2.10", format!("of {name}"))?;
    ///     let mut archive = Archive::to(&folder)?;
    ///     stream.consumer().trim_horizon().run_until_caught_up(&mut archive)?;
    ///     archive.flush()?;
    /// }
    /// let again = kinesis.create_stream("again", 1)?;
    /// let archive = Archive::to(&folder)?;
    /// assert!(archive.replay(&again).unwrap_err().to_string().contains("orders, visits"));
    /// assert_eq!(archive.replay_of("orders", &again)?.sent, 1);
    /// # std::fs::remove_dir_all(&folder).expect("it was made above");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replay_of(&self, stream: &str, to: &Stream) -> Result<PutReport> {
        self.replay_from(Some(stream), to)
    }

    fn load(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>> {
        // In place of what is in memory: it may not have been written, and is read again.
        self.chains = None;
        let objects = Objects::open(&self.target, &self.aws, true)?;
        if let Target::Folder(folder) = &self.target {
            sweep(&folder.join(stream_folder(stream)), SystemTime::now());
        }
        let chains = self.chains.insert(Chains::load(objects, stream)?);
        Ok(chains.checkpoints().collect())
    }
}

fn loaded(chains: &mut Option<Chains>) -> Result<&mut Chains> {
    chains.as_mut().ok_or_else(|| {
        Error::new(
            ErrorKind::Store,
            "this archive does not know of which stream the records are: run it with a consumer, which begins with \
             what is stored",
        )
    })
}

impl RecordProcessor for Archive {
    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.load(stream).map_err(ProcessError::of_store)
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        let chains = loaded(&mut self.chains)?;
        chains.begin(ctx).map_err(ProcessError::of_store)?;
        chains.take(batch, ctx.now, self.limits.bytes, &mut self.written).map_err(ProcessError::of_store)
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        let chains = loaded(&mut self.chains)?;
        chains.begin(ctx).map_err(ProcessError::of_store)?;
        let before = ctx.now - self.limits.every;
        chains.write_since(Some(before), &mut self.written).map_err(ProcessError::of_store)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        let chains = loaded(&mut self.chains)?;
        chains.begin(ctx).map_err(ProcessError::of_store)?;
        chains.end(shard_id, &mut self.written).map_err(ProcessError::of_store)
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (objects, records) = (self.objects(), self.records());
        write!(
            f,
            "archive in {}: {objects} objects of {records} records, {} unwritten",
            self.target,
            self.unwritten()
        )
    }
}
