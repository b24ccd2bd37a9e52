//! [`Plan`]: what a producer is to emit, and when.

use std::time::Duration;

use crate::error::Result;
use crate::record::Entry;
use crate::timestamp::Timestamp;

/// What is to be emitted, and when. It may block (it reads a pipe, it calls a user's function), so it is asked on
/// a thread of its own: see [`PlanFeed`](super::plan_feed::PlanFeed).
pub(crate) trait Plan: Send {
    /// Event time of the next record since the first one's; `None` at the end, an error when what
    /// is emitted can't be read any further.
    fn next_offset(&mut self) -> Result<Option<Duration>>;
    /// The next record; only called after `next_offset` gave one. `now` is for live records.
    fn emit(&mut self, now: Timestamp) -> Entry;
    /// Where the record that was emitted last stands: `("line", 17)`.
    fn place(&self) -> (&'static str, u64);
}
