//! What became of records that were put: [`PutReceipt`], [`PutReport`], [`PutFailure`].

use std::fmt;

use crate::error::{Error, ErrorKind};
use crate::record::Entry;

/// Where a record went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutReceipt {
    /// The shard that took it.
    pub shard_id: String,
    /// Its place in the shard: larger for each later record.
    pub sequence_number: String,
}

/// What a put came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutReport {
    /// Records that the service acknowledged; of an aggregate, each that is in it.
    pub sent: u64,
    /// Records of Kinesis that they went out in: an aggregate is one. What the service counts and bills.
    pub kinesis_records: u64,
    /// Attempts that were made again after a failure.
    pub retried: u64,
    /// Attempts whose answer never came (a timeout, a broken connection, a 5xx): the record may have
    /// been stored, and stored again by the retry. The stream holds at most `sent + ambiguous`.
    pub ambiguous: u64,
    pub(crate) last: Option<PutReceipt>,
}

/// A record that was not stored.
#[derive(Debug, Clone)]
#[non_exhaustive]
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
