//! What a notebook or a program needs to begin: `use kinesis_lab::prelude::*;`.

use std::time::Duration;

#[cfg(feature = "sqlite")]
pub use crate::Counts;
#[cfg(feature = "local")]
pub use crate::Local;
pub use crate::{
    AccessLog, Batch, Consumer, ConsumerHandle, ConsumerReport, Context, Counter, Echo, Ended, Entry, Error,
    ErrorKind, Event, Kinesis, ProcessError, Producer, ProducerHandle, Record, RecordProcessor, Shard,
    Stream, Timestamp, Window, Windows, block_on, printable,
};

/// So many seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// So many milliseconds.
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
