//! How far event time has advanced over all shards of a stream, by what is in their table. Pure.

use std::collections::HashMap;

use crate::timestamp::Timestamp;

/// What the table of shards says of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShardRow {
    pub(crate) id: String,
    /// The shards that it was split or merged from.
    pub(crate) parents: Vec<String>,
    /// A worker was given it, at some time.
    pub(crate) opened: bool,
    /// The largest event time of its records.
    pub(crate) newest_event: Option<Timestamp>,
    /// It was read to its tip not long ago.
    pub(crate) idle: bool,
    /// Processed to its end, and all of its children are in the table.
    pub(crate) ended: bool,
}

/// The newest event time that all shards have reached: the watermark, before its lateness is taken off. `None` while
/// nothing is known of one of them.
///
/// It is [`Watermark::advance`](crate::Watermark::advance) over the shards that count: those that are read, and those
/// that will be next.
///
/// - A shard counts once its parents have ended, or it is read already.
/// - One that has ended holds all others until each of its children is read: what these bring may be older.
/// - One that is read, of which nothing is known yet, begins where its parents ended.
/// - One that was never read while a descendant of it is: the application began after it, and it counts no more.
/// - One that is idle holds nobody; when all are, the newest event counts.
pub(crate) fn event_time(shards: &[ShardRow]) -> Option<Timestamp> {
    let lineage = Generations::of(shards);
    let (mut oldest, mut newest) = (None, None);
    for (at, shard) in shards.iter().enumerate() {
        if !lineage.counts(at) {
            continue;
        }
        let time = lineage.newest[at];
        newest = newest.max(time);
        if !shard.idle || shard.ended {
            // One of which nothing is known holds all back: its first event may be of any time.
            oldest = Some(oldest.map_or(time, |oldest: Option<Timestamp>| oldest.min(time)));
        }
    }
    oldest.unwrap_or(newest)
}

/// The rows, by their places, and who came from whom.
struct Generations<'a> {
    shards: &'a [ShardRow],
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
    /// It was not read, and will not be.
    passed: Vec<bool>,
    /// Of its own events; where there are none, of its parents'.
    newest: Vec<Option<Timestamp>>,
}

impl<'a> Generations<'a> {
    fn of(shards: &'a [ShardRow]) -> Generations<'a> {
        let places: HashMap<&str, usize> = shards.iter().map(|shard| &*shard.id).zip(0..).collect();
        let parents: Vec<Vec<usize>> = shards
            .iter()
            .map(|shard| shard.parents.iter().filter_map(|id| places.get(&**id).copied()).collect())
            .collect();
        let mut children = vec![Vec::new(); shards.len()];
        for (at, parents) in parents.iter().enumerate() {
            parents.iter().for_each(|parent| children[*parent].push(at));
        }
        let none = || vec![None; shards.len()];
        let mut lineage =
            Generations { shards, parents, children, passed: vec![false; shards.len()], newest: none() };
        lineage.find_passed();
        lineage.find_newest();
        lineage
    }

    /// From each shard that is read, upwards; each is looked at once.
    fn find_passed(&mut self) {
        let mut from: Vec<usize> = (0..self.shards.len()).filter(|at| self.shards[*at].opened).collect();
        let mut seen = vec![false; self.shards.len()];
        while let Some(at) = from.pop() {
            for &parent in &self.parents[at] {
                if !std::mem::replace(&mut seen[parent], true) {
                    self.passed[parent] = !self.shards[parent].opened;
                    from.push(parent);
                }
            }
        }
    }

    /// Parents first. What is in a circle, as no service makes it, stays unknown, and holds all back.
    fn find_newest(&mut self) {
        let mut waiting: Vec<usize> = self.parents.iter().map(Vec::len).collect();
        let mut ready: Vec<usize> = (0..self.shards.len()).filter(|at| waiting[*at] == 0).collect();
        while let Some(at) = ready.pop() {
            let of_parents = || self.parents[at].iter().filter_map(|parent| self.newest[*parent]).min();
            self.newest[at] = self.shards[at].newest_event.or_else(of_parents);
            for &child in &self.children[at] {
                waiting[child] -= 1;
                if waiting[child] == 0 {
                    ready.push(child);
                }
            }
        }
    }

    fn counts(&self, at: usize) -> bool {
        let shard = &self.shards[at];
        let is_done = |at: &usize| self.shards[*at].ended || self.passed[*at];
        if self.passed[at] || !shard.opened && !self.parents[at].iter().all(is_done) {
            return false; // the parents hold in its place
        }
        let is_read = |child: &usize| self.shards[*child].opened || self.passed[*child];
        // One without children holds: they are not known yet.
        !shard.ended || self.children[at].is_empty() || !self.children[at].iter().all(is_read)
    }
}

#[cfg(test)]
mod tests;
