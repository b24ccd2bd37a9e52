use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parsed(numbers: &[(u64, u64)]) -> DaemonRecords {
    let records: Vec<_> = numbers
        .iter()
        .map(|(number, sub)| {
            json!({
                "action": "record", "data": "AP8=", "partitionKey": "k\n\u{1b}", "sequenceNumber": number.to_string(),
                "subSequenceNumber": sub, "approximateArrivalTimestamp": 1_536_220_800_250_u64,
            })
        })
        .collect();
    let raw = RawValue::from_string(json!(records).to_string()).unwrap();
    super::records(&raw).unwrap()
}

fn subs(records: &[Record]) -> Vec<Option<u64>> {
    records.iter().map(|record| record.sub_sequence_number).collect()
}

#[test]
fn a_record_is_what_was_put() {
    let parsed = parsed(&[(7, 0)]);
    let record = &parsed.records[0];
    assert_eq!((record.partition_key.raw(), &record.data[..]), ("k\n\u{1b}", &[0, 255][..]));
    assert_eq!((record.sequence_number.as_str(), record.sub_sequence_number), ("7", None));
    assert_eq!(record.arrival, Timestamp::from_micros(1_536_220_800_250_000));
    assert_eq!(parsed.last.unwrap().sequence_number, "7");
    assert_eq!(
        super::records(&RawValue::from_string("[]".into()).unwrap()).unwrap(),
        DaemonRecords::default()
    );
}

#[test]
fn user_records_of_an_aggregate_have_sub_sequence_numbers() {
    let whole = parsed(&[(7, 0), (8, 0), (8, 1), (8, 2), (9, 0)]);
    assert_eq!(subs(&whole.records), [None, Some(0), Some(1), Some(2), None]);
    // The rest of one, behind a checkpoint within it.
    let rest = parsed(&[(8, 2), (8, 3), (9, 0)]);
    assert_eq!(subs(&rest.records), [Some(2), Some(3), None]);
    assert_eq!(subs(&parsed(&[(8, 5)]).records), [Some(5)]);
    let last = parsed(&[(7, 0), (8, 0), (8, 1)]).last.unwrap();
    assert_eq!((last.sequence_number.as_str(), last.sub_sequence_number), ("8", 1));
}

proptest! {
    #[test]
    fn batches_are_all_the_records_in_their_order_and_cut_no_aggregate(
        aggregates in prop::collection::vec(1_u64..6, 0..20),
        size in 1_usize..8,
    ) {
        let numbers: Vec<(u64, u64)> =
            aggregates.iter().enumerate().flat_map(|(n, subs)| (0..*subs).map(move |sub| (n as u64 + 1, sub))).collect();
        let all = parsed(&numbers).records;
        let batches = batches(all.clone(), size);
        for batch in &batches {
            let largest = size + 5;
            prop_assert!(!batch.is_empty() && batch.len() < largest, "{}", batch.len());
        }
        for pair in batches.windows(2) {
            prop_assert_ne!(&pair[0].last().unwrap().sequence_number, &pair[1][0].sequence_number);
            prop_assert!(pair[0].len() >= size);
        }
        prop_assert_eq!(batches.concat(), all);
    }
}
