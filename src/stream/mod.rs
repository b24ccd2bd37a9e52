//! A stream: its state, its shards, and which of the streams that bore its name it is.
//!
//! Uses the ground and `service`.

mod address;
mod description;
mod identity;
mod lifecycle;
mod new_stream;
mod progress;
mod resharding;
mod service_time;
mod shard;
#[expect(clippy::module_inception, reason = "the room is named after what it is for")]
mod stream;
mod verify;

pub use description::StreamDescription;
pub use new_stream::NewStream;
pub use progress::ShardProgress;
pub use shard::Shard;
pub use stream::Stream;

pub(crate) use progress::needed;
#[cfg(all(test, feature = "chart"))]
pub(crate) use shard::neighbours;
pub(crate) use shard::ready;
