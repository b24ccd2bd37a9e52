//! [`Parcel`]: a record of Kinesis that is to be put: one entry, or an aggregate of many.

use std::sync::Arc;

use super::report::PutReceipt;
use crate::packed::unpack;
use crate::record::Entry;

/// What goes out as one record.
#[derive(Debug)]
pub(crate) struct Parcel {
    entry: Entry,
    /// Of an aggregate, how many are in it. They are not kept beside it: when they are needed again, it is unpacked.
    aggregated: Option<usize>,
    /// Where it should go, of what was packed by shards.
    shard_id: Option<Arc<str>>,
    /// Of its key, once somebody has asked: an MD5 that a queue asks for several times.
    hash: Option<u128>,
}

impl From<Entry> for Parcel {
    fn from(entry: Entry) -> Parcel {
        Parcel { entry, aggregated: None, shard_id: None, hash: None }
    }
}

impl Parcel {
    /// One record, in line with the aggregates of its shard.
    pub(super) fn alone(entry: Entry, shard_id: Arc<str>) -> Parcel {
        Parcel { entry, aggregated: None, shard_id: Some(shard_id), hash: None }
    }

    pub(super) fn aggregate(entry: Entry, records: usize, shard_id: Arc<str>) -> Parcel {
        Parcel { entry, aggregated: Some(records), shard_id: Some(shard_id), hash: None }
    }

    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(super) fn hash(&mut self) -> u128 {
        *self.hash.get_or_insert_with(|| self.entry.hash())
    }

    pub(crate) fn records(&self) -> usize {
        self.aggregated.unwrap_or(1)
    }

    /// What it must not overtake: others of this name. A shard's parcels are always in order, so that a key's records
    /// are; otherwise those of a key are, if that is asked for.
    pub(super) fn line(&self, by_key: bool) -> Option<Arc<str>> {
        match &self.shard_id {
            Some(shard_id) => Some(shard_id.clone()),
            None => by_key.then(|| self.entry.partition_key.as_str().into()),
        }
    }

    /// Whether an aggregate was taken by another shard than its records were packed for.
    pub(super) fn has_strayed(&self, receipt: &PutReceipt) -> bool {
        self.aggregated.is_some() && self.shard_id.as_deref() != Some(&receipt.shard_id)
    }

    /// The records that are in it, in their order.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        let unpacked = self.aggregated.and_then(|_| unpack(&self.entry.data));
        match unpacked {
            Some(records) => records.into_iter().map(Entry::from).collect(),
            None => vec![self.entry],
        }
    }
}
