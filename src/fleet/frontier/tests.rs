use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::count::Watermark;
use crate::stream::ShardProgress;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn unread(id: &str, parents: &[&str]) -> ShardRow {
    let parents = parents.iter().map(|parent| parent.to_string()).collect();
    ShardRow { id: id.into(), parents, ..ShardRow::default() }
}

fn read(id: &str, parents: &[&str], newest: i64) -> ShardRow {
    let newest_event = (newest > 0).then(|| at(newest));
    ShardRow { opened: true, newest_event, ..unread(id, parents) }
}

fn ended(row: ShardRow) -> ShardRow {
    ShardRow { ended: true, ..row }
}

fn idle(row: ShardRow) -> ShardRow {
    ShardRow { idle: true, ..row }
}

#[test]
fn the_slowest_that_is_not_idle_counts() {
    assert_eq!(event_time(&[]), None);
    assert_eq!(event_time(&[read("a", &[], 10), read("b", &[], 7)]), Some(at(7)));
    assert_eq!(event_time(&[read("a", &[], 10), idle(read("b", &[], 7))]), Some(at(10)));
    assert_eq!(event_time(&[idle(read("a", &[], 10)), idle(read("b", &[], 7))]), Some(at(10)));
    assert_eq!(event_time(&[idle(read("a", &[], 0))]), None, "there was no event yet");
}

#[test]
fn one_that_nobody_has_read_holds_all() {
    assert_eq!(event_time(&[read("a", &[], 10), unread("b", &[])]), None);
    assert_eq!(event_time(&[read("a", &[], 10), read("b", &[], 0)]), None);
}

#[test]
fn one_that_ended_holds_until_all_of_its_children_are_read() {
    let (a, z) = (ended(read("a", &[], 10)), read("z", &[], 99));
    assert_eq!(event_time(&[a.clone(), z.clone()]), Some(at(10)), "they are not known yet");
    let (b, c) = (read("b", &["a"], 50), unread("c", &["a"]));
    assert_eq!(event_time(&[a.clone(), z.clone(), unread("b", &["a"]), c.clone()]), Some(at(10)));
    assert_eq!(event_time(&[a.clone(), z.clone(), b.clone(), c]), Some(at(10)));
    assert_eq!(event_time(&[a.clone(), z.clone(), b.clone(), read("c", &["a"], 0)]), Some(at(10)));
    assert_eq!(event_time(&[a, z, b, read("c", &["a"], 60)]), Some(at(50)));
}

#[test]
fn a_child_waits_for_both_of_its_parents() {
    let (a, b) = (ended(read("a", &[], 10)), read("b", &[], 7));
    let child = unread("c", &["a", "b"]);
    assert_eq!(event_time(&[a.clone(), b.clone(), child.clone()]), Some(at(7)));
    assert_eq!(event_time(&[a.clone(), ended(b.clone()), child]), Some(at(7)));
    assert_eq!(event_time(&[a.clone(), ended(b.clone()), read("c", &["a", "b"], 0)]), Some(at(7)));
    assert_eq!(event_time(&[a, ended(b), read("c", &["a", "b"], 12)]), Some(at(12)));
}

/// An application that begins at the tip of a stream that was resharded: it is never given what was before.
#[test]
fn what_is_before_the_beginning_of_an_application_holds_nobody() {
    let stream = [unread("a", &[]), unread("b", &["a"]), unread("c", &["a"]), unread("d", &["b"])];
    assert_eq!(event_time(&stream), None);
    let begun = [unread("a", &[]), unread("b", &["a"]), read("c", &["a"], 9), read("d", &["b"], 5)];
    assert_eq!(event_time(&begun), Some(at(5)));
    let half = [unread("a", &[]), unread("b", &["a"]), read("c", &["a"], 9), unread("d", &["b"])];
    assert_eq!(event_time(&half), None, "b may still be read");
}

#[test]
fn a_circle_that_no_service_makes_ends() {
    assert_eq!(event_time(&[read("a", &["b"], 5), read("b", &["a"], 9)]), None);
}

