//! A [`RecordProcessor`] under the Kinesis Client Library (KCL): what runs in one process runs on many machines.
//!
//! Uses the ground, `read` and `stream`.
//!
//! The KCL shares the shards of a stream out among workers, by leases in a DynamoDB table, follows reshards and fails
//! over. Its MultiLangDaemon (in Java: `software.amazon.kinesis:amazon-kinesis-client-multilang` 3) starts a *child* for
//! each shard that it has, and talks to it over stdin and stdout. [`run`] makes one of any processor.
//!
//! # What of a consumer's run holds here
//! - A processor sees one shard: a [`Context`](crate::Context) has no other, so a [`Counter`](crate::Counter) in memory
//!   counts that shard's records. Exact over all shards, and whatever happens to workers, is
//!   [`Counter::shared_in`](crate::Counter), which keeps its counts in a PostgreSQL that all workers share; so does
//!   [`Detection::shared_in`](crate::Detection) its alerts.
//! - Records come **at least once**. After a crash, those since the last checkpoint come again, and a worker that was cut
//!   off goes on for a while beside the one that has its shard. A processor that
//!   [remembers](RecordProcessor::checkpoints) its place in its own store is given nothing twice: what its store has is
//!   left out, and a lease table that is *ahead* of the store is refused, because records would be missing.
//! - Aggregates of the KPL come apart, with sub-sequence numbers. One that is alone in its aggregate has none, as the
//!   daemon does not tell it from a record that was put alone.
//! - [`tick`](RecordProcessor::tick) follows each message of records; where the stream is quiet, only with
//!   `callProcessRecordsEvenForEmptyRecordList = true` in the daemon's properties.
//! - Stdout belongs to the protocol alone: from [`run`] on, what anybody prints there goes to stderr, whose lines the
//!   daemon logs; and stdin is empty.
//!
//! # What an error means
//! | [`ProcessError`](crate::ProcessError) | here |
//! | --- | --- |
//! | *retry* | the same batch again, after 0.1 s, doubling up to 5 s, at most 10 times; then *stop* |
//! | *wait* | again, as often as it takes, until the daemon is gone; it keeps the lease meanwhile |
//! | *skip* | told on stderr and counted; the next checkpoint passes it |
//! | *lease lost* | the processor's store says that another worker has the shard: answered, nothing more is processed, no checkpoint, until the daemon says so, too |
//! | *stop* | no checkpoint; `run` returns it, and the process should end with it |
//!
//! # How a child ends
//! `run` returns, and `main` decides on the exit code. From `fn main() -> Result<(), Error>`:
//!
//! | what happens | [`Ended`](crate::Ended) | exit code |
//! | --- | --- | --- |
//! | the shard was split or merged, and is processed to its end; the lease table has that | `ShardsEnded` | 0 |
//! | another worker has the shard: no checkpoint | `LeaseLost` | 0 |
//! | the worker was asked to end (SIGTERM): a checkpoint | `Stopped` | 0 |
//! | the daemon is gone: killed, or without `shutdownGraceMillis`; a pipe broke | `DaemonGone` | 0 |
//! | *stop*, a message that is not the daemon's, a checkpoint that failed for good, an end of the shard that the lease table does not take, a lost lease that the daemon does not let go of for 60 s | an error | 1 |
//! | the processor panics: a sentence more on stderr | none | 101 |
//!
//! A child that ends on its own takes the daemon with it, and all shards of that worker: the daemon gives up, and
//! whatever started it must start it again. Until then other workers take over.

mod checkpointing;
mod child;
mod conversation;
mod delivery;
mod driver;
mod fields;
mod leased_shard;
mod lines;
mod message;
mod panic_sentence;
mod place;
mod records;
mod stdio;

pub use child::Child;

use crate::error::Result;
use crate::read::{ConsumerReport, RecordProcessor};

/// Makes this process a child of the KCL's daemon: a shard is processed, until the daemon lets go of it.
///
/// Call it first of all in `main`, and once. Defaults: a checkpoint every 5 s, and at the ends; a stream without a name;
/// see [`Child`].
///
/// ```no_run
/// use kinesis_lab::prelude::*;
///
/// fn main() -> Result<(), Error> {
///     kinesis_lab::kcl::run(&mut Echo::new())?; // its lines are in the daemon's log
///     Ok(())
/// }
/// ```
///
/// # Errors
/// [`ErrorKind::Processor`](crate::ErrorKind::Processor) when the processor said *stop*;
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) where stdin is a terminal, or what comes from there is none
/// of the daemon's messages, in their order; [`ErrorKind::Service`](crate::ErrorKind::Service) when the lease table refuses
/// a checkpoint for good; [`ErrorKind::Store`](crate::ErrorKind::Store) when it is ahead of the processor's store;
/// [`ErrorKind::Io`](crate::ErrorKind::Io) when a pipe fails otherwise than by breaking.
///
/// # Panics
/// When the processor panics.
pub fn run(processor: &mut dyn RecordProcessor) -> Result<ConsumerReport> {
    Child::new().run(processor)
}
