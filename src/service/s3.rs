//! [`Aws::bucket`]: a bucket of S3, with the credentials, the region and the way out that Kinesis has.

use std::sync::Arc;

use object_store::ObjectStore;

use super::aws::Aws;
use super::s3_answers::S3Answers;
use crate::error::Result;

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
