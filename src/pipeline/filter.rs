//! [`Filter`]: keeps or drops events, and sends on what it keeps.

use std::fmt;
use std::time::Duration;

use crate::count::{ClocksAhead, Store, Unparsed, UnparsedRecords, Watermark};
use crate::error::Result;
use crate::event::Event;
use crate::format::AnyFormat;
use crate::read::{Checkpoint, Checkpoints, Context, ProcessError, RecordProcessor, StreamId};
use crate::record::Batch;
use crate::stream::Stream;

mod place;
mod sending;

/// PutRecords takes so many.
pub(super) const RECORDS_OF_A_CALL: usize = 500;

/// Reads events, and puts those that it is to keep into another stream.
///
/// An event is sent on as JSON under its key, with one more member: its [`Origin`](crate::Origin), the record of the
/// first stream that it was. A filter that crashes sends the last batch again when it is back; whoever
/// counts the second stream ([`Counter`](crate::Counter), [`Detection`](crate::Detection)) knows the
/// copies by their origin, and counts each event once.
///
/// A batch is sent, and acknowledged record by record, before its checkpoint is saved, and only then the
/// next one begins: nothing is lost, and what may come twice is one batch.
///
/// When its run is asked to stop, it waits for the second stream for two seconds more; the batch is the next
/// run's then.
///
/// It reads as its [`Consumer`](crate::Consumer) does: at the tip of a shard once a poll (2 reads a second and
/// shard by default), and up to five times a second while it is behind, which is all that the service allows
/// the readers of a shard together.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::Filter;
/// let kinesis = Kinesis::local()?;
/// let (events, log) = (kinesis.create_stream("events", 1)?, kinesis.create_stream("log", 1)?);
/// events.put("192.0.2.10", r#"{"time":"2018-09-06T08:04:56Z","path":"/"}"#)?;
/// events.put("192.0.2.10", r#"{"time":"2018-09-06T08:04:57Z","path":"/static/app.css"}"#)?;
///
/// let mut filter = Filter::new(&log, |event| !event.fields["path"].starts_with("/static/"));
/// events.consumer().trim_horizon().run_until_caught_up(&mut filter)?;
/// assert_eq!((filter.kept(), filter.dropped()), (1, 1));
/// # Ok::<(), Error>(())
/// ```
///
/// One that goes on where it was, and is the second one between its two streams:
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::Filter;
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-filter-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("filter.db");
/// # let kinesis = Kinesis::local()?;
/// # let (events, log) = (kinesis.create_stream("events", 1)?, kinesis.create_stream("log", 1)?);
/// for second in 56..58 {
///     events.put("192.0.2.10", format!("2018-09-06T08:04:{second}Z"))?;
///     let mut filter = Filter::new(&log, |_| true).named("all").stored_in(&file)?;
///     events.consumer().trim_horizon().run_until_caught_up(&mut filter)?;
///     assert_eq!((filter.kept(), filter.unparsed()), (1, 0));
///     assert_eq!((filter.positions().count(), filter.unparsed_samples().len()), (1, 0));
/// }
///
/// // What `stored_in` does: here a `Store` of your own may stand.
/// let store = kinesis_lab::Sqlite::open(&file)?;
/// let mut filter = Filter::new(&log, |_| true).named("all").stored(Box::new(store));
/// events.consumer().trim_horizon().run_until_caught_up(&mut filter)?;
/// assert_eq!(filter.kept(), 0); // both are behind it
/// # drop(filter);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Filter {
    to: Stream,
    name: Option<String>,
    keep: Predicate,
    store: Option<Box<dyn Store>>,
    stream: Option<StreamId>,
    checkpoints: Checkpoints,
    /// A batch was sent on, and its place could not be saved for now.
    unsaved: bool,
    /// Without lateness: how far event time has advanced in the shards that are read.
    watermark: Watermark,
    kept: u64,
    dropped: u64,
    unparsed: UnparsedRecords,
    clocks_ahead: ClocksAhead,
    format: AnyFormat,
}

type Predicate = Box<dyn FnMut(&Event) -> bool + Send>;

impl Filter {
    /// A filter that sends on to this stream what the function says to keep.
    pub fn new(to: &Stream, keep: impl FnMut(&Event) -> bool + Send + 'static) -> Filter {
        Filter::boxed(to, Box::new(keep))
    }

