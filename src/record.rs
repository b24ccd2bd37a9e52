//! What goes into a stream ([`Entry`]) and what comes out of it ([`Record`], [`Batch`]).

use std::fmt;
use std::sync::Arc;

use aws_sdk_kinesis::primitives::DateTime;

use crate::error::{Error, Result};
use crate::harmless::{Data, Text};
use crate::hash_key::hash_key;
use crate::text::printable;
use crate::timestamp::Timestamp;

/// The longest partition key, in characters (API reference, PutRecord).
const MAX_KEY_CHARS: usize = 256;
/// The largest record in bytes, its partition key and its data together, unless the stream was raised to
/// 10 MiB (Quotas page; that the key counts: API reference, PutRecord, `Data`).
pub const MAX_RECORD_BYTES: usize = 1 << 20;

pub(crate) fn check_key(key: &str) -> Result<()> {
    match key.chars().count() {
        1..=MAX_KEY_CHARS => Ok(()),
        n => Err(Error::invalid(format!(
            "a partition key is 1 to {MAX_KEY_CHARS} characters long; this one has {n}{}",
            if n == 0 { "" } else { ": shorten it, or hash it yourself" }
        ))),
    }
}

fn check_size(key: &str, data: &[u8]) -> Result<()> {
    match key.len() + data.len() {
        0..=MAX_RECORD_BYTES => Ok(()),
        n => Err(Error::invalid(format!(
            "a record is at most {MAX_RECORD_BYTES} bytes (1 MiB), key and data together; this has {n}: split the \
             data into parts that share a partition key, or store it elsewhere and send a reference"
        ))),
    }
}

/// A record to be put.
///
/// ```
/// use kinesis_lab::Entry;
///
/// let entry = Entry::new("192.0.2.10", r#"{"time":"2018-09-06T08:04:56Z","path":"/"}"#);
/// assert_eq!(entry.partition_key, "192.0.2.10");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// 1–256 characters; all that belongs together shares one.
    pub partition_key: String,
    /// Any bytes; with the key, up to 1 MiB.
    pub data: Vec<u8>,
    /// Which shard takes it, by a number in its hash range; `None`, the default: the MD5 hash of the partition key
    /// says so.
    pub explicit_hash_key: Option<u128>,
}

impl Entry {
    /// A record to be put; checked when it is.
    pub fn new(partition_key: impl Into<String>, data: impl Into<Vec<u8>>) -> Entry {
        Entry { partition_key: partition_key.into(), data: data.into(), explicit_hash_key: None }
    }

    /// Chooses its shard, whatever its partition key is: the one whose hash range has this number.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("visits", 2)?;
    /// let second = &stream.shards()?[1];
    /// let entry = Entry::new("192.0.2.10", "hello").explicit_hash_key(second.hash_range.0);
    /// stream.put_many(vec![entry]).send()?;
    /// let read = stream.consumer().shard(&second.id).trim_horizon().run_until_caught_up(&mut Echo::new())?;
    /// assert_eq!(read.records, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explicit_hash_key(mut self, key: u128) -> Entry {
        self.explicit_hash_key = Some(key);
        self
    }

    /// What decides on its shard.
    pub(crate) fn hash(&self) -> u128 {
        self.explicit_hash_key.unwrap_or_else(|| hash_key(&self.partition_key))
    }

    /// What counts towards the service's limits: the data and the key.
    pub(crate) fn size(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_key(&self.partition_key)?;
        check_size(&self.partition_key, &self.data)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} : {}", printable(self.partition_key.as_bytes()), printable(&self.data))
    }
}

/// A record that was read.
///
/// ```
/// use kinesis_lab::{Record, Timestamp};
///
/// // As a consumer would deliver it: for tests of your own processors.
/// let record = Record::new("192.0.2.10", "hello", "49590338271490256608559692538361571095", Timestamp::now());
/// assert_eq!(record.data, b"hello");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The key that it was put with.
    pub partition_key: Text,
    /// The bytes that it was put with.
    pub data: Data,
    /// Its place in the shard; numbers of up to 128 digits, so text. Those that came in one Kinesis record, an
    /// aggregate, share it.
    pub sequence_number: String,
    /// Its place in the aggregate that it came in, from 0 on, as the KCL counts them; `None` for a record that
    /// was put alone. The two numbers together are the record's identity.
    pub sub_sequence_number: Option<u64>,
    /// When Kinesis took it (`ApproximateArrivalTimestamp`): neither exact nor monotonic. The time
    /// of the event is in the data.
    pub arrival: Timestamp,
}

