//! A poll of a stream of a thousand shards, with a batch of ten records from each: what it costs, fed without a
//! service.

use std::time::Instant;

use kinesis_lab::prelude::*;
use kinesis_lab::{ShardProgress, Watermark};

use crate::records;

pub(crate) fn print(shards: usize) {
    let progress: Vec<ShardProgress> =
        (0..shards).map(|n| ShardProgress::reading(&records::shard(n), &[])).collect();
    let now = Timestamp::from_secs(1_536_220_800);
    // A filter asks twice a batch how far event time is.
    let mut watermark = Watermark::new(secs(0));
    let begun = Instant::now();
    for shard in &progress {
        watermark.observe(&shard.shard_id, now);
        watermark.advance(&progress);
        watermark.advance(&progress);
    }
    println!("{shards} shards, the watermark of a filter: {:.3} s a poll", begun.elapsed().as_secs_f64());

    let batches: Vec<Batch> = (0..shards).map(|shard| forwarded(shard, now)).collect();
    let (mut counter, mut context) = (Counter::per_minute(), Context::at(now).with_shards(&progress));
    // The first poll makes what the second one finds.
    for poll in 0..2 {
        let begun = Instant::now();
        for batch in &batches {
            counter.process(batch, &mut context).expect("a counter takes any batch");
        }
        if poll == 1 {
            println!("{shards} shards, forwarded records: {:.3} s a poll", begun.elapsed().as_secs_f64());
        }
    }
}

fn forwarded(shard: usize, now: Timestamp) -> Batch {
    let record = |n: usize| {
        let data = format!(
            r#"{{"ip":"192.0.2.{n}","time":"{now}","origin":{{"stream":"shop","shard":"{}","sequence_number":"{}"}}}}"#,
            records::shard(shard),
            n + 1
        );
        Record::new(format!("192.0.2.{n}"), data, n.to_string(), now)
    };
    Batch::new("bench", &records::shard(shard), (0..10).map(record).collect())
}
