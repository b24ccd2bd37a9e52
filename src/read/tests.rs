//! Answers that a service gives on a bad day, and how long a run takes over them. In virtual time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::options::ReadOptions;
use super::position::Position;
use super::report::SharedReport;
use super::scripted::{Answer, SERVICE_TIME, iterator, listed, one_shard, page, stream};
use super::{
    Checkpoint, Checkpoints, ConsumerReport, Context, Ended, ProcessError, RecordProcessor, StreamId, drive,
};
use crate::error::{ErrorKind, Result};
use crate::record::Batch;
use crate::stop::Stop;
use crate::stream::{ShardProgress, Stream};
use crate::timestamp::Timestamp;

pub(super) const QUICK: Duration = Duration::from_millis(5);

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Remembers what it was told.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) numbers: Vec<String>,
    pub(super) ended: Vec<String>,
    /// The shards, at each tick.
    pub(super) ticks: Vec<Vec<ShardProgress>>,
    pub(super) places: Checkpoints,
    pub(super) remembered: Vec<Checkpoint>,
    /// How long a tick takes.
    pub(super) tick_takes: Duration,
}

impl RecordProcessor for Seen {
    fn checkpoints(&mut self, _: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        Ok(self.remembered.clone())
    }

    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.numbers.extend(batch.records.iter().map(|record| record.sequence_number.clone()));
        self.places.pass(batch);
        Ok(())
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.places.begin(ctx);
        self.ticks.push(ctx.shards.to_vec());
        // The clock goes on in the first poll.
        let _ = pin!(tokio::time::advance(self.tick_takes))
            .poll(&mut std::task::Context::from_waker(Waker::noop()));
        Ok(())
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.ended.push(shard_id.to_owned());
        self.places.end(shard_id, ctx);
        Ok(())
    }
}

pub(super) fn oldest(stream: &Stream) -> ReadOptions {
    ReadOptions { from: Position::TrimHorizon, ..ReadOptions::new(stream.clone()) }
}

pub(super) async fn run(
    options: &ReadOptions,
    time: Option<Duration>,
    seen: &mut dyn RecordProcessor,
) -> Result<ConsumerReport> {
    drive::whole(options, time, seen, &SharedReport::default(), &Stop::default()).await
}

async fn until_caught_up(stream: &Stream, seen: &mut dyn RecordProcessor) -> Result<ConsumerReport> {
    let options = ReadOptions { until_caught_up: true, ..oldest(stream) };
    tokio::time::timeout(secs(600), run(&options, None, seen)).await.expect("it ends within ten minutes")
}

