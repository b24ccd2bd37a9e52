//! A store that is locked for long, in virtual time.

use std::time::Duration;

use tokio::time::Instant;

use super::super::options::ReadOptions;
use super::super::position::Position;
use super::super::report::SharedReport;
use super::super::scripted::{iterator, listed, one_shard, page, stream};
use super::super::{
    Checkpoint, ConsumerReport, Context, Ended, ProcessError, RecordProcessor, StreamId, drive,
};
use crate::error::Result;
use crate::record::Batch;
use crate::stop::Stop;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Where a processor writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Checkpoints,
    Process,
    Tick,
    ShardEnded,
}

/// Its store is locked until then, in one of its calls.
struct Locked {
    place: Place,
    until: Instant,
    /// Of all calls that came through.
    calls: Vec<Place>,
    /// The sequence numbers of batches that did.
    numbers: Vec<String>,
    report: SharedReport,
}

impl Locked {
    fn new(place: Place, time: Duration) -> Locked {
        let until = Instant::now() + time;
        Locked { place, until, calls: Vec::new(), numbers: Vec::new(), report: SharedReport::default() }
    }

    fn write(&mut self, place: Place) -> Result<(), ProcessError> {
        if place == self.place && Instant::now() < self.until {
            return Err(ProcessError::wait("the store is \u{1b} locked"));
        }
        self.calls.push(place);
        Ok(())
    }
}

impl RecordProcessor for Locked {
    fn checkpoints(&mut self, _: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.write(Place::Checkpoints).map(|()| Vec::new())
    }

    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.write(Place::Process)?;
        self.numbers.extend(batch.records.iter().map(|record| record.sequence_number.clone()));
        Ok(())
    }

    fn tick(&mut self, _: &mut Context) -> Result<(), ProcessError> {
        self.write(Place::Tick)
    }

    fn shard_ended(&mut self, _: &str, _: &mut Context) -> Result<(), ProcessError> {
        self.write(Place::ShardEnded)
    }
}

/// One shard of three records in two pages; with an end, or without.
fn options(ends: bool) -> ReadOptions {
    let mut pages = vec![page(&[1, 2], Some("a"), 10), page(&[3], Some("a"), 0)].into_iter();
    let stream = stream(Duration::from_millis(5), move |call, body| match call {
        "ListShards" if ends => Some(Ok(serde_json::json!({ "Shards": [listed("a", &[], (0, 1), true)] }))),
        "ListShards" => one_shard(),
        "GetShardIterator" => iterator(body),
        _ => Some(Ok(pages.next().unwrap_or_else(|| page(&[], (!ends).then_some("a"), 0)))),
    });
    ReadOptions { from: Position::TrimHorizon, ..ReadOptions::new(stream) }
}

async fn run(
    options: &ReadOptions,
    time: Option<Duration>,
    locked: &mut Locked,
    stop: &Stop,
) -> Result<ConsumerReport> {
    let report = locked.report.clone();
    drive::whole(options, time, locked, &report, stop).await
}

const ALL: [Place; 4] = [Place::Checkpoints, Place::Process, Place::Tick, Place::ShardEnded];

/// The first error of a store ended the run.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_locked_for_long_is_waited_for() {
    for place in ALL {
        // At its beginning somebody waits for a run, and not for ever.
        let time = if place == Place::Checkpoints { secs(50) } else { secs(900) };
        let (mut locked, began) = (Locked::new(place, time), Instant::now());
        let (options, stop) = (options(place == Place::ShardEnded), Stop::default());
        let watched = locked.report.clone();
        let looks = async {
            tokio::time::sleep(time / 2).await;
            let report = watched.get();
            assert!(report.waiting.as_deref().unwrap().contains(r"the store is \x1b locked"), "{report:?}");
            // Nothing is read into memory meanwhile, and nothing is done before what is to be written.
            assert!(report.records <= 3 && report.waits >= 5, "{report:?}");
            tokio::time::sleep(time).await;
            stop.ask();
        };
        let (outcome, ()) = tokio::join!(run(&options, None, &mut locked, &stop), looks);
        let report = outcome.unwrap();
        assert_eq!(locked.numbers, ["1", "2", "3"], "{place:?}");
        assert_eq!((report.records, report.waiting, report.unfinished), (3, None, None));
        let first = locked.calls.iter().position(|call| *call == place).unwrap();
        assert!(locked.calls[..first].iter().all(|call| *call != place));
        assert!(report.waits < 20 + time.as_secs(), "{} times in {time:?}", report.waits);
        assert!(began.elapsed() >= time);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_waited_for_by_nobody() {
    for place in ALL {
        let (mut locked, began) = (Locked::new(place, secs(3_600)), Instant::now());
        let (options, stop) = (options(place == Place::ShardEnded), Stop::default());
        let asks = async {
            tokio::time::sleep(secs(100)).await;
            stop.ask();
        };
        // At its beginning, nobody is told for longer than a minute.
        if place == Place::Checkpoints {
            locked.until = began + secs(101);
            let error = run(&options, None, &mut locked, &stop).await.unwrap_err().to_string();
            assert!(error.contains("is \\x1b locked") && began.elapsed() < secs(66), "{error}");
            continue;
        }
        let (outcome, ()) = tokio::join!(run(&options, None, &mut locked, &stop), asks);
        let report = outcome.unwrap();
        assert_eq!((report.ended, began.elapsed()), (Some(Ended::Stopped), secs(100)), "{place:?}");
        let said = report.unfinished.unwrap();
        assert!(said.contains("the next run reads it again") && said.contains("locked"), "{said}");
        assert!(!locked.calls.contains(&place) && report.waiting.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_to_end_by_itself_waits_for_a_minute() {
    let (mut locked, began) = (Locked::new(Place::Tick, secs(3_600)), Instant::now());
    let caught_up = ReadOptions { until_caught_up: true, ..options(false) };
    let error = run(&caught_up, None, &mut locked, &Stop::default()).await.unwrap_err().to_string();
    assert!(error.contains("locked"), "{error}");
    let waited = began.elapsed();
    assert!(waited >= secs(60) && waited < secs(62), "{waited:?}");

    // Its time is over; what it has processed is worth five seconds.
    for (time, at_least, at_most) in [(1, 5, 7), (30, 30, 31)] {
        let (mut locked, began) = (Locked::new(Place::Tick, secs(3_600)), Instant::now());
        let outcome = run(&options(false), Some(secs(time)), &mut locked, &Stop::default()).await;
        assert!(outcome.unwrap_err().to_string().contains("locked"));
        let waited = began.elapsed();
        assert!(waited >= secs(at_least) && waited < secs(at_most), "{time}: {waited:?}");
    }
    let mut locked = Locked::new(Place::Tick, secs(3));
    let report = run(&options(false), Some(secs(1)), &mut locked, &Stop::default()).await.unwrap();
    assert_eq!((report.records, report.ended, report.waiting), (3, Some(Ended::Time), None));
}
