//! [`ActiveShards`]: the shards that a run reads, and what a processor is told of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::shard_state::ShardState;
use crate::stream::ShardProgress;

/// By their ids. The list that a processor is given with each batch is kept: of a thousand shards, making it anew
/// for a batch of each would cost more than to count their records.
#[derive(Default)]
pub(super) struct ActiveShards {
    shards: BTreeMap<Arc<str>, ShardState>,
    /// Those that are read, by their ids, and after them those that ended. Nobody waits for this mutex: a run has
    /// one driver.
    told: Mutex<Option<Arc<[ShardProgress]>>>,
}

impl ActiveShards {
    pub(super) fn insert(&mut self, shard_id: Arc<str>, state: ShardState) {
        self.shards.insert(shard_id, state);
        self.forget();
    }

    pub(super) fn remove(&mut self, shard_id: &str) -> Option<ShardState> {
        self.forget();
        self.shards.remove(shard_id)
    }

    /// There are others than before that ended.
    pub(super) fn forget_ended(&mut self) {
        self.forget();
    }

    fn forget(&mut self) {
        *self.told.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    pub(super) fn states(&self) -> impl Iterator<Item = &ShardState> {
        self.shards.values()
    }

    /// A poll is over: none is polled in the next one.
    pub(super) fn begin_poll(&mut self) {
        self.shards.values_mut().for_each(|shard| shard.polled = false);
    }

    /// Changes what is known of a shard, if it is read.
    pub(super) fn update<T>(
        &mut self,
        shard_id: &str,
        change: impl FnOnce(&mut ShardState) -> T,
    ) -> Option<T> {
        let (id, _) = self.shards.get_key_value(shard_id)?;
        let id = id.clone();
        let state = self.shards.get_mut(shard_id)?;
        let outcome = change(state);
        let now = state.progress(&id);
        let reading = self.shards.len();
        if let Some(told) = self.told.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let at = told[..reading].binary_search_by(|shard| (*shard.shard_id).cmp(shard_id));
            if at.is_ok_and(|at| told[at] == now) {
                return Some(outcome);
            }
            match (at, Arc::get_mut(told)) {
                (Ok(at), Some(told)) => told[at] = now,
                // A processor has kept the list: its own stays as it is.
                _ => self.forget(),
            }
        }
        Some(outcome)
    }

    /// What a processor is told, with those that ended.
    pub(super) fn progress(&self, ended: impl Iterator<Item = ShardProgress>) -> Arc<[ShardProgress]> {
        let shards = &self.shards;
        let list = || shards.iter().map(|(id, state)| state.progress(id)).chain(ended).collect();
        self.told.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(list).clone()
    }

    /// Takes an error of a shard of which nothing was ever read.
    pub(super) fn take_unread(&mut self) -> Option<crate::error::Error> {
        self.shards.values_mut().find_map(|shard| shard.unread.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::stream::Shard;
    use crate::timestamp::Timestamp;

    fn state(parents: &[&str]) -> ShardState {
        let shard = Shard {
            id: "any".into(),
            parent: parents.first().map(|parent| parent.to_string()),
            adjacent_parent: None,
            hash_range: (0, u128::MAX),
            starting_sequence_number: "1".into(),
            ending_sequence_number: None,
        };
        ShardState::new(&shard, Timestamp::MIN)
    }

    /// Made anew, whatever is kept.
    fn anew(reading: &ActiveShards, ended: &[ShardProgress]) -> Vec<ShardProgress> {
        reading.shards.iter().map(|(id, state)| state.progress(id)).chain(ended.iter().cloned()).collect()
    }

    #[test]
    fn what_is_told_is_as_if_it_were_made_anew() {
        let (mut reading, mut ended) = (ActiveShards::default(), Vec::new());
        let told = |reading: &ActiveShards, ended: &[ShardProgress]| {
            let list = reading.progress(ended.iter().cloned());
            assert_eq!(list.to_vec(), anew(reading, ended));
            list
        };
        for id in ["b", "a", "c"] {
            reading.insert(id.into(), state(&[]));
            told(&reading, &ended);
        }
        let first = told(&reading, &ended);
        assert!(Arc::ptr_eq(&first, &told(&reading, &ended)), "kept while nothing changes");
        // Also while a processor holds on to the list that it was given, which stays as it was.
        let before = first.to_vec();
        reading.update("b", |state| state.idle = true);
        told(&reading, &ended);
        assert_eq!(first.to_vec(), before);
        drop(first);
        reading.update("b", |state| state.failed(Error::invalid("x")));
        reading.update("a", |state| state.millis_behind = Some(0));
        assert!(reading.update("z", |_| ()).is_none());
        told(&reading, &ended);
        assert!(reading.take_unread().is_some());

        assert!(reading.remove("b").is_some());
        ended.push(ShardProgress::reading("b", &[]).ended());
        told(&reading, &ended);
        reading.insert("d".into(), state(&["b"]));
        ended.clear();
        reading.forget_ended();
        assert_eq!(told(&reading, &ended)[2].parents, ["b"]);
        reading.update("d", ShardState::close);
        told(&reading, &ended);
    }
}
