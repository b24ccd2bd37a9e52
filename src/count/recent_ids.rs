//! [`RecentIds`]: the ids of events that may still come again. Pure.

use std::collections::{BTreeMap, HashSet};

use foldhash::quality::RandomState;
use md5::{Digest, Md5};

use crate::timestamp::Timestamp;

/// Ids are forgotten by the minute of their event.
const BUCKET: i64 = 60_000_000;
/// How many are remembered; beyond, a copy counts again.
const MAX_IDS: usize = 2_000_000;

/// A put whose answer never came is made again: the same event, with the same id, is in the stream twice,
/// seconds apart. Ids are remembered while a window may be open that counts their event.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecentIds {
    buckets: BTreeMap<i64, HashSet<u128, RandomState>>,
    count: usize,
    /// Those that a store has not.
    new: Vec<(Timestamp, u128)>,
}

impl RecentIds {
    /// Whether the id was here before; remembers it.
    pub(crate) fn is_copy(&mut self, id: &str, time: Timestamp) -> bool {
        let (bucket, id) = Self::place(id, time);
        let bucket = bucket.as_micros();
        if self.count >= MAX_IDS {
            return self.buckets.get(&bucket).is_some_and(|ids| ids.contains(&id));
        }
        let new = self.buckets.entry(bucket).or_default().insert(id);
        if new {
            self.count += 1;
            self.new.push((Timestamp::from_micros(bucket), id));
        }
        !new
    }

    /// Under what an id is kept: the minute of its event, and its hash.
    pub(crate) fn place(id: &str, time: Timestamp) -> (Timestamp, u128) {
        let hash = u128::from_be_bytes(Md5::digest(id.as_bytes()).into());
        (Timestamp::from_micros(Self::bucket(time)), hash)
    }

    /// Forgets those of events before this time; gives the time up to which a store may forget.
    pub(crate) fn forget(&mut self, before: Timestamp) -> Timestamp {
        let before = Self::bucket(before);
        let kept = self.buckets.split_off(&before);
        self.count -= self.buckets.values().map(HashSet::len).sum::<usize>();
        self.buckets = kept;
        Timestamp::from_micros(before)
    }

    /// For a store: what came since this was last called.
    pub(crate) fn changes(&mut self) -> Vec<(Timestamp, u128)> {
        std::mem::take(&mut self.new)
    }

    pub(crate) fn restore(&mut self, ids: Vec<(Timestamp, u128)>) {
        *self = RecentIds::default();
        self.count = ids.len();
        for (bucket, id) in ids {
            self.buckets.entry(bucket.as_micros()).or_default().insert(id);
        }
    }

    fn bucket(time: Timestamp) -> i64 {
        time.as_micros() - time.as_micros().rem_euclid(BUCKET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_known_until_their_minute_is_over() {
        let at = Timestamp::from_secs;
        let mut ids = RecentIds::default();
        assert!(!ids.is_copy("a", at(59)) && ids.is_copy("a", at(59)));
        let saved = ids.changes();
        assert_eq!(ids.forget(at(59)), at(0));
        assert!(ids.is_copy("a", at(59)));
        assert_eq!(ids.forget(at(60)), at(60));
        assert!(!ids.is_copy("a", at(59)), "forgotten");
        ids.restore(saved);
        assert!(ids.is_copy("a", at(59)));
    }
}