/// A stream that is read by one process, as its consumer would tell it.
#[derive(Debug, Clone)]
enum Step {
    Event(usize, i64),
    Idle(usize),
    End(usize),
    Split(usize),
    Merge(usize, usize),
    Open(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let shard = 0..12_usize;
    let step = prop_oneof![
        4 => (shard.clone(), 1..99_i64).prop_map(|(shard, time)| Step::Event(shard, time)),
        1 => shard.clone().prop_map(Step::Idle),
        2 => shard.clone().prop_map(Step::End),
        1 => shard.clone().prop_map(Step::Split),
        1 => (shard.clone(), shard.clone()).prop_map(|(one, other)| Step::Merge(one, other)),
        3 => shard.prop_map(Step::Open),
    ];
    prop::collection::vec(step, 1..60)
}

/// The rows of a stream on which all of this happens, as far as it can.
#[derive(Default)]
struct Played {
    rows: Vec<ShardRow>,
    /// Closed by a reshard: it takes no more children.
    closed: Vec<bool>,
}

impl Played {
    fn new(roots: usize) -> Played {
        let rows = (0..roots).map(|n| unread(&format!("s{n}"), &[])).collect();
        Played { rows, closed: vec![false; roots] }
    }

    fn children(&self, at: usize) -> Vec<usize> {
        let id = &self.rows[at].id;
        (0..self.rows.len()).filter(|child| self.rows[*child].parents.contains(id)).collect()
    }

    fn add(&mut self, parents: &[usize]) {
        let parents = parents.iter().map(|at| self.rows[*at].id.clone()).collect();
        let id = format!("s{}", self.rows.len());
        self.rows.push(ShardRow { id, parents, ..ShardRow::default() });
        self.closed.push(false);
    }

    fn apply(&mut self, step: &Step) {
        let n = self.rows.len();
        match *step {
            Step::Event(at, time) if self.rows[at % n].opened && !self.rows[at % n].ended => {
                let row = &mut self.rows[at % n];
                row.newest_event = row.newest_event.max(Some(self::at(time)));
                row.idle = false;
            }
            Step::Idle(at) if self.rows[at % n].opened && !self.rows[at % n].ended => {
                self.rows[at % n].idle = true;
            }
            Step::Split(at) if !self.closed[at % n] => {
                self.closed[at % n] = true;
                self.add(&[at % n]);
                self.add(&[at % n]);
            }
            Step::Merge(one, other)
                if one % n != other % n && !self.closed[one % n] && !self.closed[other % n] =>
            {
                (self.closed[one % n], self.closed[other % n]) = (true, true);
                self.add(&[one % n, other % n]);
            }
            Step::End(at) if self.closed[at % n] && self.rows[at % n].opened => {
                self.rows[at % n].ended = true;
                self.rows[at % n].idle = false;
            }
            Step::Open(at) => {
                let ended = |id: &String| self.rows.iter().any(|row| row.id == *id && row.ended);
                if self.rows[at % n].parents.iter().all(ended) {
                    self.rows[at % n].opened = true;
                }
            }
            _ => {}
        }
    }

    /// What a consumer of one process knows: shards that are read, those that ended while their children are not, and
    /// those that are to be read next.
    fn as_one_process(&self) -> Vec<ShardProgress> {
        let all_opened = |at: usize| {
            let children = self.children(at);
            !children.is_empty() && children.iter().all(|child| self.rows[*child].opened)
        };
        let is_ended = |id: &String| self.rows.iter().any(|row| row.id == *id && row.ended);
        let relevant = |at: &usize| {
            let row = &self.rows[*at];
            match (row.opened, row.ended) {
                (true, true) => !all_opened(*at),
                (true, false) => true,
                (false, _) => row.parents.iter().all(is_ended),
            }
        };
        (0..self.rows.len())
            .filter(relevant)
            .map(|at| {
                let row = &self.rows[at];
                let parents: Vec<&str> = row.parents.iter().map(String::as_str).collect();
                let mut progress = ShardProgress::reading(&row.id, &parents);
                (progress.idle, progress.ended) = (row.idle, row.ended);
                progress
            })
            .collect()
    }
}

proptest! {
    // Nearly all lineages of five generations come up in a thousand.
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// In any order of opening, events and ends, over any splits and merges, one process would say the same.
    #[test]
    fn it_is_the_watermark_of_one_process(roots in 1..4_usize, steps in steps()) {
        let mut stream = Played::new(roots);
        let mut inherited: BTreeMap<String, Timestamp> = BTreeMap::new();
        for step in &steps {
            stream.apply(step);
            // The rows are in the order of their generations: parents come first.
            for row in &stream.rows {
                let of_parents = row.parents.iter().filter_map(|parent| inherited.get(parent)).min();
                if let Some(time) = row.newest_event.or(of_parents.copied()) {
                    inherited.insert(row.id.clone(), time);
                }
            }
            let mut watermark = Watermark::new(Duration::ZERO);
            watermark.restore(Timestamp::MIN, inherited.clone());
            let expected = watermark.advance(&stream.as_one_process());
            let found = event_time(&stream.rows);
            prop_assert_eq!(found.unwrap_or(Timestamp::MIN), expected, "{:?}", stream.rows);
        }
    }
}
