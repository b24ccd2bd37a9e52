//! [`Delivery`]: what the readers of a run tell its loop.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::report::Lost;
use crate::error::Error;
use crate::record::Record;

pub(super) enum Delivery {
    Page(Arc<str>, Page),
    ShardEnded(Arc<str>),
    Retrying(Arc<str>, Error),
    Lost(Lost),
    Failed(Arc<str>, Error),
}

/// What a page was: its records, and what it says of the shard.
pub(super) struct Page {
    pub(super) records: Vec<Record>,
    pub(super) millis_behind_latest: u64,
    /// When it was asked for.
    pub(super) asked: Instant,
    /// An empty page at the tip: there is nothing more for now.
    pub(super) idle: bool,
    /// All is read that had arrived when the run began, or the shard's tip was seen.
    pub(super) caught_up: bool,
    /// The last page of this poll.
    pub(super) poll_done: bool,
    /// Held until the page is processed: a reader is at most two pages ahead of the processor.
    pub(super) permit: OwnedSemaphorePermit,
}
