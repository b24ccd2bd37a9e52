//! [`Merge`]: the records of several shards as they arrived, a child's behind its parents'. Pure: where records come
//! from is an argument.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::record::Record;
use crate::timestamp::Timestamp;

/// Where the records of a shard come from, one after the other.
pub(super) trait RecordSource {
    /// What can go wrong.
    type Failure;

    /// The next record; `None` at the end.
    fn next_record(&mut self) -> Result<Option<Record>, Self::Failure>;
}

/// Shards that are read side by side. Of each the next record is at hand; the one that arrived first is next of all.
/// Within a shard the order is its own, whatever the times say: they are neither exact nor monotonic.
pub(super) struct Merge<S> {
    shards: Vec<MergedShard<S>>,
    /// Of those that are open: the latest arrival so far, and which.
    heap: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// Those whose parents have not ended.
    closed: Vec<usize>,
    ended: BTreeSet<String>,
}

struct MergedShard<S> {
    shard_id: String,
    parents: Vec<String>,
    source: S,
    next: Option<Record>,
    /// How far its arrivals were.
    time: Timestamp,
}

impl<S: RecordSource> Merge<S> {
    /// Of these shards, each with its parents; parents that are not among them are no obstacle.
    pub(super) fn new(shards: BTreeMap<String, (Vec<String>, S)>) -> Merge<S> {
        let names: BTreeSet<String> = shards.keys().cloned().collect();
        let shards: Vec<MergedShard<S>> = shards
            .into_iter()
            .map(|(shard_id, (mut parents, source))| {
                parents.retain(|parent| names.contains(parent) && *parent != shard_id);
                MergedShard { shard_id, parents, source, next: None, time: Timestamp::MIN }
            })
            .collect();
        let closed = (0..shards.len()).collect();
        Merge { shards, heap: BinaryHeap::new(), closed, ended: BTreeSet::new() }
    }

    /// The next record of all; `None` when all are through.
    pub(super) fn next(&mut self) -> Result<Option<Record>, S::Failure> {
        loop {
            self.open()?;
            let Some(Reverse((_, at))) = self.heap.pop() else {
                match self.closed.first().copied() {
                    // They name each other as parents, which no service does: some order is better than none.
                    Some(at) => {
                        self.shards[at].parents.clear();
                        continue;
                    }
                    None => return Ok(None),
                }
            };
            let record = self.shards[at].next.take();
            self.fetch(at)?;
            if record.is_some() {
                return Ok(record);
            }
        }
    }

    /// Opens those whose parents have ended; one that is empty ends at once, and its children are open then.
    fn open(&mut self) -> Result<(), S::Failure> {
        while let Some(n) = self
            .closed
            .iter()
            .position(|at| self.shards[*at].parents.iter().all(|parent| self.ended.contains(parent)))
        {
            let at = self.closed.remove(n);
            self.fetch(at)?;
        }
        Ok(())
    }

    fn fetch(&mut self, at: usize) -> Result<(), S::Failure> {
        let shard = &mut self.shards[at];
        shard.next = shard.source.next_record()?;
        match &shard.next {
            Some(record) => {
                shard.time = shard.time.max(record.arrival);
                self.heap.push(Reverse((shard.time, at)));
            }
            None => {
                self.ended.insert(shard.shard_id.clone());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    struct Listed(std::vec::IntoIter<Record>);

    impl RecordSource for Listed {
        type Failure = Infallible;

        fn next_record(&mut self) -> Result<Option<Record>, Infallible> {
            Ok(self.0.next())
        }
    }

    fn merged(shards: &[(&str, &[&str], &[i64])]) -> Vec<String> {
        let source = |(shard, parents, times): &(&str, &[&str], &[i64])| {
            let records: Vec<Record> = times
                .iter()
                .enumerate()
                .map(|(n, secs)| Record::new(format!("{shard}{n}"), "", "1", Timestamp::from_secs(*secs)))
                .collect();
            let parents = parents.iter().map(|parent| parent.to_string()).collect();
            (shard.to_string(), (parents, Listed(records.into_iter())))
        };
        let mut merge = Merge::new(shards.iter().map(source).collect());
        let mut keys = Vec::new();
        while let Ok(Some(record)) = merge.next() {
            keys.push(String::from(&record.partition_key));
        }
        keys
    }

    #[test]
    fn shards_side_by_side_and_children_behind_their_parents() {
        assert_eq!(merged(&[("a", &[], &[1, 3]), ("b", &[], &[2, 4])]), ["a0", "b0", "a1", "b1"]);
        // Times go back within a shard: its order stays.
        assert_eq!(merged(&[("a", &[], &[5, 1]), ("b", &[], &[2, 6])]), ["b0", "a0", "a1", "b1"]);
        // The child's clock is behind.
        assert_eq!(
            merged(&[("a", &["c"], &[1]), ("c", &[], &[5, 7]), ("d", &[], &[6])]),
            ["c0", "d0", "c1", "a0"]
        );
        // Both parents of a merge, one of them empty; a parent that is not there.
        assert_eq!(
            merged(&[("m", &["a", "b"], &[1]), ("a", &[], &[]), ("b", &["gone"], &[2])]),
            ["b0", "m0"]
        );
        // Nonsense is no endless loop.
        assert_eq!(merged(&[("a", &["b", "a"], &[2]), ("b", &["a"], &[1])]), ["a0", "b0"]);
        assert!(merged(&[]).is_empty());
    }

    proptest! {
        // 500 cases: up to four shards of up to eight records.
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn each_record_comes_once_and_a_shards_in_their_order(
            times in prop::collection::vec(prop::collection::vec(0i64..20, 0..8), 1..4),
            child_of in prop::collection::vec(0usize..4, 4),
        ) {
            let names = ["a", "b", "c", "d"];
            let parents: Vec<Vec<&str>> = (0..times.len()).map(|n| vec![names[child_of[n]]]).collect();
            let shards: Vec<(&str, &[&str], &[i64])> =
                (0..times.len()).map(|n| (names[n], &parents[n][..], &times[n][..])).collect();
            let merged = merged(&shards);
            for (n, times) in times.iter().enumerate() {
                let ours: Vec<&String> = merged.iter().filter(|key| key.starts_with(names[n])).collect();
                let want: Vec<String> = (0..times.len()).map(|at| format!("{}{at}", names[n])).collect();
                prop_assert_eq!(ours, want.iter().collect::<Vec<_>>());
            }
        }
    }
}
