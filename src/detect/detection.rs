//! [`Detection`]: playbooks over a stream of events, and what comes of them.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::alert::Alert;
use super::alert_store::{AlertChange, AlertStore};
use super::detector::Detector;
use super::outbox::Outbox;
use super::playbooks::Playbooks;
use super::totals::DetectionTotals;
use crate::count::{ClocksAhead, Copies, RecentIds, Unparsed, UnparsedRecords, Watermark};
use crate::event::{Event, EventError};
use crate::format::AnyFormat;
use crate::read::{Checkpoint, Checkpoints, Context, ProcessError, RecordProcessor, StreamId};
use crate::record::{Batch, Record};
use crate::stream::Stream;
use crate::timestamp::Timestamp;

mod commit;
#[cfg(feature = "postgres")]
mod shared;

#[cfg(feature = "postgres")]
pub(crate) use shared::{KeysAndIds, KnownState};

const LATENESS: Duration = Duration::from_secs(30);

/// Watches a stream of events with playbooks, while their windows are open: an alert comes at the event
/// that is one too many, not when its window is over.
///
/// Each alert is written into the database once, together with the counts that it came from and the place
/// in the stream. After that, at each poll, it is delivered: to a callback, and to a stream from which
/// others learn whom to refuse. A crash between the two, and it is delivered again, with the same id: at
/// least once there, exactly once in the database.
///
/// An event counts once, also when a filter or an agent sent it twice. The alerts are a function of the
/// records, in the order in which they are read: the same records of a shard give the same alerts with the
/// same ids. Keys without the partition key are counted across shards, whose records are interleaved as
/// they come.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::{Detection, Playbook, Playbooks};
/// let log = Kinesis::local()?.create_stream("log", 1)?;
/// log.producer("192.0.2.66").interval(secs(1)).at_once().limit(100).start().join();
///
/// let playbooks = Playbooks::new(vec![Playbook::new("too many requests", 50)])?;
/// let mut detection = Detection::new(&playbooks).on_alert(|alert| println!("{alert}"));
/// log.consumer().trim_horizon().run_until_caught_up(&mut detection)?;
/// assert_eq!(detection.alerts().len(), 1);
/// assert_eq!(detection.alerts()[0].time.plain(0), "2018-09-06 08:00:49");
/// # Ok::<(), Error>(())
/// ```
///
/// One that survives its end, and tells others:
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::{Alerts, Detection, Playbook, Playbooks};
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-detection-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("alerts.db");
/// let kinesis = Kinesis::local()?;
/// let (log, alerts) = (kinesis.create_stream("log", 1)?, kinesis.create_stream("alerts", 1)?);
/// log.producer("192.0.2.66").interval(secs(1)).at_once().limit(100).start().join();
///
/// let playbooks = Playbooks::new(vec![Playbook::new("busy", 50).block_for(secs(600))])?;
/// let mut detection = Detection::new(&playbooks)
///     .lateness(secs(60))
///     .stored_in(&file)?
///     .alerts_to(&alerts)
///     .on_alert(|alert| println!("{alert}"));
/// log.consumer().trim_horizon().run_until_caught_up(&mut detection)?;
/// assert_eq!((detection.totals().alerts, detection.undelivered()), (1, 0));
/// // Nothing was set aside, no callback panicked, no playbook ran out of room, each record was an event.
/// assert_eq!((detection.undeliverable(), detection.callback_panics()), (0, 0));
/// assert_eq!((detection.beyond_memory().count(), detection.unparsed_samples().len()), (0, 0));
/// assert_eq!(detection.positions().count(), 1); // of the one shard
/// assert_eq!(Alerts::open(&file)?.all()?, detection.alerts());
/// # drop(detection);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It reads as its [`Consumer`](crate::Consumer) does: at the tip of a shard once a poll (2 reads a second and
/// shard by default), and up to five times a second while it is behind, which is all that the service allows
/// the readers of a shard together.
pub struct Detection {
    detector: Detector,
    playbooks: Playbooks,
    watermark: Watermark,
    copies: Copies,
    ids: RecentIds,
    store: Option<Box<dyn AlertStore>>,
    checkpoints: Checkpoints,
    dirty: bool,
    /// What the store could not take for now. What is found meanwhile comes after it.
    unwritten: Option<AlertChange>,
    /// Set off since the last commit.
    fresh: Vec<Alert>,
    outbox: Outbox,
    recent: VecDeque<Alert>,
    totals: DetectionTotals,
    unparsed: UnparsedRecords,
    clocks_ahead: ClocksAhead,
    format: AnyFormat,
}

