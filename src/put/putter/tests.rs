//! A putter with two lanes against services that are slow, fail, keep silent or are resharded; in virtual time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::hash_key::hash_key;
use crate::read::scripted::{Answer, listed, stream};

/// How long each answer takes.
const LATENCY: Duration = Duration::from_millis(100);

/// What a service has done.
#[derive(Default)]
struct Served {
    calls: usize,
    lists: usize,
    /// How many there were of each call.
    sizes: Vec<usize>,
    /// In the order in which they were stored.
    stored: Vec<(String, u64)>,
}

fn shard_of(key: &str, of: u128) -> String {
    // Of a single shard, a part would be one more than the largest number.
    format!("{}", if of == 1 { 0 } else { hash_key(key) / (u128::MAX / of + 1) })
}

fn shards(of: u128) -> Answer {
    Ok(json!({ "Shards": (0..of).map(|n| listed(&n.to_string(), &[], (n, of), false)).collect::<Vec<_>>() }))
}

fn record_of(record: &Value) -> (String, u64) {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
    let number = String::from_utf8(data).unwrap().parse().unwrap();
    (record["PartitionKey"].as_str().unwrap().to_owned(), number)
}

/// Stores those that `takes`, and says so.
fn store(served: &mut Served, asked: &Value, of: u128, mut takes: impl FnMut() -> bool) -> Answer {
    let records = asked["Records"].as_array().unwrap();
    served.sizes.push(records.len());
    let lines: Vec<Value> = records
        .iter()
        .map(|record| {
            if !takes() {
                return json!({ "ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "scripted" });
            }
            let (key, number) = record_of(record);
            let shard = shard_of(&key, of);
            served.stored.push((key, number));
            json!({ "ShardId": shard, "SequenceNumber": served.stored.len().to_string() })
        })
        .collect();
    Ok(json!({ "FailedRecordCount": 0, "Records": lines }))
}

/// A stream of so many shards whose puts are answered by `puts`: what was served, which call it is, what was asked.
fn service(
    of: u128,
    mut puts: impl FnMut(&mut Served, usize, &Value) -> Option<Answer> + Send + 'static,
) -> (Stream, Arc<Mutex<Served>>) {
    let served = Arc::<Mutex<Served>>::default();
    let shared = served.clone();
    let stream = stream(LATENCY, move |call, asked| {
        let mut served = shared.lock().unwrap();
        if call == "ListShards" {
            served.lists += 1;
            return Some(shards(of));
        }
        served.calls += 1;
        let call = served.calls;
        puts(&mut served, call, asked)
    });
    (stream, served)
}

fn putter(stream: &Stream, lanes: usize, ordered: bool) -> Putter {
    Putter::new(stream.clone(), PutOptions { lanes, ordered, ..PutOptions::default() }, Rng::with_seed(1))
}

fn entries(records: u64, keys: u64) -> impl Iterator<Item = Entry> {
    (0..records).map(move |n| Entry::new(format!("192.0.2.{}", n % keys), n.to_string()))
}

async fn put(putter: &mut Putter, entries: impl Iterator<Item = Entry>) -> Duration {
    let began = Instant::now();
    entries.for_each(|entry| putter.push(entry));
    putter.flush(&mut Cutoff::never()).await;
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn two_lanes_take_little_more_than_half_the_time_of_one() {
    let mut took = Vec::new();
    for lanes in [1, 2, 4] {
        let (stream, served) = service(8, |served, _, asked| Some(store(served, asked, 8, || true)));
        let mut putter = putter(&stream, lanes, false);
        took.push(put(&mut putter, entries(20_000, 997)).await);
        let served = served.lock().unwrap();
        assert_eq!((putter.report.sent, putter.failed.len()), (20_000, 0));
        assert_eq!((served.stored.len(), served.lists), (20_000, usize::from(lanes > 1)));
        // Forty full calls; of each lane, the last one may not be.
        assert!(served.calls <= 40 + lanes, "{lanes} lanes: {} calls", served.calls);
        // As they were given, in each shard.
        for shard in 0..8 {
            let here = served.stored.iter().filter(|(key, _)| shard_of(key, 8) == shard.to_string());
            assert!(here.map(|(_, number)| number).is_sorted(), "{lanes} lanes: shard {shard}");
        }
    }
    assert!(took[1] * 10 <= took[0] * 6 && took[2] * 10 <= took[0] * 4, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn few_records_or_a_single_shard_are_no_more_calls_than_with_one_lane() {
    for (records, shards, keys) in
        [(1, 8, 9), (500, 8, 997), (501, 8, 997), (1_500, 8, 997), (20_000, 1, 997), (20_000, 8, 1)]
    {
        let (stream, served) =
            service(shards, move |served, _, asked| Some(store(served, asked, shards, || true)));
        put(&mut putter(&stream, 2, false), entries(records, keys)).await;
        let served = served.lock().unwrap();
        assert_eq!((served.calls as u64, served.lists), (records.div_ceil(500), 0), "{records} records");
    }
    // And where one of two lanes has hardly anything.
    let (stream, served) = service(2, |served, _, asked| Some(store(served, asked, 2, || true)));
    let key = |n: u64| (0..).map(|m| format!("{m}")).find(|key| shard_of(key, 2) == n.to_string()).unwrap();
    let few = (0..20_000).map(|n| Entry::new(key(u64::from(n % 100 == 0)), n.to_string()));
    put(&mut putter(&stream, 2, false), few).await;
    let served = served.lock().unwrap();
    assert_eq!((served.calls, served.lists), (40, 1));
}

#[tokio::test(start_paused = true)]
async fn without_a_list_there_is_one_lane_and_nobody_waits_for_it() {
    for refused in [true, false] {
        let answer = refused.then_some(Err("AccessDeniedException"));
        let served = Arc::<Mutex<Served>>::default();
        let shared = served.clone();
        let stream = stream(LATENCY, move |call, asked| {
            let mut served = shared.lock().unwrap();
            match call {
                "ListShards" => {
                    served.lists += 1;
                    answer.clone()
                }
                _ => Some(store(&mut served, asked, 8, || true)),
            }
        });
        let took = put(&mut putter(&stream, 2, false), entries(20_000, 997)).await;
        let served = served.lock().unwrap();
        assert_eq!(served.stored.len(), 20_000);
        // One call, which the SDK tries three times when it is refused: the service's clock is years behind ours.
        assert_eq!(served.lists, if refused { 3 } else { 1 });
        assert!(took <= LATENCY * 41, "{took:?}");
    }
}

/// Throttled, failed, silent and in part: 40 seeds, in order and not.
#[tokio::test(start_paused = true)]
async fn through_faults_nothing_is_lost_and_ordered_is_ordered() {
    let (mut ambiguous, mut copies, mut lists) = (0, 0, 0);
    for seed in 0..40 {
        let (ordered, of) = (seed % 2 == 0, 2 + u128::from(seed % 7));
        let mut rng = Rng::with_seed(seed);
        let (stream, served) = service(of, move |served, _, asked| match rng.u8(..100) {
            0..5 => Some(Err("ProvisionedThroughputExceededException")),
            5..8 => Some(Err("InternalFailure")),
            8..11 => {
                // No answer; of which one half is stored all the same.
                if rng.bool() {
                    let _ = store(served, asked, of, || true);
                }
                None
            }
            11..40 => Some(store(served, asked, of, || rng.u8(..10) > 0)),
            _ => Some(store(served, asked, of, || true)),
        });
        let mut putter = putter(&stream, 2, ordered);
        put(&mut putter, entries(3_000, 1_499)).await;
        let served = served.lock().unwrap();
        let (report, back) = (&putter.report, putter.failed.len() as u64);
        let mut numbers = BTreeMap::<u64, u64>::new();
        served.stored.iter().for_each(|(_, number)| *numbers.entry(*number).or_default() += 1);
        assert_eq!(report.sent + back, 3_000, "seed {seed}");
        assert!(numbers.len() as u64 >= report.sent, "seed {seed}: lost");
        let held = served.stored.len() as u64;
        assert!(held <= report.sent + report.ambiguous, "seed {seed}: {held} held, {report:?}");
        if ordered {
            let mut last = BTreeMap::<&str, u64>::new();
            for (key, number) in &served.stored {
                // The same one again, whose answer was lost, is in order.
                assert!(last.insert(key, *number).is_none_or(|last| last <= *number), "seed {seed}: {key}");
            }
        }
        ambiguous += report.ambiguous;
        copies += held - numbers.len() as u64;
        lists += served.lists;
    }
    assert!(
        ambiguous > 0 && copies > 0 && lists >= 20,
        "{ambiguous} ambiguous, {copies} copies, {lists} lists"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_with_both_lanes_under_way_says_what_may_be_stored() {
    // Two calls for the list, and then silence.
    let (stream, served) = service(8, |served, call, asked| match call {
        0..=6 => Some(store(served, asked, 8, || true)),
        _ => None,
    });
    let mut putter = putter(&stream, 2, false);
    entries(20_000, 997).for_each(|entry| putter.push(entry));
    let (stop, asked) = watch::channel(false);
    let mut cutoff = Cutoff::after(asked);
    let began = Instant::now();
    tokio::join!(putter.flush(&mut cutoff), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        stop.send(true).unwrap();
    });
    assert_eq!(began.elapsed(), Duration::from_secs(5), "two seconds after the stop");
    let served = served.lock().unwrap();
    assert_eq!(served.calls, 8, "two silent ones");
    assert_eq!(putter.report.ambiguous, 1_000);
    assert_eq!(putter.report.sent, served.stored.len() as u64);
    let mut back: Vec<u64> = putter.failed.iter().map(|failed| number(&failed.entry)).collect();
    back.extend(served.stored.iter().map(|(_, number)| *number));
    back.sort_unstable();
    assert_eq!(back, (0..20_000).collect::<Vec<_>>());
}

fn number(entry: &Entry) -> u64 {
    String::from_utf8_lossy(&entry.data).parse().unwrap()
}

/// One lane's service is silent; the other one's was not well, and gets its four attempts a second all the same.
#[tokio::test(start_paused = true)]
async fn with_little_time_left_the_lane_that_is_answered_tries_again() {
    let upper = |asked: &Value| shard_of(asked["Records"][0]["PartitionKey"].as_str().unwrap(), 2) == "1";
    let (stream, served) = service(2, move |served, call, asked| match call {
        0..=6 => Some(store(served, asked, 2, || true)),
        _ if !upper(asked) => None,
        7..=18 => Some(Err("ProvisionedThroughputExceededException")),
        _ => Some(store(served, asked, 2, || true)),
    });
    let mut putter = putter(&stream, 2, false);
    entries(5_000, 997).for_each(|entry| putter.push(entry));
    let (stop, asked) = watch::channel(false);
    let mut cutoff = Cutoff::after(asked);
    tokio::join!(putter.flush(&mut cutoff), async {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        stop.send(true).unwrap();
    });
    let stored = &served.lock().unwrap().stored;
    let of =
        |shard: &str| entries(5_000, 997).filter(|entry| shard_of(&entry.partition_key, 2) == shard).count();
    let here = stored.iter().filter(|(key, _)| shard_of(key, 2) == "1").count();
    assert_eq!(here, of("1"), "all of the lane that was answered");
    assert_eq!(putter.report.ambiguous, 500);
}

#[cfg(feature = "local")]
#[test]
fn plain_records_keep_their_keys_order_through_splits_and_merges() {
    use crate::read::{Context, ProcessError, RecordProcessor};
    use crate::record::Batch;
    use crate::runtime::wait_here;
    use crate::service::Kinesis;

    #[derive(Default)]
    struct Numbers(BTreeMap<String, Vec<u64>>);

    impl RecordProcessor for Numbers {
        fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
            for record in &batch.records {
                let number = std::str::from_utf8(&record.data[..])?.parse()?;
                self.0.entry(record.partition_key.raw().to_owned()).or_default().push(number);
            }
            Ok(())
        }
    }

    let stream = Kinesis::local().unwrap().create_stream("s", 4).unwrap();
    let mut putter = putter(&stream, 2, false);
    let open = || -> Vec<String> {
        let mut open: Vec<Shard> = stream.shards().unwrap().into_iter().filter(Shard::is_open).collect();
        open.sort_by_key(|shard| shard.hash_range.0);
        open.into_iter().map(|shard| shard.id).collect()
    };
    let mut next = 0;
    let mut put = |putter: &mut Putter| {
        let numbers = next..next + 5_000_u64;
        next += 5_000;
        let entries = numbers.map(|n| Entry::new(format!("192.0.2.{}", n % 97), n.to_string()));
        wait_here(put(putter, entries));
    };
    put(&mut putter);
    stream.split_shard(&open()[0]).unwrap();
    put(&mut putter);
    // Across the lanes.
    let shards = open();
    stream.merge_shards(&shards[2], &shards[3]).unwrap();
    put(&mut putter);
    let shards = open();
    stream.merge_shards(&shards[1], &shards[2]).unwrap();
    put(&mut putter);
    assert_eq!((putter.report.sent, putter.report.ambiguous, putter.failed.len()), (20_000, 0, 0));
    let mut numbers = Numbers::default();
    let read = stream.consumer().trim_horizon().run_until_caught_up(&mut numbers).unwrap();
    assert_eq!(read.records, 20_000);
    for (key, numbers) in numbers.0 {
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
    }
}
