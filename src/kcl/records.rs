//! The records of a message, as a processor takes them. Pure.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::fields::{Fields, optional, required, wrong};
use super::place::{ExtendedSequenceNumber, is_number};
use crate::error::Result;
use crate::json_elements::JsonElements;
use crate::record::Record;
use crate::timestamp::Timestamp;

/// What a [`Batch`](crate::Batch) holds at most, but for a single aggregate.
const BATCH: usize = 10_000;

/// The records of one message, in the order of the shard.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct DaemonRecords {
    pub(crate) records: Vec<Record>,
    /// Of the last one, as the daemon has it: the place up to which all is processed when they are.
    pub(crate) last: Option<ExtendedSequenceNumber>,
}

impl DaemonRecords {
    /// In batches of up to 10,000; an aggregate is never cut.
    pub(crate) fn into_batches(self) -> Vec<Vec<Record>> {
        batches(self.records, BATCH)
    }
}

fn batches(mut records: Vec<Record>, size: usize) -> Vec<Vec<Record>> {
    let mut batches = Vec::new();
    while !records.is_empty() {
        let same = |n: usize| records[n].sequence_number == records[n - 1].sequence_number;
        let cut = (size..records.len()).find(|&n| !same(n)).unwrap_or(records.len());
        let rest = records.split_off(cut);
        batches.push(std::mem::replace(&mut records, rest));
    }
    batches
}

/// Of a JSON array. The KCL has taken aggregates apart: user records of one share a sequence number. It does not say
/// whether one that is alone with its number was packed, so that is taken for a record of its own.
pub(super) fn records(array: &RawValue) -> Result<DaemonRecords> {
    let mut records: Vec<Record> = Vec::new();
    let (mut last, mut sub_before) = (None, 0);
    for element in JsonElements::of(array) {
        let fields: Fields<'_> = serde_json::from_str(element.get())
            .map_err(|error| wrong(format!("a record that is no JSON object ({error})")))?;
        let text = |name| required::<Cow<'_, str>>(&fields, name);
        let sequence_number = text("sequenceNumber")?.into_owned();
        if !is_number(&sequence_number) {
            return Err(wrong("a record whose sequence number is no number".into()));
        }
        let sub: u64 = optional(&fields, "subSequenceNumber")?.unwrap_or(0);
        let data = STANDARD
            .decode(text("data")?.as_bytes())
            .map_err(|error| wrong(format!("a record whose data are no base64 ({error})")))?;
        let arrival = optional::<i64>(&fields, "approximateArrivalTimestamp")?;
        let arrival = arrival
            .map_or(Timestamp::default(), |millis| Timestamp::from_micros(millis.saturating_mul(1_000)));
        let mut record = Record::new(text("partitionKey")?.into_owned(), data, &sequence_number, arrival);
        if let Some(before) = records.last_mut()
            && before.sequence_number == sequence_number
        {
            before.sub_sequence_number.get_or_insert(sub_before);
            record = record.in_aggregate(sub);
        } else if sub > 0 {
            record = record.in_aggregate(sub); // the rest of one, behind a checkpoint within it
        }
        records.push(record);
        sub_before = sub;
        last = Some(ExtendedSequenceNumber { sequence_number, sub_sequence_number: sub });
    }
    Ok(DaemonRecords { records, last })
}

#[cfg(test)]
mod tests;
