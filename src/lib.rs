//! Learn and do stream processing with Amazon Kinesis Data Streams.

pub mod timestamp;

pub use timestamp::{Timestamp, TimestampError};
