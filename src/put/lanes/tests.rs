//! Lanes and the queue together: whose records are under way beside each other.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use fastrand::Rng;
use proptest::prelude::*;

use super::super::queue::{MAX_RECORDS, Pending, PutOptions, Queue};
use super::super::report::PutReceipt;
use super::*;
use crate::error::{Error, ErrorKind};
use crate::hash_key::hash_key;
use crate::record::Entry;

/// `of` shards, each with an equal part of all hashes; those at `closed` are.
fn shards(of: u128, closed: &[u128]) -> Vec<Shard> {
    let part = (u128::MAX / of).wrapping_add(1);
    (0..of)
        .map(|n| Shard {
            id: format!("{n}"),
            parent: None,
            adjacent_parent: None,
            hash_range: (part.wrapping_mul(n), if n + 1 == of { u128::MAX } else { part * (n + 1) - 1 }),
            starting_sequence_number: "0".into(),
            ending_sequence_number: closed.contains(&n).then(|| "9".into()),
        })
        .collect()
}

fn taken_by(shards: &[Shard], key: &str) -> Outcome {
    let shard = shards.iter().rfind(|shard| shard.is_open() && shard.takes(key)).expect("a shard");
    Outcome::Stored(PutReceipt { shard_id: shard.id.clone(), sequence_number: "1".into() })
}

fn keys_of(batch: &[Pending]) -> Vec<&str> {
    batch.iter().map(|pending| pending.parcel.entry().partition_key.as_str()).collect()
}

fn split(of: u128) -> Lanes {
    let mut lanes = Lanes::new(2);
    lanes.split(&shards(of, &[]));
    lanes
}

#[test]
fn a_shard_belongs_to_one_lane() {
    for (of, most, lanes) in [(1, 2, 1), (2, 2, 2), (3, 2, 2), (8, 2, 2), (8, 3, 3), (4, 8, 4), (16, 8, 8)] {
        let mut all = Lanes::new(most);
        all.split(&shards(of, &[]));
        assert_eq!(all.count(), lanes);
        let mut of_lane = vec![0; lanes];
        for shard in shards(of, &[]) {
            let lane = all.lane_of(shard.hash_range.0);
            assert_eq!(all.lane_of(shard.hash_range.1), lane, "{of} shards, {most} lanes");
            of_lane[lane] += 1;
        }
        assert!(of_lane.iter().max().unwrap() - of_lane.iter().min().unwrap() <= 1, "{of_lane:?}");
    }
}

#[test]
fn what_is_too_little_for_two_calls_is_one() {
    let mut lanes = split(8);
    let next = |lanes: &Lanes, enough: [bool; 2]| lanes.next(false, || enough.to_vec());
    assert_eq!(next(&lanes, [true, false]), Some(Lane::All));
    assert_eq!(next(&lanes, [false, false]), Some(Lane::All));
    assert_eq!(next(&lanes, [true, true]), Some(Lane::One(0)));
    lanes.depart(Lane::One(0));
    assert_eq!(next(&lanes, [true, true]), Some(Lane::One(1)));
    assert_eq!(next(&lanes, [true, false]), None, "it waits until it may go together");
    assert_eq!(lanes.next(true, || vec![true, true]), None);
    lanes.land(Lane::One(0), &[]);
    lanes.depart(Lane::All);
    assert_eq!(next(&lanes, [true, true]), None);
    // As the queue sees it: 249 of 500 are not enough, 250 are.
    let mut queue = Queue::new(PutOptions::default());
    let mut of_lane = [0, 0];
    for n in 0.. {
        let entry = Entry::new(format!("{n}"), "");
        let lane = lanes.lane_of(entry.hash());
        if of_lane[lane] < MAX_RECORDS / 2 - 1 + lane {
            of_lane[lane] += 1;
            queue.push(entry);
        } else if of_lane == [MAX_RECORDS / 2 - 1, MAX_RECORDS / 2] {
            break;
        }
    }
    assert_eq!(queue.enough(&lanes, Duration::ZERO), [false, true]);
}

