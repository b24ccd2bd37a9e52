//! What is measured: a form of events, a counter, and the loop beside it.

use kinesis_lab::ShardProgress;
use kinesis_lab::prelude::*;

use crate::{by_hand, records};

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) records: fn(usize) -> Vec<Batch>,
    pub(crate) counter: fn(&[Batch]) -> u64,
    pub(crate) by_hand: fn(&[Batch]) -> u64,
}

/// As long as the disorder of the records.
const LATENESS: u64 = 180;

pub(crate) const ROWS: [Row; 6] = [
    Row {
        name: "bare timestamps",
        records: |records| records::bare(records, 1),
        counter: |batches| count(Counter::per_minute(), 1, 1, batches),
        by_hand: by_hand::bare,
    },
    Row {
        name: "the agent's JSON",
        records: records::json,
        counter: |batches| count(Counter::per_minute(), 1, 1, batches),
        by_hand: by_hand::json,
    },
    Row {
        name: "lines of an access log",
        records: records::log_lines,
        counter: |batches| count(Counter::per_minute(), 1, 1, batches),
        by_hand: by_hand::log_lines,
    },
    Row {
        name: "bare, lateness, 64 shards",
        records: |records| records::bare(records, 64),
        counter: |batches| count(Counter::per_minute().lateness(secs(LATENESS)), 64, 1, batches),
        by_hand: by_hand::bare,
    },
    Row {
        name: "sliding 60 s / 10 s, lateness",
        records: |records| records::bare(records, 1),
        counter: |batches| {
            count(Counter::sliding(secs(60), secs(10)).lateness(secs(LATENESS)), 1, 6, batches)
        },
        by_hand: by_hand::bare,
    },
    Row {
        name: "forwarded by a filter",
        records: records::forwarded,
        counter: |batches| count(Counter::per_minute(), 1, 1, batches),
        by_hand: by_hand::forwarded,
    },
];

/// As a consumer drives it, with a tick after each batch. Gives how many events are in windows, each counted once.
pub(crate) fn count(mut counter: Counter, shards: usize, overlap: u64, batches: &[Batch]) -> u64 {
    let shards: Vec<ShardProgress> =
        (0..shards).map(|n| ShardProgress::reading(&records::shard(n), &[])).collect();
    let mut context = Context::at(Timestamp::MIN).with_shards(&shards);
    let mut pairs = 0;
    for batch in batches {
        counter.process(batch, &mut context).expect("a counter takes any batch");
        counter.tick(&mut context).expect("a counter has no store");
        pairs += counter.take_completed().iter().map(Window::total).sum::<u64>();
    }
    match pairs {
        0 => counter.total(), // none is ever complete
        _ => {
            counter.flush();
            (pairs + counter.take_completed().iter().map(Window::total).sum::<u64>()) / overlap
        }
    }
}
