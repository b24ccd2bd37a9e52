//! What a notebook or a program needs to begin: `use kinesis_lab::prelude::*;`.

use std::time::Duration;

pub use crate::access_log::AccessLog;
pub use crate::consumer::{Consumer, ConsumerReport, Ended};
pub use crate::consumer_handle::ConsumerHandle;
pub use crate::counter::Counter;
#[cfg(feature = "sqlite")]
pub use crate::counts::Counts;
pub use crate::echo::Echo;
pub use crate::error::{Error, ErrorKind};
pub use crate::event::Event;
pub use crate::kinesis::Kinesis;
#[cfg(feature = "local")]
pub use crate::local::Local;
pub use crate::processor::{Context, ProcessError, RecordProcessor};
pub use crate::producer::Producer;
pub use crate::producer_handle::ProducerHandle;
pub use crate::record::{Batch, Entry, Record};
pub use crate::runtime::block_on;
pub use crate::shard::Shard;
pub use crate::stream::Stream;
pub use crate::text::printable;
pub use crate::timestamp::Timestamp;
pub use crate::window::{Window, Windows};

/// So many seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// So many milliseconds.
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
