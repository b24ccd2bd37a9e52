//! [`Unpacking`]: the records of a page, a batch after the other, aggregates unpacked. Pure.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::packed::{is_aggregate, unpack};
use crate::record::Record;
use crate::stream::Shard;

/// A page of 10 MiB may hold millions of user records: they are unpacked as they are processed, so many at a time,
/// and all of an aggregate. As many records as a page without aggregates has at most.
const BATCH: usize = 10_000;

/// What becomes of the aggregates of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Aggregates {
    /// They are left as they are.
    #[default]
    Packed,
    /// All user records are delivered.
    Unpacked,
    /// Those are delivered whose hash keys are in this range.
    UnpackedWithin(u128, u128),
}

impl Aggregates {
    /// A shard that came of a reshard can hold what was packed for a shard before it. Its producer learns that from
    /// the answer, and puts again what belongs elsewhere (KPL, `Retrier::succeed_if_correct_shard`). A shard without
    /// parents can hold nothing of the kind: what seems to belong elsewhere was packed by who does not ask, and
    /// nobody puts it again.
    pub(super) fn of(shard: &Shard, unpacked: bool) -> Aggregates {
        match (unpacked, shard.parent.is_some()) {
            (false, _) => Aggregates::Packed,
            (true, false) => Aggregates::Unpacked,
            (true, true) => Aggregates::UnpackedWithin(shard.hash_range.0, shard.hash_range.1),
        }
    }
}

/// What is left of a page.
#[derive(Debug)]
pub(super) struct Unpacking {
    pub(super) shard_id: Arc<str>,
    aggregates: Aggregates,
    records: std::vec::IntoIter<Record>,
    permit: Option<OwnedSemaphorePermit>,
}

/// Records of whole records of Kinesis.
#[derive(Debug, Default)]
pub(super) struct UnpackedBatch {
    pub(super) records: Vec<Record>,
    /// User records that are another shard's.
    pub(super) misplaced: u64,
    /// With the last batch of the page.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl Unpacking {
    pub(super) fn new(
        shard_id: Arc<str>,
        aggregates: Aggregates,
        records: Vec<Record>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Unpacking {
        Unpacking { shard_id, aggregates, records: records.into_iter(), permit }
    }

    pub(super) fn is_done(&self) -> bool {
        self.records.as_slice().is_empty()
    }

    /// The next batch; it may be empty, where nothing of an aggregate is this shard's.
    pub(super) fn next_batch(&mut self) -> UnpackedBatch {
        let mut batch = UnpackedBatch::default();
        let packed = self.aggregates != Aggregates::Packed
            && self.records.as_slice().iter().any(|record| is_aggregate(&record.data[..]));
        if packed {
            while batch.records.len() < BATCH
                && let Some(record) = self.records.next()
            {
                self.unpack(record, &mut batch);
            }
        } else {
            // Most streams have no aggregates: the page is the batch.
            batch.records = std::mem::take(&mut self.records).collect();
        }
        if self.is_done() {
            batch.permit = self.permit.take();
        }
        batch
    }

    fn unpack(&self, record: Record, batch: &mut UnpackedBatch) {
        let Some(user_records) = unpack(&record.data[..]) else { return batch.records.push(record) };
        for (number, user_record) in (0..).zip(user_records) {
            if let Aggregates::UnpackedWithin(first, last) = self.aggregates
                && !(first..=last).contains(&user_record.hash())
            {
                batch.misplaced += 1;
                continue;
            }
            // Its place among all, also those of other shards: the same whoever reads it, and when.
            batch.records.push(record.user_record(number, user_record));
        }
    }
}

#[cfg(test)]
mod tests;