#[test]
fn other_shards_than_were_listed_make_it_one_lane_again() {
    let after_split = || {
        let mut shards = shards(4, &[0]);
        shards.push(Shard { id: "child".into(), ending_sequence_number: None, ..shards[0].clone() });
        shards
    };
    let mut lanes = split(4);
    lanes.depart(Lane::One(0));
    lanes.depart(Lane::One(1));
    let child = Outcome::Stored(PutReceipt { shard_id: "child".into(), sequence_number: "1".into() });
    assert!(lanes.land(Lane::One(0), std::slice::from_ref(&child)));
    assert_eq!(lanes.next(false, || vec![true, true]), None, "the other lane is under way as it was drawn");
    assert!(!lanes.wants_shards());
    let other = Outcome::Stored(PutReceipt { shard_id: "3".into(), sequence_number: "1".into() });
    assert!(lanes.land(Lane::One(1), std::slice::from_ref(&other)));
    assert_eq!((lanes.count(), lanes.next(false, Vec::new)), (1, Some(Lane::All)));
    lanes.depart(Lane::All);
    assert!(!lanes.land(Lane::All, &[child, other]) && lanes.wants_shards());
    lanes.split(&after_split());
    assert_eq!(lanes.count(), 2);

    // And one that goes by other rules than the hash.
    lanes.depart(Lane::One(0));
    let third = Outcome::Stored(PutReceipt { shard_id: "3".into(), sequence_number: "1".into() });
    assert!(lanes.land(Lane::One(0), &[third]));
}

#[test]
fn one_shard_is_no_reason_to_list() {
    let mut lanes = Lanes::new(2);
    let one = taken_by(&shards(1, &[]), "k");
    lanes.depart(Lane::All);
    lanes.land(Lane::All, &[one.clone(), one]);
    assert!(!lanes.wants_shards());
    let mut lanes = Lanes::new(1);
    lanes.depart(Lane::All);
    lanes.land(Lane::All, &["a", "b", "c", "d"].map(|key| taken_by(&shards(8, &[]), key)));
    assert!(!lanes.wants_shards(), "one lane was asked for");
}

/// A call that is under way.
struct Call {
    lane: Lane,
    batch: Vec<Pending>,
    answer: Vec<Outcome>,
}

/// All that departs and lands, in a random order, through failures and a reshard.
struct World {
    queue: Queue,
    lanes: Lanes,
    shards: Vec<Shard>,
    calls: Vec<Call>,
    rng: Rng,
    now: Duration,
    failing: f64,
    stored: Vec<(String, u64)>,
    failed: Vec<u64>,
    most_at_once: usize,
}

impl World {
    fn depart(&mut self) -> bool {
        let (lanes, queue) = (&self.lanes, &mut self.queue);
        let together = queue.has_halves();
        let Some(lane) = lanes.next(together, || queue.enough(lanes, self.now)) else { return false };
        let batch = match lane {
            Lane::All => queue.take(self.now),
            Lane::One(lane) => queue.take_lane(self.now, lanes, lane),
        };
        if batch.is_empty() {
            return false;
        }
        let mut answer: Vec<Outcome> = Vec::new();
        let refused = self.rng.f64() < self.failing / 4.0;
        for pending in &batch {
            let key = &pending.parcel.entry().partition_key;
            answer.push(match self.rng.f64() < self.failing {
                _ if refused => Outcome::Refused(Error::new(ErrorKind::InvalidInput, "one of them")),
                true => Outcome::Retry(Error::new(ErrorKind::Throttled, "slow down")),
                false => taken_by(&self.shards, key),
            });
        }
        self.lanes.depart(lane);
        self.calls.push(Call { lane, batch, answer });
        self.most_at_once = self.most_at_once.max(self.calls.len());
        true
    }

