//! One PutRecords: what is asked, and what its answer means for each record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};

use super::super::queue::Outcome;
use super::super::report::PutReceipt;
use crate::error::{Error, ErrorKind, Result};
use crate::record::Entry;
use crate::service::is_ambiguous;
use crate::stream::Stream;
use crate::text::printable;

/// What came of a call.
pub(super) struct CallResult {
    /// Of each record, or an error that every later call would meet too.
    pub(super) outcomes: Result<Vec<Outcome>>,
    /// No answer told whether its records were stored.
    pub(super) ambiguous: bool,
}

/// Puts these records, and says in `sent` when that has begun.
pub(super) async fn put_records(
    stream: Stream,
    entries: Vec<PutRecordsRequestEntry>,
    sent: Arc<AtomicBool>,
) -> CallResult {
    let records = entries.len();
    if let Err(error) = stream.verify_if_doubted().await {
        return CallResult { outcomes: whole(records, error), ambiguous: false };
    }
    let address = stream.address();
    let call = stream.kinesis().data().put_records();
    let call = call.set_stream_name(address.stream_name()).set_stream_arn(address.stream_arn());
    sent.store(true, Ordering::Relaxed);
    let error = match call.set_records(Some(entries)).send().await {
        Ok(answer) => {
            let outcomes = Ok(answer.records.into_iter().map(outcome).collect());
            return CallResult { outcomes, ambiguous: false };
        }
        Err(error) => error,
    };
    let ambiguous = is_ambiguous(&error);
    // From here on nothing is under way that might be stored: what is to be told of it is in `ambiguous`.
    sent.store(ambiguous, Ordering::Relaxed);
    let again = error.code() == Some("InternalFailure");
    let error = stream.kinesis().place().explain(stream.name(), error);
    let outcomes = if error.is_stream_not_found() {
        // There may be another one of this name, to which a later put would go: look.
        stream.identity().doubt();
        match stream.verify().await {
            Ok(_) => Ok(vec![Outcome::CallFailed(error); records]),
            Err(found) if found.is_stream_not_found() => Err(found),
            Err(_) => Err(error),
        }
    } else if again {
        Ok(vec![Outcome::CallFailed(error); records])
    } else {
        whole(records, error)
    };
    CallResult { outcomes, ambiguous }
}

/// What a call that failed as a whole means for its records.
fn whole(records: usize, error: Error) -> Result<Vec<Outcome>> {
    let outcome = match error.kind() {
        ErrorKind::StreamNotFound | ErrorKind::AccessDenied => return Err(error),
        // Of DescribeStreamSummary, when many ask at once.
        ErrorKind::LimitExceeded => Outcome::Retry(error),
        _ if error.is_throttled() => Outcome::Retry(error),
        _ if error.is_transient() => Outcome::CallFailed(error),
        // Of one of its records, perhaps: the service says of none which.
        ErrorKind::InvalidInput => Outcome::Refused(error),
        _ => Outcome::Failed(error),
    };
    Ok(vec![outcome; records])
}

pub(super) fn request(entry: &Entry) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder()
        .partition_key(&entry.partition_key)
        .set_explicit_hash_key(entry.explicit_hash_key.map(|key| key.to_string()))
        .data(Blob::new(entry.data.clone()))
        .build()
        .expect("both required members are set")
}

/// One line of the answer: PutRecords says for each record whether it was stored.
fn outcome(answer: PutRecordsResultEntry) -> Outcome {
    match (answer.error_code.as_deref(), answer.shard_id, answer.sequence_number) {
        (None, Some(shard_id), Some(sequence_number)) => {
            Outcome::Stored(PutReceipt { shard_id, sequence_number })
        }
        (code, ..) => {
            let said = printable(answer.error_message.unwrap_or_default().as_bytes()).to_string();
            match code {
                Some("ProvisionedThroughputExceededException" | "KMSThrottlingException") => {
                    Outcome::Retry(Error::new(
                        ErrorKind::Throttled,
                        format!(
                            "the shard takes 1,000 records and 1 MB a second, and there were more: {said}"
                        ),
                    ))
                }
                // "InternalFailure" is the only other code that the API reference names.
                code => Outcome::Retry(Error::new(
                    ErrorKind::Service,
                    format!("the service failed to store the record ({}): {said}", code.unwrap_or("no code")),
                )),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_sequence_number_is_not_an_acknowledgement() {
        let stored = PutRecordsResultEntry::builder().shard_id("s").sequence_number("1").build();
        assert!(matches!(outcome(stored), Outcome::Stored(_)));
        let half = PutRecordsResultEntry::builder().shard_id("s").build();
        assert!(matches!(outcome(half), Outcome::Retry(_)));
        let throttled = PutRecordsResultEntry::builder()
            .error_code("ProvisionedThroughputExceededException")
            .error_message("Rate exceeded")
            .build();
        assert!(matches!(outcome(throttled), Outcome::Retry(error) if error.is_throttled()));
    }
}
