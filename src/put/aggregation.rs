//! Which records go out together: those of a shard, as far as they fit into an aggregate. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::parcel::Parcel;
use super::shard_map::ShardMap;
use crate::packed::{AGGREGATE_KEY, Aggregate};
use crate::record::Entry;

/// What is gathered for a shard.
#[derive(Default)]
struct Open {
    aggregate: Aggregate,
    /// For the case that it stays alone: an aggregate of one would only be larger.
    first: Option<Entry>,
}

/// Packs entries by their shards to aggregates, which are full or [closed](Aggregation::close). The records of a shard
/// stay in order.
///
/// An aggregate goes where its first record does, so that it can't stray when no other record of it would.
#[derive(Default)]
pub(super) struct Aggregation {
    open: BTreeMap<Arc<str>, Open>,
}

impl Aggregation {
    /// Packs one more, to aggregates of at most so many bytes; what is full then, and what does not fit, goes to
    /// `parcels`.
    pub(super) fn add(&mut self, entry: Entry, map: &ShardMap, max_bytes: usize, parcels: &mut Vec<Parcel>) {
        let Some(shard_id) = map.shard_of(entry.hash()) else {
            return parcels.push(entry.into());
        };
        // Most often it is there, and needs no name of its own.
        if !self.open.contains_key(shard_id) {
            self.open.insert(shard_id.clone(), Open::default());
        }
        let Some(shard) = self.open.get_mut(shard_id) else { return };
        let fits = |shard: &Open| {
            let (key, hash_key) = (&entry.partition_key, entry.explicit_hash_key);
            shard.aggregate.bytes_with(key, hash_key, &entry.data) <= max_bytes
        };
        if !fits(shard) {
            parcels.extend(std::mem::take(shard).close(shard_id));
            if !fits(shard) {
                return parcels.push(Parcel::alone(entry, shard_id.clone()));
            }
        }
        shard.push(entry);
    }

    /// Records that are in no full aggregate.
    pub(super) fn len(&self) -> usize {
        self.open.values().map(|shard| shard.aggregate.len()).sum()
    }

    /// What is not full: nothing follows.
    pub(super) fn close(&mut self) -> impl Iterator<Item = Parcel> + use<> {
        std::mem::take(&mut self.open).into_iter().filter_map(|(shard_id, shard)| shard.close(&shard_id))
    }
}

impl Open {
    fn push(&mut self, entry: Entry) {
        if self.aggregate.len() == 0 {
            self.first = Some(entry.clone());
        }
        self.aggregate.push(entry.into());
    }

    fn close(self, shard_id: &Arc<str>) -> Option<Parcel> {
        let first = self.first?;
        if self.aggregate.len() == 1 {
            return Some(Parcel::alone(first, shard_id.clone()));
        }
        let entry = Entry::new(AGGREGATE_KEY, self.aggregate.pack()).explicit_hash_key(first.hash());
        Some(Parcel::aggregate(entry, self.aggregate.len(), shard_id.clone()))
    }
}

#[cfg(test)]
mod tests;
