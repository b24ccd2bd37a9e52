//! Which shards come of which, and from when to when each takes records. Pure.
//!
//! The times are those in sequence numbers, to the second.

use ferrokinesis::sequence::parse_sequence;
use ferrokinesis::types::{Shard, Stream};
use serde_json::{Value, json};

/// One of a shard that was split, two of a merged one; none of one that was there from the beginning.
pub(crate) fn parents(shard: &Shard) -> impl Iterator<Item = &str> {
    [&shard.parent_shard_id, &shard.adjacent_parent_shard_id].into_iter().flatten().map(String::as_str)
}

pub(crate) fn has_parent(shard: &Shard, parent: &str) -> bool {
    parents(shard).any(|id| id == parent)
}

/// `ChildShards`, as GetRecords and SubscribeToShard give them at the end of a shard: of a merged one with both
/// parents.
pub(crate) fn children(stream: &Stream, shard_id: &str) -> Value {
    let children = stream.shards.iter().filter(|shard| has_parent(shard, shard_id));
    children
        .map(|shard| {
            let parents: Vec<&str> = parents(shard).collect();
            json!({ "ShardId": shard.shard_id, "ParentShards": parents, "HashKeyRange": shard.hash_key_range })
        })
        .collect()
}

/// When it was opened, in seconds since 1970.
pub(crate) fn opened(shard: &Shard) -> u64 {
    let first = parse_sequence(&shard.sequence_number_range.starting_sequence_number);
    first.map_or(0, |number| number.shard_create_time / 1_000)
}

/// When its children took over, or, of one without, the second after its end. `None` while it is open.
pub(crate) fn closed(shard: &Shard, all: &[Shard]) -> Option<u64> {
    let last = parse_sequence(shard.sequence_number_range.ending_sequence_number.as_ref()?).ok()?;
    let children = all.iter().filter(|child| has_parent(child, &shard.shard_id));
    let after = last.seq_time.unwrap_or(last.shard_create_time) / 1_000 + 1;
    Some(children.map(opened).min().unwrap_or(after))
}