impl Detection {
    /// Watches with these playbooks; in memory, until told otherwise.
    pub fn new(playbooks: &Playbooks) -> Detection {
        Detection {
            detector: Detector::new(playbooks),
            playbooks: playbooks.clone(),
            watermark: Watermark::new(LATENESS),
            copies: Copies::default(),
            ids: RecentIds::default(),
            store: None,
            checkpoints: Checkpoints::default(),
            dirty: false,
            unwritten: None,
            fresh: Vec::new(),
            outbox: Outbox::default(),
            recent: VecDeque::new(),
            totals: DetectionTotals::default(),
            unparsed: UnparsedRecords::default(),
            clocks_ahead: ClocksAhead::default(),
            format: AnyFormat::default(),
        }
    }

    /// Reads records in this format. Default: [`KnownForms`](crate::KnownForms), which is also what a
    /// [`Filter`](crate::Filter) writes, whatever it reads.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// use kinesis_lab::{Detection, LogFormat, Playbook, Playbooks};
    ///
    /// let stream = Kinesis::local()?.create_stream("log", 1)?;
    /// let line = r#"192.0.2.66 [01/Mar/2024:10:15:00 +0000] "GET / HTTP/1.1" 404"#;
    /// stream.put("any", [line; 3].join("\n"))?;
    /// let playbooks = Playbooks::new(vec![Playbook::new("misses", 3).when("status", &["404"])])?;
    /// let format = LogFormat::nginx(r#"$remote_addr [$time_local] "$request" $status"#)?;
    /// let mut detection = Detection::new(&playbooks).reading(format);
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut detection)?;
    /// assert_eq!(detection.alerts()[0].key, "192.0.2.66");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn reading(mut self, format: impl Into<AnyFormat>) -> Detection {
        self.format = format.into();
        self
    }

    /// By how much an event may be later than the newest one of its shard and still count. It delays no
    /// alert; windows are kept for so much longer. Default: 30 s.
    pub fn lateness(mut self, lateness: Duration) -> Detection {
        self.watermark = Watermark::new(lateness);
        self
    }

    /// Keeps what must survive it in a store.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn stored(mut self, store: Box<dyn AlertStore>) -> Detection {
        self.store = Some(store);
        self
    }

    /// Puts the alerts into a stream, but for those of playbooks that only monitor.
    pub fn alerts_to(mut self, stream: &Stream) -> Detection {
        self.outbox.to = Some(stream.clone());
        self
    }

    /// Calls a function with each alert, but for those of playbooks that only monitor: at least once, and
    /// again after a crash, with the same id. It runs on the consumer's thread, after the commit.
    pub fn on_alert(mut self, call: impl FnMut(&Alert) + Send + 'static) -> Detection {
        self.outbox.callbacks.push(Box::new(call));
        self
    }

    /// The last 10,000 alerts of this run, in the order in which they were set off.
    pub fn alerts(&self) -> Vec<Alert> {
        self.recent.iter().cloned().collect()
    }

    /// What it came to so far.
    pub fn totals(&self) -> DetectionTotals {
        DetectionTotals {
            undeliverable: self.outbox.undeliverable,
            callback_panics: self.outbox.callback_panics,
            ..self.totals
        }
    }

    /// Alerts that are in the database, and that could not be delivered yet.
    pub fn undelivered(&self) -> usize {
        self.outbox.len()
    }

    /// Alerts that the stream will never take, over all its runs as [`totals`](Detection::totals): they are in the
    /// database, callbacks have heard of them, and they are not tried again.
    pub fn undeliverable(&self) -> u64 {
        self.outbox.undeliverable
    }

    /// How often a callback panicked, over all its runs. The alert counts as delivered, and the next one is
    /// delivered as if nothing had been.
    pub fn callback_panics(&self) -> u64 {
        self.outbox.callback_panics
    }

    /// Events for which a playbook had no room, over all its runs, by the names of the playbooks that had any.
    pub fn beyond_memory(&self) -> impl Iterator<Item = (&str, u64)> {
        self.detector.beyond_memory()
    }

    /// How far event time has advanced.
    pub fn watermark(&self) -> Timestamp {
        self.watermark.current()
    }

    /// Whose clocks are ahead of the service's.
    pub fn clocks_ahead(&self) -> &ClocksAhead {
        &self.clocks_ahead
    }

    /// The first 100 records that did not parse, of up to 16 MiB, each with the reason.
    pub fn unparsed_samples(&self) -> &[Unparsed] {
        self.unparsed.samples()
    }

    /// Where each shard is.
    pub fn positions(&self) -> impl Iterator<Item = &Checkpoint> {
        self.checkpoints.iter()
    }

    fn observe(&mut self, shard_id: &str, record: &Record, found: std::result::Result<Event, EventError>) {
        let event = match found {
            Ok(event) => event,
            Err(error) => {
                self.totals.unparsed += 1;
                self.unparsed.add(shard_id, record, error.to_string());
                return;
            }
        };
        let forwarded_before =
            event.origin.as_ref().is_some_and(|origin| self.copies.is_copy(shard_id, origin, record.arrival));
        if forwarded_before {
            self.totals.duplicates += 1;
            return;
        }
        self.clocks_ahead.observe(shard_id, record, &event);
        if event.is_from_the_future(record.arrival) {
            self.totals.refused += 1;
            return;
        }
        self.watermark.observe_event(shard_id, &event, record.arrival);
        if event.id.as_ref().is_some_and(|id| self.ids.is_copy(id.raw(), event.time)) {
            self.totals.duplicates += 1;
            return;
        }
        let observed = self.detector.observe(&event);
        self.totals.late += observed.late;
        self.totals.overflow += observed.overflow;
        self.totals.alerts += observed.alerts.len() as u64;
        self.fresh.extend(observed.alerts);
    }
}

