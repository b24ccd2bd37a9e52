//! [`Unparsed`]: a record that is no event, kept where it can be seen.

use std::fmt;

use crate::record::Record;
use crate::text::printable;

/// How many are kept for inspection; all are counted.
pub(super) const SAMPLES_KEPT: usize = 100;
/// How many bytes of data they may have together: a record with a hundred odd lines is kept for each of them.
const BYTES_KEPT: usize = 16 << 20;

/// A record that did not parse as an event.
///
/// Its `Display` is one line, [`printable`](crate::printable), that says where the record is:
/// `shardId-000000000000 at 4959…: the data is empty`.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("odd", 1)?;
/// stream.put("192.0.2.10", "tomorrow")?;
/// let mut counter = Counter::per_minute();
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// let first = &counter.unparsed_samples()[0];
/// assert!(first.to_string().starts_with("shardId-000000000000 at 4"));
/// assert!(first.reason.starts_with("neither an ISO-8601 timestamp nor JSON"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unparsed {
    /// The shard in which it is; its sequence number is the record's.
    pub shard_id: String,
    /// The record, unchanged.
    pub record: Record,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Unparsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shard, number) = (&self.shard_id, self.record.place());
        f.write_str(&printable(format!("{shard} at {number}: {}", self.reason).as_bytes()))
    }
}

/// How many records did not parse, and the first of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnparsedRecords {
    count: u64,
    samples: Vec<Unparsed>,
    bytes: usize,
}

impl UnparsedRecords {
    pub(crate) fn add(&mut self, shard_id: &str, record: &Record, reason: String) {
        self.count += 1;
        if self.samples.len() < SAMPLES_KEPT && self.bytes + record.data.len() <= BYTES_KEPT {
            self.bytes += record.data.len();
            self.samples.push(Unparsed { shard_id: shard_id.to_owned(), record: record.clone(), reason });
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The first 100 of them, of up to 16 MiB.
    pub(crate) fn samples(&self) -> &[Unparsed] {
        &self.samples
    }

    /// As a store has it, or as it was before a batch that is delivered again.
    pub(crate) fn restore(&mut self, count: u64) {
        self.count = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    #[test]
    fn what_is_kept_has_bounds_and_the_count_has_none() {
        let (mut small, mut large) = (UnparsedRecords::default(), UnparsedRecords::default());
        let record = |bytes| Record::new("any", vec![0; bytes], "1", Timestamp::MIN);
        for _ in 0..150 {
            small.add("s", &record(10), String::new());
            large.add("s", &record(1 << 20), String::new());
        }
        assert_eq!((small.count(), small.samples().len()), (150, 100));
        assert_eq!((large.count(), large.samples().len()), (150, 16));
    }
}
