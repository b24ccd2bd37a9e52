//! [`PutMany`]: PutRecords in batches, with each record's failure its own.

use tokio::sync::watch;

use super::putter::Putter;
use super::queue::PutOptions;
use super::report::{PutFailure, PutReceipt, PutReport};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Entry;
use crate::runtime::block_on;
use crate::stream::Stream;

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

impl Stream {
    /// Puts one record and says which shard took it.
    ///
    /// `data` are any bytes up to 1 MiB; records with the same `partition_key` (1–256 characters) go
    /// to the same shard and stay in the order in which they were put, one after the other.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a key or data of a wrong size, before anything is sent;
    /// [`ErrorKind::StreamNotFound`]; others when retries didn't help.
    pub fn put(&self, partition_key: &str, data: impl AsRef<[u8]>) -> Result<PutReceipt> {
        self.put_bytes(partition_key, data.as_ref())
    }

    fn put_bytes(&self, partition_key: &str, data: &[u8]) -> Result<PutReceipt> {
        let entry = Entry::new(partition_key, data);
        entry.check()?;
        let report = PutMany::new(self.clone(), vec![entry]).send().map_err(PutFailure::into_error)?;
        report.last.ok_or_else(|| Error::new(ErrorKind::Service, "the service acknowledged no record"))
    }

    /// Puts many records, in batches; see [`PutMany`] for its options, and call `.send()` on it.
    pub fn put_many(&self, entries: Vec<Entry>) -> PutMany {
        PutMany::new(self.clone(), entries)
    }
}

impl PutMany {
    fn new(stream: Stream, entries: Vec<Entry>) -> PutMany {
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
