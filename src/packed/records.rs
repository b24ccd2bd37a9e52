//! Aggregates without a stream: an [`Entry`] of many, and a [`Record`]'s user records.

use super::aggregate::{UserRecord, unpack};
use super::pack::Aggregate;
use crate::error::{Error, Result};
use crate::record::{Entry, Record};

/// The partition key of every aggregate, as of the KPL's: it decides on nothing.
pub(crate) const AGGREGATE_KEY: &str = "a";

impl Entry {
    /// These entries as one, an aggregate as the Kinesis Producer Library makes it. It goes to the shard of the first
    /// of them, wherever the others belong: [`PutMany::aggregated`](crate::PutMany::aggregated) sees to it that these
    /// are of the same. For tests, and for what puts records by other ways.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for no entries.
    ///
    /// ```
    /// use kinesis_lab::{Entry, Record, Timestamp};
    ///
    /// let entries = vec![Entry::new("192.0.2.10", "one"), Entry::new("192.0.2.10", "two")];
    /// let aggregate = Entry::aggregate(entries)?;
    /// let record = Record::new(aggregate.partition_key, aggregate.data, "7", Timestamp::now());
    /// let records = record.user_records().expect("an aggregate");
    /// assert_eq!((records[1].data.text(), records[1].sub_sequence_number), (Some("two"), Some(1)));
    /// # Ok::<(), kinesis_lab::Error>(())
    /// ```
    pub fn aggregate(entries: Vec<Entry>) -> Result<Entry> {
        let first = entries.first().map(Entry::hash);
        let first =
            first.ok_or_else(|| Error::invalid("an aggregate is of at least one record".to_owned()))?;
        let mut aggregate = Aggregate::default();
        entries.into_iter().for_each(|entry| aggregate.push(entry.into()));
        Ok(Entry::new(AGGREGATE_KEY, aggregate.pack()).explicit_hash_key(first))
    }
}

impl Record {
    /// The records in it, when it is an aggregate as the Kinesis Producer Library makes them: each with the aggregate's
    /// sequence number and its own place in it. `None` for any other record, and for a broken one. Consumers have
    /// done this already, unless they were told [not to](crate::Consumer::aggregated).
    pub fn user_records(&self) -> Option<Vec<Record>> {
        let unpacked = unpack(&self.data[..])?;
        Some((0..).zip(unpacked).map(|(number, user_record)| self.user_record(number, user_record)).collect())
    }

    /// One of those that are in it.
    pub(crate) fn user_record(&self, number: u64, user_record: UserRecord) -> Record {
        let UserRecord { partition_key, data, .. } = user_record;
        let record = Record::new(partition_key, data, self.sequence_number.clone(), self.arrival);
        record.in_aggregate(number)
    }
}

impl From<Entry> for UserRecord {
    fn from(entry: Entry) -> UserRecord {
        let Entry { partition_key, data, explicit_hash_key } = entry;
        UserRecord { partition_key, explicit_hash_key, data }
    }
}

impl From<UserRecord> for Entry {
    fn from(record: UserRecord) -> Entry {
        let UserRecord { partition_key, data, explicit_hash_key } = record;
        Entry { partition_key, data, explicit_hash_key }
    }
}
