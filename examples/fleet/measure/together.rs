//! What the detection's lock costs: its batches are written one after another, whoever has them; a counter's side by side.
//! Without the KCL, whose own pace would hide it: each thread is a worker with one shard.

use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;
use kinesis_lab::{Detection, Playbook, Playbooks};

use crate::common::say::{say, tell};
use crate::postgres::Postgres;

use super::backlog::address;

const TIME: Duration = Duration::from_secs(3);
const SHARDS: u32 = 4;
/// Records in a batch: of a stream that is not full, and of one that is behind.
const SIZES: [u64; 2] = [20, 1_000];
const KEYS: u64 = 1_000;

type Make<'a> = &'a (dyn Fn(&str, &Stream) -> Result<Box<dyn RecordProcessor + Send>, Error> + Sync);

/// A line for each size of a batch and number of workers.
pub(crate) fn run() -> Result<(), Error> {
    say("batches a second that count, and that detect …");
    let postgres = Postgres::start("127.0.0.1", &[])?;
    let kinesis = Kinesis::local()?;
    let stream = kinesis.create_stream("together", SHARDS)?;
    // So many in a minute, which nobody reaches.
    let playbook = Playbook::new("busy", u64::from(u32::MAX)).slide(secs(60));
    let playbooks = Playbooks::new(vec![playbook])?;
    let counting: Make<'_> = &|url, stream| {
        let counter = Counter::per_minute().lateness(secs(60)).reading(kinesis_lab::JsonFormat::new());
        Ok(Box::new(counter.shared_in(url, stream)?))
    };
    let detecting: Make<'_> =
        &|url, stream| Ok(Box::new(Detection::new(&playbooks).lateness(secs(60)).shared_in(url, stream)?));
    tell(format_args!("{:37} {:>9} {:>9} {:>6}", "batches a second", "counter", "detection", "ratio"));
    for size in SIZES {
        for workers in [1, SHARDS] {
            let rate = |name: &str, make: Make<'_>| {
                let database = format!("{name}-{size}-{workers}");
                postgres.create(&database)?;
                a_second(make, &address(&postgres, &database), &stream, workers, size)
            };
            let (counts, detects) = (rate("counts", counting)?, rate("detects", detecting)?);
            let case =
                format!("{workers} worker{}, {size} records each", if workers == 1 { "" } else { "s" });
            tell(format_args!("{case:37} {counts:9.1} {detects:9.1} {:6.2}", detects / counts));
        }
    }
    Ok(())
}

/// Of all workers together.
fn a_second(make: Make<'_>, url: &str, stream: &Stream, workers: u32, size: u64) -> Result<f64, Error> {
    // Tables are made before the time begins.
    let processors = (0..workers).map(|_| make(url, stream)).collect::<Result<Vec<_>, Error>>()?;
    let began = Instant::now();
    let batches = std::thread::scope(|scope| {
        let threads: Vec<_> = processors
            .into_iter()
            .zip(0..)
            .map(|(processor, number)| scope.spawn(move || work(processor, number, size, began)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(0)));
        joined.sum::<Result<u64, Error>>()
    })?;
    Ok(batches as f64 / began.elapsed().as_secs_f64())
}

fn work(
    mut processor: Box<dyn RecordProcessor + Send>,
    number: u64,
    size: u64,
    began: Instant,
) -> Result<u64, Error> {
    let shard = format!("shardId-{number:012}");
    let failed = |error: ProcessError| Error::new(ErrorKind::Store, format!("{error:?}"));
    let context = || Context::at(Timestamp::now());
    processor.shard_taken(&shard, &mut context()).map_err(failed)?;
    let mut batches = 0;
    while began.elapsed() < TIME {
        let records = (batches * size..(batches + 1) * size).map(|n| record(n, number)).collect();
        let batch = Batch::new("together", &shard, records);
        let mut context = context();
        processor.process(&batch, &mut context).map_err(failed)?;
        processor.tick(&mut context).map_err(failed)?;
        batches += 1;
    }
    Ok(batches)
}

/// 5 ms after the one before.
fn record(n: u64, shard: u64) -> Record {
    let time = Timestamp::from_micros((1_536_220_800_000_000 + n * 5_000).cast_signed());
    let key = (n * 4 + shard) % KEYS;
    let data = format!(r#"{{"time":"{time}","ip":"10.0.{}.{}"}}"#, key >> 8, key & 255);
    Record::new("any", data, (n + 1).to_string(), time)
}
