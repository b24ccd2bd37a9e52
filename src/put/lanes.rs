//! [`Lanes`]: which calls may be under way beside each other. Pure.
//!
//! A lane has one call under way at a time, and a shard belongs to one lane. So a shard's records arrive in the order
//! in which they were given, as with one call at a time: a split by the keys' hashes alone would keep a key's order,
//! but not that of the times in a log, and a counter without lateness would find its records late.

use std::collections::HashMap;

use super::queue::Outcome;
use crate::stream::Shard;

/// Whose records a call has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Those of all shards; nothing else is under way meanwhile.
    All,
    One(usize),
}

#[derive(Debug)]
pub(super) struct Lanes {
    most: usize,
    /// The first hash of each lane but the first. Empty: there is one, for want of shards or of a list of them.
    bounds: Vec<u128>,
    /// Whose lane is which, of the shards that the bounds were drawn between.
    shards: HashMap<String, usize>,
    /// Of the calls that are under way.
    busy: Vec<Lane>,
    /// The last call's records went to several shards.
    spread: bool,
    /// A shard took what it should not have: others are there than were listed.
    stale: bool,
}

impl Lanes {
    pub(super) fn new(most: usize) -> Lanes {
        Lanes {
            most,
            bounds: Vec::new(),
            shards: HashMap::new(),
            busy: Vec::new(),
            spread: false,
            stale: false,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.bounds.len() + 1
    }

    pub(super) fn lane_of(&self, hash: u128) -> usize {
        self.bounds.partition_point(|first| *first <= hash)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_empty()
    }

    /// Whether a list of the shards would be of use.
    pub(super) fn wants_shards(&self) -> bool {
        self.most > 1 && self.bounds.is_empty() && self.spread
    }

    /// Draws the bounds, between open shards, as many to each lane. Asked for while there are none: then at most
    /// one call is under way, and it keeps every lane from starting.
    pub(super) fn split(&mut self, shards: &[Shard]) {
        debug_assert!(self.bounds.is_empty() && !self.busy.iter().any(|lane| matches!(lane, Lane::One(_))));
        let mut open: Vec<&Shard> = shards.iter().filter(|shard| shard.is_open()).collect();
        open.sort_by_key(|shard| shard.hash_range.0);
        let lanes = self.most.min(open.len());
        self.bounds = (1..lanes).map(|lane| open[lane * open.len() / lanes].hash_range.0).collect();
        let lane_of = |shard: &&Shard| (shard.id.clone(), self.lane_of(shard.hash_range.0));
        self.shards = open.iter().map(lane_of).collect();
    }

    /// There is no list to be had.
    pub(super) fn stay_one(&mut self) {
        self.most = 1;
    }

    /// Which lane's call goes next, if any may. `enough` tells of each lane whether there is enough for a call.
    ///
    /// What two calls of their own would only halve goes out as one: two lanes begin when there is enough for both.
    pub(super) fn next(&self, together: bool, enough: impl FnOnce() -> Vec<bool>) -> Option<Lane> {
        if self.busy.contains(&Lane::All) {
            return None;
        }
        let all = self.busy.is_empty().then_some(Lane::All);
        if together || self.stale || self.bounds.is_empty() {
            return all;
        }
        let enough = enough();
        let lanes = enough.iter().filter(|enough| **enough).count();
        match all {
            Some(all) if lanes < 2 => Some(all),
            _ => (0..self.count())
                .map(Lane::One)
                .zip(enough)
                .find_map(|(lane, enough)| (enough && !self.busy.contains(&lane)).then_some(lane)),
        }
    }

    pub(super) fn depart(&mut self, lane: Lane) {
        self.busy.push(lane);
    }

    /// A call's answer is there, or its end. True when it tells that the shards are others than those listed.
    pub(super) fn land(&mut self, lane: Lane, outcomes: &[Outcome]) -> bool {
        self.busy.retain(|busy| *busy != lane);
        let was_stale = self.stale;
        let mut last: Option<&str> = None;
        self.spread = false;
        for outcome in outcomes {
            let Outcome::Stored(receipt) = outcome else { continue };
            let shard = receipt.shard_id.as_str();
            if last == Some(shard) {
                continue;
            }
            self.spread |= last.is_some();
            last = Some(shard);
            if !self.bounds.is_empty() {
                let listed = self.shards.get(shard);
                self.stale |= listed.is_none_or(|listed| lane != Lane::All && lane != Lane::One(*listed));
            }
        }
        if self.stale && self.busy.is_empty() {
            (self.stale, self.bounds) = (false, Vec::new());
            return true;
        }
        self.stale && !was_stale
    }
}

#[cfg(test)]
mod tests;
