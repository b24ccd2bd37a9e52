//! [`PutMany`]: PutRecords in batches, with each record's failure its own.

use std::fmt;

use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::put_queue::{Outcome, Pending, Queue};
use crate::record::Entry;
use crate::runtime::block_on;
use crate::service_error::is_ambiguous;
use crate::stream::{PutReceipt, Stream};
use crate::text::printable;

/// The longest partition key, in characters (API reference, PutRecord).
pub const MAX_KEY_CHARS: usize = 256;
/// The largest data of a record in bytes, unless the stream was raised to 10 MiB (Quotas page).
pub const MAX_DATA_BYTES: usize = 1 << 20;

pub(crate) fn check_key(key: &str) -> Result<()> {
    match key.chars().count() {
        1..=MAX_KEY_CHARS => Ok(()),
        n => Err(Error::invalid(format!(
            "a partition key is 1 to {MAX_KEY_CHARS} characters long; this one has {n}{}",
            if n == 0 { "" } else { ": shorten it, or hash it yourself" }
        ))),
    }
}

pub(crate) fn check_data(data: &[u8]) -> Result<()> {
    match data.len() {
        0..=MAX_DATA_BYTES => Ok(()),
        n => Err(Error::invalid(format!(
            "the data of a record is at most {MAX_DATA_BYTES} bytes (1 MiB); this has {n}: split it into parts \
             that share a partition key, or store it elsewhere and send a reference"
        ))),
    }
}

/// Puts many records; made by [`Stream::put_many`].
///
/// They go out in calls of up to 500 records and less than 5 MiB. PutRecords can fail record by
/// record (API reference: "A single record failure does not stop the processing of subsequent
/// records"); those of a call that failed are tried again together, without the others, after 0.1 s
/// doubling up to 5 s with jitter, 15 times in all if not said otherwise. What still fails is handed
/// back.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # let stream = Kinesis::local()?.create_stream("many", 1)?;
/// let entries = (0..1_200).map(|n| Entry::new(format!("key {}", n % 7), format!("{n}"))).collect();
/// let report = stream.put_many(entries).send()?;
/// assert_eq!(report.sent, 1_200);
/// # Ok::<(), Error>(())
/// ```
#[must_use = "nothing is sent before .send()"]
pub struct PutMany {
    stream: Stream,
    entries: Vec<Entry>,
    options: PutOptions,
}

/// How records are put, by [`PutMany`] and by producers alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PutOptions {
    pub(crate) ordered: bool,
    pub(crate) max_attempts: u32,
}

impl Default for PutOptions {
    fn default() -> PutOptions {
        // Fifteen attempts with full jitter are about 25 seconds of waiting: longer than a throttled
        // burst or a failover lasts, shorter than a reader's patience.
        PutOptions { ordered: false, max_attempts: 15 }
    }
}

impl PutMany {
    pub(crate) fn new(stream: Stream, entries: Vec<Entry>) -> PutMany {
        PutMany { stream, entries, options: PutOptions::default() }
    }

    /// Keeps the order of the records of a key, by having only one of them under way at a time; the
    /// fewer the keys, the slower. Default: a record that is retried may come after later ones.
    pub fn ordered(mut self) -> PutMany {
        self.options.ordered = true;
        self
    }

    /// How often a record is tried in all, at least 1. Default: 15.
    pub fn max_attempts(mut self, attempts: u32) -> PutMany {
        self.options.max_attempts = attempts.max(1);
        self
    }

    /// Sends them and waits for the last acknowledgement.
    ///
    /// # Errors
    /// [`PutFailure`] hands back each record that was not acknowledged, with its own error; those of
    /// a wrong size are among them without having been sent.
    pub fn send(self) -> Result<PutReport, PutFailure> {
        let mut putter = Putter::new(self.stream, self.options, fastrand::Rng::new());
        for entry in self.entries {
            putter.push(entry);
        }
        let putter = block_on(async move {
            let (_never, stop) = watch::channel(false);
            putter.flush(&stop).await;
            putter
        });
        let (report, failed) = (putter.report, putter.failed);
        if failed.is_empty() { Ok(report) } else { Err(PutFailure { report, failed }) }
    }
}

/// What a put came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutReport {
    /// Records that the service acknowledged.
    pub sent: u64,
    /// Attempts that were made again after a failure.
    pub retried: u64,
    /// Attempts whose answer never came (a timeout, a broken connection, a 5xx): the record may have
    /// been stored, and stored again by the retry. The stream holds at most `sent + ambiguous`.
    pub ambiguous: u64,
    pub(crate) last: Option<PutReceipt>,
}

/// A record that was not stored.
#[derive(Debug, Clone)]
pub struct FailedEntry {
    /// The record, unchanged.
    pub entry: Entry,
    /// Why it was not stored.
    pub error: Error,
}

/// Some records were not stored; here they are.
pub struct PutFailure {
    /// What was stored all the same.
    pub report: PutReport,
    /// The records that were not, in no particular order.
    pub failed: Vec<FailedEntry>,
}

impl PutFailure {
    pub(crate) fn into_error(self) -> Error {
        match self.failed.into_iter().next() {
            Some(first) => first.error,
            None => Error::new(ErrorKind::Service, "no record failed"),
        }
    }
}

