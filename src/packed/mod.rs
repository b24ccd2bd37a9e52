//! Records in a record: aggregates as the Kinesis Producer Library makes them, and what gzip packed.
//!
//! Uses the ground alone.

mod aggregate;
mod cloudwatch;
mod gzip;
mod message;
mod pack;
mod packer;
mod single;

pub(crate) use aggregate::{UserRecord, is_aggregate, unpack};
pub(crate) use gzip::is_gzip;
pub(crate) use pack::Aggregate;
pub(crate) use packer::packer;
pub(crate) use single::unpack_single;
