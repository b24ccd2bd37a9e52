use serde_json::{Value, json};

use super::hash_ring::number;
use super::hash_ring_figure::data;
use super::tests::run;
use super::*;
use crate::stream::{Shard, neighbours};

const MODEL: &str = include_str!("hash_ring_model.js");
const COMPARED: &str = "
const said = inputs.map(({ shards, steps, keys }) => {
    let now = ringOf(shards);
    for (const [one, other] of steps) {
        now = other === null ? splitShard(now, one) : mergeShards(now, one, other);
    }
    const all = now.map(({ id, low, high, parents, open }) =>
        ({ id, low: String(low), high: String(high), parents, open }));
    return [all, keys.map(({ hash }) => ownerOf(now, BigInt(hash))?.id ?? null), openShards(now).map(({ id }) => id)];
});
const text = JSON.stringify(said);
";

type Step = (String, Option<String>);

fn shard(number: usize, hash_range: (u128, u128), parents: &[&Shard]) -> Shard {
    Shard {
        id: format!("shardId-{number:012}"),
        parent: parents.first().map(|parent| parent.id.clone()),
        adjacent_parent: parents.get(1).map(|parent| parent.id.clone()),
        hash_range,
        starting_sequence_number: "0".into(),
        ending_sequence_number: None,
    }
}

/// Splits and merges by the library's rules; what it refuses changes nothing.
fn after(mut shards: Vec<Shard>, (one, other): &Step) -> Vec<Shard> {
    let n = shards.len();
    let (parents, children) = match other {
        None => {
            let Some(parent) = shards.iter().find(|shard| shard.id == *one && shard.is_open()) else {
                return shards;
            };
            let ((low, high), middle) = (parent.hash_range, parent.middle());
            let children = [(low, middle - 1), (middle, high)];
            (
                vec![one.clone()],
                children.iter().zip(n..).map(|(range, n)| shard(n, *range, &[parent])).collect(),
            )
        }
        Some(other) => {
            let Ok((lower, upper)) = neighbours(&shards, one, other) else { return shards };
            let merged = shard(n, (lower.hash_range.0, upper.hash_range.1), &[lower, upper]);
            (vec![lower.id.clone(), upper.id.clone()], vec![merged])
        }
    };
    for parent in shards.iter_mut().filter(|shard| parents.contains(&shard.id)) {
        parent.ending_sequence_number = Some("1".into());
    }
    shards.extend::<Vec<Shard>>(children);
    shards
}

/// So many of one size; the last one takes what is left.
fn first(open: u128) -> Vec<Shard> {
    let size = (u128::MAX / open).saturating_add(u128::from(open.is_power_of_two()));
    let end = |n| if n + 1 == open { u128::MAX } else { size * (n + 1) - 1 };
    (0..open).map(|n| shard(n as usize, (size * n, end(n)), &[])).collect()
}

fn any_step(random: &mut fastrand::Rng, shards: &[Shard]) -> Step {
    let (one, other) = (random.usize(..shards.len()), random.usize(..shards.len()));
    let mut open: Vec<&Shard> = shards.iter().filter(|shard| shard.is_open()).collect();
    open.sort_by_key(|shard| shard.hash_range);
    match random.u8(..4) {
        0 => (shards[one].id.clone(), Some(shards[other].id.clone())), // most often no neighbours, or closed
        1 if open.len() > 1 => {
            let at = random.usize(1..open.len());
            (open[at].id.clone(), Some(open[at - 1].id.clone()))
        }
        _ => (shards[one].id.clone(), None),
    }
}

