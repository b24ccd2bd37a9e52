//! [`S3Answers`]: what S3 answered last.

use std::sync::{Arc, Mutex, PoisonError};

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
