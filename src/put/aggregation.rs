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

/// Packs entries by their shards to aggregates of at most so many bytes. The records of a shard stay in order.
///
/// An aggregate goes where its first record does, so that it can't stray when no other record of it would.
pub(super) fn aggregate(entries: Vec<Entry>, map: &ShardMap, max_bytes: usize) -> Vec<Parcel> {
    let (mut parcels, mut open) = (Vec::new(), BTreeMap::<Arc<str>, Open>::new());
    for entry in entries {
        let Some(shard_id) = map.shard_of(entry.hash()) else {
            parcels.push(entry.into());
            continue;
        };
        let shard = open.entry(shard_id.clone()).or_default();
        let fits = |shard: &Open| {
            let (key, hash_key) = (&entry.partition_key, entry.explicit_hash_key);
            shard.aggregate.bytes_with(key, hash_key, &entry.data) <= max_bytes
        };
        if !fits(shard) {
            parcels.extend(std::mem::take(shard).close(shard_id));
            if !fits(shard) {
                parcels.push(Parcel::alone(entry, shard_id.clone()));
                continue;
            }
        }
        shard.push(entry);
    }
    parcels.extend(open.into_iter().flat_map(|(shard_id, shard)| shard.close(&shard_id)));
    parcels
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
