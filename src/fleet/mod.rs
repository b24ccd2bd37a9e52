//! One counter, or one detection, of many workers: what each may write, and how far event time has advanced over
//! all of their shards. Pure.
//!
//! Uses the ground, `count`, `detect`, `read` and `stream`.
//!
//! A worker of the Kinesis Client Library has the lease of a shard until another has it, and one that was cut off goes on
//! for a while without knowing. So the tables decide, not the lease: a shard's row has an *epoch*, which is taken by
//! whoever was given the shard last, and nobody writes with another. The partial counts of a shard, its position and its
//! epoch are in one transaction; windows are complete once the *frontier* of all shards has passed them.

mod alert_fleet_store;
mod assignment;
mod claim;
mod completion;
mod coverage;
mod frontier;
#[cfg(test)]
mod model;
mod own_shard;
mod position;
mod shared_counter;
mod shared_detection;
mod store;
#[cfg(test)]
mod tests;
mod tip;

pub use shared_counter::SharedCounter;
pub use shared_detection::SharedDetection;

pub(crate) use alert_fleet_store::{AlertFleetStore, ShardAlerts, TakingAlerts, WatchedBatch};
pub(crate) use assignment::{ListShards, ShardAssignment};
pub(crate) use claim::Claim;
pub(crate) use completion::{WindowSpan, next_watermark};
pub(crate) use frontier::{ShardRow, event_time};
pub(crate) use position::CountedPosition;
pub(crate) use store::{FleetStore, ShardChange, ShardLineage, TakenShard, Taking, ancestors};
pub(crate) use tip::Tip;
