use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn parse(message: Value) -> Result<DaemonMessage> {
    DaemonMessage::parse(message.to_string().as_bytes())
}

fn place(sequence_number: &str, sub_sequence_number: u64) -> ExtendedSequenceNumber {
    ExtendedSequenceNumber { sequence_number: sequence_number.into(), sub_sequence_number }
}

/// As version 3.1.3 writes them.
#[test]
fn the_daemons_own_lines() {
    let line = br#"{"action":"initialize","shardId":"shardId-000000000000","sequenceNumber":"TRIM_HORIZON","subSequenceNumber":0}"#;
    let DaemonMessage::Initialize { shard_id, position } = DaemonMessage::parse(line).unwrap() else {
        panic!()
    };
    assert_eq!((shard_id.as_str(), position), ("shardId-000000000000", LeasePosition::Beginning));
    let line = br#"{"action":"processRecords","records":[{"action":"record","data":"aGVsbG8=","partitionKey":"k","sequenceNumber":"4959","subSequenceNumber":0,"approximateArrivalTimestamp":1795633820000}],"millisBehindLatest":12}"#;
    let DaemonMessage::ProcessRecords { records, millis_behind_latest } = DaemonMessage::parse(line).unwrap()
    else {
        panic!()
    };
    assert_eq!((records.records[0].data.text(), millis_behind_latest), (Some("hello"), Some(12)));
    assert_eq!(records.last, Some(place("4959", 0)));
    let line = br#"{"action":"checkpoint","sequenceNumber":"4959","subSequenceNumber":0,"error":null}"#;
    let done = DaemonMessage::Checkpoint { place: Some(place("4959", 0)), error: None };
    assert_eq!(DaemonMessage::parse(line).unwrap(), done);
    for (action, message) in [
        ("shardEnded", DaemonMessage::ShardEnded),
        ("shutdownRequested", DaemonMessage::ShutdownRequested),
        ("leaseLost", DaemonMessage::LeaseLost),
    ] {
        assert_eq!(parse(json!({ "action": action, "checkpoint": "SHARD_END" })).unwrap(), message);
        assert_eq!(message.action(), action);
    }
    let failed = json!({ "action": "checkpoint", "sequenceNumber": null, "subSequenceNumber": null, "error": "ShutdownException" });
    let failed = parse(failed).unwrap();
    assert_eq!(failed, DaemonMessage::Checkpoint { place: None, error: Some("ShutdownException".into()) });
}

