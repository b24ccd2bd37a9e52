//! [`ReadOptions`]: what a consumer was told.

use std::time::Duration;

use super::position::Position;
use super::registration::FanOut;
use crate::stream::Stream;

/// GetRecords gives at most 10,000 records or 10 MiB a call (API reference).
pub(super) const GET_RECORDS_LIMIT: i32 = 10_000;
/// Five GetRecords a second and shard (Quotas page), evenly spaced. A local service would allow
/// more; what runs there must also be right on AWS.
pub(super) const READ_SPACING: Duration = Duration::from_millis(200);
/// How far apart the events of an idle shard may be before its state counts as old. The documentation gives no number.
const EVENTS_APART: Duration = Duration::from_secs(10);
/// Longer than anybody waits for a poll, and short enough that no sum of it overflows.
const LONGEST_POLL: Duration = Duration::from_secs(86_400);

#[derive(Debug, Clone)]
pub(super) struct ReadOptions {
    pub(super) stream: Stream,
    pub(super) from: Position,
    pub(super) shard: Option<String>,
    pub(super) limit: i32,
    pub(super) poll_every: Duration,
    /// After a page with records, a shard is read again after 200 ms.
    pub(super) adaptive: bool,
    pub(super) run_for: Duration,
    pub(super) until_caught_up: bool,
    /// Aggregates are unpacked.
    pub(super) aggregated: bool,
    /// It reads by enhanced fan-out.
    pub(super) fan_out: Option<FanOut>,
}

impl ReadOptions {
    pub(super) fn new(stream: Stream) -> ReadOptions {
        ReadOptions {
            stream,
            from: Position::Latest,
            shard: None,
            limit: GET_RECORDS_LIMIT,
            poll_every: Duration::from_millis(500),
            adaptive: false,
            run_for: Duration::from_secs(30),
            until_caught_up: false,
            aggregated: true,
            fan_out: None,
        }
    }

    pub(super) fn set_poll_every(&mut self, interval: Duration) {
        self.poll_every = interval.clamp(READ_SPACING, LONGEST_POLL);
    }

    /// How long an answer counts as the present state of its shard.
    pub(super) fn answers_apart(&self) -> Duration {
        match self.fan_out {
            Some(_) => self.poll_every.max(EVENTS_APART),
            None => self.poll_every,
        }
    }
}