    // Apart from the generic part, so that a notebook cell compiles only that.
    fn boxed(to: &Stream, keep: Predicate) -> Filter {
        Filter {
            to: to.clone(),
            name: None,
            keep,
            store: None,
            stream: None,
            checkpoints: Checkpoints::default(),
            unsaved: false,
            watermark: Watermark::new(Duration::ZERO),
            kept: 0,
            dropped: 0,
            unparsed: UnparsedRecords::default(),
            clocks_ahead: ClocksAhead::default(),
            format: AnyFormat::default(),
        }
    }

    /// Reads records in this format. Default: [`KnownForms`](crate::KnownForms). What it sends on, that reads,
    /// whatever this is: events of another format, and several of one record, go together as JSON with all that was
    /// read of each, and what counts the second stream counts each once.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// use kinesis_lab::{Filter, JsonFormat};
    ///
    /// let kinesis = Kinesis::local()?;
    /// let (events, log) = (kinesis.create_stream("events", 1)?, kinesis.create_stream("log", 1)?);
    /// events.put("any", "{\"at\": 1709288100, \"page\": \"/\"}\n{\"at\": 1709288101, \"page\": \"/pay\"}")?;
    /// let mut filter = Filter::new(&log, |_| true).reading(JsonFormat::new().key(&["page"]).time("at"));
    /// events.consumer().trim_horizon().run_until_caught_up(&mut filter)?;
    ///
    /// let mut counter = Counter::per_minute();
    /// log.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    /// assert_eq!(counter.to_string(), "2024-03-01 10:15:00 : [('/', 1), ('/pay', 1)]\n");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn reading(mut self, format: impl Into<AnyFormat>) -> Filter {
        self.format = format.into();
        self
    }

    /// A name of its own, for the second one of two filters between the same two streams: what the one has
    /// behind it, the other may have before it, and their records must not be taken for copies of each other.
    pub fn named(mut self, name: &str) -> Filter {
        self.name = Some(name.to_owned());
        self
    }

    /// Keeps its place in the stream in an SQLite file, so that a later run goes on from there.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) when the file can't be used.
    #[cfg(feature = "sqlite")]
    pub fn stored_in(self, path: impl AsRef<std::path::Path>) -> Result<Filter> {
        Ok(self.stored(Box::new(crate::sqlite::Sqlite::open(path)?)))
    }

    /// The same, in a store of your own; of a [`Change`](crate::Change), only the checkpoints are set.
    pub fn stored(mut self, store: Box<dyn Store>) -> Filter {
        self.store = Some(store);
        self
    }

    /// Events that were sent on, by this filter since it was made.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Events that were not.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Records that did not parse as an event, or are so large that their origin finds no room beside them:
    /// they were not sent on.
    pub fn unparsed(&self) -> u64 {
        self.unparsed.count()
    }

    /// The first 100 of these, of up to 16 MiB, each with the reason.
    pub fn unparsed_samples(&self) -> &[Unparsed] {
        self.unparsed.samples()
    }

    /// Whose clocks are ahead of the service's.
    pub fn clocks_ahead(&self) -> &ClocksAhead {
        &self.clocks_ahead
    }

    /// Where each shard is.
    pub fn positions(&self) -> impl Iterator<Item = &Checkpoint> {
        self.checkpoints.iter()
    }
}

impl Filter {
    /// Sends a batch on, or has counted nothing of it.
    pub(super) fn whole(
        &mut self,
        batch: &Batch,
        send: impl FnOnce(&mut Filter) -> Result<(), ProcessError>,
    ) -> Result<(), ProcessError> {
        let (kept, dropped, unparsed) = (self.kept, self.dropped, self.unparsed.count());
        let (watermark, clocks_ahead) = (self.watermark.clone(), self.clocks_ahead.clone());
        if let Err(error) = send(self) {
            // Counted again with the batch, whoever reads it; and its events are still to come.
            (self.kept, self.dropped, self.watermark) = (kept, dropped, watermark);
            self.unparsed.restore(unparsed);
            self.clocks_ahead = clocks_ahead;
            return Err(error);
        }
        self.clocks_ahead.pass(batch);
        Ok(())
    }
}

impl RecordProcessor for Filter {
    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.load(stream).map_err(ProcessError::of_store)
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        if self.unsaved && self.has_forwarded(batch) {
            return self.save();
        }
        self.whole(batch, |filter| filter.forward(batch, ctx))?;
        self.checkpoints.pass(batch);
        self.save()
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.watermark.advance(&ctx.shards);
        self.checkpoints.begin(ctx);
        self.save()
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.checkpoints.end(shard_id, ctx);
        self.save()
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter into {}: {} kept, {} dropped", self.to.name(), self.kept, self.dropped)?;
        match self.unparsed.count() {
            0 => Ok(()),
            n => write!(f, ", {n} did not parse"),
        }
    }
}
