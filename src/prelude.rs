//! What a notebook or a program needs to begin: `use kinesis_lab::prelude::*;`.

use std::time::Duration;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use crate::Counts;
#[cfg(feature = "local")]
pub use crate::Local;
pub use crate::{
    AccessLog, Batch, Consumer, ConsumerHandle, ConsumerReport, Context, Counter, Data, Echo, Ended, Entry,
    Error, ErrorKind, Event, Kinesis, ProcessError, Producer, ProducerHandle, Record, RecordProcessor, Shard,
    Stream, Text, Timestamp, Window, Windows, block_on, printable, temporary_folder,
};

/// So many seconds.
///
/// ```
/// assert_eq!(kinesis_lab::prelude::secs(2), std::time::Duration::from_secs(2));
/// ```
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// So many milliseconds.
///
/// ```
/// assert_eq!(kinesis_lab::prelude::millis(1_500), std::time::Duration::from_millis(1_500));
/// ```
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
