//! [`WindowTerms`]: how the windows of a fleet are, as all of its workers have it.

use std::time::Duration;

use crate::fleet::WindowSpan;

/// How the windows are that are counted.
#[derive(Clone, Copy)]
pub(super) struct WindowTerms {
    pub(super) size: Duration,
    pub(super) lateness: Duration,
    pub(super) keep: Option<Duration>,
    pub(super) span: WindowSpan,
}
