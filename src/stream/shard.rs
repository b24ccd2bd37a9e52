//! [`Shard`]: its hash range, its parents, and who is read after whom. Pure.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::hash_key::hash_key;

/// One shard of a stream, as ListShards tells it.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// use kinesis_lab::hash_key;
///
/// let stream = Kinesis::local()?.create_stream("visits", 4)?;
/// let shards = stream.shards()?;
/// // Is the load spread? So many of these visitors go to each shard:
/// let visitors: Vec<String> = (1..=100).map(|host| format!("192.0.2.{host}")).collect();
/// let of = |shard: &Shard| visitors.iter().filter(|key| shard.takes(key)).count();
/// assert_eq!(shards.iter().map(of).sum::<usize>(), 100);
/// // Where a key goes is decided by its hash alone.
/// let (first, last) = stream.shard_for("192.0.2.10")?.hash_range;
/// assert!((first..=last).contains(&hash_key("192.0.2.10")));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shard {
    /// Such as `shardId-000000000000`.
    pub id: String,
    /// The shard that it was split or merged from.
    pub parent: Option<String>,
    /// The second parent, of a merged shard.
    pub adjacent_parent: Option<String>,
    /// The MD5 hashes that it takes, first and last included; together, the open shards of a stream
    /// take all of 0 … 2¹²⁸ − 1.
    pub hash_range: (u128, u128),
    /// The lowest sequence number that it may hold.
    pub starting_sequence_number: String,
    /// Set when the shard is closed: split or merged, and never written to again.
    pub ending_sequence_number: Option<String>,
}

impl Shard {
    /// Whether it still takes records.
    pub fn is_open(&self) -> bool {
        self.ending_sequence_number.is_none()
    }

    /// Whether records with this partition key go here while it is open.
    pub fn takes(&self, partition_key: &str) -> bool {
        let hash = hash_key(partition_key);
        self.hash_range.0 <= hash && hash <= self.hash_range.1
    }

    /// The first hash of its upper half, where it is split.
    pub(crate) fn middle(&self) -> u128 {
        let (low, high) = self.hash_range;
        low + (high - low) / 2 + 1
    }

    pub(crate) fn parent_ids(&self) -> Vec<String> {
        self.parents().map(str::to_owned).collect()
    }

    fn parents(&self) -> impl Iterator<Item = &str> {
        [&self.parent, &self.adjacent_parent].into_iter().flatten().map(String::as_str)
    }
}

/// Two shards that can be merged, the one with the lower hashes first: that a service takes them in the other order,
/// too, no documentation says, and the embedded one refuses them. The service's own words for why two can't be merged
/// name neither ranges nor neighbours.
pub(crate) fn neighbours<'a>(shards: &'a [Shard], one: &str, other: &str) -> Result<(&'a Shard, &'a Shard)> {
    let open = |id: &str| {
        let found = shards.iter().find(|shard| shard.id == id && shard.is_open());
        found.ok_or_else(|| Error::invalid(format!("there is no open shard {id} to merge")))
    };
    let (one, other) = (open(one)?, open(other)?);
    // Up to the last hash, beyond which there is no neighbour.
    let below = |a: &Shard, b: &Shard| a.hash_range.1.checked_add(1) == Some(b.hash_range.0);
    let touch = |a: &Shard, b: &Shard| below(a, b) || below(b, a);
    if touch(one, other) {
        return Ok(if below(one, other) { (one, other) } else { (other, one) });
    }
    let neighbours: Vec<&str> =
        shards.iter().filter(|s| s.is_open() && touch(one, s)).map(|shard| shard.id.as_str()).collect();
    let whose = match &neighbours[..] {
        [] => "it has none, being the only open shard".to_owned(),
        ids => format!("its neighbours are {}", ids.join(" and ")),
    };
    Err(Error::invalid(format!(
        "{} and {} are not neighbours, so they can't be merged: the hash range of one must begin where the other's \
         ends. Merge {} with a neighbour: {whose}",
        one.id, other.id, one.id
    )))
}

/// The shards that may be read now: not begun, and every parent that still exists read to its end.
///
/// A parent that is no longer listed has outlived its retention; nobody needs to wait for it.
pub(crate) fn ready<'a>(
    shards: &'a [Shard],
    begun: &BTreeSet<String>,
    ended: &BTreeSet<String>,
) -> Vec<&'a Shard> {
    let listed: BTreeSet<&str> = shards.iter().map(|shard| shard.id.as_str()).collect();
    shards
        .iter()
        .filter(|shard| !begun.contains(&shard.id))
        .filter(|shard| shard.parents().all(|parent| ended.contains(parent) || !listed.contains(parent)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str]) -> Shard {
        Shard {
            id: id.into(),
            parent: parents.first().map(|p| p.to_string()),
            adjacent_parent: parents.get(1).map(|p| p.to_string()),
            hash_range: (0, u128::MAX),
            starting_sequence_number: "0".into(),
            ending_sequence_number: None,
        }
    }

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| id.to_string()).collect()
    }

    fn ready_ids(shards: &[Shard], begun: &[&str], ended: &[&str]) -> Vec<String> {
        ready(shards, &set(begun), &set(ended)).iter().map(|s| s.id.clone()).collect()
    }

    #[test]
    fn children_wait_for_all_their_parents() {
        // a is split into b and c, which are merged into d; z has lost its parent to retention.
        let shards = [
            shard("a", &[]),
            shard("b", &["a"]),
            shard("c", &["a"]),
            shard("d", &["b", "c"]),
            shard("z", &["y"]),
        ];
        assert_eq!(ready_ids(&shards, &[], &[]), ["a", "z"]);
        assert_eq!(ready_ids(&shards, &["a", "z"], &[]), [""; 0]);
        assert_eq!(ready_ids(&shards, &["a", "z"], &["a"]), ["b", "c"]);
        assert_eq!(ready_ids(&shards, &["a", "z", "b", "c"], &["a", "b"]), [""; 0]);
        assert_eq!(ready_ids(&shards, &["a", "z", "b", "c"], &["a", "b", "c"]), ["d"]);
    }

    #[test]
    fn only_neighbours_merge_and_the_error_names_them() {
        let ranges = [("a", 0, 9), ("b", 10, 19), ("c", 20, u128::MAX)];
        let shards = ranges.map(|(id, from, to)| Shard { hash_range: (from, to), ..shard(id, &[]) });
        let ordered = |one: &str, other: &str| {
            neighbours(&shards, one, other).map(|(a, b)| [&a.id, &b.id].map(String::as_str))
        };
        assert_eq!((ordered("a", "b").unwrap(), ordered("c", "b").unwrap()), (["a", "b"], ["b", "c"]));
        let error = neighbours(&shards, "a", "c").unwrap_err().to_string();
        assert!(error.contains("its neighbours are b"), "{error}");
        let error = neighbours(&shards[..1], "a", "a").unwrap_err().to_string();
        assert!(error.contains("it has none"), "{error}");
        assert!(neighbours(&shards, "a", "d").unwrap_err().to_string().contains("no open shard d"));
    }

    #[test]
    fn a_key_belongs_to_the_half_its_hash_is_in() {
        let mut lower = shard("lower", &[]);
        lower.hash_range = (0, u128::MAX / 2);
        assert_eq!(lower.takes("192.0.2.20"), hash_key("192.0.2.20") <= u128::MAX / 2);
        lower.hash_range = (hash_key("k"), hash_key("k"));
        assert!(lower.takes("k") && !lower.takes("l"));
    }
}
