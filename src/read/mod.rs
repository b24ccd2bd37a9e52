//! Records out: consumers, the processors that they drive, and where they are.
//!
//! Uses the ground and `stream`.

mod checkpoints;
mod consumer;
mod echo;
mod handle;
mod processor;
mod reader;
mod run;

pub use consumer::{Consumer, ConsumerReport, Ended, Lost};
pub use echo::Echo;
pub use handle::ConsumerHandle;
pub use processor::{Checkpoint, Context, ProcessError, RecordProcessor, StreamId};

pub(crate) use checkpoints::Checkpoints;
