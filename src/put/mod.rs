//! Records in: one, many, or a producer's in the background.
//!
//! Uses the ground, `packed`, `format`, `service` and `stream`.

mod aggregation;
mod cutoff;
mod emitter;
mod lanes;
mod left_out;
mod pace;
mod parcel;
mod plan;
mod plan_feed;
mod producer;
mod producer_handle;
mod producer_report;
mod put_many;
mod putter;
mod queue;
mod replay;
mod report;
mod shard_map;

pub use left_out::LeftOut;
pub use producer::Producer;
pub use producer_handle::ProducerHandle;
pub use producer_report::ProducerReport;
pub use put_many::PutMany;
pub use replay::Replay;
pub use report::{FailedEntry, PutFailure, PutReceipt, PutReport};

#[cfg(feature = "agent")]
pub(crate) use putter::Putter;
#[cfg(feature = "agent")]
pub(crate) use queue::{AGGREGATE_BYTES, MAX_RECORDS, PutOptions};
