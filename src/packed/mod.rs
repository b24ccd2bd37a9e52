//! Records in a record, aggregates as the Kinesis Producer Library makes them; what gzip packed; and what is too large
//! for a record, in several.
//!
//! Uses the ground alone.

mod aggregate;
mod cloudwatch;
mod gzip;
mod message;
mod pack;
mod packer;
mod parts;
mod records;
mod single;
mod split;

pub use parts::Parts;

#[cfg(test)]
pub(crate) use aggregate::UserRecord;
pub(crate) use aggregate::{is_aggregate, unpack};
pub(crate) use cloudwatch::{Subscription, subscription};
pub(crate) use gzip::{GUNZIPPED, gunzip, is_gzip};
pub(crate) use pack::Aggregate;
pub(crate) use packer::packing;
pub(crate) use records::AGGREGATE_KEY;
pub(crate) use single::unpack_single;
