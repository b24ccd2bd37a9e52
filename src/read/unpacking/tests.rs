//! Of pages with aggregates: which batches they are, and what is left out of them.

use super::*;
use crate::packed::{Aggregate, UserRecord};
use crate::timestamp::Timestamp;

fn plain(number: u64) -> Record {
    Record::new("k", "alone", number.to_string(), Timestamp::MIN)
}

/// One with user records of these hashes, in which their own place is their data.
fn packed(number: u64, hashes: impl IntoIterator<Item = u128>) -> Record {
    let mut aggregate = Aggregate::default();
    for (place, hash) in hashes.into_iter().enumerate() {
        let data = place.to_string().into_bytes();
        aggregate.push(UserRecord { partition_key: "k".into(), explicit_hash_key: Some(hash), data });
    }
    Record::new("a", aggregate.pack(), number.to_string(), Timestamp::MIN)
}

fn batches(aggregates: Aggregates, page: Vec<Record>) -> Vec<UnpackedBatch> {
    let mut page = Unpacking::new("s".into(), aggregates, page, None);
    let mut batches = Vec::new();
    while !page.is_done() {
        batches.push(page.next_batch());
    }
    batches
}

/// `sequence number/sub-sequence number`.
fn places(batch: &UnpackedBatch) -> Vec<String> {
    batch.records.iter().map(Record::place).collect()
}

#[test]
fn user_records_stand_where_their_aggregate_stood() {
    let page = || vec![plain(7), packed(8, [1, 2]), plain(9)];
    let unpacked = batches(Aggregates::Unpacked, page());
    assert_eq!(places(&unpacked[0]), ["7", "8/0", "8/1", "9"]);
    let second = &unpacked[0].records[2];
    assert_eq!((second.partition_key.raw(), &second.data[..]), ("k", &b"1"[..]));
    let as_it_came = batches(Aggregates::Packed, page());
    assert!(as_it_came.len() == 1 && as_it_came[0].records == page());
}

#[test]
fn what_is_none_is_a_record_like_any_other() {
    let whole = packed(8, [1, 2]);
    let mut data = whole.data.to_vec();
    *data.last_mut().unwrap() ^= 1;
    let bent = Record { data: data.into(), ..whole };
    let page = vec![bent.clone(), packed(9, [3])];
    let unpacked = batches(Aggregates::Unpacked, page);
    assert_eq!(places(&unpacked[0]), ["8", "9/0"]);
    assert_eq!(unpacked[0].records[0], bent);
}

/// A checkpoint is behind a batch: in the middle of an aggregate, its rest would be lost or its beginning doubled.
#[test]
fn no_batch_ends_within_an_aggregate() {
    let page = vec![packed(1, 0..6_000), packed(2, 0..6_000), packed(3, 0..25_000), plain(4)];
    let unpacked = batches(Aggregates::Unpacked, page);
    let sizes: Vec<usize> = unpacked.iter().map(|batch| batch.records.len()).collect();
    assert_eq!(sizes, [12_000, 25_000, 1]);
    assert_eq!(places(&unpacked[1])[24_999], "3/24999");
}

#[test]
fn the_reader_waits_until_the_last_batch_of_its_page() {
    let turns = Arc::new(tokio::sync::Semaphore::new(1));
    let permit = turns.clone().try_acquire_owned().unwrap();
    let records = vec![packed(1, 0..10_000), packed(2, 0..10_000)];
    let mut page = Unpacking::new("s".into(), Aggregates::Unpacked, records, Some(permit));
    drop(page.next_batch());
    assert_eq!(turns.available_permits(), 0);
    drop(page.next_batch());
    assert_eq!(turns.available_permits(), 1);
}

#[test]
fn what_is_another_shards_is_left_out_and_the_others_keep_their_places() {
    let page = vec![packed(1, [9, 10, 20, 21]), packed(2, [30]), plain(3)];
    let unpacked = batches(Aggregates::UnpackedWithin(10, 20), page.clone());
    assert_eq!(
        (places(&unpacked[0]), unpacked[0].misplaced),
        (vec!["1/1".into(), "1/2".into(), "3".into()], 3)
    );
    assert_eq!(batches(Aggregates::Unpacked, page)[0].misplaced, 0);
    // By the partition key's hash, where no other is said.
    let mut aggregate = Aggregate::default();
    let key = |partition_key: &str| UserRecord {
        partition_key: partition_key.into(),
        explicit_hash_key: None,
        data: Vec::new(),
    };
    ["here", "there"].into_iter().for_each(|name| aggregate.push(key(name)));
    let here = crate::hash_key::hash_key("here");
    let record = Record::new("a", aggregate.pack(), "1", Timestamp::MIN);
    let unpacked = batches(Aggregates::UnpackedWithin(here, here), vec![record]);
    assert_eq!((places(&unpacked[0]), unpacked[0].misplaced), (vec!["1/0".into()], 1));
}

#[test]
fn only_a_shard_that_had_parents_can_hold_what_is_put_again() {
    let mut shard = Shard {
        id: "b".into(),
        parent: None,
        adjacent_parent: None,
        hash_range: (10, 20),
        starting_sequence_number: "0".into(),
        ending_sequence_number: None,
    };
    assert_eq!(Aggregates::of(&shard, true), Aggregates::Unpacked);
    shard.parent = Some("a".into());
    assert_eq!(Aggregates::of(&shard, true), Aggregates::UnpackedWithin(10, 20));
    assert_eq!(Aggregates::of(&shard, false), Aggregates::Packed);
}
