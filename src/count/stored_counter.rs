//! [`StoredCounter`]: a counter whose counts survive it.

use std::fmt;
use std::time::Duration;

use super::counter::Counter;
use super::counter_methods::counter_methods;
use super::store::{Change, Fingerprint, Store};
use super::watermark::Watermark;
use crate::error::{Error, ErrorKind, Result, five_times};
use crate::read::{Checkpoint, Checkpoints, Context, ProcessError, RecordProcessor, StreamId};
use crate::record::Batch;
use crate::timestamp::Timestamp;

/// Where none was given: without a watermark the open state would grow for ever.
pub(crate) const STORED_LATENESS: Duration = Duration::from_secs(30);

/// A [`Counter`] that keeps its windows and its place in the stream in a [`Store`]; made by
/// [`Counter::stored_in`] and [`Counter::stored`].
///
/// Completed windows, what the open ones consist of, late events, and the checkpoint of each shard are
/// committed together once a poll. So whatever ends it, at whatever moment, the next run goes on from the
/// last commit, and counts each record of the stream exactly once.
///
/// A run begins with what the store holds, whatever is in memory. A store that is locked or full is waited for
/// ([`ProcessError::wait`](crate::ProcessError::wait)): what it did not take is kept, and is the first that it is
/// given again. After any other commit that failed nothing is committed until the next run begins: what was
/// counted before is not in memory as it should be in the store.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-stored-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("counts.db");
/// let stream = Kinesis::local()?.create_stream("visits", 1)?;
/// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(12).start().join();
///
/// let mut counter = Counter::per_minute().stored_in(&file)?;
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// assert_eq!((counter.windows().len(), counter.total()), (1, 6)); // the first minute is in the file
/// assert_eq!(counter.positions().count(), 1); // of one shard
/// drop(counter);
///
/// // Another day: nothing more is expected.
/// Counter::per_minute().stored_in(&file)?.flush()?;
/// assert_eq!(Counts::open(&file)?.windows()?.len(), 2);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StoredCounter {
    counter: Counter,
    store: Box<dyn Store>,
    checkpoints: Checkpoints,
    dirty: bool,
    /// How long completed windows stay in the store.
    keep: Option<Duration>,
    /// What the store could not take for now. What is counted meanwhile comes after it.
    unwritten: Option<Change>,
    /// What is in memory is what the store has, and what came since. Not before it was loaded, not within a
    /// batch, and not after a commit that failed for good: it has taken out of memory what it was to write.
    whole: bool,
}

impl Counter {
    /// The same counter, keeping its windows and its place in the stream in a store of your own. Without a
    /// [`lateness`](Counter::lateness), that is 30 s.
    ///
    /// ```
    /// use kinesis_lab::{Change, Fingerprint, SavedState, Sqlite, Store, StreamId, prelude::*};
    ///
    /// /// SQLite, and a line for the log of what becomes complete.
    /// struct Logged(Sqlite);
    ///
    /// impl Store for Logged {
    ///     fn load(&mut self, fingerprint: &Fingerprint) -> Result<SavedState, Error> {
    ///         self.0.load(fingerprint)
    ///     }
    ///
    ///     fn commit(&mut self, change: &Change) -> Result<(), Error> {
    ///         self.0.commit(change)?;
    ///         eprintln!("{} windows completed, up to {}", change.completed.len(), change.watermark.plain(0));
    ///         Ok(())
    ///     }
    ///
    ///     fn stream(&mut self) -> Result<Option<StreamId>, Error> {
    ///         self.0.stream() // without it, `flush` works after a run alone
    ///     }
    /// }
    ///
    /// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-logged-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let file = folder.join("counts.db");
    /// let stream = Kinesis::local()?.create_stream("visits", 1)?;
    /// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(24).start().join();
    /// let mut counter = Counter::per_minute().stored(Box::new(Logged(Sqlite::open(&file)?)));
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    /// assert_eq!(Counts::open(&file)?.windows()?.len(), 3); // of four minutes, the last is still open
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stored(mut self, store: Box<dyn Store>) -> StoredCounter {
        // Without a watermark the open state would grow for ever, and no window ever reach its table.
        self.watermark.get_or_insert_with(|| Watermark::new(STORED_LATENESS));
        StoredCounter::new(self, store)
    }
}

impl StoredCounter {
    fn new(mut counter: Counter, store: Box<dyn Store>) -> StoredCounter {
        counter.late.stored = true;
        StoredCounter {
            counter,
            store,
            checkpoints: Checkpoints::default(),
            dirty: false,
            keep: None,
            unwritten: None,
            whole: false,
        }
    }

