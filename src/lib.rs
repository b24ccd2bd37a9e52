//! Learn and do stream processing with Amazon Kinesis Data Streams.

pub mod access_log;
#[cfg(feature = "chart")]
pub mod chart;
pub mod log_line;
pub mod text;
pub mod timestamp;

pub use access_log::{AccessLog, LogRecord, UnparsedLine};
#[cfg(feature = "chart")]
pub use chart::{Chart, ChartError};
pub use log_line::{LogLine, LogLineError};
pub use text::{printable, shorten};
pub use timestamp::{Timestamp, TimestampError};
