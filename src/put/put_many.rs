//! [`PutMany`]: PutRecords in batches, with each record's failure its own.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use tokio::sync::watch;

use super::cutoff::Cutoff;
use super::putter::Putter;
use super::queue::{AGGREGATE_BYTES, PutOptions};
use super::report::{PutFailure, PutReceipt, PutReport};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Entry, MAX_RECORD_BYTES};
use crate::runtime::{block_on, hosted};
use crate::stream::Stream;

/// How many calls may be under way at once: more would only wait for each other, or be throttled.
const MAX_LANES: usize = 8;

/// Puts many records; made by [`Stream::put_many`].
///
/// They go out in calls of up to 500 records and less than 5 MiB, two at a time where there are many
/// ([`lanes`](PutMany::lanes)). PutRecords can fail record by
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
///
/// In a service it is awaited, on the runtime of whoever does that:
///
/// ```
/// # use kinesis_lab::prelude::*;
/// async fn deliver(stream: &Stream, entries: Vec<Entry>) -> Result<(), Error> {
///     match stream.put_many(entries).ordered().max_attempts(5).await {
///         Ok(report) => println!("{} records are stored", report.sent),
///         Err(failure) => println!("{} are not: {failure}", failure.failed.len()),
///     }
///     Ok(())
/// }
/// # let stream = Kinesis::local()?.create_stream("many", 1)?;
/// # block_on(async move { deliver(&stream, vec![Entry::new("k", "1")]).await })?;
/// # Ok::<(), Error>(())
/// ```
///
/// A future that is dropped before it is done sends nothing more. What was acknowledged is stored, the call that
/// was under way may be, all else is not, and nobody is told which: keep the entries where that matters, and give
/// them an id by which a reader knows one that comes twice.
#[must_use = "nothing is sent before .send() or .await"]
pub struct PutMany {
    stream: Stream,
    entries: Vec<Entry>,
    options: PutOptions,
    cutoff: Cutoff,
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
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("words", 1)?;
    /// let receipt = stream.put("192.0.2.10", "hello")?;
    /// assert_eq!(receipt.shard_id, "shardId-000000000000");
    /// assert_eq!(stream.put("", "hello").unwrap_err().kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn put(&self, partition_key: impl AsRef<str>, data: impl AsRef<[u8]>) -> Result<PutReceipt> {
        block_on(self.put_async(partition_key, data))
    }

    /// As [`put`](Self::put), to be awaited, on the tokio runtime of whoever does that (on this crate's own where
    /// there is none). A future that is dropped before it is done may have put its record all the same.
    ///
    /// # Errors
    /// Those of [`put`](Self::put).
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// async fn greet(stream: &Stream) -> Result<(), Error> {
    ///     stream.put_async("192.0.2.10", "hello").await?;
    ///     Ok(())
    /// }
    /// # let stream = Kinesis::local()?.create_stream("words", 1)?;
    /// # block_on(async move { greet(&stream).await })?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn put_async(
        &self,
        partition_key: impl AsRef<str>,
        data: impl AsRef<[u8]>,
    ) -> Pin<Box<dyn Future<Output = Result<PutReceipt>> + Send>> {
        // A boxed future of everything it needs: it can be spawned, and a cell compiles nothing of it.
        self.put_entry(Entry::new(partition_key.as_ref(), data.as_ref()))
    }

    fn put_entry(&self, entry: Entry) -> Pin<Box<dyn Future<Output = Result<PutReceipt>> + Send>> {
        let stream = self.clone();
        Box::pin(async move {
            entry.check()?;
            let report = stream.put_many(vec![entry]).await.map_err(PutFailure::into_error)?;
            report.last.ok_or_else(|| Error::new(ErrorKind::Service, "the service acknowledged no record"))
        })
    }

    /// Puts many records, in batches; see [`PutMany`] for its options, and call `.send()` on it (or `.await` it).
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("orders", 1)?;
    /// // What the service would refuse comes back; all the others are stored.
    /// let entries = vec![Entry::new("shop 1", "7 apples"), Entry::new("", "who sells these?")];
    /// let failure = stream.put_many(entries).send().unwrap_err();
    /// assert_eq!((failure.report.sent, failure.failed.len()), (1, 1));
    /// assert_eq!(failure.failed[0].error.kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn put_many(&self, entries: Vec<Entry>) -> PutMany {
        PutMany::new(self.clone(), entries)
    }
}

impl PutMany {
    fn new(stream: Stream, entries: Vec<Entry>) -> PutMany {
        PutMany { stream, entries, options: PutOptions::default(), cutoff: Cutoff::never() }
    }

    /// Keeps the order of the records of a key, by having only one of them under way at a time; the
    /// fewer the keys, the slower. Between keys there is no order: a shard's records may come out of the
    /// order of their times, so give a counter some [lateness](crate::Counter::lateness). Default: a record
    /// that is retried may come after later ones.
    pub fn ordered(mut self) -> PutMany {
        self.options.ordered = true;
        self
    }

