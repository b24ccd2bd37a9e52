//! Whether all children of a shard are known. Pure.

use crate::stream::Shard;

/// Whether the shards that came from this one take all of its hashes. A list of shards may lag behind a reshard; an end
/// that is written with one of two children would let windows pass the other.
pub(crate) fn is_covered(shard_id: &str, shards: &[Shard]) -> bool {
    let Some((first, last)) = shards.iter().find(|shard| shard.id == shard_id).map(|shard| shard.hash_range)
    else {
        return false;
    };
    let mut children: Vec<(u128, u128)> = shards
        .iter()
        .filter(|shard| shard.parent_ids().iter().any(|parent| parent == shard_id))
        .map(|shard| shard.hash_range)
        .collect();
    children.sort_unstable();
    // The lowest hash that none of the children so far takes; none, when there is no hash left.
    let mut next = Some(first);
    for (from, to) in children {
        match next {
            Some(hash) if from <= hash && to >= hash => next = to.checked_add(1),
            _ => {}
        }
    }
    next.is_none_or(|hash| hash > last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: [Option<&str>; 2], hash_range: (u128, u128)) -> Shard {
        Shard {
            id: id.into(),
            parent: parents[0].map(str::to_owned),
            adjacent_parent: parents[1].map(str::to_owned),
            hash_range,
            starting_sequence_number: "1".into(),
            ending_sequence_number: None,
        }
    }

    #[test]
    fn an_end_needs_all_of_its_children() {
        let (a, b) = (shard("a", [None; 2], (0, 99)), shard("b", [None; 2], (100, u128::MAX)));
        let lower = shard("lower", [Some("a"), None], (0, 49));
        let upper = shard("upper", [Some("a"), None], (50, 99));
        let merged = shard("merged", [Some("upper"), Some("b")], (50, u128::MAX));
        let covered = |id: &str, shards: &[&Shard]| {
            is_covered(id, &shards.iter().map(|shard| (*shard).clone()).collect::<Vec<_>>())
        };
        assert!(covered("a", &[&a, &b, &upper, &lower]));
        assert!(!covered("a", &[&a, &b]) && !covered("a", &[&a, &lower]) && !covered("a", &[&a, &upper]));
        assert!(covered("upper", &[&upper, &b, &merged]) && covered("b", &[&upper, &b, &merged]));
        assert!(!covered("gone", &[&a]));
    }
}
