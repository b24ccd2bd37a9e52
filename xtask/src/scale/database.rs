//! One database and the shards that write to it, minute by minute: a simulation in virtual time, the same for each seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::measured::Measured;
use super::model::Fleet;

/// What a reader of the counts would have noticed.
#[derive(Debug, PartialEq)]
pub(crate) struct Noticed {
    pub(crate) transactions_a_second: f64,
    /// From a batch's arrival until its turn, in seconds: of half of them, of all but one in a hundred.
    pub(crate) wait_median: f64,
    pub(crate) wait_99: f64,
    /// Between two reads of a shard, at the end; more than the poll where the database does not keep up.
    pub(crate) cycle_seconds: f64,
    /// Of the database's time.
    pub(crate) busy: f64,
}

/// A shard is read, its batch waits for its turn and is written, and after the poll's pause it is read again: a slow
/// database makes fewer and larger batches. What a window's completion takes, batches wait for: the worst case, since
/// they wait in truth only for what the two share.
pub(crate) fn simulate(fleet: &Fleet, measured: &Measured, minutes: f64, seed: u64) -> Noticed {
    let micros = |seconds: f64| (seconds * 1e6) as u64;
    let (end, poll) = (micros(minutes * 60.0), fleet.poll_ms / 1000.0);
    let mut random = Random(seed);
    let shards = fleet.shards_a_database().ceil() as usize;
    let mut reads: BinaryHeap<Reverse<(u64, usize)>> =
        (0..shards).map(|shard| Reverse((micros(random.unit() * poll), shard))).collect();
    let mut last_read = vec![0_u64; shards];
    let (mut free, mut busy, mut written) = (0_u64, 0_u64, 0_u64);
    let (mut waits, mut cycles, mut cycled) = (Vec::new(), 0_u64, 0_u64);
    let window = micros(fleet.window_seconds);
    let mut next_window = window;
    while let Some(Reverse((now, shard))) = reads.pop() {
        if now >= end {
            break;
        }
        let mut occupy = |from: u64, seconds: f64| {
            let begin = free.max(from);
            free = begin + micros(seconds).max(1);
            busy += free.min(end).saturating_sub(begin);
            begin
        };
        if now >= next_window {
            occupy(next_window, fleet.completion_seconds(measured));
            next_window += window;
        }
        let since = now - last_read[shard];
        last_read[shard] = now;
        let begin = occupy(now, fleet.batch_cost(measured, fleet.records * since as f64 / 1e6));
        written += u64::from(free <= end);
        // What comes first is from the start, when all is empty.
        if now > end / 4 {
            waits.push(begin - now);
            (cycles, cycled) = (cycles + since, cycled + 1);
        }
        reads.push(Reverse((free + micros(poll * (0.9 + 0.2 * random.unit())), shard)));
    }
    waits.sort_unstable();
    let at = |share: f64| {
        waits.get((waits.len() as f64 * share) as usize).map_or(0.0, |micros| *micros as f64 / 1e6)
    };
    Noticed {
        transactions_a_second: written as f64 / (minutes * 60.0),
        wait_median: at(0.5),
        wait_99: at(0.99),
        cycle_seconds: if cycled == 0 { 0.0 } else { cycles as f64 / cycled as f64 / 1e6 },
        busy: busy as f64 / end as f64,
    }
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::round;
    use super::*;

    fn fleet(shards: u64) -> Fleet {
        Fleet { shards, workers: 1, records: 1.0, keys: 1.0, poll_ms: 1_000.0, ..Fleet::default() }
    }

    #[test]
    fn one_shard_waits_for_nobody() {
        let seen = simulate(&fleet(1), &round(), 10.0, 1);
        assert_eq!(seen.wait_median, 0.0);
        // A batch a second, give or take a tenth, of one millisecond each.
        assert!((0.97..1.03).contains(&seen.transactions_a_second), "{seen:?}");
        assert!((0.0009..0.0012).contains(&seen.busy), "{seen:?}");
    }

    #[test]
    fn a_database_does_no_more_than_it_can_and_batches_grow() {
        // 5,000 shards want 5,000 batches a second of 1 ms: the database does 1,000, each shard in its turn every 5 s.
        let no_window = Fleet { window_seconds: 1e6, ..fleet(5_000) };
        let seen = simulate(&no_window, &round(), 4.0, 1);
        assert!((900.0..=1_000.0).contains(&seen.transactions_a_second), "{seen:?}");
        assert!((4.9..6.5).contains(&seen.cycle_seconds), "{seen:?}");
        assert!(seen.busy > 0.99, "{seen:?}");
    }

    #[test]
    fn a_completion_is_waited_for() {
        // 100 shards × 10 keys at 3 ms a row: 3 s of each minute, in which the batches wait.
        let slow = Fleet { keys: 10.0, ..fleet(100) };
        let seen = simulate(&slow, &round(), 10.0, 1);
        assert!((2.0..=3.2).contains(&seen.wait_99) && seen.wait_median < 0.01, "{seen:?}");
    }

    #[test]
    fn the_same_seed_is_the_same_fleet() {
        let run = |seed| simulate(&fleet(50), &round(), 2.0, seed);
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
