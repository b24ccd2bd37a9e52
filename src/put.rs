//! [`PutMany`]: PutRecords in batches, with each record's failure its own.

use std::fmt;

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};
use crate::putter::Putter;
use crate::record::Entry;
use crate::runtime::block_on;
use crate::stream::{PutReceipt, Stream};

/// The longest partition key, in characters (API reference, PutRecord).
pub const MAX_KEY_CHARS: usize = 256;
/// The largest record in bytes, its partition key and its data together, unless the stream was raised to
/// 10 MiB (Quotas page; that the key counts: API reference, PutRecord, `Data`).
pub const MAX_RECORD_BYTES: usize = 1 << 20;

pub(crate) fn check_key(key: &str) -> Result<()> {
    match key.chars().count() {
        1..=MAX_KEY_CHARS => Ok(()),
        n => Err(Error::invalid(format!(
            "a partition key is 1 to {MAX_KEY_CHARS} characters long; this one has {n}{}",
            if n == 0 { "" } else { ": shorten it, or hash it yourself" }
        ))),
    }
}

pub(crate) fn check_size(key: &str, data: &[u8]) -> Result<()> {
    match key.len() + data.len() {
        0..=MAX_RECORD_BYTES => Ok(()),
        n => Err(Error::invalid(format!(
            "a record is at most {MAX_RECORD_BYTES} bytes (1 MiB), key and data together; this has {n}: split the \
             data into parts that share a partition key, or store it elsewhere and send a reference"
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
    /// fewer the keys, the slower. Between keys there is no order: a shard's records may come out of the
    /// order of their times, so give a counter some [lateness](crate::Counter::lateness). Default: a record
    /// that is retried may come after later ones.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked_with_the_limits_in_the_sentence() {
        assert!(check_key("k").is_ok() && check_key(&"ü".repeat(256)).is_ok());
        assert!(check_key("").unwrap_err().to_string().contains("1 to 256 characters"));
        assert!(check_key(&"k".repeat(257)).unwrap_err().to_string().contains("has 257"));
        assert!(check_size("key", &[0; MAX_RECORD_BYTES - 3]).is_ok());
        let error = check_size("key", &[0; MAX_RECORD_BYTES - 2]).unwrap_err();
        assert!(error.to_string().contains("1048576 bytes"), "{error}");
    }
}
