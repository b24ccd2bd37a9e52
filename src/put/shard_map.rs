//! [`ShardMap`]: which shard takes which hashes, as far as it was listed. Pure.

use std::sync::Arc;

use crate::stream::Shard;

/// The open shards, and what each takes.
#[derive(Debug, Clone, Default)]
pub(super) struct ShardMap {
    /// Of open shards, by the first hash.
    open: Vec<Range>,
    closed: Vec<Range>,
}

#[derive(Debug, Clone)]
struct Range {
    first: u128,
    last: u128,
    shard_id: Arc<str>,
}

impl ShardMap {
    pub(super) fn new(shards: &[Shard]) -> ShardMap {
        let range = |shard: &&Shard| {
            let (first, last) = shard.hash_range;
            Range { first, last, shard_id: shard.id.as_str().into() }
        };
        let (open, closed): (Vec<&Shard>, Vec<&Shard>) = shards.iter().partition(|shard| shard.is_open());
        let mut open: Vec<Range> = open.iter().map(range).collect();
        open.sort_by_key(|range| range.first);
        ShardMap { open, closed: closed.iter().map(range).collect() }
    }

    /// The open shard that takes this hash; none, when a list was told in the middle of a reshard.
    pub(super) fn shard_of(&self, hash: u128) -> Option<&Arc<str>> {
        let at = self.open.partition_point(|range| range.first <= hash).checked_sub(1)?;
        let range = &self.open[at];
        (hash <= range.last).then_some(&range.shard_id)
    }

    /// What a shard takes, or took.
    pub(super) fn range_of(&self, shard_id: &str) -> Option<(u128, u128)> {
        let range = self.open.iter().chain(&self.closed).find(|range| *range.shard_id == *shard_id)?;
        Some((range.first, range.last))
    }
}