impl fmt::Display for PutFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.report.sent + self.failed.len() as u64;
        write!(
            f,
            "{} of {all} records were not stored; they are handed back in `failed`",
            self.failed.len()
        )?;
        match self.failed.first() {
            Some(first) => write!(f, ". The first: {}", first.error),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PutFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for PutFailure {}

impl From<PutFailure> for Error {
    fn from(failure: PutFailure) -> Error {
        let kind = failure.failed.first().map_or(ErrorKind::Service, |first| first.error.kind());
        Error::with_source(kind, failure.to_string(), failure)
    }
}

/// The thin I/O around [`Queue`]: sends what it gives, tells it what came of it.
pub(crate) struct Putter {
    stream: Stream,
    queue: Queue,
    rng: fastrand::Rng,
    started: Instant,
    pub(crate) report: PutReport,
    pub(crate) failed: Vec<FailedEntry>,
}

impl Putter {
    pub(crate) fn new(stream: Stream, options: PutOptions, rng: fastrand::Rng) -> Putter {
        Putter {
            stream,
            queue: Queue::new(options),
            rng,
            started: Instant::now(),
            report: PutReport::default(),
            failed: Vec::new(),
        }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        match entry.check() {
            Ok(()) => self.queue.push(entry),
            Err(error) => self.failed.push(FailedEntry { entry, error }),
        }
    }

    /// Sends until nothing is left to be sent. When `stop` turns true meanwhile, the call under way
    /// is awaited and what is left goes to `failed`.
    pub(crate) async fn flush(&mut self, stop: &watch::Receiver<bool>) {
        let mut stop = stop.clone();
        while let Some(due) = self.queue.next_due() {
            if *stop.borrow() {
                return self.give_up(&Error::new(ErrorKind::Timeout, "stopped before it was acknowledged"));
            }
            tokio::select! {
                () = tokio::time::sleep_until(self.started + due) => {}
                _ = stop.wait_for(|stop| *stop) => continue,
            }
            let batch = self.queue.take(self.started.elapsed());
            self.send(batch).await;
        }
    }

    async fn send(&mut self, batch: Vec<Pending>) {
        let outcomes = match self.call(&batch).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                // No later call will fare better: say so at once, for these and for the rest.
                let these = batch.into_iter().map(|p| FailedEntry { entry: p.entry, error: error.clone() });
                self.failed.extend(these);
                return self.give_up(&error);
            }
        };
        let settled = self.queue.settle(batch, outcomes, self.started.elapsed(), &mut self.rng);
        self.report.sent += settled.stored;
        self.report.retried += settled.retried;
        self.report.last = settled.last.or(self.report.last.take());
        self.failed.extend(settled.failed);
    }

    /// What came of each record, or an error that every later call would meet too.
    async fn call(&mut self, batch: &[Pending]) -> Result<Vec<Outcome>> {
        if let Err(error) = self.stream.look_when_in_doubt().await {
            return whole(batch, error);
        }
        let entries = batch.iter().map(|pending| request(&pending.entry)).collect();
        let call = self.stream.kinesis().data().put_records().stream_name(self.stream.name());
        let error = match call.set_records(Some(entries)).send().await {
            Ok(answer) => return Ok(answer.records.into_iter().map(outcome).collect()),
            Err(error) => error,
        };
        if is_ambiguous(&error) {
            self.report.ambiguous += batch.len() as u64;
        }
        let again = error.code() == Some("InternalFailure");
        let error = self.stream.kinesis().place().explain(self.stream.name(), error);
        if error.is_stream_not_found() {
            // There may be another one of this name, to which a later put would go: look.
            self.stream.identity().doubt();
            return match self.stream.look().await {
                Ok(_) => Ok(vec![Outcome::Retry(error); batch.len()]),
                Err(found) if found.is_stream_not_found() => Err(found),
                Err(_) => Err(error),
            };
        }
        match again {
            true => Ok(vec![Outcome::Retry(error); batch.len()]),
            false => whole(batch, error),
        }
    }

    fn give_up(&mut self, error: &Error) {
        let rest = self.queue.drain();
        self.failed.extend(rest.into_iter().map(|entry| FailedEntry { entry, error: error.clone() }));
    }
}

/// What a call that failed as a whole means for its records.
fn whole(batch: &[Pending], error: Error) -> Result<Vec<Outcome>> {
    let outcome = match error.kind() {
        ErrorKind::StreamNotFound | ErrorKind::AccessDenied => return Err(error),
        // Of DescribeStreamSummary, when many ask at once.
        ErrorKind::LimitExceeded => Outcome::Retry(error),
        _ if error.is_transient() => Outcome::Retry(error),
        _ => Outcome::Failed(error),
    };
    Ok(vec![outcome; batch.len()])
}

fn request(entry: &Entry) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder()
        .partition_key(&entry.partition_key)
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

    #[test]
    fn sizes_are_checked_with_the_limits_in_the_sentence() {
        assert!(check_key("k").is_ok() && check_key(&"ü".repeat(256)).is_ok());
        assert!(check_key("").unwrap_err().to_string().contains("1 to 256 characters"));
        assert!(check_key(&"k".repeat(257)).unwrap_err().to_string().contains("has 257"));
        assert!(check_data(&[0; MAX_DATA_BYTES]).is_ok());
        assert!(check_data(&[0; MAX_DATA_BYTES + 1]).unwrap_err().to_string().contains("1048576 bytes"));
    }
}
