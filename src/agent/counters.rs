//! [`AgentCounters`]: what is counted, by the requests and by the task that sends their events.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::error::Error;

/// What is counted, by the requests and by the task that sends their events.
#[derive(Default)]
pub(crate) struct AgentCounters {
    pub(crate) emitted: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// An event was dropped: somebody should say so.
    pub(crate) overflow: Notify,
    // A std mutex: it is held for the copy of a few numbers, never across an await.
    sending: Mutex<Sending>,
}

#[derive(Default, Clone)]
pub(crate) struct Sending {
    pub(crate) sent: u64,
    pub(crate) kinesis_records: u64,
    pub(crate) retried: u64,
    pub(crate) ambiguous: u64,
    pub(crate) failed: u64,
    pub(crate) last_error: Option<Error>,
}

impl AgentCounters {
    pub(crate) fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
