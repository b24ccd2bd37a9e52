//! Event time: whatever the order of arrival, the batches and the shards, the same windows.

#![cfg(feature = "full")]

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use kinesis_lab::ShardProgress;
use kinesis_lab::prelude::*;
use proptest::prelude::*;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_536_220_800 + secs)
}

fn record(key: u8, time: Timestamp, arrival: Timestamp, n: usize) -> Record {
    Record::new(format!("192.0.2.{key}"), time.to_string().into_bytes(), n.to_string(), arrival)
}

/// One shard's records, in the order of their arrival.
fn shard(seed: u64, events: usize, lateness: i64) -> Vec<Record> {
    let mut rng = Rng::with_seed(seed);
    let mut newest = 0;
    (0..events)
        .map(|n| {
            newest += rng.i64(0..4);
            let time = newest - rng.i64(0..=lateness);
            record(rng.u8(0..4), at(time), at(newest + 60), n)
        })
        .collect()
}

type Table = BTreeMap<(Timestamp, Text), u64>;

fn table(windows: impl IntoIterator<Item = Window>) -> Table {
    let mut table = Table::new();
    for window in windows {
        for (key, count) in &window.counts {
            let before = table.insert((window.start, key.clone()), *count);
            assert_eq!(before, None, "a window was emitted twice");
        }
    }
    table
}

/// All at once, in a counter that keeps everything.
fn batch_count(shards: &[Vec<Record>], counter: Counter) -> Table {
    let mut counter = counter;
    for records in shards.iter().filter(|records| !records.is_empty()) {
        counter.process(&Batch::new("s", "any", records.clone()), &mut Context::at(at(0))).unwrap();
    }
    table(counter.windows())
}

proptest! {
    // 200 cases: up to 4 shards of 150 events, cut into batches at random and interleaved at random, each
    // out of order within the lateness.
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_batches_and_any_interleaving_give_the_batch_count(
        seed in any::<u64>(),
        shards in 1usize..5,
        events in 0usize..150,
        lateness in 0i64..120,
        (size, slide) in (1u64..100, 1u64..100),
    ) {
        let mut rng = Rng::with_seed(seed);
        let sliding = || Counter::sliding(secs(size.max(slide)), secs(size.min(slide)));
        let shards: Vec<Vec<Record>> =
            (0..shards).map(|n| shard(seed ^ n as u64, events, lateness)).collect();
        let mut counter = sliding().lateness(secs(lateness as u64));
        let progress: Vec<ShardProgress> =
            (0..shards.len()).map(|n| ShardProgress::reading(&n.to_string(), &[])).collect();
        let mut context = Context::at(at(0)).with_shards(&progress);
        let mut read = vec![0; shards.len()];
        let mut completed = Vec::new();
        while read.iter().zip(&shards).any(|(read, shard)| *read < shard.len()) {
            let n = rng.usize(0..shards.len());
            let left = &shards[n][read[n]..];
            if left.is_empty() {
                continue;
            }
            let batch = left[..rng.usize(1..=left.len())].to_vec();
            read[n] += batch.len();
            counter.process(&Batch::new("s", &n.to_string(), batch), &mut context).unwrap();
            if rng.bool() {
                counter.tick(&mut context).unwrap();
                completed.extend(counter.take_completed());
            }
        }
        prop_assert_eq!(counter.late().count(), 0);
        prop_assert!(completed.windows(2).all(|pair| pair[0].start < pair[1].start), "in order, each once");
        counter.flush();
        completed.extend(counter.take_completed());
        prop_assert_eq!(table(completed), batch_count(&shards, sliding()));
        prop_assert_eq!(counter.total(), 0);
    }

    // 200 cases of events with no order at all: each (event, window) pair is in a completed window, an open
    // one or the late list, or its event was refused.
    #[test]
    fn every_pair_is_somewhere_and_only_there(
        seed in any::<u64>(),
        times in proptest::collection::vec(-3_000i64..3_000, 1..120),
        (size, slide) in (1u64..300, 1u64..300),
    ) {
        let mut rng = Rng::with_seed(seed);
        let sliding = || Counter::sliding(secs(size.max(slide)), secs(size.min(slide)));
        let mut counter = sliding().lateness(secs(rng.u64(0..600)));
        let progress = ["0", "1", "2"].map(|id| ShardProgress::reading(id, &[]));
        // Arrival is the same for all: what is from more than 10 minutes after it is refused.
        let records: Vec<Record> =
            times.iter().enumerate().map(|(n, time)| record(rng.u8(0..3), at(*time), at(1_500), n)).collect();
        let mut completed = Vec::new();
        for record in &records {
            let id = rng.usize(0..3).to_string();
            let idle = rng.u8(0..8);
            let shards: Vec<ShardProgress> = progress
                .iter()
                .enumerate()
                .map(|(n, shard)| if idle & 1 << n == 0 { shard.clone() } else { shard.clone().idle() })
                .collect();
            let mut context = Context::at(at(0)).with_shards(&shards);
            counter.process(&Batch::new("s", &id, vec![record.clone()]), &mut context).unwrap();
            counter.tick(&mut context).unwrap();
            completed.extend(counter.take_completed());
        }
        let refused = times.iter().filter(|time| **time > 1_500 + 600).count() as u64;
        prop_assert_eq!(counter.refused().count(), refused);
        let mut sum = table(completed.into_iter().chain(counter.windows()));
        for (start, key, count) in counter.late().windows() {
            *sum.entry((start, key)).or_default() += count;
        }
        let kept: Vec<Record> =
            records.into_iter().zip(&times).filter(|(_, time)| **time <= 2_100).map(|(r, _)| r).collect();
        prop_assert_eq!(sum, batch_count(&[kept], sliding()));
    }
}

