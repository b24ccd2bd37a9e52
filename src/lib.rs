//! Learn and do stream processing with Amazon Kinesis Data Streams.

pub mod text;
pub mod timestamp;

pub use text::{printable, shorten};
pub use timestamp::{Timestamp, TimestampError};
