//! Counting alone, in memory, on one core: the public `Counter` beside the obvious loop.
//!
//! `cargo bench --bench counting`; `cargo xtask bench` puts the ratios into BENCHMARKS.md.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use kinesis_lab::prelude::*;

const RECORDS: usize = 1_000_000;
const BATCH: usize = 10_000;
const ROUNDS: usize = 9;

fn main() {
    // `cargo test --benches` runs this too; a tenth is enough to see that it works.
    let records = if std::env::args().any(|a| a == "--bench") { RECORDS } else { RECORDS / 10 };
    let batches = batches(records, 60, 1_000);
    let mut ratios = Vec::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // Interleaved, so that a slow moment of the machine hits both.
        let a = rate(records, || count(&batches));
        let b = rate(records, || loop_by_hand(&batches));
        ratios.push(a / b);
        ours.push(a);
        theirs.push(b);
    }
    println!("counter {:.2} million/s", median(&mut ours) / 1e6);
    println!("hash map by hand {:.2} million/s", median(&mut theirs) / 1e6);
    println!("ratio {:.2}", median(&mut ratios));
    // A week of windows with as many (window, key) pairs in all: the rate should not care.
    let wide = self::batches(records, 60 * 24 * 7, 6);
    let mut flat = Vec::new();
    for _ in 0..ROUNDS {
        flat.push(rate(records, || count(&wide)) / rate(records, || count(&batches)));
    }
    println!("ratio of 10,080 windows to 60 {:.2}", median(&mut flat));
}

/// IP of so many distinct, ISO-8601 timestamp with microseconds over so many minutes, 5 % out of order.
fn batches(records: usize, minutes: u64, keys: u32) -> Vec<Batch> {
    let mut rng = fastrand::Rng::with_seed(42);
    let start = Timestamp::from_secs(1_536_220_800);
    let span = minutes * 60_000_000;
    let all: Vec<Record> = (0..records as u64)
        .map(|n| {
            let mut micros = n * span / records as u64;
            if rng.u8(0..100) < 5 {
                micros = micros.saturating_sub(rng.u64(0..span / 20 + 1));
            }
            let ip = rng.u32(0..keys);
            Record::new(
                format!("10.1.{}.{}", ip / 250, ip % 250),
                (start + std::time::Duration::from_micros(micros)).to_string().into_bytes(),
                n.to_string(),
                start,
            )
        })
        .collect();
    all.chunks(BATCH).map(|chunk| Batch::new("bench", "shardId-000000000000", chunk.to_vec())).collect()
}

fn count(batches: &[Batch]) -> u64 {
    let mut counter = Counter::per_minute();
    let mut context = Context::at(Timestamp::MIN);
    for batch in batches {
        counter.process(batch, &mut context).unwrap();
    }
    counter.total()
}

fn loop_by_hand(batches: &[Batch]) -> u64 {
    let mut counts: HashMap<(i64, Text), u64> = HashMap::new();
    for record in batches.iter().flat_map(|batch| &batch.records) {
        let minute = parse_minute(&record.data);
        *counts.entry((minute, record.partition_key.clone())).or_default() += 1;
    }
    counts.values().sum()
}

/// Digits at fixed places, the days by Howard Hinnant's formula: what one would write for this input.
fn parse_minute(text: &[u8]) -> i64 {
    let number =
        |range: std::ops::Range<usize>| text[range].iter().fold(0i64, |n, b| n * 10 + i64::from(b - b'0'));
    let (y, m, d) = (number(0..4), number(5..7), number(8..10));
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    (days * 86_400 + number(11..13) * 3_600 + number(14..16) * 60 + number(17..19)) / 60
}

fn rate(records: usize, work: impl Fn() -> u64) -> f64 {
    let begun = Instant::now();
    assert_eq!(black_box(work()), records as u64);
    records as f64 / begun.elapsed().as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