impl Record {
    /// A record as a consumer would deliver it.
    pub fn new(
        partition_key: impl Into<String>,
        data: impl Into<Vec<u8>>,
        sequence_number: impl Into<String>,
        arrival: Timestamp,
    ) -> Record {
        Record {
            partition_key: Text::from(partition_key.into()),
            data: Data::from(data.into()),
            sequence_number: sequence_number.into(),
            sub_sequence_number: None,
            arrival,
        }
    }

    /// The same, as one of an aggregate: for tests of your own processors.
    ///
    /// ```
    /// use kinesis_lab::{Batch, Record, Timestamp};
    ///
    /// let record = |data, number| Record::new("key", data, number, Timestamp::now());
    /// let records = vec![record("a", "7").in_aggregate(0), record("b", "7").in_aggregate(1), record("c", "8")];
    /// assert_eq!(records[1].sub_sequence_number, Some(1));
    /// let batch = Batch::new("visits", "shardId-000000000000", records);
    /// assert_eq!((batch.records.len(), batch.kinesis_records()), (3, 2));
    /// ```
    pub fn in_aggregate(self, sub_sequence_number: u64) -> Record {
        Record { sub_sequence_number: Some(sub_sequence_number), ..self }
    }

    /// Its place as one text: `4959…`, or `4959…/3` for the fourth of an aggregate.
    pub(crate) fn place(&self) -> String {
        match self.sub_sequence_number {
            Some(sub) => format!("{}/{sub}", self.sequence_number),
            None => self.sequence_number.clone(),
        }
    }

    pub(crate) fn from_sdk(record: aws_sdk_kinesis::types::Record) -> Record {
        Record {
            // Never absent in an answer; the SDK's model says only that it may be.
            partition_key: record.partition_key.unwrap_or_default().into(),
            data: record.data.into_inner().into(),
            sequence_number: record.sequence_number,
            sub_sequence_number: None,
            arrival: record.approximate_arrival_timestamp.as_ref().map(timestamp).unwrap_or_default(),
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} : {}", self.partition_key, self.data)
    }
}

/// Records of one shard, in the order of the shard; never empty. An aggregate is never cut: all user records of it
/// are in one batch.
///
/// ```
/// use kinesis_lab::prelude::*;
///
/// // A counter fed without a stream, as a test of your own processor would be.
/// let noon: Timestamp = "2018-09-06T12:00:00Z".parse()?;
/// let record = Record::new("192.0.2.10", noon.to_string(), "1", noon);
/// let batch = Batch::new("web-requests", "shardId-000000000000", vec![record]);
/// assert_eq!(batch.bytes(), 27);
/// let mut counter = Counter::per_minute();
/// counter.process(&batch, &mut Context::at(noon)).expect("a counter takes any batch");
/// assert_eq!(counter.total(), 1);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Batch {
    /// The stream's name.
    pub stream: Arc<str>,
    /// The shard's id.
    pub shard_id: Arc<str>,
    /// 1 to 10,000 records; more, where a single aggregate holds more.
    pub records: Vec<Record>,
}

impl Batch {
    /// A batch as a consumer would deliver it: for tests of your own processors, without a stream.
    pub fn new(stream: &str, shard_id: &str, records: Vec<Record>) -> Batch {
        Batch { stream: stream.into(), shard_id: shard_id.into(), records }
    }

    /// How many records of Kinesis they came in: an aggregate is one of them, whatever it holds.
    pub fn kinesis_records(&self) -> usize {
        let aggregates = |(one, other): (&Record, &Record)| one.sequence_number == other.sequence_number;
        let pairs = self.records.iter().zip(self.records.iter().skip(1));
        self.records.len()
            - pairs.filter(|pair| pair.0.sub_sequence_number.is_some() && aggregates(*pair)).count()
    }

    /// The bytes of data in it.
    pub fn bytes(&self) -> u64 {
        self.records.iter().map(|record| record.data.len() as u64).sum()
    }
}

pub(crate) fn timestamp(time: &DateTime) -> Timestamp {
    Timestamp::from_micros(time.secs().saturating_mul(1_000_000) + i64::from(time.subsec_nanos() / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked_with_the_limits_in_the_sentence() {
        assert!(check_key("k").is_ok() && check_key(&"ü".repeat(256)).is_ok());
        assert!(check_key("").unwrap_err().to_string().contains("1 to 256 characters"));
        assert!(check_key(&"k".repeat(257)).unwrap_err().to_string().contains("has 257"));
        assert!(check_size("key", &[0; MAX_RECORD_BYTES - 3]).is_ok());
        let error = check_size("key", &[0; MAX_RECORD_BYTES - 2]).unwrap_err();
        assert!(error.to_string().contains("1048576 bytes"), "{error}");
    }
}
