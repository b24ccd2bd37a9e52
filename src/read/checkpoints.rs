//! [`Checkpoints`]: where each shard of a stream is, and what of that a store has not yet. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::processor::{Checkpoint, Context};
use crate::record::Batch;

/// What a processor that remembers its place keeps of each shard: it tells it what was processed, and takes
/// out what moved when it commits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checkpoints {
    of_shards: BTreeMap<String, Checkpoint>,
    moved: BTreeSet<String>,
}

impl Checkpoints {
    /// What a store has: in place of what is in memory, which may be ahead of it.
    pub(crate) fn restore(&mut self, saved: &[Checkpoint]) {
        self.of_shards = saved.iter().map(|place| (place.shard_id.clone(), place.clone())).collect();
        self.moved.clear();
    }

    /// The records of a batch are processed.
    pub(crate) fn pass(&mut self, batch: &Batch) {
        let Some(last) = batch.records.last() else { return };
        let passed = Checkpoint::new(&*batch.shard_id, Some(&last.sequence_number), last.arrival);
        self.set(passed);
    }

    /// Shards of which nothing is processed yet are read from their beginning on, wherever that is: the moment
    /// of the service's own clock that "latest" meant, or what is older than all records of the shard. Not
    /// from *now*: until their first record is processed, all that arrived meanwhile is still to be read.
    pub(crate) fn begin(&mut self, ctx: &Context) {
        for shard in ctx.shards.iter() {
            if !self.of_shards.contains_key(&*shard.shard_id) {
                self.set(Checkpoint::new(&*shard.shard_id, None, shard.since));
            }
        }
    }

    /// The last record of a shard is processed, and it has an end.
    pub(crate) fn end(&mut self, shard_id: &str, ctx: &Context) {
        let place = self.of_shards.get(shard_id).cloned();
        self.set(place.unwrap_or_else(|| Checkpoint::new(shard_id, None, ctx.now)).ended());
    }

    pub(crate) fn get(&self, shard_id: &str) -> Option<&Checkpoint> {
        self.of_shards.get(shard_id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Checkpoint> {
        self.of_shards.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.of_shards.len()
    }

    /// Whether a store has yet to be told.
    pub(crate) fn have_moved(&self) -> bool {
        !self.moved.is_empty()
    }

    /// Those that moved since this was called last.
    pub(crate) fn take_moved(&mut self) -> Vec<Checkpoint> {
        let moved = std::mem::take(&mut self.moved);
        moved.iter().filter_map(|shard| self.of_shards.get(shard)).cloned().collect()
    }

    /// What was taken out could not be told.
    pub(crate) fn put_back(&mut self, moved: &[Checkpoint]) {
        self.moved.extend(moved.iter().map(|place| place.shard_id.clone()));
    }

    fn set(&mut self, place: Checkpoint) {
        self.moved.insert(place.shard_id.clone());
        self.of_shards.insert(place.shard_id.clone(), place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use crate::stream::ShardProgress;
    use crate::timestamp::Timestamp;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn what_moved_is_told_once() {
        let mut places = Checkpoints::default();
        let record = Record::new("k", "data", "7", at(5));
        places.pass(&Batch::new("s", "a", vec![record]));
        assert!(places.have_moved());
        assert_eq!(places.take_moved(), [Checkpoint::new("a", Some("7"), at(5))]);
        assert!(!places.have_moved() && places.take_moved().is_empty());
        places.end("a", &Context::at(at(9)));
        assert_eq!(places.take_moved(), [Checkpoint::new("a", Some("7"), at(5)).ended()]);
        places.restore(&[Checkpoint::new("b", None, at(1))]);
        assert_eq!((places.len(), places.get("a"), places.have_moved()), (1, None, false));
    }

    /// A run that dies between the first tick and the first record: what came before the tick is not skipped.
    #[test]
    fn a_shard_without_a_record_is_where_its_reading_began_and_not_where_the_clock_is() {
        let mut places = Checkpoints::default();
        let shards = [ShardProgress::reading("a", &[]).since(at(100))];
        places.begin(&Context::at(at(160)).with_shards(&shards));
        places.begin(&Context::at(at(220)).with_shards(&shards));
        assert_eq!(places.take_moved(), [Checkpoint::new("a", None, at(100))]);
    }
}
