//! Records a second into a stream of the local endpoint: one call at a time, two lanes, aggregated; and out again.
//!
//! `cargo bench --features full --bench puts`. The service is in the same process, on the same cores. Beside them a raw
//! HTTP client, which sends the bytes of the same requests over one connection.

mod raw_http;

use kinesis_lab::prelude::*;
use raw_http::{SIZE, entries, median, put_raw, rate};

const SHARDS: u32 = 8;
const ROUNDS: usize = 5;
/// The records of Kinesis that aggregates are packed to.
const AGGREGATE: usize = 500_000;

/// What was put, in bytes of the user's own records.
#[derive(Default)]
struct Bytes(usize);

impl RecordProcessor for Bytes {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.0 += batch.records.iter().map(|record| record.data.len()).sum::<usize>();
        Ok(())
    }
}

fn fresh() -> Stream {
    // Any access key will do: the raw socket has none of its own.
    Local::new().open().unwrap().create_stream("puts", SHARDS).unwrap()
}

type Put = fn(&Stream, Vec<Entry>);

const WAYS: [(&str, Put); 4] = [
    ("raw HTTP, one connection", |stream, entries| put_raw(stream.clone(), &entries)),
    ("one lane", |stream, entries| drop(stream.put_many(entries).lanes(1).send().unwrap())),
    ("two lanes (the default)", |stream, entries| drop(stream.put_many(entries).send().unwrap())),
    ("aggregated, 500 KB", |stream, entries| {
        drop(stream.put_many(entries).aggregated_up_to(AGGREGATE).send().unwrap());
    }),
];

fn main() {
    let full = std::env::args().any(|argument| argument == "--bench");
    let (plain, packed) = if full { (100_000, 500_000) } else { (4_000, 20_000) };

    let mut rates = [const { Vec::new() }; WAYS.len()];
    let mut ratios = [const { Vec::new() }; WAYS.len()];
    for _ in 0..ROUNDS {
        let mut of_round = Vec::new();
        for (name, put) in WAYS {
            let records = if name.starts_with("aggregated") { packed } else { plain };
            let (stream, entries) = (fresh(), entries(records));
            of_round.push(rate(records, || put(&stream, entries)));
        }
        for (way, rate) in of_round.iter().enumerate() {
            rates[way].push(*rate);
            ratios[way].push(rate / of_round[1]);
        }
    }
    println!("{:<28} {:>10} {:>12}", "put", "records/s", "to one lane");
    for (way, (name, _)) in WAYS.iter().enumerate() {
        println!("{name:<28} {:>10.0} {:>12.2}", median(&mut rates[way]), median(&mut ratios[way]));
    }

    // The same data, read as it was put: bytes of the user's records.
    let (one, other) = (fresh(), fresh());
    WAYS[2].1(&one, entries(packed));
    WAYS[3].1(&other, entries(packed));
    let (mut plain, mut aggregated, mut ratios) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let a = read(&one, packed);
        let b = read(&other, packed);
        plain.push(a);
        aggregated.push(b);
        ratios.push(b / a);
    }
    println!("\n{:<28} {:>10} {:>12}", "read", "MB/s", "to plain");
    println!("{:<28} {:>10.1} {:>12.2}", "plain", median(&mut plain), 1.0);
    println!("{:<28} {:>10.1} {:>12.2}", WAYS[3].0, median(&mut aggregated), median(&mut ratios));
}

/// Megabytes a second of data, of as many records as are there.
fn read(stream: &Stream, records: usize) -> f64 {
    let mut bytes = Bytes::default();
    let rate = rate(records * SIZE, || {
        stream.consumer().trim_horizon().run_until_caught_up(&mut bytes).unwrap();
    });
    assert_eq!(bytes.0, records * SIZE);
    rate / 1e6
}