    /// Drops completed windows, and what came too late for them, from the database when they ended longer than this
    /// before the watermark: event time, so that a log of another year keeps as much as today's. Their room is used
    /// again; a file does not become smaller by it. Default: all are kept.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # let folder = temporary_folder("doc-keep-for")?;
    /// # let file = folder.join("counts.db");
    /// let stream = Kinesis::local()?.create_stream("visits", 1)?;
    /// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(60).start().join(); // ten minutes
    /// let mut counter = Counter::per_minute().lateness(secs(0)).stored_in(&file)?.keep_for(secs(180));
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    ///
    /// let counts = Counts::open(&file)?; // the watermark is at 08:09:50
    /// assert_eq!(counts.windows()?[0].start.plain(0), "2018-09-06 08:06:00");
    /// assert!(counts.pairs()? == 3 && counts.bytes()? > 0);
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_for(mut self, time: Duration) -> StoredCounter {
        self.keep = Some(time);
        self
    }

    /// Completes the windows still open, and commits: nothing more is expected. Those of an earlier program
    /// too: a counter that has not run yet takes them from its store.
    ///
    /// # Errors
    /// When the store can't be read or written: with [`ErrorKind::StoreUnavailable`] for now (it is tried five
    /// times), and what is to be written is kept for the next call. When there was no run, and the store holds nothing of an
    /// earlier one, or can't say of which stream it does ([`Store::stream`]).
    pub fn flush(&mut self) -> Result<()> {
        if !self.whole {
            let stream = self.store.stream()?.ok_or_else(|| {
                Error::new(
                    ErrorKind::Store,
                    "there is nothing to complete: this counter has loaded nothing, and its store names no stream \
                     of which it holds counts; run it over its stream first",
                )
            })?;
            self.load(&stream)?;
        }
        self.counter.flush();
        self.dirty = true;
        five_times(|| self.commit())
    }

    /// Where each shard is.
    pub fn positions(&self) -> impl Iterator<Item = &Checkpoint> {
        self.checkpoints.iter()
    }

    fn load(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>> {
        let (size, slide) = (self.counter.windows.size(), self.counter.windows.slide());
        let key = self.counter.key_name();
        let saved = self.store.load(&Fingerprint { key, ..Fingerprint::new(stream.clone(), size, slide) })?;
        // In place of what is in memory: a run that failed may have counted more than it committed.
        (self.whole, self.unwritten) = (false, None);
        let checkpoints = saved.checkpoints.clone();
        self.counter.restore(saved);
        self.dirty = false;
        self.checkpoints.restore(&checkpoints);
        self.whole = true;
        Ok(checkpoints)
    }

    fn commit(&mut self) -> Result<()> {
        self.check_whole()?;
        self.write()?;
        if !self.dirty && !self.checkpoints.have_moved() {
            return Ok(());
        }
        self.unwritten = Some(self.change());
        self.dirty = false;
        self.write()
    }

    /// Gives the store what it has not yet; again, if it could not take it before.
    fn write(&mut self) -> Result<()> {
        let Some(change) = &self.unwritten else { return Ok(()) };
        let _span = tracing::debug_span!(
            target: "kinesis_lab", "commit", windows = change.completed.len(), checkpoints = change.checkpoints.len()
        )
        .entered();
        self.whole = false; // if it panics half way
        let outcome = self.store.commit(change);
        self.whole = match &outcome {
            Ok(()) => true,
            Err(error) => error.is_transient(),
        };
        if outcome.is_ok() {
            self.unwritten = None;
        }
        outcome
    }

    /// Checkpoints without their counts would lose records, for ever.
    fn check_whole(&self) -> Result<()> {
        match self.whole {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Store,
                "this counter is not as its store has it, because it has not loaded yet or a commit failed: run it \
                 with a consumer, which begins with what is stored",
            )),
        }
    }

    /// Takes out of the counter what its store has not yet.
    fn change(&mut self) -> Change {
        let size = self.counter.windows.size();
        let change = self.counter.take_change();
        let until = change.watermark;
        Change {
            checkpoints: self.checkpoints.take_moved(),
            drop_before: self.keep.filter(|_| until > Timestamp::MIN).map(|keep| until - keep - size),
            ..change
        }
    }
}

impl RecordProcessor for StoredCounter {
    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.load(stream).map_err(ProcessError::of_store)
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        self.check_whole()?;
        self.whole = false; // if it panics half way
        self.counter.process(batch, ctx)?;
        self.whole = true;
        self.checkpoints.pass(batch);
        Ok(())
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.check_whole()?;
        self.write().map_err(ProcessError::of_store)?;
        self.checkpoints.begin(ctx);
        self.counter.tick(ctx)?;
        self.dirty |= !self.counter.completed.is_empty();
        self.commit().map_err(ProcessError::of_store)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.check_whole()?;
        self.write().map_err(ProcessError::of_store)?;
        self.checkpoints.end(shard_id, ctx);
        // Its children are read next: their records must not be committed without this.
        self.commit().map_err(ProcessError::of_store)
    }
}

counter_methods!(StoredCounter);

impl fmt::Debug for StoredCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shards, watermark) = (self.checkpoints.len(), self.counter.watermark());
        write!(f, "stored counter of {shards} shards, watermark {watermark}")
    }
}

#[cfg(test)]
mod tests;
