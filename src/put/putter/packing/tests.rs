//! A putter that goes on through reshards: what it has packed for a shard that is gone.

use std::collections::BTreeMap;

use super::super::super::queue::PutOptions;
use super::*;
use crate::read::{Context, ProcessError, RecordProcessor};
use crate::record::Batch;
use crate::runtime::wait_here;
use crate::service::Kinesis;
use crate::stream::Stream;

/// The numbers that were read of each key, in order.
#[derive(Default)]
struct Numbers(BTreeMap<String, Vec<u64>>);

impl RecordProcessor for Numbers {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            let number = std::str::from_utf8(&record.data[..])?.parse()?;
            self.0.entry(record.partition_key.to_string()).or_default().push(number);
        }
        Ok(())
    }
}

fn entries(numbers: std::ops::Range<u64>) -> impl Iterator<Item = Entry> {
    wide_entries(numbers, 1)
}

/// Their data have so many digits, or more.
fn wide_entries(numbers: std::ops::Range<u64>, width: usize) -> impl Iterator<Item = Entry> {
    numbers.map(move |n| Entry::new(format!("192.0.2.{}", n % 9), format!("{n:0width$}")))
}

async fn put(putter: &mut Putter, numbers: std::ops::Range<u64>, width: usize) {
    wide_entries(numbers, width).for_each(|entry| putter.push(entry));
    putter.flush(&mut Cutoff::never()).await;
}

fn open_shards(stream: &Stream) -> Vec<String> {
    stream.shards().unwrap().into_iter().filter(|shard| shard.is_open()).map(|shard| shard.id).collect()
}

/// Every record once and in order, though the shards change and the putter learns that from the answers alone.
#[test]
fn through_a_split_and_a_merge_everything_is_read_once_and_in_order() {
    through_a_split_and_a_merge(1, 1_000);
}

/// Of which some is packed while what was packed for the shards that are gone is under way.
#[test]
fn nor_is_anything_lost_or_out_of_order_of_so_much_that_it_is_packed_in_chunks() {
    through_a_split_and_a_merge(6_000, 50_000);
}

fn through_a_split_and_a_merge(width: usize, max_bytes: usize) {
    let stream = Kinesis::local().unwrap().create_stream("s", 1).unwrap();
    let options = PutOptions { aggregate: Some(max_bytes), ..PutOptions::default() };
    let mut putter = Putter::new(stream.clone(), options, fastrand::Rng::with_seed(1));
    let mut put = |numbers| wait_here(put(&mut putter, numbers, width));
    put(0..500);
    stream.split_shard(&open_shards(&stream)[0]).unwrap();
    put(500..1_000);
    let open = open_shards(&stream);
    stream.split_shard(&open[1]).unwrap();
    put(1_000..1_500);
    let open = open_shards(&stream);
    stream.merge_shards(&open[0], &open[1]).unwrap();
    put(1_500..2_000);
    let report = putter.report;
    assert_eq!((report.sent, report.ambiguous, putter.failed.len()), (2_000, 0, 0));
    assert!((20..400).contains(&report.kinesis_records) && report.retried > 0, "{report:?}");

    let mut numbers = Numbers::default();
    let read = stream.consumer().trim_horizon().run_until_caught_up(&mut numbers).unwrap();
    assert_eq!((read.records, read.misplaced), (2_000, report.retried));
    for (key, numbers) in numbers.0 {
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
    }
}

/// Also those that were packed already.
#[test]
fn what_is_handed_back_are_the_records_and_not_their_aggregates() {
    let stream = Kinesis::local().unwrap().create_stream("s", 2).unwrap();
    let options = PutOptions { aggregate: Some(1_000), ..PutOptions::default() };
    let mut putter = Putter::new(stream.clone(), options, fastrand::Rng::with_seed(1));
    wait_here(async {
        entries(0..500).for_each(|entry| putter.push(entry));
        putter.pack(&mut Cutoff::never()).await;
        assert!(putter.packing.as_ref().is_some_and(|packing| packing.len() == 0), "packed");
        stream.delete_async().await.unwrap();
        putter.flush(&mut Cutoff::never()).await;
    });
    let mut back: Vec<Entry> = putter.failed.into_iter().map(|failed| failed.entry).collect();
    back.sort_by_key(|entry| str::from_utf8(&entry.data).unwrap().parse::<u64>().unwrap());
    assert!(back == entries(0..500).collect::<Vec<_>>());
    assert_eq!(putter.report.sent, 0);
}
