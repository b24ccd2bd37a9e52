//! [`AgentReport`]: what became of an agent's events.

use std::fmt;

use crate::error::Error;
use crate::text::grouped;

/// What became of an agent's events: each is dropped, sent, failed, or still waiting.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AgentReport {
    /// Requests of which an event was made.
    pub emitted: u64,
    /// Events that found the queue full (or the agent shut down), and are lost.
    pub dropped: u64,
    /// Events that the service acknowledged.
    pub sent: u64,
    /// Records of Kinesis in which they went out; fewer, when they are [`aggregated`](crate::Agent::aggregated).
    pub kinesis_records: u64,
    /// Attempts that were made again after a failure.
    pub retried: u64,
    /// Attempts whose answer never came: their events may be in the stream, even twice. Their ids tell.
    pub ambiguous: u64,
    /// Events that were refused for a reason that stays (no such stream, no rights), or not sent by the end, and are
    /// lost.
    pub failed: u64,
    /// Requests that were answered 403, because their client is blocked.
    pub refused: u64,
    /// What went wrong last, if anything did; also when a later attempt helped.
    pub last_error: Option<Error>,
}

impl AgentReport {
    /// Events that wait to be sent, or are on their way.
    pub fn waiting(&self) -> u64 {
        self.emitted.saturating_sub(self.dropped + self.sent + self.failed)
    }
}

/// `50,000 events: 49,990 sent, 10 dropped, 0 failed, 0 waiting; 120 requests refused`
impl fmt::Display for AgentReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events: {} sent, {} dropped, {} failed, {} waiting; {} requests refused",
            grouped(self.emitted),
            grouped(self.sent),
            grouped(self.dropped),
            grouped(self.failed),
            grouped(self.waiting()),
            grouped(self.refused),
        )
    }
}
