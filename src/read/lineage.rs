//! [`Lineage`]: which shards are begun, which have ended, and whose children are not all open yet. Pure.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::processor::Checkpoint;
use super::report::Lost;
use crate::stream::{Shard, ready};

#[derive(Debug, Default)]
pub(super) struct Lineage {
    begun: BTreeSet<String>,
    ended: BTreeSet<String>,
    /// Shards that ended while not all of their children are open, with their parents.
    waiting: BTreeMap<Arc<str>, Vec<String>>,
    /// Of these, whose hashes no later shard takes over, as far as ListShards knew.
    childless: BTreeSet<String>,
}

impl Lineage {
    /// As the processor remembers it; with the shards that it remembers and that are no longer there.
    pub(super) fn remember(&mut self, shards: &[Shard], remembered: &[Checkpoint]) -> Vec<Lost> {
        let mut gone = Vec::new();
        for checkpoint in remembered {
            let listed = shards.iter().find(|shard| shard.id == checkpoint.shard_id);
            if listed.is_some() && !checkpoint.ended {
                continue;
            }
            if !checkpoint.ended {
                let (shard_id, after) = (checkpoint.shard_id.clone(), checkpoint.arrival);
                gone.push(Lost { shard_id, after, before: None });
            }
            let parents = listed.map(Shard::parent_ids).unwrap_or_default();
            self.begun.insert(checkpoint.shard_id.clone());
            self.end(&checkpoint.shard_id, parents);
        }
        gone
    }

    /// "Latest" passes over what closed shards hold.
    pub(super) fn pass_over(&mut self, shards: &[Shard]) {
        for shard in shards.iter().filter(|shard| !shard.is_open()) {
            self.begun.insert(shard.id.clone());
            self.ended.insert(shard.id.clone());
        }
    }

    pub(super) fn begin(&mut self, shard_id: &str) {
        self.begun.insert(shard_id.to_owned());
    }

    /// It was read to its end; until its children are open, it holds event time back.
    pub(super) fn end(&mut self, shard_id: &str, parents: Vec<String>) {
        self.ended.insert(shard_id.to_owned());
        self.waiting.insert(shard_id.into(), parents);
        self.childless.insert(shard_id.to_owned());
    }

    /// The shards that may be read now.
    pub(super) fn ready<'a>(&self, shards: &'a [Shard]) -> Vec<&'a Shard> {
        ready(shards, &self.begun, &self.ended)
    }

    /// Of the shards that ended, keeps waiting for those with a child that is not open, and for those
    /// whose hashes are not all taken over by a later shard: ListShards may not know of it yet. One that is
    /// no longer listed has outlived its retention, and its children were listed long ago.
    pub(super) fn settle(&mut self, shards: &[Shard]) {
        let begun = &self.begun;
        let childless = &mut self.childless;
        childless.clear();
        self.waiting.retain(|ended, _| {
            let Some(parent) = shards.iter().find(|shard| *shard.id == **ended) else { return false };
            if !is_succeeded(parent, shards) {
                childless.insert(parent.id.clone());
                return true;
            }
            shards.iter().any(|shard| !begun.contains(&shard.id) && shard.parent_ids().contains(&parent.id))
        });
    }

    /// Shards that ended while not all of their children are open, each with its parents.
    pub(super) fn waiting(&self) -> &BTreeMap<Arc<str>, Vec<String>> {
        &self.waiting
    }

    /// A shard that ended and whose children are not listed.
    pub(super) fn childless(&self) -> Option<&str> {
        self.childless.first().map(String::as_str)
    }
}

/// Whether later shards take over all of a closed shard's hashes.
fn is_succeeded(parent: &Shard, shards: &[Shard]) -> bool {
    let (mut next, end) = parent.hash_range;
    let mut ranges: Vec<(u128, u128)> =
        shards.iter().filter(|shard| succeeds(shard, parent)).map(|shard| shard.hash_range).collect();
    ranges.sort_unstable();
    for (low, high) in ranges {
        if low > next {
            return false;
        }
        match high.checked_add(1) {
            Some(after) if high < end => next = next.max(after),
            _ => return true,
        }
    }
    false
}

