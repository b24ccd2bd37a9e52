//! [`Store`]: where a counter keeps what must survive it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::copies::SavedOrigin;
use super::pane::SavedPane;
use super::window::Window;
use crate::error::Result;
use crate::harmless::Text;
use crate::read::{Checkpoint, StreamId};
use crate::timestamp::Timestamp;

/// Keeps windows and checkpoints; [`Sqlite`](crate::Sqlite) is the one that comes along.
///
/// Everything that changed since the last commit comes in one [`Change`], and is to be written whole or
/// not at all. That, and nothing else, makes counts exact across a crash: the checkpoints never say more
/// or less than the counts do.
///
/// The rules, for one of your own (`tests/own_store.rs` is one, whole): checkpoints, shard times, panes' keys
/// and origins of a change *replace* those of the same shard, pane and key; ids, origins' numbers and late
/// events are *added*; completed windows come once. Panes that start before
/// [`oldest_pane`](Change::oldest_pane), origins of [`gone_origins`](Change::gone_origins), and origins'
/// numbers up to their `after`, are to be forgotten; completed windows before [`drop_before`](Change::drop_before)
/// may be.
///
/// ```
/// use kinesis_lab::prelude::*;
/// use kinesis_lab::{Change, Fingerprint, SavedState, Store};
///
/// /// Completed windows, printed: a run that ends has nothing to go on from.
/// struct Printer;
///
/// impl Store for Printer {
///     fn load(&mut self, _: &Fingerprint) -> Result<SavedState, Error> {
///         Ok(SavedState::default())
///     }
///
///     fn commit(&mut self, change: &Change) -> Result<(), Error> {
///         change.completed.iter().for_each(|window| println!("{window}"));
///         Ok(())
///     }
/// }
///
/// let stream = Kinesis::local()?.create_stream("printed", 1)?;
/// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(12).start().join();
/// let mut counter = Counter::per_minute().stored(Box::new(Printer));
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// counter.flush()?;
/// # Ok::<(), Error>(())
/// ```
pub trait Store: Send {
    /// What was saved of these windows over this stream; an empty state when nothing was.
    ///
    /// # Errors
    /// When it can't be read, or holds windows of another shape or another stream. Kinds as in
    /// [`commit`](Store::commit).
    fn load(&mut self, fingerprint: &Fingerprint) -> Result<SavedState>;

    /// Writes a change, whole or not at all.
    ///
    /// # Errors
    /// When it can't be written; then nothing of it is. The kind says what happens next:
    ///
    /// - What goes by ([`Error::is_transient`](crate::Error::is_transient): say
    ///   [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable)) is waited for. The same change is
    ///   given again, and nothing else before it, until it is written or the run is stopped; a store that can't
    ///   know whether it has written one (an answer was lost) has to find out, or fail in another way.
    /// - Any other error ends the run. The counter commits nothing more before it has loaded again, which a run
    ///   begins with: then this store says what was written.
    fn commit(&mut self, change: &Change) -> Result<()>;

    /// The stream of which something is saved, so that [`StoredCounter::flush`](crate::StoredCounter::flush)
    /// can finish what an earlier program began, without a run over the stream. Default: `None`, nothing is
    /// saved or it is not known.
    ///
    /// # Errors
    /// When it can't be read.
    fn stream(&mut self) -> Result<Option<StreamId>> {
        Ok(None)
    }
}

/// What a store's contents are of; contents of another fingerprint are refused.
///
/// ```
/// use kinesis_lab::prelude::*;
/// use kinesis_lab::{Fingerprint, StreamId};
///
/// let stream = StreamId::new("visits", Timestamp::from_secs(1_536_220_800));
/// let ours = Fingerprint::new(stream.clone(), secs(60), secs(60));
/// assert!(ours != Fingerprint::new(stream, secs(30), secs(30)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fingerprint {
    /// The stream.
    pub stream: StreamId,
    /// The windows' size.
    pub size: Duration,
    /// The time from one window to the next.
    pub slide: Duration,
    /// What the keys are: `client`, or what a format says ([`Format::key_name`](crate::Format::key_name)); behind it
    /// the lengths of networks, where clients are counted by these (`client/32/64`).
    pub key: String,
}

impl Fingerprint {
    /// Windows of this size, one every `slide`, over this stream, of clients.
    pub fn new(stream: StreamId, size: Duration, slide: Duration) -> Fingerprint {
        Fingerprint { stream, size, slide, key: "client".to_owned() }
    }
}

/// What a counter goes on from; by default, from nothing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SavedState {
    /// Of each shard, also of those that ended.
    pub checkpoints: Vec<Checkpoint>,
    /// The largest event time of each shard.
    pub shard_times: Vec<(String, Timestamp)>,
    /// The watermark; windows that end before it are complete. [`Timestamp::MIN`] at first.
    pub watermark: Timestamp,
    /// What the windows still open consist of, by the start of each pane.
    pub panes: Vec<(Timestamp, SavedPane)>,
    /// What was counted that is in no window.
    pub totals: Totals,
    /// Which records of another stream were counted, where they may come again.
    pub origins: Vec<SavedOrigin>,
}

impl Default for SavedState {
    fn default() -> SavedState {
        SavedState {
            checkpoints: Vec::new(),
            shard_times: Vec::new(),
            watermark: Timestamp::MIN,
            panes: Vec::new(),
            totals: Totals::default(),
            origins: Vec::new(),
        }
    }
}

/// Numbers of events that are in no window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// (event, window) pairs that came too late.
    pub late: u64,
    /// Events from the future.
    pub refused: u64,
    /// Events whose id had been counted.
    pub duplicates: u64,
    /// Records that did not parse.
    pub unparsed: u64,
    /// Events for which there was no room, not even for their pane.
    pub unplaced: u64,
}

/// What changed since the last commit.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Change {
    /// Of the shards whose checkpoint moved.
    pub checkpoints: Vec<Checkpoint>,
    /// The largest event time of each shard: all of them.
    pub shard_times: Vec<(String, Timestamp)>,
    /// The watermark.
    pub watermark: Timestamp,
    /// Panes that start before this are needed no more.
    pub oldest_pane: Timestamp,
    /// Panes with what is new in them: counts that changed (their new values), the overflow as it is now, and
    /// ids that were added.
    pub panes: Vec<(Timestamp, SavedPane)>,
    /// Windows that are complete, in order.
    pub completed: Vec<Window>,
    /// Completed windows that start before this, and what came too late for them, are to be dropped; `None`, the
    /// default: none are ([`StoredCounter::keep_for`](crate::StoredCounter::keep_for)).
    pub drop_before: Option<Timestamp>,
    /// Late events to be added: the window's start, the key, how many.
    pub late: BTreeMap<(Timestamp, Text), u64>,
    /// All so far, not only the new ones.
    pub totals: Totals,
    /// Shards whose forwarded records are no longer to be remembered …
    pub gone_origins: Vec<String>,
    /// … and which were counted since: their numbers are to be added, those up to `after` removed.
    pub origins: Vec<SavedOrigin>,
}

// Without the keys, which come from strangers.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (completed, panes, late) = (self.completed.len(), self.panes.len(), self.late.len());
        let mut change = f.debug_struct("Change");
        change.field("checkpoints", &self.checkpoints).field("watermark", &self.watermark);
        change.field("completed", &completed).field("panes", &panes).field("late", &late);
        change.finish_non_exhaustive()
    }
}
