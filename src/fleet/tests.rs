//! Workers on a stream whose shards are split and merged, in any order; and in every order, of a small one.

mod every_order;
mod plan;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::model::Fault;
use crate::timestamp::Timestamp;
use plan::StreamPlan;
use world::{Action, World};

const SECONDS: fn(u64) -> Duration = Duration::from_secs;

/// How a stream is made: each number chooses among what can be split or merged.
fn plans() -> impl Strategy<Value = StreamPlan> {
    let shape = (1..4_usize, prop::collection::vec((any::<bool>(), 0..9_usize), 0..4));
    let records = prop::collection::vec(prop::collection::vec((0..12_i64, 0..4_i64), 0..5), 12);
    (shape, records).prop_map(|((roots, reshards), records)| StreamPlan::grown(roots, &reshards, &records))
}

fn actions() -> impl Strategy<Value = Vec<(u8, usize, usize)>> {
    prop::collection::vec((0..12_u8, 0..3_usize, 0..12_usize), 0..120)
}

fn action(kind: u8, worker: usize, shard: usize) -> Action {
    match kind {
        0 | 1 => Action::Take(worker, shard),
        2..=5 => Action::Batch(worker, shard),
        6 => Action::Checkpoint(worker, shard),
        7 => Action::End(worker, shard),
        8 => Action::Idle(worker, shard),
        9 => Action::Move,
        _ => Action::Advance,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Three workers, any lineage, takes at any time, writes that fail before or after they are done: each record is
    /// counted once, none is late, and at the end the windows are those of one process.
    #[test]
    fn counts_are_exact_in_any_order(
        plan in plans(), actions in actions(), faults in prop::collection::vec(0..9_u8, 120), slide in 1..6_u64
    ) {
        let mut world = World::new(plan, SECONDS(5), SECONDS(slide));
        for ((kind, worker, shard), fault) in actions.into_iter().zip(faults) {
            let action = action(kind, worker, shard % world.plan.shards.len());
            world.store.now().fault = match fault {
                0 => Some(Fault::Refused),
                1 => Some(Fault::AnswerLost),
                _ => None,
            };
            if world.is_possible(action) {
                world.act(action);
                world.check();
            }
        }
        world.store.now().fault = None;
        world.finish();
        world.check();
        world.check_against_one_process();
    }
}

/// The same, without the fence: the test can see it.
#[test]
fn without_the_fence_a_record_is_counted_twice() {
    let mut world = World::new(StreamPlan::grown(1, &[], &[vec![(1, 0), (2, 0)]]), SECONDS(5), SECONDS(5));
    world.store.now().fence = false;
    for action in [
        Action::Take(0, 0),
        Action::Batch(0, 0),
        Action::Take(1, 0), // begins before the first record: there was no checkpoint
        Action::Batch(0, 0),
        Action::Batch(1, 0),
    ] {
        assert!(world.is_possible(action), "{action:?}");
        world.act(action);
    }
    assert!(world.faults().iter().any(|fault| fault.contains("counted")), "{:?}", world.faults());
}

/// A worker that died before its child said anything holds the windows, and they are late for nobody.
#[test]
fn a_dead_worker_holds_the_windows_and_makes_nothing_late() {
    let records = [vec![(1, 0), (20, 0)], vec![(2, 0), (30, 0)]];
    let mut world = World::new(StreamPlan::grown(2, &[], &records), SECONDS(5), SECONDS(5));
    for action in [Action::Take(0, 0), Action::Batch(0, 0), Action::Batch(0, 0), Action::Advance] {
        world.act(action);
    }
    assert_eq!(world.store.now().tables.watermark, Timestamp::MIN);
    world.finish();
    world.check();
    world.check_against_one_process();
    let late: BTreeMap<_, _> = world.store.now().tables.late.clone();
    assert!(late.is_empty());
}
