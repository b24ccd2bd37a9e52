//! Of aggregates: what was packed comes back, and whatever else comes is refused within bounds.

use proptest::prelude::*;

use super::super::aggregate::{is_aggregate, unpack};
use super::*;

fn user_record(partition_key: &str, explicit_hash_key: Option<u128>, data: &[u8]) -> UserRecord {
    UserRecord { partition_key: partition_key.into(), explicit_hash_key, data: data.into() }
}

fn packed(message: &[u8]) -> Vec<u8> {
    [&MAGIC[..], message, &Md5::digest(message)].concat()
}

/// As `aws-kinesis-agg` 1.2.3 writes `add_user_record("a", b"1")`, `("b", b"2", "17")`, `("a", b"")`.
const BY_PYTHON: &[u8] = b"\xf3\x89\x9a\xc2\
    \x0a\x01a\x0a\x01b\x12\x0217\x1a\x05\x08\x00\x1a\x011\x1a\x07\x08\x01\x10\x00\x1a\x012\x1a\x04\x08\x00\x1a\x00";

#[test]
fn what_others_pack_is_read_and_packed_the_same() {
    let data = packed(&BY_PYTHON[MAGIC.len()..]);
    let records =
        [user_record("a", None, b"1"), user_record("b", Some(17), b"2"), user_record("a", None, b"")];
    assert!(unpack(&data).unwrap() == records);
    let mut aggregate = Aggregate::default();
    records.into_iter().for_each(|record| aggregate.push(record));
    assert_eq!((aggregate.len(), aggregate.pack()), (3, data));
}

#[test]
fn a_hash_key_is_where_it_belongs() {
    assert_eq!(user_record("", None, b"").hash(), 0xd41d8cd98f00b204e9800998ecf8427e);
    assert_eq!(user_record("", Some(u128::MAX), b"").hash(), u128::MAX);
}

#[test]
fn an_empty_aggregate_is_none_and_so_is_half_of_one() {
    assert!(unpack(&packed(b"")).is_none() && unpack(&MAGIC).is_none());
    let whole = packed(&BY_PYTHON[MAGIC.len()..]);
    for cut in 0..whole.len() {
        assert!(unpack(&whole[..cut]).is_none(), "{cut}");
    }
    for bent in 0..whole.len() {
        let mut data = whole.clone();
        data[bent] ^= 4;
        assert!(unpack(&data).is_none(), "{bent}");
    }
}

#[test]
fn a_right_checksum_is_no_right_message() {
    let cases: [(&str, &[u8]); 11] = [
        ("an index beyond the table", b"\x0a\x01a\x1a\x04\x08\x01\x1a\x00"),
        (
            "an index beyond any table",
            b"\x0a\x01a\x1a\x0d\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x00",
        ),
        ("a hash key's index beyond its table", b"\x0a\x01a\x1a\x06\x08\x00\x10\x00\x1a\x00"),
        ("a hash key that is none", b"\x0a\x01a\x12\x01x\x1a\x06\x08\x00\x10\x00\x1a\x00"),
        (
            "a hash key of more than 128 bits",
            b"\x0a\x01a\x12\x27340282366920938463463374607431768211456\x1a\x06\x08\x00\x10\x00\x1a\x00",
        ),
        ("no key", b"\x0a\x01a\x1a\x02\x1a\x00"),
        ("no data", b"\x0a\x01a\x1a\x02\x08\x00"),
        ("a length beyond the end", b"\x0a\x01a\x1a\x7f\x08\x00\x1a\x00"),
        ("a length beyond memory", b"\x0a\x01a\x1a\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x08\x00"),
        ("a key that is no text", b"\x0a\x01\xff\x1a\x04\x08\x00\x1a\x00"),
        ("groups in groups", &[0x23; 1_000]),
    ];
    for (what, message) in cases {
        assert!(unpack(&packed(message)).is_none(), "{what}");
    }
}

/// Members that a later version of the format may add are passed over, tags among them.
#[test]
fn unknown_members_are_passed_over() {
    let data = packed(b"\x0a\x01a\x22\x01x\x1a\x0d\x08\x00\x1a\x011\x22\x06\x0a\x01t\x12\x01v");
    assert!(unpack(&data).unwrap() == [user_record("a", None, b"1")]);
}

/// An aggregate in an aggregate is data.
#[test]
fn nested_is_unpacked_once() {
    let inner = packed(&BY_PYTHON[MAGIC.len()..]);
    let mut outer = Aggregate::default();
    outer.push(user_record("a", None, &inner));
    let records = unpack(&outer.pack()).unwrap();
    assert!(records == [user_record("a", None, &inner)] && is_aggregate(&records[0].data));
}

/// One key for many: each gets a copy of it.
#[test]
fn what_would_be_far_larger_than_it_is_is_refused() {
    let message = |key: &str, records: usize| {
        let record =
            RecordMessage { partition_key: Some(0), explicit_hash_key: None, data: Some(Vec::new()) };
        let records = vec![record; records];
        let message = AggregatedMessage { partition_keys: vec![key.into()], records, ..Default::default() };
        packed(&message.encode_to_vec())
    };
    let longest = "k".repeat(256);
    assert_eq!(unpack(&message(&longest, 100_000)).unwrap().len(), 100_000);
    assert!(unpack(&message(&longest, 300_000)).is_none(), "73 MiB of 1.8");
    assert!(unpack(&message(&format!("{longest}k"), 1)).is_none(), "a key of 257 characters");
}

proptest! {
    // 256 cases: of each kind of key, known or new, with and without a hash key, many in each.
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn packed_and_back(
        records in prop::collection::vec(
            ("[ab]|[a-z]{1,9}|\u{e9}{100}", prop::option::of(prop_oneof![Just(7_u128), any::<u128>()]), prop::collection::vec(any::<u8>(), 0..300)),
            1..200,
        ),
    ) {
        let (mut aggregate, mut before) = (Aggregate::default(), Vec::new());
        for (key, hash_key, data) in records {
            let bytes = aggregate.bytes_with(&key, hash_key, &data);
            before.push(user_record(&key, hash_key, &data));
            aggregate.push(user_record(&key, hash_key, &data));
            prop_assert_eq!(aggregate.pack().len(), bytes);
        }
        prop_assert!(unpack(&aggregate.pack()).unwrap() == before);
    }

    /// With a right checksum, so that the message is looked at.
    #[test]
    fn any_bytes_are_refused_or_read(message in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(records) = unpack(&packed(&message)) {
            let bytes: usize = records.iter().map(|record| record.data.len()).sum();
            prop_assert!(bytes <= message.len());
        }
        prop_assert!(unpack(&message).is_none());
    }
}
