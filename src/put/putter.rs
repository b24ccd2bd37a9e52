//! [`Putter`]: the thin I/O around [`Queue`]. Sends what it gives, tells it what came of it.
//!
//! Dropped in the middle (with the future that drives it), it sends nothing more.

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::cutoff::Cutoff;
use super::queue::{Outcome, Pending, PutOptions, Queue};
use super::report::{FailedEntry, PutReceipt, PutReport};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Entry;
use crate::service::is_ambiguous;
use crate::stream::Stream;
use crate::text::printable;

mod packing;

use packing::Packing;

pub(crate) struct Putter {
    stream: Stream,
    queue: Queue,
    /// Where records are packed to aggregates: what is not packed yet, and for which shards.
    packing: Option<Packing>,
    rng: fastrand::Rng,
    started: Instant,
    /// There is little time left.
    hurries: bool,
    pub(crate) report: PutReport,
    pub(crate) failed: Vec<FailedEntry>,
    /// What went wrong last; also when it was tried again since.
    #[cfg_attr(not(feature = "agent"), allow(dead_code, reason = "for the agent's report alone"))]
    pub(crate) last_error: Option<Error>,
}

impl Putter {
    pub(crate) fn new(stream: Stream, options: PutOptions, rng: fastrand::Rng) -> Putter {
        Putter {
            stream,
            queue: Queue::new(options),
            packing: options.aggregate.map(Packing::new),
            rng,
            started: Instant::now(),
            hurries: false,
            report: PutReport::default(),
            failed: Vec::new(),
            last_error: None,
        }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        match (entry.check(), &mut self.packing) {
            (Ok(()), Some(packing)) => packing.push(entry),
            (Ok(()), None) => self.queue.push(entry),
            (Err(error), _) => self.failed.push(FailedEntry { entry, error }),
        }
    }

    /// Records that are neither stored nor given up.
    #[cfg(feature = "agent")]
    pub(crate) fn pending(&self) -> usize {
        self.queue.len() + self.packing.as_ref().map_or(0, Packing::len)
    }

    /// See [`Queue::hurry`].
    pub(crate) fn hurry(&mut self) {
        self.hurries = true;
        self.queue.hurry(self.started.elapsed());
    }