    /// Packs records to aggregates, as the Kinesis Producer Library does: up to 24,999 bytes of them are one record of
    /// Kinesis. A record costs as a whole PUT payload unit of 25 KB, and counts towards the 1,000 records a second
    /// that a shard takes, however small it is; so a hundred small ones come for the price of one. Readers unpack
    /// them: every [`Consumer`](crate::Consumer) of this crate, the KCL, Firehose, AWS' modules for Lambda.
    ///
    /// Records that go to one shard are packed together; a list of the shards says which do. When another shard takes an
    /// aggregate, because of a reshard meanwhile, what does not belong there is put again, as by the KPL. Where the
    /// shards can't be listed (`kinesis:ListShards`), records are put one by one, which is said on stderr.
    ///
    /// The records of a key stay in order: a shard has one aggregate under way at a time. A larger one
    /// is packed by [`aggregated_up_to`](PutMany::aggregated_up_to); a record that fits into none goes alone.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("many", 2)?;
    /// let entries = || (0..1_200).map(|n| Entry::new(format!("key {}", n % 7), format!("{n}"))).collect();
    /// let report = stream.put_many(entries()).aggregated().send()?;
    /// assert_eq!((report.sent, report.kinesis_records), (1_200, 2)); // one a shard
    /// let report = stream.put_many(entries()).aggregated_up_to(1_000).send()?;
    /// assert!(report.kinesis_records > 10);
    ///
    /// let mut counter = Counter::per_minute();
    /// let report = stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    /// assert_eq!(report.records, 2_400);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn aggregated(self) -> PutMany {
        self.aggregated_up_to(AGGREGATE_BYTES)
    }

    /// [`aggregated`](PutMany::aggregated), up to so many bytes: 50,000 cost two units, and 1 MiB, the most, is a
    /// record of 42. Fewer and larger records are quicker put; what is lost with one is more to put again.
    pub fn aggregated_up_to(mut self, bytes: usize) -> PutMany {
        // Its partition key counts, too.
        self.options.aggregate = Some(bytes.min(MAX_RECORD_BYTES - 1));
        // Where no shard can be predicted.
        self.options.ordered = true;
        self
    }

    /// How many calls may be under way at once, 1 to 8. Default: 2, which put about twice as many records a second as
    /// one, where the service takes them (a shard takes 1,000 a second).
    ///
    /// Each lane has the records of its own shards, so the order is that of one lane: a shard's records arrive as they
    /// were given, but for those that are tried again, and with [`ordered`](PutMany::ordered) those of a key always do.
    /// While shards are split or merged, records of different keys may change places.
    ///
    /// A second lane begins when more than a thousand records (or 10 MB) wait, they go to several shards, and a list of
    /// the shards has come (`kinesis:ListShards`; without it, there is one lane). It is left idle rather than given
    /// less than half a call (250 records, 2.5 MB), so that few records are not more calls than before. The
    /// aggregates of a few shards hardly ever are that many.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("many", 8)?;
    /// let entries = (0..20_000).map(|n| Entry::new(format!("key {}", n % 97), format!("{n}"))).collect();
    /// assert_eq!(stream.put_many(entries).lanes(4).send()?.sent, 20_000);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn lanes(mut self, calls: usize) -> PutMany {
        self.options.lanes = calls.clamp(1, MAX_LANES);
        self
    }

    /// How often a record is tried in all, at least 1. Default: 15.
    pub fn max_attempts(mut self, attempts: u32) -> PutMany {
        self.options.max_attempts = attempts.max(1);
        self
    }

    /// Hands back what is left two seconds after `stop` turns true, without waiting for the answers that are due.
    pub(crate) fn stopped_by(mut self, stop: watch::Receiver<bool>) -> PutMany {
        self.cutoff = Cutoff::after(stop);
        self
    }

    /// Sends them and waits for the last acknowledgement. In a service, `.await` the `PutMany` itself instead.
    ///
    /// # Errors
    /// [`PutFailure`] hands back each record that was not acknowledged, with its own error; those of
    /// a wrong size are among them without having been sent, and so is one that the service refuses for what it is.
    pub fn send(self) -> Result<PutReport, PutFailure> {
        block_on(self.into_future())
    }

    async fn put(mut self) -> Result<PutReport, PutFailure> {
        let mut putter = Putter::new(self.stream, self.options, fastrand::Rng::new());
        for entry in self.entries {
            putter.push(entry);
        }
        putter.flush(&mut self.cutoff).await;
        let (report, failed) = (putter.report, putter.failed);
        if failed.is_empty() { Ok(report) } else { Err(PutFailure { report, failed }) }
    }
}

impl IntoFuture for PutMany {
    type Output = Result<PutReport, PutFailure>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// [`send`](PutMany::send), to be awaited.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(hosted(self.put()))
    }
}
