//! Two workers and three shards in every order that there is.

use std::collections::BTreeSet;

use super::SECONDS;
use super::plan::StreamPlan;
use super::world::{Action, World};

/// All that can be done, each shard taken so often at the most.
fn next(world: &World, takes: &[usize]) -> Vec<Action> {
    let mut actions = vec![Action::Advance, Action::Move];
    for worker in 0..2 {
        for (shard, most) in takes.iter().enumerate() {
            if world.takes(shard) < *most {
                actions.push(Action::Take(worker, shard));
            }
            let of = [Action::Batch, Action::Checkpoint, Action::End];
            actions.extend(of.map(|action| action(worker, shard)));
        }
    }
    actions.retain(|action| world.is_possible(*action));
    // The workers are alike: the first that takes a shard is the first.
    if (0..world.plan.shards.len()).all(|shard| world.takes(shard) == 0) {
        actions.retain(|action| !matches!(action, Action::Take(1, _)));
    }
    actions
}

fn replay(plan: &StreamPlan, path: &[Action]) -> World {
    let mut world = World::new(plan.clone(), SECONDS(5), SECONDS(5));
    path.iter().for_each(|action| world.act(*action));
    world
}

/// How many states there are. In each of them the invariants hold, and from each the rest can be counted, exactly.
fn explore(plan: &StreamPlan, takes: &[usize]) -> usize {
    let mut seen = BTreeSet::new();
    let mut paths: Vec<Vec<Action>> = vec![Vec::new()];
    while let Some(path) = paths.pop() {
        let mut world = replay(plan, &path);
        if !seen.insert(world.state()) {
            continue;
        }
        world.check();
        for action in next(&world, takes) {
            paths.push([&path[..], &[action]].concat());
        }
        world.finish();
        world.check();
        world.check_against_one_process();
    }
    seen.len()
}

/// Which shards are taken over, one after the other: all at once are ten times as many states.
fn whole() -> bool {
    std::env::var_os("KINESIS_LAB_FULL").is_some()
}

#[test]
fn a_split_in_every_order() {
    let plan = StreamPlan::grown(1, &[(true, 0)], &[vec![(1, 0)], vec![(9, 0)], vec![(8, 0)]]);
    let takes: &[[usize; 3]] = if whole() { &[[2, 2, 2]] } else { &[[2, 1, 1], [1, 2, 1]] };
    let states: usize = takes.iter().map(|takes| explore(&plan, takes)).sum();
    assert!(states > 500, "{states}");
    println!("{states} states");
}

#[test]
fn a_merge_in_every_order() {
    let plan = StreamPlan::grown(2, &[(false, 0)], &[vec![(1, 0)], vec![(9, 0)], vec![(9, 0)]]);
    let takes: &[[usize; 3]] = if whole() { &[[2, 2, 2]] } else { &[[2, 1, 1], [1, 1, 2]] };
    let states: usize = takes.iter().map(|takes| explore(&plan, takes)).sum();
    assert!(states > 500, "{states}");
    println!("{states} states");
}
