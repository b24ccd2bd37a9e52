//! The wire: a connection to Kinesis wherever it runs, and what its refusals mean.
//!
//! Uses the ground alone.

mod access_key;
mod aws;
mod cause;
mod credentials;
mod http;
mod kinesis;
#[cfg(feature = "local")]
mod local;
mod place;
mod profiles;
mod refusal;
#[cfg(feature = "archive")]
mod s3;
#[cfg(feature = "archive")]
mod s3_answers;
#[cfg(feature = "archive-s3")]
mod s3_http;

pub use aws::Aws;
pub use kinesis::Kinesis;
#[cfg(feature = "local")]
pub use local::Local;

pub(crate) use place::is_ambiguous;
pub(crate) use refusal::replaced;
#[cfg(feature = "archive")]
pub(crate) use s3_answers::{S3Answer, S3Answers};
