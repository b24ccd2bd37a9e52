//! [`ShardState`]: what a run knows of a shard that it reads.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::delivery::Page;
use super::unpacking::Aggregates;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::{Shard, ShardProgress};
use crate::timestamp::Timestamp;

/// After so long, and so many empty pages in a row, a closed shard that does not end is said to be endless. AWS
/// ends one with the first or second page at its tip.
const ENDLESS: Duration = Duration::from_secs(30);
const ENDLESS_PAGES: u32 = 5;

#[derive(Debug, Default)]
pub(super) struct ShardState {
    pub(super) parents: Vec<String>,
    since: Timestamp,
    pub(super) aggregates: Aggregates,
    /// Split or merged. It has an end, and only there is it read through: an empty page before that says
    /// nothing, and what was put later lies in its children.
    closed: bool,
    /// Since when it gives nothing though it is closed, and how often.
    nothing: Option<(Instant, u32)>,
    /// Read to its tip in the present poll.
    pub(super) polled: bool,
    pub(super) idle: bool,
    pub(super) caught_up: bool,
    pub(super) millis_behind: Option<u64>,
    /// Set until the first page comes.
    pub(super) unread: Option<Error>,
}

impl ShardState {
    pub(super) fn new(shard: &Shard, since: Timestamp) -> ShardState {
        let (closed, parents) = (!shard.is_open(), shard.parent_ids());
        ShardState { closed, parents, since, ..ShardState::default() }
    }

    pub(super) fn answered(&mut self, page: &Page) {
        self.polled |= page.poll_done;
        self.idle = page.idle && !self.closed;
        self.caught_up = page.caught_up && !self.closed;
        self.millis_behind = Some(page.millis_behind_latest);
        self.unread = None;
        self.nothing = match self.nothing {
            _ if !(self.closed && page.idle) => None,
            Some((since, pages)) => Some((since, pages + 1)),
            None => Some((Instant::now(), 1)),
        };
    }

    /// An error where it has been giving nothing for too long for a shard that is closed.
    pub(super) fn check_end(&self, shard_id: &str, stream: &str, now: Instant) -> Result<()> {
        let Some((since, pages)) = self.nothing else { return Ok(()) };
        let time = now.saturating_duration_since(since);
        if pages < ENDLESS_PAGES || time < ENDLESS {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Service,
            format!(
                "{shard_id} of stream {stream} is closed, and for {} s the service has given empty pages of it that do \
                 not say that it has ended (moto does so): the shards that follow it can't be read in order. Read \
                 them one by one, with .shard(…), or use another emulator",
                time.as_secs()
            ),
        ))
    }

    pub(super) fn close(&mut self) {
        (self.closed, self.idle, self.caught_up) = (true, false, false);
    }

    pub(super) fn failed(&mut self, error: Error) {
        self.idle = false;
        if self.millis_behind.is_none() {
            self.unread = Some(error);
        }
    }

    pub(super) fn progress(&self, shard_id: &Arc<str>) -> ShardProgress {
        ShardProgress {
            shard_id: shard_id.clone(),
            parents: self.parents.clone(),
            since: self.since,
            answered: self.millis_behind.is_some(),
            idle: self.idle,
            heard: None,
            ended: false,
        }
    }
}