/// A day of compressed traffic at 1,000 keys: what is in memory is what is open.
#[test]
fn memory_is_bounded_by_what_is_open() {
    let mut counter = Counter::sliding(secs(60), secs(10)).lateness(secs(30));
    let shards: Arc<[ShardProgress]> = Arc::from([ShardProgress::reading("0", &[])]);
    let mut context = Context::at(at(0)).with_shards(&shards);
    let (mut most, mut emitted) = (0, 0);
    for minute in 0..24 * 60 {
        let records = (0..1_000)
            .map(|n| {
                let time = at(minute * 60 + n * 60 / 1_000);
                let mut record = record(0, time, time, n as usize);
                record.partition_key = format!("10.0.{}.{}", n / 250, n % 250).into();
                record
            })
            .collect();
        counter.process(&Batch::new("s", "0", records), &mut context).unwrap();
        counter.tick(&mut context).unwrap();
        emitted += counter.take_completed().len();
        most = most.max(counter.total());
    }
    // 60 s of windows, 30 s of lateness and the minute of the batch, at a thousand a minute.
    assert!(most <= 2_500, "{most} events in memory");
    assert!(emitted > 8_600, "{emitted} of 8,640 windows");
}

#[test]
fn strange_events_disturb_nothing() {
    let mut counter = Counter::per_minute().lateness(secs(30)).max_pairs(50_000);
    let mut context = Context::at(at(0)).with_shards(&[ShardProgress::reading("0", &[])]);
    let mut send = |counter: &mut Counter, data: &[u8]| {
        let record = Record::new("192.0.2.1", data.to_vec(), "1", at(0));
        counter.process(&Batch::new("s", "0", vec![record]), &mut context).unwrap();
        counter.tick(&mut context).unwrap();
    };
    let good = at(0).to_string();
    send(&mut counter, good.as_bytes());
    for data in [&b""[..], b"\xff\xfe\x00", b"yesterday", b"{\"time\":", b"2018-13-45T99:99:99Z"] {
        send(&mut counter, data);
    }
    assert_eq!(counter.unparsed(), 5);
    send(&mut counter, b"9999-12-31T23:59:59Z");
    send(&mut counter, b"2018-09-06T08:10:01Z");
    assert_eq!(counter.refused().count(), 2, "from more than 10 minutes after the arrival");
    send(&mut counter, b"0000-01-01T00:00:00Z");
    assert_eq!(counter.late().count(), 1, "far too late, and nothing else");
    send(&mut counter, b"2018-09-06T10:00:00+02:00");
    send(&mut counter, b"2018-09-06T08:00:60Z");
    assert_eq!(counter.windows()[0].counts, [("192.0.2.1".into(), 3)]);
    // 10^6 distinct keys: bounded, counted, said.
    let flood: Vec<Record> =
        (0..1_000_000).map(|n| Record::new(format!("{n}"), good.clone().into_bytes(), "1", at(0))).collect();
    for records in flood.chunks(10_000) {
        let mut context = Context::at(at(0)).with_shards(&[ShardProgress::reading("0", &[])]);
        counter.process(&Batch::new("s", "0", records.to_vec()), &mut context).unwrap();
    }
    let window = &counter.windows()[0];
    assert_eq!((window.counts.len(), window.total(), window.overflow), (50_000, 1_000_003, 950_001));
    assert!(counter.to_string().contains("and 950001 of further keys"));
}

#[test]
fn an_event_with_an_id_counts_once() {
    let mut counter = Counter::per_minute();
    let data = |id: &str| format!(r#"{{"time":"2018-09-06T08:00:00Z","ip":"192.0.2.1","id":"{id}"}}"#);
    let records = ["a", "b", "a", "a"].map(|id| Record::new("any", data(id).into_bytes(), "1", at(0)));
    counter.process(&Batch::new("s", "0", records.to_vec()), &mut Context::at(at(0))).unwrap();
    assert_eq!((counter.total(), counter.duplicates()), (2, 2));
}