#[test]
fn a_lease_is_at_a_record_or_at_a_word() {
    let position = |sequence_number: Value| {
        let message = json!({ "action": "initialize", "shardId": "s", "sequenceNumber": sequence_number, "subSequenceNumber": 3 });
        match parse(message).unwrap() {
            DaemonMessage::Initialize { position, .. } => position,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(position(json!("4959")), LeasePosition::After(place("4959", 3)));
    assert_eq!(position(json!("LATEST")), LeasePosition::Latest);
    for other in [json!("TRIM_HORIZON"), json!("AT_TIMESTAMP"), json!(null)] {
        assert_eq!(position(other), LeasePosition::Beginning);
    }
}

#[test]
fn new_fields_are_passed_over_and_known_ones_are_strict() {
    let record = json!({ "data": "", "partitionKey": "k", "sequenceNumber": "1", "schema": { "data": 1 } });
    let newer = json!({ "action": "processRecords", "records": [record], "workerId": ["w"], "epoch": 7 });
    assert!(matches!(
        parse(newer).unwrap(),
        DaemonMessage::ProcessRecords { millis_behind_latest: None, .. }
    ));
    let record = |field: &str, value: Value| {
        let mut record =
            json!({ "data": "", "partitionKey": "k", "sequenceNumber": "1", "subSequenceNumber": 0 });
        match value {
            Value::Null => drop(record.as_object_mut().unwrap().remove(field)),
            value => record[field] = value,
        }
        json!({ "action": "processRecords", "records": [record] })
    };
    for (wrong, says) in [
        (json!([]), "no JSON object"),
        (json!({}), "without the field `action`"),
        (json!({ "action": 1 }), "a field `action` that is not a text: 1"),
        (json!({ "action": "shutdown" }), "the action `shutdown`, which this version does not know"),
        (json!({ "action": "initialize" }), "without the field `shardId`"),
        (
            json!({ "action": "initialize", "shardId": "s", "sequenceNumber": 7 }),
            "`sequenceNumber` that is not a text",
        ),
        (json!({ "action": "processRecords" }), "without the field `records`"),
        (json!({ "action": "processRecords", "records": {} }), "`records` that is not a list"),
        (json!({ "action": "processRecords", "records": [1] }), "a record that is no JSON object"),
        (
            json!({ "action": "processRecords", "records": [], "millisBehindLatest": -1 }),
            "`millisBehindLatest` that is not a whole number",
        ),
        (json!({ "action": "checkpoint", "error": {} }), "`error` that is not a text"),
        (record("data", json!("not base64!")), "no base64"),
        (record("data", Value::Null), "without the field `data`"),
        (record("partitionKey", json!(1)), "`partitionKey` that is not a text"),
        (record("sequenceNumber", json!("4959\",\"x\":\"")), "no number"),
        (record("sequenceNumber", json!("")), "no number"),
        (record("subSequenceNumber", json!(1.5)), "`subSequenceNumber` that is not a whole number"),
        (
            record("approximateArrivalTimestamp", json!("1795633820000")),
            "`approximateArrivalTimestamp` that is not",
        ),
    ] {
        let error = parse(wrong.clone()).unwrap_err();
        assert!(error.to_string().contains(says), "{wrong}: {error}");
        assert_eq!(error.kind(), crate::error::ErrorKind::InvalidInput);
    }
    // What a stranger sends is shown harmlessly, and not all of it.
    let odd = format!("\x1b[2J{}", "x".repeat(10_000));
    for line in [odd.clone(), json!({ "action": odd }).to_string()] {
        let error = DaemonMessage::parse(line.as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 500 && !error.contains('\x1b'), "{error}");
    }
}

#[test]
fn a_child_says_what_the_daemon_knows_and_no_field_more() {
    let status = ChildMessage::Status { response_for: "processRecords" };
    assert_eq!(status.to_string(), r#"{"action":"status","responseFor":"processRecords"}"#);
    let checkpoint = ChildMessage::Checkpoint(Some(place("4959", 2)));
    assert_eq!(
        checkpoint.to_string(),
        r#"{"action":"checkpoint","sequenceNumber":"4959","subSequenceNumber":2}"#
    );
    let end = ChildMessage::Checkpoint(None);
    assert_eq!(end.to_string(), r#"{"action":"checkpoint","sequenceNumber":null,"subSequenceNumber":null}"#);
}

proptest! {
    #[test]
    fn any_line_is_a_message_or_an_error_and_no_panic(line: Vec<u8>) {
        let _ = DaemonMessage::parse(&line);
    }

    /// Of a true line, with bytes changed, cut off and put in.
    #[test]
    fn so_is_a_line_that_was_spoilt(at in 0_usize..200, cut in 0_usize..8, put in "[\\x00-\\x7f\"{}\\[\\]:,]{0,4}") {
        let line = br#"{"action":"processRecords","records":[{"action":"record","data":"aGVsbG8=","partitionKey":"k","sequenceNumber":"4959","subSequenceNumber":0,"approximateArrivalTimestamp":1795633820000}],"millisBehindLatest":0}"#;
        let at = at.min(line.len());
        let spoilt = [&line[..at], put.as_bytes(), &line[(at + cut).min(line.len())..]].concat();
        if let Err(error) = DaemonMessage::parse(&spoilt) {
            prop_assert!(error.to_string().starts_with("the KCL's daemon has sent "), "{error}");
        }
    }
}
