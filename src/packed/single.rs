//! What one event's data is, of a record that gzip packed. Pure.

use super::cloudwatch::{LogEntry, Subscription, subscription};
use super::gzip::{GUNZIPPED, gunzip, is_gzip};

/// What its producer packed, or the one line in what CloudWatch Logs sent, with the id that it gave it.
///
/// # Errors
/// The reason why it is not one event's data.
pub(crate) fn unpack_single(data: &[u8]) -> Result<(Vec<u8>, Option<String>), String> {
    let data = gunzip(data, GUNZIPPED)?;
    match subscription(&data) {
        None if is_gzip(&data) => Err("packed by gzip, twice".to_owned()),
        None => Ok((data, None)),
        Some(Subscription::Control) => Err("a control message of CloudWatch Logs, and no event".to_owned()),
        Some(Subscription::Data(entries)) => match <[LogEntry; 1]>::try_from(entries) {
            Ok([entry]) => Ok((entry.message.into_bytes(), Some(entry.id))),
            Err(entries) => Err(format!("{} lines of CloudWatch Logs in one record", entries.len())),
        },
    }
}