/// A child by its parents' names; or, where a service names only one parent of a merged shard, a later one with
/// some of the same hashes: of any hash, one shard at a time is in charge.
fn succeeds(shard: &Shard, parent: &Shard) -> bool {
    let overlaps = shard.hash_range.0 <= parent.hash_range.1 && parent.hash_range.0 <= shard.hash_range.1;
    let later = numerically(&shard.starting_sequence_number, &parent.starting_sequence_number);
    shard.id != parent.id && (shard.parent_ids().contains(&parent.id) || (overlaps && later.is_gt()))
}

/// Sequence numbers have up to 128 digits.
pub(super) fn numerically(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    fn shard(id: &str, parents: &[&str], from: u128, to: u128, start: &str) -> Shard {
        Shard {
            id: id.into(),
            parent: parents.first().map(|parent| parent.to_string()),
            adjacent_parent: parents.get(1).map(|parent| parent.to_string()),
            hash_range: (from, to),
            starting_sequence_number: start.into(),
            ending_sequence_number: None,
        }
    }

    fn ids(shards: Vec<&Shard>) -> Vec<&str> {
        shards.into_iter().map(|shard| shard.id.as_str()).collect()
    }

    #[test]
    fn children_that_are_listed_late_are_waited_for() {
        let parent = shard("a", &[], 0, u128::MAX, "1");
        let (low, high) = (shard("b", &["a"], 0, 99, "5"), shard("c", &["a"], 100, u128::MAX, "5"));
        let mut lineage = Lineage::default();
        lineage.begin("a");
        lineage.end("a", Vec::new());
        // ListShards knows nothing of the split, then of one half, then of all.
        for listed in [vec![parent.clone()], vec![parent.clone(), low.clone()]] {
            lineage.settle(&listed);
            assert_eq!(lineage.childless(), Some("a"), "{listed:?}");
            assert_eq!(lineage.waiting().len(), 1);
        }
        let listed = [parent, low, high];
        assert_eq!(ids(lineage.ready(&listed)), ["b", "c"]);
        lineage.begin("b");
        lineage.settle(&listed);
        assert_eq!((lineage.waiting().len(), lineage.childless()), (1, None), "c is known, and not open");
        lineage.begin("c");
        lineage.settle(&listed);
        assert!(lineage.waiting().is_empty());
    }

    #[test]
    fn one_parent_of_a_merge_may_not_be_named() {
        let (b, c) = (shard("b", &["a"], 0, 99, "5"), shard("c", &["a"], 100, u128::MAX, "5"));
        let merged = shard("d", &["b"], 0, u128::MAX, "10");
        let mut lineage = Lineage::default();
        for id in ["b", "c"] {
            lineage.begin(id);
            lineage.end(id, vec!["a".into()]);
        }
        lineage.settle(&[b.clone(), c.clone()]);
        assert_eq!(lineage.waiting().len(), 2);
        lineage.begin("d");
        lineage.settle(&[b, c, merged]);
        assert!(lineage.waiting().is_empty());
    }

    #[test]
    fn a_shard_that_outlived_its_retention_is_waited_for_no_more() {
        let mut lineage = Lineage::default();
        let (ended, lost) = (Checkpoint::new("a", Some("7"), Timestamp::MIN).ended(), "b");
        let gone = lineage.remember(&[], &[ended, Checkpoint::new(lost, Some("8"), Timestamp::MIN)]);
        assert_eq!(gone.iter().map(|lost| lost.shard_id.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(lineage.waiting().len(), 2);
        lineage.settle(&[shard("z", &["b"], 0, u128::MAX, "9")]);
        assert!(lineage.waiting().is_empty());
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(numerically("10", "9").is_gt() && numerically("09", "9").is_eq());
        assert!(numerically("49590338271490256608559692538361571095", "5").is_gt());
    }
}
