//! Records in: one, many, or a producer's in the background.
//!
//! Uses the ground, `event`, `service` and `stream`.

mod pace;
mod producer;
mod producer_handle;
mod put_many;
mod putter;
mod queue;
mod replay;
mod report;

pub use producer::Producer;
pub use producer_handle::{ProducerHandle, ProducerReport};
pub use put_many::PutMany;
pub use replay::Replay;
pub use report::{FailedEntry, PutFailure, PutReceipt, PutReport};

#[cfg(feature = "agent")]
pub(crate) use putter::Putter;
#[cfg(feature = "agent")]
pub(crate) use queue::{MAX_RECORDS, PutOptions};
