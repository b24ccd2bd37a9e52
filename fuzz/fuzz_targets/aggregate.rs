//! Any message is an aggregate or none; what is in one is in one of our own making, too.
#![no_main]

use kinesis_lab::{Entry, Record, Timestamp};
use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};

fuzz_target!(|message: &[u8]| {
    assert!(record(message.to_vec()).user_records().is_none() || message.starts_with(MAGIC));
    // With a right checksum, or the message would never be looked at.
    let whole = [MAGIC, message, &Md5::digest(message)].concat();
    let size = whole.len();
    let Some(records) = record(whole).user_records() else { return };
    let data: usize = records.iter().map(|record| record.data.len()).sum();
    assert!(data <= size && records.len() <= size / 6, "more than was in it");
    let entries: Vec<Entry> = records
        .iter()
        .map(|record| Entry::new(String::from(&record.partition_key), record.data.to_vec()))
        .collect();
    // Nothing in it is no aggregate.
    let Ok(again) = Entry::aggregate(entries) else { return };
    assert!(record(again.data).user_records().as_ref() == Some(&records));
});

const MAGIC: &[u8] = b"\xf3\x89\x9a\xc2";

fn record(data: Vec<u8>) -> Record {
    Record::new("a", data, "1", Timestamp::MIN)
}
