//! [`Listing`]: when a run lists the shards of its stream, and for how long it waits for those that should be
//! there.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::reader::PATIENCE;
use crate::backoff::step;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::{Shard, Stream};

/// One list for all that want one: ListShards is a call of the account, not of the shard.
pub(super) struct Listing {
    /// At most one call, which ends with this.
    call: JoinSet<Result<Vec<Shard>>>,
    /// How many calls were made, and which of them was answered last.
    calls: u64,
    answered: u64,
    /// When that one was made.
    asked: Instant,
    due: Option<Instant>,
    failures: u32,
    /// Since when a shard has ended whose children are not listed.
    childless: Option<Instant>,
    told: bool,
}

impl Listing {
    /// The shards have just been listed.
    pub(super) fn new(now: Instant) -> Listing {
        Listing {
            call: JoinSet::new(),
            calls: 0,
            answered: 0,
            asked: now,
            due: None,
            failures: 0,
            childless: None,
            told: false,
        }
    }

    /// A list that is made from now on; a back-off stands.
    pub(super) fn want(&mut self, now: Instant) {
        self.due.get_or_insert(now);
    }

    /// When the next call is to be made.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.call.is_empty())
    }

    pub(super) fn begin_if_due(&mut self, stream: &Stream, now: Instant) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        (self.calls, self.asked, self.due) = (self.calls + 1, now, None);
        let stream = stream.clone();
        self.call.spawn(async move {
            let shards = stream.list_shards().await?;
            // Looked at afterwards, or they may be the shards of another stream.
            stream.verify().await.map(|_| shards)
        });
    }

    /// Waits for the call under way; for ever where there is none.
    pub(super) async fn answer(&mut self) -> Result<Vec<Shard>> {
        match self.call.join_next().await {
            Some(Ok(listed)) => {
                if listed.is_ok() {
                    (self.answered, self.failures) = (self.calls, 0);
                }
                listed
            }
            Some(Err(_)) => {
                Err(Error::new(ErrorKind::Processor, "the async runtime of the consumer was shut down"))
            }
            None => std::future::pending().await,
        }
    }

    /// A moment between calls. Not a time: two calls can have the same.
    pub(super) fn moment(&self) -> u64 {
        self.calls
    }

    /// Whether the last list was asked for after this moment.
    pub(super) fn is_younger_than(&self, moment: u64) -> bool {
        self.answered > moment
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.asked)
    }

    /// A little later: the call failed.
    pub(super) fn again(&mut self) {
        self.failures += 1;
        self.due = Some(Instant::now() + step(self.failures));
    }

    /// A list has come, and in it no children of this shard: it lags behind (ListShards is eventually
    /// consistent), and is asked for again. Gives an error, once, when it has done so for a minute.
    pub(super) fn outcome(&mut self, childless: Option<&str>) -> Option<Error> {
        let Some(shard_id) = childless else {
            self.childless = None;
            return None;
        };
        let now = Instant::now();
        let since = *self.childless.get_or_insert(now);
        // 0.1 s, 0.2 s … 5 s: `want` was called, and would ask at once.
        let waited = now.saturating_duration_since(since);
        self.due = Some(now + waited.clamp(Duration::from_millis(100), step(u32::MAX)));
        let late = waited > PATIENCE && !std::mem::replace(&mut self.told, waited > PATIENCE);
        late.then(|| {
            Error::new(
                ErrorKind::Service,
                format!(
                    "{shard_id} was read to its end, and for a minute ListShards has named no shards that take over \
                     its keys; they are read as soon as it does"
                ),
            )
        })
    }
}
