//! Records out: consumers, the processors that they drive, and where they are.
//!
//! Uses the ground, `packed`, `service` and `stream`.

mod active_shards;
mod batches;
mod beginning;
mod checkpoints;
mod consumer;
mod delivering;
mod delivery;
mod drive;
mod echo;
#[cfg(test)]
mod fan_out_tests;
mod handle;
mod lag;
mod lineage;
mod listing;
mod options;
mod position;
mod process_error;
mod processor;
mod reader;
mod registration;
mod report;
mod run;
mod run_lag;
mod schedule;
#[cfg(test)]
pub(crate) mod scripted;
mod shard_state;
#[cfg(test)]
mod tests;
mod unpacking;
mod waiting;

pub use batches::{Batches, CheckpointedBatch};
pub use consumer::Consumer;
pub use echo::Echo;
pub use handle::ConsumerHandle;
pub use process_error::ProcessError;
pub use processor::{Checkpoint, Context, RecordProcessor, StreamId};
pub use report::{ConsumerReport, Ended, Lost};

pub(crate) use checkpoints::Checkpoints;
#[cfg(all(feature = "kcl", unix))]
pub(crate) use delivering::{Delivering, Processed};
#[cfg(all(test, feature = "postgres"))]
pub(crate) use process_error::Verdict;
#[cfg(all(feature = "kcl", unix))]
pub(crate) use report::SharedReport;