#[test]
fn the_script_splits_and_merges_as_the_library_does_in_200_histories() {
    let keys = ["192.0.2.10", "192.0.2.20", "192.0.2.30", "", "__proto__", "k", "東京"];
    let (mut inputs, mut answers, mut merged) = (Vec::new(), Vec::new(), 0);
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let before = first(random.u128(1..5));
        let (mut now, mut steps) = (before.clone(), Vec::new());
        for _ in 0..random.usize(1..20) {
            let step = any_step(&mut random, &now);
            now = after(now, &step);
            steps.push(step);
        }
        let ring = HashRing::of(&now).keys(&keys);
        let input = data(&before, &ring);
        inputs.push(json!({ "shards": input["shards"], "steps": steps, "keys": input["keys"] }));
        let owner =
            |key: &&str| now.iter().find(|shard| shard.is_open() && shard.takes(key)).unwrap().id.clone();
        let owners: Vec<String> = keys.iter().map(owner).collect();
        let open: Vec<&str> = ring.open().into_iter().map(|shard| shard.id.as_str()).collect();
        answers.push(json!([data(&now, &ring)["shards"], owners, open]));
        merged += now.iter().filter(|shard| shard.adjacent_parent.is_some()).count();
    }
    assert!(merged > 100, "{merged}");
    let said = |model: &str| -> Option<Vec<Value>> {
        let said = run(&format!("{model}\nconst inputs = {};\n{COMPARED}", json!(inputs)))?;
        Some(serde_json::from_str(&said).unwrap())
    };
    let Some(right) = said(MODEL) else {
        return eprintln!("SKIPPED: neither node nor chromium is here");
    };
    for (seed, (answer, said)) in answers.iter().zip(&right).enumerate() {
        assert_eq!(answer, said, "seed {seed}: {}", inputs[seed]);
    }
    // A rule that is a little off would be noticed.
    for (right, wrong) in [
        ("/ 2n + 1n", "/ 2n"),
        ("a.low < b.low ? [a, b] : [b, a]", "[a, b]"),
        ("b.high + 1n !== a.low", "true"),
        ("open && low <= hash", "low <= hash"),
    ] {
        assert!(MODEL.contains(right), "{right}");
        assert_ne!(said(&MODEL.replace(right, wrong)).unwrap(), answers, "nobody notices {wrong}");
    }
}

/// The rules above, held to the embedded service.
#[cfg(feature = "local")]
#[test]
fn the_embedded_service_splits_and_merges_so_too() {
    let kinesis = crate::service::Kinesis::local().unwrap();
    for seed in 0..4 {
        let mut random = fastrand::Rng::with_seed(seed);
        let stream = kinesis.create_stream(format!("ring-{seed}").as_str(), 2).unwrap();
        let mut expected = first(2);
        for _ in 0..4 {
            let step = any_step(&mut random, &expected);
            expected = after(expected, &step);
            let _ = match &step {
                (one, None) => stream.split_shard(one),
                (one, Some(other)) => stream.merge_shards(one, other),
            };
        }
        let shards = stream.shards().unwrap();
        let ring = HashRing::of(&[]);
        assert_eq!(data(&shards, &ring), data(&expected, &ring), "seed {seed}");
    }
}

#[test]
fn its_picture_stands_for_any_list_of_shards() {
    let ring = |ranges: &[(u128, u128)]| {
        let mut shards: Vec<Shard> = ranges.iter().zip(0..).map(|(range, n)| shard(n, *range, &[])).collect();
        for n in 0..shards.len() {
            shards[n].parent = Some(shards[n.saturating_sub(1)].id.clone()); // the first one's is itself
        }
        HashRing::of(&shards)
    };
    let thin: Vec<(u128, u128)> = (0..500).map(|n| (n, n)).collect();
    for ranges in [&[][..], &[(0, u128::MAX)], &[(0, 0), (u128::MAX, u128::MAX)], &[(9, 3)], &thin] {
        let figure = ring(ranges).keys(&["</script><b>"]).figure();
        assert!(figure.png().unwrap().starts_with(b"\x89PNG"));
        assert_eq!(figure.html().matches("</script").count(), 1);
    }
    assert_eq!(ring(&thin).figure().data["shards"].as_array().unwrap().len(), 64);
    assert_eq!([number("shardId-000000000012"), number("\u{1b}x")], ["12", r"\x1bx"].map(str::to_owned));
}
