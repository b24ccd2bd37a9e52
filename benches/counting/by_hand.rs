//! The loops that one would write for these very records: they check nothing, and count nothing but what is asked.

use std::collections::{HashMap, HashSet};

use kinesis_lab::prelude::*;
use serde_json::Value;

type Counts = HashMap<(i64, String), u64>;

fn records(batches: &[Batch]) -> impl Iterator<Item = &Record> {
    batches.iter().flat_map(|batch| &batch.records)
}

pub(crate) fn bare(batches: &[Batch]) -> u64 {
    let mut counts = Counts::new();
    for record in records(batches) {
        let minute = parse_minute(&record.data);
        *counts.entry((minute, record.partition_key.raw().to_owned())).or_default() += 1;
    }
    counts.values().sum()
}

/// By serde_json, as one does.
pub(crate) fn json(batches: &[Batch]) -> u64 {
    let mut counts = Counts::new();
    for record in records(batches) {
        let event: Value = serde_json::from_slice(&record.data).expect("JSON");
        let (ip, time) =
            (event["ip"].as_str().unwrap_or_default(), event["time"].as_str().unwrap_or_default());
        *counts.entry((parse_minute(time.as_bytes()), ip.to_owned())).or_default() += 1;
    }
    counts.values().sum()
}

/// The address before the first space, the time between the first brackets, read by chrono.
pub(crate) fn log_lines(batches: &[Batch]) -> u64 {
    let mut counts = Counts::new();
    for record in records(batches) {
        let line = str::from_utf8(&record.data).expect("text");
        let ip = line.split(' ').next().unwrap_or_default();
        let time = line.split(['[', ']']).nth(1).unwrap_or_default();
        let time = chrono::DateTime::parse_from_str(time, "%d/%b/%Y:%H:%M:%S %z").expect("a time");
        *counts.entry((time.timestamp() / 60, ip.to_owned())).or_default() += 1;
    }
    counts.values().sum()
}

/// As JSON, and each record of the first stream once.
pub(crate) fn forwarded(batches: &[Batch]) -> u64 {
    let (mut counts, mut seen) = (Counts::new(), HashSet::new());
    for record in records(batches) {
        let event: Value = serde_json::from_slice(&record.data).expect("JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let origin = &event["origin"];
        if seen.insert((text(&origin["shard"]), text(&origin["sequence_number"]))) {
            *counts
                .entry((parse_minute(text(&event["time"]).as_bytes()), text(&event["ip"])))
                .or_default() += 1;
        }
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
