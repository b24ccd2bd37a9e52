//! What a subscription of CloudWatch Logs sends into a stream, once gzip has unpacked it. Pure.
//!
//! Source: CloudWatch Logs User Guide, "Subscription filters with Kinesis Data Streams".

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::json_elements::JsonElements;
use crate::timestamp::Timestamp;

/// A record of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subscription {
    /// CloudWatch Logs tries whether it can write here (`CONTROL_MESSAGE`): no event.
    Control,
    /// Lines of a log stream, in their order.
    Data(Vec<LogEntry>),
}

/// One of its `logEvents`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogEntry {
    /// "A unique identifier for every log event": the same when a record is delivered again.
    pub(crate) id: String,
    /// When it happened, as the log's writer told CloudWatch, or when CloudWatch took it.
    pub(crate) time: Timestamp,
    /// The line.
    pub(crate) message: String,
}

/// A subscription's record, or `None` for other JSON: one of it has `messageType` and `logEvents`, and an id, a
/// time in milliseconds and a message for each of them.
pub(crate) fn subscription(data: &[u8]) -> Option<Subscription> {
    // Quick for what doesn't look like it: a list of a few million numbers is not read to find that out.
    if data.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(data).ok()?;
    let (kind, entries) = (members.get("messageType")?, members.get("logEvents")?);
    match serde_json::from_str::<String>(kind.get()).ok()?.as_str() {
        "CONTROL_MESSAGE" => return Some(Subscription::Control),
        "DATA_MESSAGE" => {}
        _ => return None,
    }
    // One by one: maps of all of them would take twenty times what they are.
    let entries = entries.get().starts_with('[').then(|| JsonElements::of(entries))?;
    entries.map(entry).collect::<Option<Vec<_>>>().map(Subscription::Data)
}

fn entry(entry: &RawValue) -> Option<LogEntry> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(entry.get()).ok()?;
    let text = |name: &str| serde_json::from_str(members.get(name)?.get()).ok();
    let millis: i64 = serde_json::from_str(members.get("timestamp")?.get()).ok()?;
    let time = Timestamp::from_micros(millis.checked_mul(1_000)?);
    Some(LogEntry { id: text("id")?, time, message: text("message")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = r#"{"messageType":"DATA_MESSAGE","owner":"000000000000","logGroup":"web","logStream":"s",
        "subscriptionFilters":["all"],"logEvents":[
        {"id":"3951","timestamp":1709288100000,"message":"a \"line\"","extractedFields":{"a":"1"}},
        {"id":"3952","timestamp":1709288100001,"message":"{\"time\":1}"}]}"#;

    #[test]
    fn each_line_of_a_subscription_is_an_entry() {
        let at = |millis: i64| Timestamp::from_micros(millis * 1_000);
        let entry = |id: &str, time, message: &str| LogEntry { id: id.into(), time, message: message.into() };
        let entries = vec![
            entry("3951", at(1_709_288_100_000), "a \"line\""),
            entry("3952", at(1_709_288_100_001), "{\"time\":1}"),
        ];
        assert_eq!(subscription(DATA.as_bytes()), Some(Subscription::Data(entries)));
        let control = DATA.replace("DATA_MESSAGE", "CONTROL_MESSAGE");
        assert_eq!(subscription(control.as_bytes()), Some(Subscription::Control));
    }

    #[test]
    fn other_json_is_none_of_it() {
        for other in [
            "",
            "[]",
            "7",
            r#"{"time":"2024-03-01T10:15:00Z"}"#,
            r#"{"messageType":"DATA_MESSAGE"}"#,
            r#"{"messageType":"DATA_MESSAGE","logEvents":{}}"#,
            r#"{"messageType":"DATA_MESSAGE","logEvents":[1,2]}"#,
            r#"{"messageType":"OTHER","logEvents":[]}"#,
            r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1"}]}"#,
            r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","timestamp":9223372036854775807,"message":""}]}"#,
        ] {
            assert_eq!(subscription(other.as_bytes()), None, "{other}");
        }
    }
}
