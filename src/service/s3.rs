//! [`Aws::bucket`]: a bucket of S3, with the credentials, the region and the way out that Kinesis has; and what S3
//! answered last.

use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectStore;

use super::aws::Aws;
use crate::error::Result;

/// What S3 answered when it did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "archive-s3"), allow(dead_code, reason = "without S3, nothing answers"))]
pub(crate) struct S3Answer {
    /// `None` when nothing answered.
    pub(crate) status: Option<u16>,
    /// `NoSuchBucket`, `AccessDenied`, …
    pub(crate) code: Option<String>,
    /// Where the bucket is.
    pub(crate) region: Option<String>,
}

/// The last answer, where it is to be told. `object_store` keeps what it makes of one to itself; calls are made one
/// after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct S3Answers(Arc<Mutex<Option<S3Answer>>>);

impl S3Answers {
    /// `None` when it did what it was asked for, or was not asked.
    pub(crate) fn last(&self) -> Option<S3Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Not an object is missing, but all of them.
    pub(crate) fn tells_of_the_bucket(&self) -> bool {
        self.last().is_some_and(|answer| answer.code.as_deref() == Some("NoSuchBucket"))
    }

    #[cfg(feature = "archive-s3")]
    pub(super) fn tell(&self, answer: Option<S3Answer>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

impl Aws {
    /// # Errors
    /// As [`Aws::connect`]; without the feature `archive-s3`, that it is missing.
    #[cfg(not(feature = "archive-s3"))]
    pub(crate) async fn bucket(&self, bucket: &str) -> Result<(Arc<dyn ObjectStore>, S3Answers)> {
        let _ = bucket;
        Err(crate::error::Error::invalid(
            "this program was built without S3: give kinesis-lab the feature `archive-s3`, or archive into a folder",
        ))
    }

    /// # Errors
    /// As [`Aws::connect`].
    #[cfg(feature = "archive-s3")]
    pub(crate) async fn bucket(&self, bucket: &str) -> Result<(Arc<dyn ObjectStore>, S3Answers)> {
        super::s3_http::open(self, bucket).await
    }
}