    /// When there is something to send; `None` when nothing is left.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        match &self.packing {
            Some(packing) if packing.len() > 0 => Some(self.started),
            _ => self.queue.next_due().map(|due| self.started + due),
        }
    }

    /// Makes one call, of what is due.
    #[cfg(feature = "agent")]
    pub(crate) async fn step(&mut self) {
        self.step_until(&mut Cutoff::never()).await;
    }

    /// Makes one call, of what is due. At the cutoff it is dropped: its records may be stored, and are counted as
    /// ambiguous; they and all the rest go to `failed`.
    pub(crate) async fn step_until(&mut self, cutoff: &mut Cutoff) {
        self.pack(cutoff).await;
        let batch = self.queue.take(self.started.elapsed());
        // What was packed may have to wait for an aggregate before it that is to be tried again.
        if !batch.is_empty() {
            self.send(batch, cutoff).await;
        }
    }

    /// Sends until nothing is left to be sent, or the cutoff is reached.
    pub(crate) async fn flush(&mut self, cutoff: &mut Cutoff) {
        while let Some(due) = self.next_due() {
            tokio::select! {
                // First, or what is always due would keep a cutoff from being seen.
                biased;
                () = cutoff.asked_or_reached(self.hurries) => {
                    if self.hurries {
                        return self.give_up(&stopped());
                    }
                    self.hurry();
                    continue;
                }
                () = tokio::time::sleep_until(due) => {}
            }
            self.step_until(cutoff).await;
        }
    }

    async fn send(&mut self, batch: Vec<Pending>, cutoff: &mut Cutoff) {
        let attempt = batch.iter().map(Pending::attempt).max().unwrap_or(1);
        let span = tracing::debug_span!(
            target: "kinesis_lab", "put", stream = self.stream.name(), records = records(&batch),
            kinesis_records = batch.len(), attempt
        );
        let outcomes = match self.call(&batch, cutoff).instrument(span.clone()).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                // No later call will fare better: say so at once, for these and for the rest.
                self.last_error = Some(error.clone());
                let these = batch.into_iter().flat_map(|pending| pending.parcel.into_entries());
                self.failed.extend(these.map(|entry| FailedEntry { entry, error: error.clone() }));
                return self.give_up(&error);
            }
        };
        let error = outcomes.iter().find_map(Outcome::error).cloned();
        let settled = self.queue.settle(batch, outcomes, self.started.elapsed(), &mut self.rng);
        self.report.sent += settled.stored;
        self.report.kinesis_records += settled.kinesis_records;
        self.report.retried += settled.retried;
        self.report.last = settled.last.or(self.report.last.take());
        if let Some(error) = error {
            let (again, failed) = (settled.retried, settled.failed.len());
            let delay = self.next_due().map(|due| due.saturating_duration_since(Instant::now()));
            tracing::debug!(
                target: "kinesis_lab", parent: &span, %error, again, failed, ?delay, "not all records were stored"
            );
            self.last_error = Some(error);
        }
        self.failed.extend(settled.failed);
        self.repack(settled.strayed, cutoff).await;
    }

    /// What came of each record, or an error that every later call would meet too.
    async fn call(&mut self, batch: &[Pending], cutoff: &mut Cutoff) -> Result<Vec<Outcome>> {
        let looked = tokio::select! {
            looked = self.stream.verify_if_doubted() => looked,
            () = cutoff.reached() => return Err(stopped()),
        };
        if let Err(error) = looked {
            return whole(batch, error);
        }
        let entries = batch.iter().map(|pending| request(pending.parcel.entry())).collect();
        let address = self.stream.address();
        let call = self.stream.kinesis().data().put_records();
        let call = call.set_stream_name(address.stream_name()).set_stream_arn(address.stream_arn());
        let sent = tokio::select! {
            sent = call.set_records(Some(entries)).send() => sent,
            () = cutoff.reached() => {
                self.report.ambiguous += records(batch);
                return Err(stopped());
            }
        };
        let error = match sent {
            Ok(answer) => return Ok(answer.records.into_iter().map(outcome).collect()),
            Err(error) => error,
        };
        if is_ambiguous(&error) {
            self.report.ambiguous += records(batch);
        }
        let again = error.code() == Some("InternalFailure");
        let error = self.stream.kinesis().place().explain(self.stream.name(), error);
        if error.is_stream_not_found() {
            // There may be another one of this name, to which a later put would go: look.
            self.stream.identity().doubt();
            let found = tokio::select! {
                found = self.stream.verify() => found,
                () = cutoff.reached() => return Err(stopped()),
            };
            return match found {
                Ok(_) => Ok(vec![Outcome::CallFailed(error); batch.len()]),
                Err(found) if found.is_stream_not_found() => Err(found),
                Err(_) => Err(error),
            };
        }
        match again {
            true => Ok(vec![Outcome::CallFailed(error); batch.len()]),
            false => whole(batch, error),
        }
    }

    fn give_up(&mut self, error: &Error) {
        let mut rest = self.queue.drain();
        rest.extend(self.packing.as_mut().map(Packing::take).unwrap_or_default());
        self.failed.extend(rest.into_iter().map(|entry| FailedEntry { entry, error: error.clone() }));
    }
}

/// Of what was not put because nobody waits for it any more.
fn stopped() -> Error {
    Error::new(ErrorKind::Timeout, "stopped before it was acknowledged")
}

fn records(batch: &[Pending]) -> u64 {
    batch.iter().map(Pending::records).sum()
}

/// What a call that failed as a whole means for its records.
fn whole(batch: &[Pending], error: Error) -> Result<Vec<Outcome>> {
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
    Ok(vec![outcome; batch.len()])
}

fn request(entry: &Entry) -> PutRecordsRequestEntry {
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
