//! Records of a stream in files, on a disk or in S3: each once, and back into a stream.
//!
//! Uses the ground, `service`, `stream`, `put` and `read`.
//!
//! # Why each record is in the objects once
//! The objects of a shard are a chain, and the chain is the checkpoint: there is no other. An object is named after
//! the first record in it; the next one's first is the first record behind the last one's last, and so its name is
//! settled by what is stored, whoever writes it, and wherever it is cut. It is *created*, whole or not at all, and
//! never replaced. Then:
//!
//! - A writer that is killed has written an object or not; the next one goes on behind the last that is there.
//! - A write whose answer was lost, or that arrives when its writer is long dead, finds its name taken or takes it.
//!   Whoever comes second reads what is there, forgets up to its last record, and goes on from there.
//! - So do two writers at the same time.
//!
//! Records of one sequence number, an aggregate, are never in two objects.

#[expect(clippy::module_inception, reason = "the room is named after what it is for")]
mod archive;
mod buffer;
mod chains;
mod explain;
mod extent;
mod folders;
mod line;
mod merge;
mod names;
mod objects;
mod replaying;
mod shards;
mod target;
#[cfg(test)]
mod tests;

pub use archive::Archive;