impl RecordProcessor for Detection {
    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.load(stream).map_err(ProcessError::of_store)
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        self.copies.follow(&ctx.shards);
        let format = self.format.clone();
        for record in &batch.records {
            format.read_record(record, &mut |found| self.observe(&batch.shard_id, record, found));
        }
        self.clocks_ahead.pass(batch);
        self.checkpoints.pass(batch);
        Ok(())
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.write().map_err(ProcessError::of_store)?;
        self.checkpoints.begin(ctx);
        self.copies.follow(&ctx.shards);
        let before = self.detector.completed_until();
        let watermark = self.watermark.advance(&ctx.shards);
        self.detector.complete(watermark);
        self.dirty |= watermark > before;
        self.commit().map_err(ProcessError::of_store)?;
        self.deliver(&ctx.stop())?;
        // What could not be delivered for good is counted now: there may be no next time.
        self.commit().map_err(ProcessError::of_store)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.write().map_err(ProcessError::of_store)?;
        self.checkpoints.end(shard_id, ctx);
        // Its children are read next: their records must not be committed without this.
        self.commit().map_err(ProcessError::of_store)
    }
}

impl fmt::Debug for Detection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let playbooks = self.playbooks.iter().count();
        write!(
            f,
            "detection with {playbooks} playbooks: {} alerts, watermark {}",
            self.totals.alerts,
            self.watermark()
        )
    }
}
