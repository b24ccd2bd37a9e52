use proptest::prelude::*;

use super::super::split::HEAD;
use super::*;
use crate::record::{Entry, MAX_RECORD_BYTES};
use crate::timestamp::Timestamp;

fn records(entries: Vec<Entry>) -> Vec<Record> {
    let record = |(n, entry): (usize, Entry)| {
        Record::new(entry.partition_key, entry.data, (n + 1).to_string(), Timestamp::from_secs(n as i64))
    };
    entries.into_iter().enumerate().map(record).collect()
}

fn split(key: &str, data: &[u8], limit: usize, id: u64) -> Vec<Record> {
    records(Entry::new(key, data).split_up_to(limit, id))
}

proptest! {
    // 1,000 cases: documents of some parts, parts that come in any order, some of them twice, among records that are none.
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn each_document_comes_once_and_whole(
        documents in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..400), 60usize..200), 1..5),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut all = Vec::new();
        for (n, (data, limit)) in documents.iter().enumerate() {
            let parts = split("key", data, *limit, n as u64);
            prop_assert!(parts.iter().all(|part| part.data.len() + 3 <= (*limit).max(HEAD + 4)));
            all.extend(parts);
        }
        // Those that are drawn come first, however often; then each once more, in their order.
        let mut given: Vec<&Record> = order.iter().map(|index| index.get(&all)).collect();
        given.extend(&all);
        let (mut parts, mut joined) = (Parts::default(), Vec::new());
        for record in given {
            if let Some(whole) = parts.join(record).unwrap() {
                joined.push(whole.data.to_vec());
            }
        }
        prop_assert!(parts.finish().is_ok() && parts.held == 0);
        for (data, limit) in &documents {
            // What was not split is a record of its own, and comes as often as it is there.
            if data.len() + 3 > *limit {
                let same = documents.iter().filter(|(other, limit)| other == data && other.len() + 3 > *limit).count();
                prop_assert_eq!(joined.iter().filter(|whole| *whole == data).count(), same);
            }
        }
    }

    /// Whatever bytes are there, a part or none: nothing panics, nothing grows beyond its bounds.
    #[test]
    fn what_is_bent_is_refused_or_given_whole(
        data in prop::collection::vec(any::<u8>(), 1..300),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = split("key", &data, 100, 7);
        let mut parts = Parts::default();
        let mut bent = whole.clone();
        let which = at.index(bent.len());
        let mut bytes = bent[which].data.to_vec();
        let place = cut.index(bytes.len());
        bytes[place] ^= 1 << bit;
        bent[which].data = bytes.into();
        for record in bent.iter().chain(&whole) {
            if let Ok(Some(given)) = parts.join(record) {
                let is_whole = given.data == data || whole.len() == 1 || given.data == bent[which].data;
                prop_assert!(is_whole, "half a document");
            }
        }
        prop_assert!(parts.held <= 2 * (data.len() + whole.len() * PART_COST));
    }
}

#[test]
fn three_megabytes_and_the_limit_of_a_record() {
    let document: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let entries = Entry::new("192.0.2.10", document.clone()).explicit_hash_key(7).split();
    assert_eq!(entries.len(), 3);
    assert!(entries.iter().all(|entry| entry.check().is_ok() && entry.explicit_hash_key == Some(7)));
    assert_eq!(entries[0].size(), MAX_RECORD_BYTES);
    let mut parts = Parts::default();
    let joined: Vec<Record> =
        records(entries).iter().rev().filter_map(|record| parts.join(record).unwrap()).collect();
    assert!(joined.len() == 1 && joined[0].data == document);
    assert_eq!((joined[0].sequence_number.as_str(), joined[0].partition_key.raw()), ("1", "192.0.2.10"));

    let fits = Entry::new("key", vec![7; MAX_RECORD_BYTES - 3]);
    assert_eq!(fits.clone().split(), [fits]);
    assert_eq!(Entry::new("key", vec![7; MAX_RECORD_BYTES - 2]).split().len(), 2);
}

/// What looks like a part is one of one: it must not be taken for somebody else's.
#[test]
fn what_looks_like_a_part_comes_back_as_it_was() {
    let part = split("key", &[7; 200], 100, 1).remove(0);
    let wrapped = split("key", &part.data, 1_000, 2);
    assert_eq!(wrapped.len(), 1);
    let joined = Parts::default().join(&wrapped[0]).unwrap().unwrap();
    assert_eq!(joined.data, part.data);
    assert_eq!(split("key", b"", 1_000, 3)[0].data, b"");
}

#[test]
fn what_is_missing_or_does_not_fit_is_named() {
    let document: Vec<u8> = (0..200).collect();
    let whole = split("k\u{1b}[2J", &document, 100, 0xab);
    let count = whole.len();
    let mut parts = Parts::default();
    parts.join(&whole[0]).unwrap();
    let missing = parts.finish().unwrap_err().to_string();
    assert_eq!(
        missing,
        format!(r"part 2 of {count} of the document 00000000000000ab of key 'k\x1b[2J' is missing")
    );
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut record = whole[1].clone();
        let mut data = record.data.to_vec();
        change(&mut data);
        record.data = data.into();
        record
    };
    for (record, want) in [
        (
            with(&|data| data.truncate(20)),
            "record 2 of key 'k\\x1b[2J' is a broken part: its head is cut short",
        ),
        (with(&|data| data.truncate(HEAD)), "there is nothing in it"),
        (with(&|data| data[19] = 250), "its number is not below how many there are"),
        (with(&|data| data[23] += 1), "the others say something else"),
        (with(&|data| data[47] ^= 1), "the others say something else"),
        (with(&|data| data[19] = 0), "there is another of this number"),
        (with(&|data| data.extend([7; 200])), "there is more in it than the document is long"),
        (with(&|data| data[24] = 1), "a document is at most 67,108,864 bytes"),
    ] {
        let error = parts.join(&record).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    // The last one is another of its length: together they are not what was split.
    let mut last = whole[count - 1].clone();
    let mut data = last.data.to_vec();
    data[HEAD] ^= 1;
    last.data = data.into();
    for record in &whole[1..count - 1] {
        assert_eq!(parts.join(record).unwrap(), None);
    }
    let error = parts.join(&last).unwrap_err().to_string();
    assert!(error.contains("together they are not the document"), "{error}");
    assert!(parts.finish().is_ok() && parts.held == 0);
}

/// Whoever may write to the stream may begin documents without end.
#[test]
fn what_is_held_has_a_bound_and_the_oldest_is_given_up() {
    let mut parts = Parts::default();
    let piece = vec![7; 2 << 20];
    for id in 0..100 {
        let first = &split("key", &piece, MAX_RECORD_BYTES, id)[0];
        assert_eq!(parts.join(first).unwrap(), None);
        assert!(parts.held <= HELD);
    }
    assert!(parts.unfinished() < 64 && parts.abandoned().len() == 100 - parts.unfinished());
    assert!(parts.abandoned()[0].starts_with("part 2 of 3 of the document 0000000000000000 of key 'key'"));
    let error = parts.finish().unwrap_err().to_string();
    assert!(error.ends_with("and 99 more documents are not whole"), "{error}");
    // The newest can still become whole.
    let last = split("key", &piece, MAX_RECORD_BYTES, 99);
    assert!(parts.join(&last[1]).unwrap().is_none() && parts.join(&last[2]).unwrap().is_some());
}
