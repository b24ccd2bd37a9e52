//! The parts wired: a filter between two streams, and filter, counter and detection as one.
//!
//! Uses the ground, `packed`, `event`, `format`, `service`, `stream`, `read`, `count`, `detect`,
//! `sqlite`, `stored`, `fleet` and `postgres`.

mod filter;
mod forwarded;
#[cfg(feature = "sqlite")]
mod part;
#[cfg(feature = "sqlite")]
#[expect(clippy::module_inception, reason = "the room is named after what it is for")]
mod pipeline;
#[cfg(feature = "sqlite")]
mod restarts;
#[cfg(feature = "sqlite")]
mod running;
#[cfg(feature = "sqlite")]
mod running_part;
#[cfg(feature = "sqlite")]
mod settings;
#[cfg(feature = "postgres")]
mod shared_filter;
#[cfg(feature = "sqlite")]
mod status;
#[cfg(feature = "sqlite")]
mod summary;
#[cfg(feature = "sqlite")]
mod wiring;

pub use filter::Filter;
#[cfg(feature = "sqlite")]
pub use part::Part;
#[cfg(feature = "sqlite")]
pub use pipeline::Pipeline;
#[cfg(feature = "sqlite")]
pub use running::RunningPipeline;
#[cfg(feature = "postgres")]
pub use shared_filter::SharedFilter;
#[cfg(feature = "sqlite")]
pub use status::{PartStatus, PipelineStatus};
