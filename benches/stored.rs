//! What keeping counts in a database costs: records a second, recovery, memory.
//!
//! `cargo bench --bench stored`. With and without the store, interleaved, over the same backlog and the
//! same local endpoint; and in PostgreSQL, where there is one, which syncs each commit to the disk, on the same cores.

#[cfg(unix)]
#[path = "../tests/common/postgres.rs"]
#[allow(dead_code, reason = "the tests' own")]
mod postgres;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;
use kinesis_lab::{ShardProgress, StoredCounter};

const SHARDS: u32 = 8;
const KEYS: usize = 1_000;
const ROUNDS: usize = 5;

fn main() {
    let full = std::env::args().any(|a| a == "--bench");
    let folder = std::env::temp_dir().join(format!("kinesis-lab-bench-stored-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // First: later, the allocator has room to spare, and what a process grows by says nothing.
    memory(if full { &[10_000, 100_000, 1_000_000] } else { &[10_000] });
    throughput(&folder, if full { 400_000 } else { 4_000 });
    recovery(&folder, if full { &[1_000, 10_000, 100_000, 1_000_000] } else { &[1_000] });
    a_day(if full { 24 } else { 1 });
    std::fs::remove_dir_all(&folder).unwrap();
}

fn at(micros: u64) -> Timestamp {
    Timestamp::from_secs(1_536_192_000) + Duration::from_micros(micros)
}

fn key(n: usize) -> String {
    format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255)
}

/// An hour of event time over 8 shards.
fn throughput(folder: &Path, records: usize) {
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("stored", SHARDS).unwrap();
    let entry = |n: usize| {
        let mut data = at((n * 3_600_000 / records) as u64 * 1_000).to_string().into_bytes();
        data.resize(100, b' ');
        Entry::new(key(n % KEYS), data)
    };
    stream.put_many((0..records).map(entry).collect()).send().unwrap();
    for (name, slide) in [("tumbling windows of 60 s", 60), ("windows of 60 s every 10 s", 10)] {
        let counter = || Counter::sliding(secs(60), secs(slide)).lateness(secs(60));
        let rate = |processor: &mut dyn RecordProcessor| {
            let began = Instant::now();
            let report = stream.consumer().trim_horizon().run_until_caught_up(processor).unwrap();
            assert_eq!(report.records, records as u64);
            records as f64 / began.elapsed().as_secs_f64()
        };
        let (mut with, mut without, mut ratios) = (vec![], vec![], vec![]);
        let (mut on_server, mut server_ratios) = (vec![], vec![]);
        for round in 0..ROUNDS {
            let file = folder.join(format!("{slide} {round}.db"));
            let a = rate(&mut counter().stored_in(&file).unwrap());
            let b = rate(&mut counter());
            with.push(a);
            without.push(b);
            ratios.push(a / b);
            if let Some(url) = database(&format!("{slide} {round}")) {
                let c = rate(&mut counter().stored_in(url).unwrap());
                on_server.push(c);
                server_ratios.push(c / a);
            }
        }
        println!(
            "{name}: drained and counted {:.0}/s with the store, {:.0}/s without; ratio {:.2}",
            median(&mut with),
            median(&mut without),
            median(&mut ratios)
        );
        if !on_server.is_empty() {
            println!(
                "  in PostgreSQL {:.0}/s; ratio to SQLite {:.2}",
                median(&mut on_server),
                median(&mut server_ratios)
            );
        }
    }
}

#[cfg(unix)]
fn database(name: &str) -> Option<String> {
    // Not as the tests' server, which syncs nothing.
    static SERVER: std::sync::OnceLock<Option<postgres::Postgres>> = std::sync::OnceLock::new();
    SERVER
        .get_or_init(|| postgres::Postgres::start(&["fsync=on"]))
        .as_ref()
        .map(|server| server.database(name))
}

#[cfg(not(unix))]
fn database(_: &str) -> Option<String> {
    None
}

/// Opening the database and being ready to count, by how much is open in it.
fn recovery(folder: &Path, pairs: &[usize]) {
    let stream = Kinesis::local().unwrap().create_stream("recovery", 1).unwrap();
    for &pairs in pairs {
        let file: PathBuf = folder.join(format!("recovery {pairs}.db"));
        let counter =
            || Counter::per_minute().lateness(secs(3_600)).max_pairs(usize::MAX).stored_in(&file).unwrap();
        let mut first: StoredCounter = counter();
        stream.consumer().run_until_caught_up(&mut first).unwrap();
        feed(&mut first, pairs);
        drop(first);
        let began = Instant::now();
        let mut second = counter();
        stream.consumer().run_for(Duration::ZERO, &mut second).unwrap();
        let took = began.elapsed();
        assert_eq!(second.total(), pairs as u64);
        println!("recovery with {pairs} open (window, key) pairs: {:.0} ms", took.as_secs_f64() * 1e3);
    }
}

/// One event of each key, all in one window.
fn feed(processor: &mut dyn RecordProcessor, keys: usize) {
    let mut context = Context::at(at(0)).with_shards(&[ShardProgress::reading("shardId-000000000000", &[])]);
    let records: Vec<Record> = (0..keys)
        .map(|n| {
            Record::new(
                key(n),
                at(0).to_string().into_bytes(),
                "49671246667567228643283430150187087032206582658",
                at(0),
            )
        })
        .collect();
    for records in records.chunks(10_000) {
        let batch = Batch::new("recovery", "shardId-000000000000", records.to_vec());
        processor.process(&batch, &mut context).unwrap();
    }
    processor.tick(&mut context).unwrap();
}

fn memory(pairs: &[usize]) {
    for &pairs in pairs {
        let before = resident();
        let mut counter = Counter::per_minute().lateness(secs(3_600)).max_pairs(usize::MAX);
        feed(&mut counter, pairs);
        let grown = resident().saturating_sub(before);
        println!("memory with {pairs} open pairs: {:.0} bytes a pair", grown as f64 / pairs as f64);
        assert_eq!(counter.total(), pairs as u64);
    }
}

/// Compressed traffic of 1,000 keys, two events a second, through sliding windows.
fn a_day(hours: u64) {
    let mut counter = Counter::sliding(secs(60), secs(10)).lateness(secs(30));
    let mut context = Context::at(at(0)).with_shards(&[ShardProgress::reading("0", &[])]);
    let (mut most, mut after_first_hour, mut events) = (0, 0, 0);
    for second in 0..hours * 3_600 {
        let record = |n: u64| {
            let time = at(second * 1_000_000 + n * 500_000);
            Record::new(
                key((second * 2 + n) as usize * 7_919 % KEYS),
                time.to_string().into_bytes(),
                "1",
                time,
            )
        };
        counter.process(&Batch::new("s", "0", vec![record(0), record(1)]), &mut context).unwrap();
        counter.tick(&mut context).unwrap();
        events += 2;
        most = most.max(counter.total());
        counter.take_completed();
        if second == 3_600 {
            after_first_hour = resident();
        }
    }
    let grown = resident().saturating_sub(after_first_hour);
    println!(
        "{hours} hours of event time, {events} events of {KEYS} keys: never more than {most} events in memory; {:.1} MB more at \
         the end than after the first hour",
        if after_first_hour == 0 { 0.0 } else { grown as f64 / 1e6 }
    );
}

/// Bytes of this process in memory; 0 where /proc does not say.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4_096
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
