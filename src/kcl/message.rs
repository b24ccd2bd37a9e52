//! What the daemon and its child say to each other, a line of JSON each. Pure.
//!
//! Read: each field that is known must be what it should be; fields that are not known are passed over, since a newer
//! daemon may have more. Written: exactly the fields that the daemon knows. One too many, and it takes the line for
//! none of its own, passes over it, and waits for ever (seen with version 3.1.3).

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::fields::{Fields, optional, quoted, required, wrong};
use super::place::ExtendedSequenceNumber;
use super::records::{DaemonRecords, records};
use crate::error::Result;

/// A message of the daemon's.
#[derive(Debug, PartialEq)]
pub(crate) enum DaemonMessage {
    /// The first one. What is read begins after `position`, or where the application was told to begin.
    Initialize {
        shard_id: String,
        position: LeasePosition,
    },
    ProcessRecords {
        records: DaemonRecords,
        millis_behind_latest: Option<u64>,
    },
    /// What became of the checkpoint that the child has asked for.
    Checkpoint {
        place: Option<ExtendedSequenceNumber>,
        error: Option<String>,
    },
    /// All records of the shard are processed: it was split or merged.
    ShardEnded,
    /// The worker is to end, and its leases are to be handed on: a last chance for a checkpoint.
    ShutdownRequested,
    /// Another worker has the shard.
    LeaseLost,
}

/// Where the lease table says that a shard is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LeasePosition {
    /// The last record that was checkpointed.
    After(ExtendedSequenceNumber),
    /// From now on.
    Latest,
    /// `TRIM_HORIZON`, `AT_TIMESTAMP`, or nothing.
    Beginning,
}

impl DaemonMessage {
    /// Of one line.
    ///
    /// # Errors
    /// A sentence that says what is not as it should be.
    pub(crate) fn parse(line: &[u8]) -> Result<DaemonMessage> {
        let fields: Fields<'_> = serde_json::from_slice(line)
            .map_err(|error| wrong(format!("a line that is no JSON object ({error}): {}", quoted(line))))?;
        let action: Cow<'_, str> = required(&fields, "action")?;
        match &*action {
            "initialize" => Ok(DaemonMessage::Initialize {
                shard_id: required::<Cow<'_, str>>(&fields, "shardId")?.into_owned(),
                position: LeasePosition::of(place(&fields)?),
            }),
            "processRecords" => Ok(DaemonMessage::ProcessRecords {
                records: records(required::<&RawValue>(&fields, "records")?)?,
                millis_behind_latest: optional(&fields, "millisBehindLatest")?,
            }),
            "checkpoint" => Ok(DaemonMessage::Checkpoint {
                place: place(&fields)?,
                error: optional::<Cow<'_, str>>(&fields, "error")?.map(Cow::into_owned),
            }),
            "shardEnded" => Ok(DaemonMessage::ShardEnded),
            "shutdownRequested" => Ok(DaemonMessage::ShutdownRequested),
            "leaseLost" => Ok(DaemonMessage::LeaseLost),
            other => Err(wrong(format!(
                "the action `{}`, which this version does not know: it was written for amazon-kinesis-client-multilang 3",
                quoted(other.as_bytes())
            ))),
        }
    }

    /// Its action, as the daemon calls it.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            DaemonMessage::Initialize { .. } => "initialize",
            DaemonMessage::ProcessRecords { .. } => "processRecords",
            DaemonMessage::Checkpoint { .. } => "checkpoint",
            DaemonMessage::ShardEnded => "shardEnded",
            DaemonMessage::ShutdownRequested => "shutdownRequested",
            DaemonMessage::LeaseLost => "leaseLost",
        }
    }
}

impl LeasePosition {
    fn of(place: Option<ExtendedSequenceNumber>) -> LeasePosition {
        match place {
            Some(place) if place.is_a_record() => LeasePosition::After(place),
            Some(place) if place.sequence_number == "LATEST" => LeasePosition::Latest,
            _ => LeasePosition::Beginning,
        }
    }
}

/// A message of the child's; displayed, it is the line, without its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ChildMessage {
    /// What was asked is done.
    Status { response_for: &'static str },
    /// `None`: all of the shard.
    Checkpoint(Option<ExtendedSequenceNumber>),
}

impl fmt::Display for ChildMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChildMessage::Status { response_for } => {
                write!(f, r#"{{"action":"status","responseFor":"{response_for}"}}"#)
            }
            ChildMessage::Checkpoint(None) => {
                f.write_str(r#"{"action":"checkpoint","sequenceNumber":null,"subSequenceNumber":null}"#)
            }
            // Digits alone (`ExtendedSequenceNumber::is_a_record`): nothing is to be escaped.
            ChildMessage::Checkpoint(Some(place)) => write!(
                f,
                r#"{{"action":"checkpoint","sequenceNumber":"{}","subSequenceNumber":{}}}"#,
                place.sequence_number, place.sub_sequence_number
            ),
        }
    }
}

fn place(fields: &Fields<'_>) -> Result<Option<ExtendedSequenceNumber>> {
    let Some(sequence_number) = optional::<Cow<'_, str>>(fields, "sequenceNumber")? else { return Ok(None) };
    Ok(Some(ExtendedSequenceNumber {
        sequence_number: sequence_number.into_owned(),
        sub_sequence_number: optional(fields, "subSequenceNumber")?.unwrap_or(0),
    }))
}

#[cfg(test)]
mod tests;
