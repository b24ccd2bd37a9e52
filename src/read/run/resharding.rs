//! What a list of the shards tells a run: which are closed, and whose children are to be read now.

use tokio::time::Instant;

use super::super::position::Position;
use super::super::reader::PATIENCE;
use super::super::report::Ended;
use super::super::shard_state::ShardState;
use super::{Run, Step};
use crate::error::{ErrorKind, Result};
use crate::notice::tell;
use crate::stream::Shard;

impl Run {
    /// Some emulators never end a shard that is closed. So that this is known, and can be said, the shards are
    /// listed once a minute while one of them gives nothing.
    pub(super) fn look_for_closed(&mut self, now: Instant) {
        if self.active.states().any(|shard| shard.idle) && self.listing.age(now) >= PATIENCE {
            self.listing.want(now);
        }
    }

    /// What ListShards has said: shards that are closed, and children that may be read now.
    pub(super) fn listed(&mut self, listed: Result<Vec<Shard>>) -> Result<()> {
        match listed {
            Ok(shards) => {
                self.take_listed(&shards);
                self.find_children(&shards);
                match self.listing.outcome(self.lineage.childless()) {
                    Some(error) if self.options.until_caught_up => return Err(error),
                    Some(error) => tell!(WARN, [stream = self.stream_name()], "{error}"),
                    None => {}
                }
            }
            Err(error) if error.is_transient() || error.kind() == ErrorKind::LimitExceeded => {
                self.report.lock().retries += 1;
                self.listing.again();
            }
            // Readers that are left notice it too, behind the pages that they have delivered.
            Err(error) if error.is_stream_not_found() => {
                if self.active.is_empty() {
                    let gone = self.gone();
                    self.pending.push_back(gone);
                } else if self.caught_up.is_some() {
                    self.pending.push_back(Step::Ended(Ended::CaughtUp));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Notes which shards are closed, and whose children are open or not.
    pub(in super::super) fn take_listed(&mut self, shards: &[Shard]) {
        for shard in shards.iter().filter(|shard| !shard.is_open()) {
            self.active.update(&shard.id, ShardState::close);
        }
        self.lineage.settle(shards);
        self.active.forget_ended();
        if self.lineage.childless().is_some() {
            self.listing.want(Instant::now());
        }
    }

    fn find_children(&mut self, shards: &[Shard]) {
        if self.options.shard.is_some() {
            return;
        }
        let children: Vec<Shard> = self.lineage.ready(shards).into_iter().cloned().collect();
        for child in children {
            let position = Position::of_child(&self.options.from);
            let reader = self.reader(&child, position.clone());
            self.read(&child, &position, reader);
        }
        self.lineage.settle(shards);
        self.active.forget_ended();
    }
}
