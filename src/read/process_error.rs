//! [`ProcessError`]: why a batch was not processed, and what is to happen.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// Why a batch was not processed, and what is to happen.
///
/// It is not a `std::error::Error` itself, so that `?` can turn every such error into one that
/// means *stop*, the safe default: nothing after the batch is processed.
///
/// ```
/// use kinesis_lab::prelude::*;
///
/// /// Adds up numbers; what it adds to does not always answer.
/// #[derive(Default)]
/// struct Sum {
///     total: u64,
///     calls: u64,
/// }
///
/// impl RecordProcessor for Sum {
///     fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
///         self.calls += 1;
///         if self.calls == 1 {
///             return Err(ProcessError::retry("the service is busy")); // nothing was added yet
///         }
///         let mut sum = 0;
///         for record in &batch.records {
///             match str::from_utf8(&record.data)? { // any error: stop
///                 "end" => return Err(ProcessError::stop("nothing is added after the end")),
///                 text => sum += text.parse::<u64>().map_err(|error| ProcessError::skip(format!("{text}: {error}")))?,
///             }
///         }
///         self.total += sum;
///         Ok(())
///     }
/// }
///
/// let stream = Kinesis::local()?.create_stream("numbers", 1)?;
/// let (mut sum, consumer) = (Sum::default(), stream.consumer().trim_horizon().limit(1));
/// for data in ["7", "seven"] {
///     stream.put("key", data)?;
/// }
/// let report = consumer.run_until_caught_up(&mut sum)?;
/// assert_eq!((sum.total, sum.calls), (7, 3)); // one batch came twice
/// assert_eq!((report.skipped_records, report.skipped[0].1.as_str()), (1, "seven: invalid digit found in string"));
///
/// stream.put("key", "end")?;
/// let error = consumer.run_until_caught_up(&mut sum).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Processor);
/// # Ok::<(), Error>(())
/// ```
pub struct ProcessError {
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Retry,
    Wait,
    Skip,
    LeaseLost,
    Stop,
}

impl ProcessError {
    /// Deliver the same batch again a little later: after 0.1 s, doubling up to 5 s, at most 10
    /// times; then *stop*. The processor must not have counted it yet.
    pub fn retry(message: impl Into<String>) -> ProcessError {
        ProcessError { verdict: Verdict::Retry, message: message.into() }
    }

    /// Call again with the same a little later, as often as it takes: after 0.1 s, doubling up to 5 s, and
    /// nothing else in between. For what goes by without the processor, as a store that is locked or has no room
    /// ([`of_store`](ProcessError::of_store)): one that keeps what it could not write, and what it has processed.
    ///
    /// The report says why ([`ConsumerReport::waiting`](crate::ConsumerReport::waiting)) and how often
    /// ([`waits`](crate::ConsumerReport::waits)), a sentence says when it begins and when it is over. Records are
    /// not read further meanwhile. A run that is stopped, whose time is over (5 s at least are waited), or that
    /// was to end when caught up and has waited for 60 s, waits no longer; but for a stop, that is an error.
    ///
    /// ```
    /// use kinesis_lab::prelude::*;
    ///
    /// /// Writes down how many records there were; not every time at once.
    /// #[derive(Default)]
    /// struct Book {
    ///     records: u64,
    ///     written: Option<u64>,
    ///     failures: u64,
    /// }
    ///
    /// impl RecordProcessor for Book {
    ///     fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
    ///         self.records += batch.records.len() as u64;
    ///         Ok(())
    ///     }
    ///
    ///     fn tick(&mut self, _: &mut Context) -> Result<(), ProcessError> {
    ///         if self.failures < 2 {
    ///             self.failures += 1;
    ///             return Err(ProcessError::wait("somebody else is writing")); // what was counted is still here
    ///         }
    ///         self.written = Some(self.records);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let stream = Kinesis::local()?.create_stream("visits", 1)?;
    /// stream.put("192.0.2.10", "2018-09-06T08:04:56Z")?;
    /// let mut book = Book::default();
    /// let report = stream.consumer().trim_horizon().run_until_caught_up(&mut book)?;
    /// assert_eq!((book.written, report.waits, report.waiting), (Some(1), 2, None));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait(message: impl Into<String>) -> ProcessError {
        ProcessError { verdict: Verdict::Wait, message: message.into() }
    }

    /// What an error of a store means: [`wait`](ProcessError::wait) where it goes by
    /// ([`Error::is_transient`]), [`lease_lost`](ProcessError::lease_lost) where another worker has the shard,
    /// [`stop`](ProcessError::stop) otherwise.
    ///
    /// ```
    /// use kinesis_lab::{Error, ErrorKind, ProcessError};
    ///
    /// let locked = Error::new(ErrorKind::StoreUnavailable, "another program holds a lock");
    /// assert_eq!(format!("{:?}", ProcessError::of_store(locked)), "Wait: another program holds a lock");
    /// let damaged = Error::new(ErrorKind::Store, "the file is damaged");
    /// assert_eq!(format!("{:?}", ProcessError::of_store(damaged)), "Stop: the file is damaged");
    /// ```
    pub fn of_store(error: Error) -> ProcessError {
        match error.kind() {
            ErrorKind::LeaseLost => ProcessError::lease_lost(error.to_string()),
            _ if error.is_transient() => ProcessError::wait(error.to_string()),
            _ => ProcessError::stop(error.to_string()),
        }
    }

    /// Another worker of a fleet has the shard, as the processor's own store says, and what is processed of it here must
    /// not be written. A child of the Kinesis Client Library answers its daemon from then on, and does nothing, until the daemon hears of it, too.
    /// To a consumer, which has no leases, it means *stop*, with [`ErrorKind::LeaseLost`].
    ///
    /// ```
    /// use kinesis_lab::{Error, ErrorKind, ProcessError};
    ///
    /// let fenced = Error::new(ErrorKind::LeaseLost, "another worker has taken shardId-000000000000");
    /// let expected = ProcessError::lease_lost("another worker has taken shardId-000000000000");
    /// assert_eq!(format!("{:?}", ProcessError::of_store(fenced)), format!("{expected:?}"));
    /// ```
    pub fn lease_lost(message: impl Into<String>) -> ProcessError {
        ProcessError { verdict: Verdict::LeaseLost, message: message.into() }
    }

    /// Go on with the next batch; this one is counted, and kept, in the report.
    pub fn skip(message: impl Into<String>) -> ProcessError {
        ProcessError { verdict: Verdict::Skip, message: message.into() }
    }

    /// End the run with this as its error.
    pub fn stop(message: impl Into<String>) -> ProcessError {
        ProcessError { verdict: Verdict::Stop, message: message.into() }
    }
}

impl<E: std::error::Error> From<E> for ProcessError {
    fn from(error: E) -> ProcessError {
        ProcessError::stop(error.to_string())
    }
}

impl fmt::Debug for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.verdict, crate::text::printable(self.message.as_bytes()))
    }
}
