//! [`StreamDescription`]: what the service says of a stream, and waiting until it says something else.

use std::time::Duration;

use aws_sdk_kinesis::types::{StreamMode, StreamStatus};
use tokio::time::Instant;

use super::address::StreamAddress;
use crate::error::{Error, ErrorKind, Result};
use crate::service::Kinesis;
use crate::timestamp::Timestamp;

/// What the service says of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamDescription {
    /// The stream's name.
    pub name: String,
    /// Its Amazon Resource Name.
    pub arn: String,
    /// `CREATING`, `ACTIVE`, `UPDATING` or `DELETING`.
    pub status: String,
    /// Shards that take records.
    pub open_shards: u32,
    /// Whether the service chooses how many shards there are.
    pub on_demand: bool,
    /// How long records are kept, in hours.
    pub retention_hours: u32,
    /// When it was created.
    pub created: Timestamp,
}

impl StreamDescription {
    pub(crate) async fn fetch(kinesis: &Kinesis, stream: &StreamAddress) -> Result<StreamDescription> {
        let call = kinesis.client().describe_stream_summary();
        let sent =
            call.set_stream_name(stream.stream_name()).set_stream_arn(stream.stream_arn()).send().await;
        let summary = sent
            .map_err(|error| kinesis.place().explain(stream.name(), error))?
            .stream_description_summary
            .ok_or_else(|| Error::new(ErrorKind::Service, "the service described no stream"))?;
        Ok(StreamDescription {
            name: summary.stream_name,
            arn: summary.stream_arn,
            status: summary.stream_status.as_str().to_owned(),
            open_shards: summary.open_shard_count.unsigned_abs(),
            on_demand: summary
                .stream_mode_details
                .is_some_and(|details| details.stream_mode == StreamMode::OnDemand),
            retention_hours: summary.retention_period_hours.unsigned_abs(),
            created: crate::record::timestamp(&summary.stream_creation_timestamp),
        })
    }
}

const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_AWS: Duration = Duration::from_secs(1);

/// DescribeStreamSummary takes 20 calls a second and account; an emulator takes any number.
fn pause(kinesis: &Kinesis) -> Duration {
    if kinesis.endpoint_url().is_some() { PAUSE } else { PAUSE_AWS }
}

pub(crate) async fn until_active(kinesis: &Kinesis, stream: &StreamAddress) -> Result<StreamDescription> {
    poll(kinesis, stream, "become ACTIVE", |answer| {
        let active = |found: &StreamDescription| found.status == StreamStatus::Active.as_str();
        answer.map(|found| Some(found).filter(active))
    })
    .await
}

/// Gone, too, when somebody has created another under its name already.
pub(crate) async fn until_gone(kinesis: &Kinesis, stream: &StreamAddress, created: Timestamp) -> Result<()> {
    poll(kinesis, stream, "be deleted", |answer| match answer {
        Err(error) if error.is_stream_not_found() => Ok(Some(())),
        Err(error) => Err(error),
        Ok(found) => Ok((found.created != created).then_some(())),
    })
    .await
}

/// Asks for the stream's state until `check` finds what it waits for.
async fn poll<T>(
    kinesis: &Kinesis,
    stream: &StreamAddress,
    what: &str,
    check: impl Fn(Result<StreamDescription>) -> Result<Option<T>>,
) -> Result<T> {
    const PATIENCE: Duration = Duration::from_secs(300);
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(value) = check(StreamDescription::fetch(kinesis, stream).await)? {
            return Ok(value);
        }
        tokio::time::sleep(pause(kinesis)).await;
    }
    Err(Error::new(
        ErrorKind::Timeout,
        format!(
            "stream {} takes more than five minutes to {what}; look at it in the AWS console",
            stream.name()
        ),
    ))
}
