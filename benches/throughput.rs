//! Records a second through the local endpoint: put in batches, and drained and counted.
//!
//! `cargo bench --bench throughput`. Beside ours: a plain loop over the SDK's single calls, and a raw
//! HTTP client that sends the bytes of the same requests and does nothing with the answers but look
//! for the next iterator. All three share the machine with the service, which is in this process.

mod raw_http;

use std::hint::black_box;
use std::time::Instant;

use kinesis_lab::aws_sdk_kinesis::primitives::Blob;
use kinesis_lab::aws_sdk_kinesis::types::ShardIteratorType;
use kinesis_lab::prelude::*;
use raw_http::{Http, entries, median, put_raw, rate};

const SHARDS: u32 = 8;
const ROUNDS: usize = 5;

fn main() {
    let full = std::env::args().any(|a| a == "--bench");
    let puts = if full { 100_000 } else { 2_000 };
    let backlog = if full { 400_000 } else { 4_000 };

    let (mut ours, mut raw, mut sdk, mut ratios) = (vec![], vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        let entries = entries(puts);
        let a = rate(puts, || put_ours(fresh(round), entries.clone()));
        let b = rate(puts, || put_raw(fresh(round), &entries));
        ratios.push(a / b);
        ours.push(a);
        raw.push(b);
        sdk.push(rate(puts / 50, || put_sdk(fresh(round), &entries[..puts / 50])));
    }
    report("put", &mut ours, &mut raw, &mut sdk, &mut ratios);

    let stream = fresh(99);
    stream.put_many(entries(backlog)).send().unwrap();
    let (mut ours, mut raw, mut sdk, mut ratios) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let a = rate(backlog, || drain_ours(&stream));
        let b = rate(backlog, || drain_raw(&stream, backlog));
        ratios.push(a / b);
        ours.push(a);
        raw.push(b);
        sdk.push(rate(backlog, || drain_sdk(&stream, backlog)));
    }
    report("drain and count", &mut ours, &mut raw, &mut sdk, &mut ratios);
}

fn report(what: &str, ours: &mut [f64], raw: &mut [f64], sdk: &mut [f64], ratios: &mut [f64]) {
    println!(
        "{what}: kinesis-lab {:.0}/s, raw HTTP {:.0}/s, loop over the SDK {:.0}/s",
        median(ours),
        median(raw),
        median(sdk)
    );
    println!("{what}: ratio to raw HTTP {:.2}", median(ratios));
}

fn fresh(round: usize) -> Stream {
    // Any access key will do: the raw socket has none of its own.
    Local::new().open().unwrap().create_stream(&format!("bench-{round}"), SHARDS).unwrap()
}

fn put_ours(stream: Stream, entries: Vec<Entry>) {
    stream.put_many(entries).send().unwrap();
}

fn put_sdk(stream: Stream, entries: &[Entry]) {
    let (client, name) = (stream.kinesis().client().clone(), stream.name().to_owned());
    let entries = entries.to_vec();
    block_on(async move {
        for entry in entries {
            let call = client.put_record().stream_name(&name).partition_key(entry.partition_key);
            call.data(Blob::new(entry.data)).send().await.unwrap();
        }
    });
}

fn drain_ours(stream: &Stream) {
    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    // Padded with blanks, which the parser passes over.
    assert_eq!(counter.unparsed(), 0);
    black_box(counter.total());
}

/// As many readers as shards, each as fast as our consumer may: five calls a second.
fn drain_raw(stream: &Stream, expected: usize) {
    let shards = stream.shards().unwrap();
    let found: usize = std::thread::scope(|scope| {
        let readers: Vec<_> = shards
            .iter()
            .map(|shard| {
                scope.spawn(|| {
                    let mut http = Http::to(stream);
                    let body = format!(
                        r#"{{"StreamName":"{}","ShardId":"{}","ShardIteratorType":"TRIM_HORIZON"}}"#,
                        stream.name(),
                        shard.id
                    );
                    let mut iterator = text_member(&http.call("GetShardIterator", &body), "ShardIterator");
                    let mut found = 0;
                    loop {
                        let begun = Instant::now();
                        let answer = http.call("GetRecords", &format!(r#"{{"ShardIterator":"{iterator}"}}"#));
                        let here = answer.matches(r#""SequenceNumber""#).count();
                        if here == 0 {
                            return found;
                        }
                        found += here;
                        iterator = text_member(&answer, "NextShardIterator");
                        std::thread::sleep(millis(200).saturating_sub(begun.elapsed()));
                    }
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert_eq!(found, expected);
}

fn drain_sdk(stream: &Stream, expected: usize) {
    let mut found = 0;
    for shard in stream.shards().unwrap() {
        let (client, name) = (stream.kinesis().client().clone(), stream.name().to_owned());
        found += block_on(async move {
            let call = client.get_shard_iterator().stream_name(name).shard_id(shard.id);
            let mut iterator =
                call.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap().shard_iterator;
            let mut found = 0;
            loop {
                let begun = Instant::now();
                let page = client.get_records().set_shard_iterator(iterator).send().await.unwrap();
                if page.records.is_empty() {
                    return found;
                }
                found += page.records.len();
                iterator = page.next_shard_iterator;
                std::thread::sleep(millis(200).saturating_sub(begun.elapsed()));
            }
        });
    }
    assert_eq!(found, expected);
}

fn text_member(json: &str, name: &str) -> String {
    let (_, rest) = json.split_once(&format!(r#""{name}":""#)).expect(name);
    rest.split_once('"').unwrap().0.to_owned()
}
