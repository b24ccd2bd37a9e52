//! What a fleet runs into, and at how many shards. Pure.

use super::measured::Measured;
use super::model::Fleet;

/// What is asked of something that has an end.
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    /// In the unit of `allowed`.
    pub(crate) asked: fn(&Fleet, &Measured) -> f64,
    pub(crate) allowed: f64,
    pub(crate) source: &'static str,
}

/// Each with where its number is from.
pub(crate) const LIMITS: [Limit; 6] = [
    Limit {
        name: "PostgreSQL: looking for complete windows, s of its time a second",
        asked: |fleet, measured| fleet.looks_load(measured),
        allowed: 1.0,
        source: "measured; while one shard lags, each other child reads all shards' rows once a second",
    },
    Limit {
        name: "PostgreSQL: batches, s of its time a second",
        asked: |fleet, measured| fleet.batches_load(measured),
        allowed: 1.0,
        source: "measured; beyond it batches become fewer and larger",
    },
    Limit {
        name: "PostgreSQL: completing a window, s",
        asked: |fleet, measured| fleet.completion_seconds(measured),
        allowed: 60.0,
        source: "measured; longer than a window, and windows pile up",
    },
    Limit {
        name: "PostgreSQL: connections, one a child",
        asked: |fleet, _| fleet.shards_a_database(),
        allowed: 5_000.0,
        source: "max_connections on RDS: memory / 9,531,392 bytes, at most 5,000 (its default)",
    },
    Limit {
        name: "DynamoDB: writes a second",
        asked: |fleet, _| fleet.dynamodb_writes(),
        allowed: 4_000.0,
        source: "a new on-demand table; then twice its peak of before, to 40,000 (a quota that can be raised)",
    },
    Limit {
        name: "DynamoDB: read units a second",
        asked: |fleet, _| fleet.dynamodb_reads(),
        allowed: 12_000.0,
        source: "as above",
    },
];

impl Limit {
    /// The smallest number of shards that is too many, up to a million, with as many of them a worker as the fleet has.
    pub(crate) fn breaks_at(&self, fleet: &Fleet, measured: &Measured) -> Option<u64> {
        let a_worker = (fleet.shards / fleet.workers.max(1)).max(1);
        let is_too_many = |shards: u64| {
            let other = Fleet { shards, workers: shards.div_ceil(a_worker), ..fleet.clone() };
            (self.asked)(&other, measured) > self.allowed
        };
        let (mut fits, mut too_many) = (0, 1_000_000);
        if !is_too_many(too_many) {
            return None;
        }
        while fits + 1 < too_many {
            let middle = (fits + too_many) / 2;
            if is_too_many(middle) { too_many = middle } else { fits = middle }
        }
        Some(too_many)
    }
}

/// What of all comes first.
pub(crate) fn first(fleet: &Fleet, measured: &Measured) -> Option<(&'static str, u64)> {
    let all = LIMITS.iter().filter_map(|limit| Some((limit.name, limit.breaks_at(fleet, measured)?)));
    all.min_by_key(|(_, shards)| *shards)
}

/// What helps: each alone, and all together.
pub(crate) fn remedies(fleet: &Fleet) -> Vec<(&'static str, Fleet)> {
    let checkpoint_seconds = fleet.checkpoint_seconds.max(60.0);
    let failover_ms = fleet.failover_ms.max(30_000.0);
    let poll_ms = fleet.poll_ms.max(5_000.0);
    let databases = fleet.databases * 16;
    vec![
        ("as it is", fleet.clone()),
        ("a checkpoint a minute", Fleet { checkpoint_seconds, ..fleet.clone() }),
        ("leases of 30 s", Fleet { failover_ms, ..fleet.clone() }),
        ("a read every 5 s", Fleet { poll_ms, ..fleet.clone() }),
        ("partitions by pane", Fleet { by_pane: true, ..fleet.clone() }),
        ("16 times the databases", Fleet { databases, ..fleet.clone() }),
        (
            "all of these",
            Fleet { checkpoint_seconds, failover_ms, poll_ms, databases, by_pane: true, ..fleet.clone() },
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::round;
    use super::*;

    #[test]
    fn where_it_breaks_by_hand() {
        let fleet = Fleet::default();
        let at =
            |name: &str| LIMITS.iter().find(|l| l.name.contains(name)).unwrap().breaks_at(&fleet, &round());
        assert_eq!(at("connections"), Some(5_001));
        // A row a microsecond, n² rows a second.
        assert_eq!(at("looking"), Some(1_001));
        // 3 ms a key, 100 keys a shard: 200 shards take the minute.
        assert_eq!(at("completing"), Some(201));
        assert_eq!(first(&fleet, &round()).unwrap().1, 201);
    }

    #[test]
    fn each_remedy_helps_something_and_all_together_most() {
        let worst = |fleet: &Fleet| -> f64 {
            LIMITS.iter().map(|limit| (limit.asked)(fleet, &round()) / limit.allowed).fold(0.0, f64::max)
        };
        let all = remedies(&Fleet::default());
        let asked = |fleet: &Fleet| LIMITS.iter().map(|l| (l.asked)(fleet, &round())).collect::<Vec<_>>();
        let (before, together) = (asked(&all[0].1), &all[all.len() - 1].1);
        for (name, fleet) in &all[1..] {
            let after = asked(fleet);
            assert!(after.iter().zip(&before).any(|(a, b)| a < b), "{name} helps nothing");
            assert!(after.iter().zip(&before).all(|(a, b)| a <= b), "{name} does harm");
            assert!(worst(together) <= worst(fleet));
        }
    }
}