    /// One of them, whichever.
    fn land(&mut self) {
        let call = self.calls.swap_remove(self.rng.usize(..self.calls.len()));
        let number = |entry: &Entry| String::from_utf8_lossy(&entry.data).parse::<u64>().unwrap();
        let refused = call.batch.len() > 1 && call.answer.iter().any(|a| matches!(a, Outcome::Refused(_)));
        for (pending, outcome) in call.batch.iter().zip(&call.answer).filter(|_| !refused) {
            if matches!(outcome, Outcome::Stored(_)) {
                let entry = pending.parcel.entry();
                self.stored.push((entry.partition_key.clone(), number(entry)));
            }
        }
        self.lanes.land(call.lane, &call.answer);
        let settled = self.queue.settle(call.batch, call.answer, self.now, &mut self.rng);
        self.failed.extend(settled.failed.iter().map(|failed| number(&failed.entry)));
    }
}

proptest! {
    // 24 cases of some thousand records each: every case has dozens of calls, so that all ways in which two
    // can meet are met many times.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn nothing_is_lost_doubled_or_overtaken(
        seed: u64, ordered: bool, of in 1u128..9, most in 1usize..5, keys in 1usize..2_000, failing in 0u8..3,
    ) {
        let options = PutOptions { ordered, ..PutOptions::default() };
        let mut world = World {
            queue: Queue::new(options),
            lanes: Lanes::new(most),
            shards: shards(of, &[]),
            calls: Vec::new(),
            rng: Rng::with_seed(seed),
            now: Duration::ZERO,
            failing: f64::from(failing) / 20.0,
            stored: Vec::new(),
            failed: Vec::new(),
            most_at_once: 0,
        };
        let records = 3_000_u64;
        for n in 0..records {
            let key = format!("{}", world.rng.usize(..keys));
            world.queue.push(Entry::new(key, n.to_string()));
        }
        let mut resharded = false;
        loop {
            if world.lanes.wants_shards() {
                let listed = world.shards.clone();
                world.lanes.split(&listed);
            }
            while world.rng.u8(..4) > 0 && world.depart() {}
            let under_way: Vec<&str> = world.calls.iter().flat_map(|call| keys_of(&call.batch)).collect();
            let calls: Vec<HashSet<&str>> =
                world.calls.iter().map(|call| keys_of(&call.batch).into_iter().collect()).collect();
            let distinct: HashSet<&str> = under_way.iter().copied().collect();
            prop_assert_eq!(calls.iter().map(HashSet::len).sum::<usize>(), distinct.len(), "a key in two calls");
            prop_assert!(!ordered || under_way.len() == distinct.len(), "a key twice");
            if world.calls.is_empty() {
                match world.queue.next_due() {
                    Some(due) => world.now = world.now.max(due),
                    None => break,
                }
                continue;
            }
            world.land();
            if !resharded && world.stored.len() as u64 > records / 2 {
                resharded = true;
                let id = world.rng.usize(..world.shards.len());
                let child = Shard { id: "child".into(), ..world.shards[id].clone() };
                world.shards[id].ending_sequence_number = Some("9".into());
                world.shards.push(child);
            }
        }
        let mut all: Vec<u64> = world.stored.iter().map(|(_, n)| *n).chain(world.failed.iter().copied()).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..records).collect::<Vec<_>>());
        if ordered || failing == 0 {
            let mut of_key: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
            world.stored.iter().for_each(|(key, n)| of_key.entry(key).or_default().push(*n));
            prop_assert!(of_key.values().all(|numbers| numbers.is_sorted()));
        }
        if failing == 0 && !ordered {
            // The whole shard, as it was given.
            for shard in shards(of, &[]) {
                let here = world.stored.iter().filter(|(key, _)| {
                    (shard.hash_range.0..=shard.hash_range.1).contains(&hash_key(key))
                });
                prop_assert!(here.map(|(_, n)| n).is_sorted(), "a shard's records");
            }
        }
        prop_assert!(world.most_at_once <= most);
    }
}
