//! The records: an address of 1,000, a time with microseconds, 5 % of them out of order by up to three minutes; in
//! each of the forms in which events come.

use std::time::Duration;

use kinesis_lab::prelude::*;

use crate::BATCH;

/// A million of them an hour, whatever their number: microseconds from one to the next.
const EVERY: u64 = 3_600;

pub(crate) fn shard(n: usize) -> String {
    format!("shardId-{n:012}")
}

/// An ISO-8601 timestamp, in batches of so many shards in turn.
pub(crate) fn bare(records: usize, shards: usize) -> Vec<Batch> {
    batches(shards, events(records, EVERY, 1_000).map(|(n, ip, time)| record(n, ip, time.to_string(), time)))
}

/// The same over a week, of few keys: a (window, key) pair has as many records.
pub(crate) fn over_a_week(records: usize) -> Vec<Batch> {
    batches(1, events(records, EVERY * 168, 6).map(|(n, ip, time)| record(n, ip, time.to_string(), time)))
}

/// What the agent in a web application writes.
pub(crate) fn json(records: usize) -> Vec<Batch> {
    let data = |(n, ip, time): (u64, String, Timestamp)| {
        let data = format!(
            r#"{{"v":1,"id":"000102030405060708ff{n:012x}","ip":"{ip}","time":"{time}","method":"GET","path":"/products/{}?page=2","status":200,"user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}}"#,
            n % 500
        );
        record(n, ip, data, time)
    };
    batches(1, events(records, EVERY, 1_000).map(data))
}

pub(crate) fn log_lines(records: usize) -> Vec<Batch> {
    let data = |(n, ip, time): (u64, String, Timestamp)| {
        let (day, clock) = (&time.plain(0)[8..10], &time.plain(0)[11..]);
        let data = format!(
            r#"{ip} - - [{day}/Sep/2018:{clock} +0000] "GET /products/{}?page=2 HTTP/1.1" 200 5120 "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0""#,
            n % 500
        );
        record(n, ip, data, time)
    };
    batches(1, events(records, EVERY, 1_000).map(data))
}

/// What a filter makes of a bare timestamp. A batch's checkpoint is the last record of the one before it.
pub(crate) fn forwarded(records: usize) -> Vec<Batch> {
    let number = |n: u64| 49_590_338_271_490_256_608_559_692_538_361_571_095_u128 + u128::from(n);
    let data = |(n, ip, time): (u64, String, Timestamp)| {
        let after = number(n - n % BATCH as u64);
        let number = number(n + 1);
        let data = format!(
            r#"{{"v":1,"ip":"{ip}","time":"{time}","origin":{{"stream":"shop","shard":"shardId-000000000000","sequence_number":"{number}","after":"{after}","watermark":"{time}"}}}}"#,
        );
        record(n, ip, data, time)
    };
    batches(1, events(records, EVERY, 1_000).map(data))
}

fn events(records: usize, every: u64, keys: u32) -> impl Iterator<Item = (u64, String, Timestamp)> {
    let mut rng = fastrand::Rng::with_seed(42);
    let start = Timestamp::from_secs(1_536_220_800);
    let span = every * records as u64;
    (0..records as u64).map(move |n| {
        let mut micros = n * every;
        if rng.u8(0..100) < 5 {
            micros = micros.saturating_sub(rng.u64(0..span / 20));
        }
        let ip = rng.u32(0..keys);
        (n, format!("10.1.{}.{}", ip / 250, ip % 250), start + Duration::from_micros(micros))
    })
}

fn record(n: u64, ip: String, data: String, time: Timestamp) -> Record {
    // It arrives when all that are out of order have happened.
    Record::new(ip, data, n.to_string(), time + Duration::from_secs(200))
}

fn batches(shards: usize, records: impl Iterator<Item = Record>) -> Vec<Batch> {
    let all: Vec<Record> = records.collect();
    // As many as there are shards, at least: under valgrind there are few records.
    let size = BATCH.min(all.len().div_ceil(shards));
    let batch = |(n, chunk): (usize, &[Record])| Batch::new("bench", &shard(n % shards), chunk.to_vec());
    all.chunks(size).enumerate().map(batch).collect()
}
