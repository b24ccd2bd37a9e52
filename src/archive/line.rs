//! A record as a line of JSON, and back. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::record::Record;

/// Adds the record's line, with its end: `{"partition_key":"192.0.2.10","sequence_number":"4959…","arrival":"2018-…Z",
/// "data":"hello"}`. Data that are no UTF-8 are `data_base64`; a record of an aggregate has a `sub_sequence_number`.
pub(super) fn write_line(record: &Record, lines: &mut Vec<u8>) {
    let text = |text: &str| Value::from(text).to_string();
    lines.extend_from_slice(b"{\"partition_key\":");
    lines.extend_from_slice(text(record.partition_key.raw()).as_bytes());
    // A number of digits: nothing in it is to be escaped.
    lines.extend_from_slice(format!(",\"sequence_number\":\"{}\"", record.sequence_number).as_bytes());
    if let Some(sub) = record.sub_sequence_number {
        lines.extend_from_slice(format!(",\"sub_sequence_number\":{sub}").as_bytes());
    }
    lines.extend_from_slice(format!(",\"arrival\":\"{}\",", record.arrival).as_bytes());
    match record.data.text() {
        Some(data) => {
            lines.extend_from_slice(b"\"data\":");
            lines.extend_from_slice(text(data).as_bytes());
        }
        None => {
            lines.extend_from_slice(b"\"data_base64\":\"");
            lines.extend_from_slice(STANDARD.encode(&record.data).as_bytes());
            lines.push(b'"');
        }
    }
    lines.extend_from_slice(b"}\n");
}

/// # Errors
/// What is wrong with it.
pub(super) fn read_line(line: &[u8]) -> Result<Record, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("no line of JSON ({error})"))?;
    let text = |name: &str| {
        let found = value.get(name).and_then(Value::as_str);
        found.ok_or_else(|| format!("`{name}` is missing, or no text"))
    };
    let data = match value.get("data_base64") {
        Some(_) => {
            STANDARD.decode(text("data_base64")?).map_err(|error| format!("`data_base64`: {error}"))?
        }
        None => text("data")?.as_bytes().to_vec(),
    };
    let arrival = text("arrival")?.parse().map_err(|error| format!("`arrival`: {error}"))?;
    let record = Record::new(text("partition_key")?, data, text("sequence_number")?, arrival);
    match value.get("sub_sequence_number").map(Value::as_u64) {
        None => Ok(record),
        Some(Some(sub)) => Ok(record.in_aggregate(sub)),
        Some(None) => Err("`sub_sequence_number` is no number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::timestamp::Timestamp;

    proptest! {
        // 1,000 cases: texts with every character, bytes that are none, aggregates and records alone.
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn a_record_comes_back_as_it_was(
            key in any::<String>(),
            data in prop_oneof![any::<String>().prop_map(String::into_bytes), any::<Vec<u8>>()],
            number in "[1-9][0-9]{0,56}",
            sub in any::<Option<u64>>(),
            micros in any::<i64>(),
        ) {
            let mut record = Record::new(key, data, number, Timestamp::from_micros(micros));
            record.sub_sequence_number = sub;
            let mut lines = Vec::new();
            write_line(&record, &mut lines);
            let (end, line) = lines.split_last().unwrap();
            prop_assert!(*end == b'\n' && !line.contains(&b'\n'));
            let read = read_line(line).unwrap();
            prop_assert_eq!(read.sub_sequence_number, record.sub_sequence_number);
            prop_assert_eq!(read, record);
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        let line = |part: &str| {
            format!(r#"{{"partition_key":"k","sequence_number":"7","arrival":"2018-09-06T08:04:56Z"{part}}}"#)
        };
        assert!(read_line(line(r#","data":"x""#).as_bytes()).is_ok());
        for (odd, want) in [
            (line(""), "`data` is missing"),
            (line(r#","data":7"#), "`data` is missing, or no text"),
            (line(r#","data_base64":"?""#), "`data_base64`: "),
            (line(r#","data":"","sub_sequence_number":-1"#), "`sub_sequence_number` is no number"),
            (line(r#","data":"","arrival":"soon""#), "`arrival`: "),
            ("{".to_owned(), "no line of JSON"),
            ("[]".to_owned(), "`data` is missing"),
        ] {
            let error = read_line(odd.as_bytes()).unwrap_err();
            assert!(error.contains(want), "{odd}: {error}");
        }
    }
}