/// The pages of each shard, one after the other; the last one again and again.
fn pages(of: &[(&str, &[Value])]) -> impl FnMut(&Value) -> Option<Answer> + Send + use<> {
    let mut pages: BTreeMap<String, Vec<Value>> =
        of.iter().map(|(shard, pages)| (shard.to_string(), pages.iter().rev().cloned().collect())).collect();
    move |asked| {
        let pages = pages.get_mut(asked["ShardIterator"].as_str().unwrap()).unwrap();
        let page = if pages.len() > 1 { pages.pop() } else { pages.last().cloned() };
        Some(Ok(page.unwrap()))
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nothing_bears_out_is_asked_for_again() {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let mut pages = pages(&[(
        "a",
        // No iterator, no child shards; and ListShards says that the shard is open.
        &[page(&[1], None, 0), page(&[], None, 0), page(&[2], Some("a"), 0), page(&[], Some("a"), 0)],
    )]);
    let asked = asked_for.clone();
    let stream = stream(QUICK, move |call, body| match call {
        "ListShards" => one_shard(),
        "GetShardIterator" => {
            asked.lock().unwrap().push(body.clone());
            iterator(body)
        }
        _ => pages(body),
    });
    let mut seen = Seen::default();
    let report = until_caught_up(&stream, &mut seen).await.unwrap();
    assert_eq!((&seen.numbers[..], &seen.ended[..]), (&["1".into(), "2".into()][..], &[][..]));
    assert_eq!((report.ended, report.retries), (Some(Ended::CaughtUp), 2));
    let asked = asked_for.lock().unwrap();
    assert_eq!(asked[1]["ShardIteratorType"], "AFTER_SEQUENCE_NUMBER");
    assert_eq!(asked[1]["StartingSequenceNumber"], "1");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_said_again_and_again_of_an_open_shard_is_an_error() {
    let stream = stream(QUICK, |call, body| match call {
        "ListShards" => one_shard(),
        "GetShardIterator" => iterator(body),
        _ => Some(Ok(page(&[], None, 0))),
    });
    let error = until_caught_up(&stream, &mut Seen::default()).await.unwrap_err();
    assert!(error.to_string().contains("lists it as open"), "{error}");
}

/// `a` was split. ListShards says so from its `late`th call on.
fn split(late: u32) -> Stream {
    let mut calls = 0;
    let mut end = page(&[1], None, 0);
    let child = |id: &str| {
        json!({ "ShardId": id, "ParentShards": ["a"],
            "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": "1" } })
    };
    end["ChildShards"] = json!([child("b"), child("c")]);
    let quiet = page(&[], Some("z"), 0);
    let mut pages = pages(&[
        ("a", &[end]),
        ("b", &[page(&[2], Some("b"), 0), page(&[], Some("b"), 0)]),
        ("c", &[page(&[3], Some("c"), 0), page(&[], Some("c"), 0)]),
        ("z", &[quiet]),
    ]);
    stream(QUICK, move |call, body| match call {
        "ListShards" => {
            calls += 1;
            let mut shards = vec![listed("a", &[], (0, 2), calls >= late), listed("z", &[], (1, 2), false)];
            if calls >= late {
                shards.push(listed("b", &["a"], (0, 4), false));
            }
            if calls > late {
                shards.push(listed("c", &["a"], (1, 4), false));
            }
            Some(Ok(json!({ "Shards": shards })))
        }
        "GetShardIterator" => iterator(body),
        _ => pages(body),
    })
}

#[tokio::test(start_paused = true)]
async fn children_that_are_listed_late_are_read_and_event_time_waits_for_them() {
    let mut seen = Seen::default();
    until_caught_up(&split(6), &mut seen).await.unwrap();
    assert_eq!(seen.numbers, ["1", "2", "3"]);
    assert_eq!(seen.ended, ["a"]);
    // At no tick do the others stand for all: either the parent is waited for, or both children are there.
    for shards in &seen.ticks {
        let there = |id: &str| shards.iter().any(|shard| &*shard.shard_id == id);
        assert!(there("a") || (there("b") && there("c")), "{shards:?}");
    }
    // Also when a run begins on a checkpoint that says that the parent has ended.
    let remembered = vec![Checkpoint::new("a", Some("1"), Timestamp::from_secs(1)).ended()];
    let mut seen = Seen { remembered, ..Seen::default() };
    until_caught_up(&split(6), &mut seen).await.unwrap();
    assert_eq!(seen.numbers, ["2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn children_that_are_never_listed_are_an_error_or_a_notice() {
    let error = until_caught_up(&split(u32::MAX), &mut Seen::default()).await.unwrap_err();
    assert!(error.to_string().contains("ListShards has named no shards"), "{error}");
    let stream = split(u32::MAX);
    let report = run(&oldest(&stream), Some(secs(300)), &mut Seen::default()).await.unwrap();
    assert_eq!((report.records, report.ended), (1, Some(Ended::Time)));
}

#[tokio::test(start_paused = true)]
async fn a_closed_shard_that_never_ends_is_an_error() {
    let script = |closed_from: u32| {
        let mut calls = 0;
        stream(QUICK, move |call, body| match call {
            "ListShards" => {
                calls += 1;
                Some(Ok(json!({ "Shards": [
                    listed("a", &[], (0, 1), calls > closed_from),
                    listed("b", &["a"], (0, 1), false),
                ]})))
            }
            "GetShardIterator" => iterator(body),
            // As moto does.
            _ => Some(Ok(page(&[], body["ShardIterator"].as_str(), 0))),
        })
    };
    let error = until_caught_up(&script(0), &mut Seen::default()).await.unwrap_err();
    assert!(error.to_string().contains("moto does so"), "{error}");
    // One that is closed while it is read, by a run that does not end by itself.
    let stream = script(1);
    let error = run(&oldest(&stream), Some(secs(600)), &mut Seen::default()).await.unwrap_err();
    assert!(error.to_string().contains("moto does so"), "{error}");
}

/// Our clock is years ahead of this service's: it must not matter.
#[tokio::test(start_paused = true)]
async fn a_place_without_a_record_is_where_the_service_said_that_latest_was() {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let asked = asked_for.clone();
    let stream = stream(QUICK, move |call, body| match call {
        "ListShards" => Some(Ok(json!({ "Shards": [
            listed("a", &[], (0, 2), false), listed("b", &[], (1, 2), false),
        ]}))),
        "GetShardIterator" => {
            asked.lock().unwrap().push(body.clone());
            iterator(body)
        }
        _ if body["ShardIterator"] == "a" => Some(Err("ProvisionedThroughputExceededException")),
        _ => Some(Ok(page(&[], Some("b"), 0))),
    });
    let latest = ReadOptions::new(stream);
    let mut seen = Seen::default();
    run(&latest, Some(secs(10)), &mut seen).await.unwrap_err();
    let shards = &seen.ticks[0];
    assert_eq!(shards.iter().map(|shard| shard.answered).collect::<Vec<_>>(), [false, true]);
    let began = Timestamp::from_secs(SERVICE_TIME);
    let saved = seen.places.take_moved();
    assert_eq!(saved, ["a", "b"].map(|shard| Checkpoint::new(shard, None, began)));

    asked_for.lock().unwrap().clear();
    let mut again = Seen { remembered: saved, ..Seen::default() };
    run(&latest, Some(secs(10)), &mut again).await.unwrap_err();
    for asked in asked_for.lock().unwrap().iter() {
        assert_eq!(asked["ShardIteratorType"], "AT_TIMESTAMP");
        assert_eq!(asked["Timestamp"].as_f64(), Some(SERVICE_TIME as f64));
    }
}

/// The same where an iterator is lost before the first record.
#[tokio::test(start_paused = true)]
async fn latest_that_has_to_be_opened_again_begins_where_the_service_said() {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let asked = asked_for.clone();
    let mut expired = false;
    let stream = stream(QUICK, move |call, body| match call {
        "ListShards" => one_shard(),
        "GetShardIterator" => {
            asked.lock().unwrap().push(body.clone());
            iterator(body)
        }
        _ if !std::mem::replace(&mut expired, true) => Some(Err("ExpiredIteratorException")),
        _ => Some(Ok(page(&[], Some("a"), 0))),
    });
    run(&ReadOptions::new(stream), Some(secs(3)), &mut Seen::default()).await.unwrap();
    let asked = asked_for.lock().unwrap();
    assert_eq!(asked[0]["ShardIteratorType"], "LATEST");
    assert_eq!(asked[1]["Timestamp"].as_f64(), Some(SERVICE_TIME as f64));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_never_quiet_is_caught_up_with() {
    for millis in [0, 300] {
        let mut n = 0;
        let stream = stream(QUICK, move |call, body| match call {
            "ListShards" => one_shard(),
            "GetShardIterator" => iterator(body),
            _ => {
                n += 5;
                Some(Ok(page(&[n, n + 1, n + 2, n + 3, n + 4], Some("a"), millis)))
            }
        });
        let report = until_caught_up(&stream, &mut Seen::default()).await.unwrap();
        assert_eq!(report.ended, Some(Ended::CaughtUp), "{millis} ms behind");
        assert!(report.records <= 25, "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_tick_does_not_keep_pages_waiting() {
    let mut n = 0;
    let stream = stream(QUICK, move |call, body| match call {
        "ListShards" => one_shard(),
        "GetShardIterator" => iterator(body),
        _ => {
            n += 1;
            Some(Ok(page(&[n], Some("a"), 90_000))) // always behind: no poll is over
        }
    });
    let mut seen = Seen { tick_takes: secs(3), ..Seen::default() };
    let report = run(&oldest(&stream), Some(secs(60)), &mut seen).await.unwrap();
    let a_tick = report.records as f64 / seen.ticks.len() as f64;
    assert!(a_tick > 3.0, "{a_tick} pages a tick: {} ticks", seen.ticks.len());
}

#[tokio::test(start_paused = true)]
async fn an_iterator_that_always_expires_is_an_error() {
    let stream = stream(QUICK, |call, body| match call {
        "ListShards" => one_shard(),
        "GetShardIterator" => iterator(body),
        _ => Some(Err("ExpiredIteratorException")),
    });
    let began = Instant::now();
    let error = until_caught_up(&stream, &mut Seen::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ExpiredIterator);
    assert!((60..70).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn many_shards_are_opened_at_once() {
    let shards: Vec<Value> = (0..32).map(|n| listed(&format!("shard {n:02}"), &[], (n, 32), false)).collect();
    let stream = stream(Duration::from_millis(100), move |call, body| match call {
        "ListShards" => Some(Ok(json!({ "Shards": shards }))),
        "GetShardIterator" => iterator(body),
        _ => Some(Ok(page(&[], body["ShardIterator"].as_str(), 0))),
    });
    let began = Instant::now();
    let options = ReadOptions::new(stream);
    let (mut seen, report, stop) = (Seen::default(), SharedReport::default(), Stop::default());
    drive::begin(&options, None, &mut seen, &report, &stop).await.unwrap().unwrap();
    // Describe, list, and two rounds of sixteen.
    assert!(began.elapsed() <= Duration::from_millis(450), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_endless_poll_and_a_run_that_may_end_before_its_time() {
    let script = || {
        stream(QUICK, |call, body| match call {
            "ListShards" => one_shard(),
            "GetShardIterator" => iterator(body),
            _ => Some(Ok(page(&[1], Some("a"), 0))),
        })
    };
    let mut options = oldest(&script());
    options.set_poll_every(Duration::MAX);
    let report = run(&options, Some(Duration::MAX.min(secs(3_600))), &mut Seen::default()).await.unwrap();
    assert_eq!((report.records, report.ended), (1, Some(Ended::Time)));
    options.until_caught_up = true;
    let report = run(&options, Some(secs(3_600)), &mut Seen::default()).await.unwrap();
    assert_eq!(report.ended, Some(Ended::CaughtUp));
}

/// Wants every batch again.
struct Busy(u32);

impl RecordProcessor for Busy {
    fn process(&mut self, _: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        assert!(!ctx.stopping(), "it is not asked again");
        self.0 += 1;
        Err(ProcessError::retry("the other stream is full"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_every_wait_at_once() {
    let full = || {
        stream(QUICK, |call, body| match call {
            "ListShards" => one_shard(),
            "GetShardIterator" => iterator(body),
            _ => Some(Ok(page(&[1], Some("a"), 0))),
        })
    };
    // No answer to the first call, to the first page; a shard that is throttled; a batch to be given again.
    let never = |silent: &'static str| {
        stream(QUICK, move |call, body| match call {
            _ if call == silent => None,
            "ListShards" => one_shard(),
            "GetShardIterator" => iterator(body),
            _ => Some(Err("ProvisionedThroughputExceededException")),
        })
    };
    for stream in [never("ListShards"), never("GetRecords"), never("nothing"), full()] {
        let (options, stop) = (oldest(&stream), Stop::default());
        let (mut busy, report) = (Busy(0), SharedReport::default());
        let began = Instant::now();
        let asks = async {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            stop.ask();
        };
        let both = async { tokio::join!(drive::whole(&options, None, &mut busy, &report, &stop), asks).0 };
        let outcome = tokio::time::timeout(secs(3_600), both).await.expect("it ends within an hour");
        let report = outcome.unwrap();
        assert_eq!((report.ended, began.elapsed()), (Some(Ended::Stopped), Duration::from_millis(1_500)));
        assert_eq!(report.unfinished.is_some(), busy.0 > 0);
        if let Some(said) = report.unfinished {
            assert!(said.contains("1 records of a") && said.contains("the other stream is full"), "{said}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_takes_its_time_and_ticks_once_a_poll() {
    let stream = stream(QUICK, |call, body| match call {
        "ListShards" => Some(Ok(json!({ "Shards": [
            listed("a", &[], (0, 2), false), listed("b", &[], (1, 2), false),
        ]}))),
        "GetShardIterator" => iterator(body),
        _ => Some(Ok(page(&[], body["ShardIterator"].as_str(), 0))),
    });
    let mut options = oldest(&stream);
    options.set_poll_every(Duration::from_millis(400));
    let (mut seen, began) = (Seen::default(), Instant::now());
    let report = run(&options, Some(Duration::from_millis(1_500)), &mut seen).await.unwrap();
    assert_eq!(report.ended, Some(Ended::Time));
    // Describe and list, and then the run's own time.
    assert_eq!(began.elapsed(), Duration::from_millis(1_510));
    assert_eq!(seen.ticks.len(), 4, "at 0, 0.4, 0.8 and 1.2 s");
}

/// Records come for a while, and then none. When they are asked for, and how often the processor ticks.
#[tokio::test(start_paused = true)]
async fn an_adaptive_reader_is_back_soon_after_records_and_ticks_no_more_often() {
    for adaptive in [false, true] {
        let asked = Arc::<Mutex<Vec<u64>>>::default();
        let (shared, began) = (asked.clone(), Instant::now());
        // A record every 50 ms of the third and fourth second.
        let mut seen = 0;
        let stream = stream(QUICK, move |call, body| match call {
            "ListShards" => one_shard(),
            "GetShardIterator" => iterator(body),
            _ => {
                let now = began.elapsed().as_millis() as u64;
                shared.lock().unwrap().push(now);
                let there = now.clamp(2_000, 4_000).saturating_sub(2_000) / 50;
                let numbers: Vec<u64> = (seen + 1..=there).collect();
                seen = there;
                Some(Ok(page(&numbers, body["ShardIterator"].as_str(), 0)))
            }
        });
        let mut options = oldest(&stream);
        options.adaptive = adaptive;
        let mut seen = Seen::default();
        let report = run(&options, Some(secs(6)), &mut seen).await.unwrap();
        assert_eq!((report.records, seen.numbers.len()), (40, 40));
        let asked = asked.lock().unwrap();
        let between = |from, to| asked.iter().filter(|at| (from..to).contains(*at)).count();
        assert_eq!(between(0, 2_000), 4, "idle: {asked:?}");
        assert_eq!(between(4_500, 6_000), 3, "idle again: {asked:?}");
        let flowing = between(2_000, 4_000);
        assert!(if adaptive { (8..=10).contains(&flowing) } else { flowing == 4 }, "{flowing}: {asked:?}");
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= 200), "{asked:?}");
        assert_eq!(seen.ticks.len(), 12, "once a poll");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_of_a_closed_shard_is_not_the_end() {
    let mut end = page(&[], None, 0);
    end["ChildShards"] = json!([{ "ShardId": "b", "ParentShards": ["a"],
        "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": u128::MAX.to_string() } }]);
    let mut pages = pages(&[
        ("a", &[page(&[1], Some("a"), 0), page(&[], Some("a"), 0), page(&[], Some("a"), 0), end]),
        ("b", &[page(&[2], Some("b"), 0), page(&[], Some("b"), 0)]),
    ]);
    let stream = stream(QUICK, move |call, body| match call {
        "ListShards" => Some(Ok(json!({ "Shards": [
            listed("a", &[], (0, 1), true), listed("b", &["a"], (0, 1), false),
        ]}))),
        "GetShardIterator" => iterator(body),
        _ => pages(body),
    });
    let mut seen = Seen::default();
    until_caught_up(&stream, &mut seen).await.unwrap();
    assert_eq!((&seen.numbers[..], &seen.ended[..]), (&["1".into(), "2".into()][..], &["a".into()][..]));
}

/// Iterators are good for a second, and polls are further apart.
#[tokio::test(start_paused = true)]
async fn an_expired_iterator_is_opened_again_where_reading_was() {
    let began = Instant::now();
    // An iterator: after which record, and since when.
    let iterator = move |after: u64| json!(format!("{after} {}", began.elapsed().as_millis()));
    let stream = stream(QUICK, move |call, body| {
        // The records are put at 3 s and at 9 s.
        let newest = [3, 9].iter().filter(|at| secs(**at) <= began.elapsed()).count() as u64;
        match call {
            "ListShards" => one_shard(),
            "GetShardIterator" => {
                let after = match body["ShardIteratorType"].as_str().unwrap() {
                    "AFTER_SEQUENCE_NUMBER" => {
                        body["StartingSequenceNumber"].as_str().unwrap().parse().unwrap()
                    }
                    "LATEST" => newest,
                    _ => 0,
                };
                Some(Ok(json!({ "ShardIterator": iterator(after) })))
            }
            _ => {
                let (after, made) = body["ShardIterator"].as_str().unwrap().split_once(' ').unwrap();
                let made = Duration::from_millis(made.parse().unwrap());
                if began.elapsed() > made + secs(1) {
                    return Some(Err("ExpiredIteratorException"));
                }
                let numbers: Vec<u64> = (after.parse::<u64>().unwrap() + 1..=newest).collect();
                let mut page = page(&numbers, None, 0);
                page["NextShardIterator"] = iterator(newest);
                Some(Ok(page))
            }
        }
    });
    let mut options = ReadOptions::new(stream);
    options.set_poll_every(Duration::from_millis(2_500));
    let mut seen = Seen::default();
    let report = run(&options, Some(secs(15)), &mut seen).await.unwrap();
    assert_eq!((seen.numbers, report.retries), (vec!["1".to_owned(), "2".to_owned()], 0));
}

/// Takes its time, and asks for a report in the middle.
struct Slow {
    takes: Duration,
    report: SharedReport,
    said: Vec<(Option<u64>, Option<u64>)>,
}

impl RecordProcessor for Slow {
    fn process(&mut self, _: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        let _ =
            pin!(tokio::time::advance(self.takes)).poll(&mut std::task::Context::from_waker(Waker::noop()));
        self.said.push((ctx.millis_behind_latest, self.report.get().millis_behind_latest));
        match self.said.len() {
            1 => Err(ProcessError::retry("the other stream is full")),
            _ => Ok(()),
        }
    }
}

/// A filter that could not put its batch said "0.0 s behind" for half a minute.
#[tokio::test(start_paused = true)]
async fn a_batch_that_is_not_processed_is_behind() {
    let mut pages = pages(&[("a", &[page(&[1], Some("a"), 0), page(&[], Some("a"), 0)])]);
    let stream = stream(QUICK, move |call, body| match call {
        "ListShards" => one_shard(),
        "GetShardIterator" => iterator(body),
        _ => pages(body),
    });
    let (report, stop) = (SharedReport::default(), Stop::default());
    let mut slow = Slow { takes: secs(20), report: report.clone(), said: Vec::new() };
    let options = oldest(&stream);
    let ended = drive::whole(&options, Some(secs(60)), &mut slow, &report, &stop).await.unwrap();
    let [(first, said_first), (again, said_again)] = slow.said[..] else { panic!("{:?}", slow.said) };
    assert_eq!((first, said_first), (Some(0), Some(20_010)), "with the time of two calls");
    assert!((20_010..20_111).contains(&again.unwrap()), "{again:?}: no page followed in time");
    assert!((40_010..40_111).contains(&said_again.unwrap()), "{said_again:?}");
    assert_eq!(ended.millis_behind_latest, Some(0));
}

/// The service answers once, and then no more.
#[tokio::test(start_paused = true)]
async fn a_shard_that_can_not_be_read_is_behind() {
    let mut answers = 0;
    let stream = stream(QUICK, move |call, body| match call {
        "ListShards" => one_shard(),
        "GetShardIterator" => iterator(body),
        _ if std::mem::replace(&mut answers, 1) == 0 => Some(Ok(page(&[], Some("a"), 0))),
        _ => Some(Err("ProvisionedThroughputExceededException")),
    });
    let report = run(&oldest(&stream), Some(secs(30)), &mut Seen::default()).await.unwrap();
    assert_eq!((report.ended, report.millis_behind_latest), (Some(Ended::Time), Some(30_000)));
}
