//! [`Error`]: one type whose sentences say what to do next.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What every fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something that did not work, as a sentence that says what to do about it.
///
/// It is opaque, so that causes can be told apart more finely later without breaking anyone: ask
/// [`kind`](Error::kind) or a predicate such as [`is_stream_not_found`](Error::is_stream_not_found).
/// `Debug` prints the same sentence as `Display`: notebooks and `fn main() -> Result<…>` show an
/// error with `Debug`, and a learner should not meet a struct dump there.
///
/// ```
/// use kinesis_lab::{Error, ErrorKind};
///
/// // A program on top of this crate may speak in its type, too.
/// fn port(text: &str) -> Result<u16, Error> {
///     text.parse().map_err(|_| Error::new(ErrorKind::InvalidInput, format!("`{text}` is no port: write 4567")))
/// }
///
/// let error = port("http").unwrap_err();
/// assert_eq!((error.kind(), error.is_transient()), (ErrorKind::InvalidInput, false));
/// assert_eq!(error.to_string(), "`http` is no port: write 4567");
/// ```
#[derive(Clone)]
pub struct Error {
    // Behind an Arc, because a background run keeps its last error and hands out copies.
    inner: Arc<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The families of errors, by what one can do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No credentials were found, or they can't be used as configured.
    NoCredentials,
    /// The credentials are known but refused (`AccessDeniedException`, a wrong signature, a wrong clock, …).
    AccessDenied,
    /// The credentials have expired (`ExpiredTokenException`). The same call may succeed a little later: it is
    /// made with new ones where the profile or the environment gives them.
    ExpiredCredentials,
    /// Nothing answers at the endpoint, or the connection broke.
    Unreachable,
    /// The stream does not exist (`ResourceNotFoundException`).
    StreamNotFound,
    /// The stream is being created, changed or deleted (`ResourceInUseException`).
    StreamInUse,
    /// An account limit, such as the number of shards (`LimitExceededException`).
    LimitExceeded,
    /// More per second than a shard takes (`ProvisionedThroughputExceededException`, 1,000 records or
    /// 1 MB a second in, 2 MB a second out; `KMSThrottlingException`).
    Throttled,
    /// A shard iterator older than 5 minutes (`ExpiredIteratorException`).
    ExpiredIterator,
    /// The input was refused before anything was sent, or by the service (`InvalidArgumentException`).
    InvalidInput,
    /// It took longer than it was given.
    Timeout,
    /// A `RecordProcessor` asked to stop, or panicked; a producer's payload function panicked.
    Processor,
    /// A file could not be read or written.
    Io,
    /// The store of a counter could not be read or written, or holds something else.
    Store,
    /// The store of a counter can't be read or written for now: another program has locked it, there is no room
    /// on its disk, it does not answer. Trying again may help, and a run does so
    /// ([`ProcessError::wait`](crate::ProcessError::wait)).
    StoreUnavailable,
    /// Another worker of a fleet has taken the shard: what this one would write of it is refused
    /// ([`ProcessError::lease_lost`](crate::ProcessError::lease_lost)).
    LeaseLost,
    /// The service failed, or answered what it should not (a status of 500 and above, a missing
    /// sequence number): trying again may help.
    Service,
    /// The service refused for a reason that has no kind here; the message has its words.
    Refused,
}

impl Error {
    /// An error of this crate; public so that programs on top of it can speak in its type.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { inner: Arc::new(Inner { kind, message: message.into(), source: None }) }
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Error {
        Error { inner: Arc::new(Inner { kind, message: message.into(), source: Some(source.into()) }) }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::InvalidInput, message)
    }

    /// The family that it belongs to.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whether the stream does not exist (any more).
    pub fn is_stream_not_found(&self) -> bool {
        self.kind() == ErrorKind::StreamNotFound
    }

    /// Whether the service asks for less per second.
    pub fn is_throttled(&self) -> bool {
        self.kind() == ErrorKind::Throttled
    }

    /// Whether the same call may succeed a little later: throttled, unreachable, timed out, made with
    /// credentials that have expired, an answer of the 500 family, or a store that is locked or full.
    pub fn is_transient(&self) -> bool {
        use ErrorKind::*;
        matches!(
            self.kind(),
            Throttled | Unreachable | Timeout | ExpiredCredentials | Service | StoreUnavailable
        )
    }
}

/// What nobody calls again, as a run calls its processor: made five times while its error goes by. (SQLite waits for a
/// second each time; a bucket's client tries again by itself.)
pub(crate) fn five_times<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..5 {
        match call() {
            Err(error) if error.is_transient() => {}
            outcome => return outcome,
        }
    }
    call()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The message may quote what a service or a stranger wrote.
        f.write_str(&crate::text::printable(self.inner.message.as_bytes()))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

impl From<crate::time_forms::TimestampError> for Error {
    fn from(error: crate::time_forms::TimestampError) -> Error {
        Error::with_source(ErrorKind::InvalidInput, error.to_string(), error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::with_source(ErrorKind::Io, error.to_string(), error)
    }
}
