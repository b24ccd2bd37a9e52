//! One run of a consumer: readers deliver, one loop processes.
//!
//! The readers (one async task a shard) only do I/O. Everything that a processor sees happens in
//! [`Run::drive`], on the thread that called it, one delivery after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::consumer::{Consumer, ConsumerReport, Ended, From, SKIPPED_KEPT, processor_failed};
use crate::error::{Error, ErrorKind, Result};
use crate::notice::notice;
use crate::processor::{Context, RecordProcessor, Verdict};
use crate::put_queue::delay;
use crate::record::Batch;
use crate::runtime::{self, block_on};
use crate::shard::{Shard, ready};
use crate::shard_reader::{Page, ShardReader};
use crate::text::printable;
use crate::timestamp::Timestamp;

/// How often a batch is delivered again before *retry* becomes *stop*.
const RETRIES: u32 = 10;
/// A shard that doesn't answer delays the `tick` of a poll by no more than this.
const TICK_GRACE: Duration = Duration::from_millis(500);
/// How long to wait before the shards are listed again after that failed.
const RELIST: Duration = Duration::from_secs(1);

/// What readers, and whoever stops the run, tell the loop.
pub(crate) enum Delivery {
    Page(Arc<str>, Page),
    ShardEnded(Arc<str>),
    Retrying(Arc<str>, Error),
    Failed(Arc<str>, Error),
    Stop,
}

#[derive(Default)]
struct ShardState {
    /// Split or merged before it was opened. It has an end, and only there is it read through: an empty
    /// page before that says nothing, and what was put later lies in its children.
    closed: bool,
    /// Read to its tip in the present poll.
    polled: bool,
    caught_up: bool,
    millis_behind: Option<u64>,
    /// Set until the first page comes.
    unread: Option<Error>,
}

pub(crate) struct Run {
    consumer: Consumer,
    deliveries: Receiver<Delivery>,
    sender: Sender<Delivery>,
    // Dropping it ends the readers, however the run ends: also when a processor panics.
    readers: JoinSet<()>,
    epoch: Instant,
    until: Option<Instant>,
    until_caught_up: bool,
    begun: BTreeSet<String>,
    ended: BTreeSet<String>,
    active: BTreeMap<Arc<str>, ShardState>,
    /// When to look for the children of shards that ended.
    relist: Option<Instant>,
    last_tick: Instant,
    /// Something was processed since the last tick.
    fresh: bool,
    report: Arc<Mutex<ConsumerReport>>,
}

impl Run {
    /// Lists the shards and opens them; when this returns, "latest" means this moment.
    pub(crate) fn begin(consumer: &Consumer, time: Option<Duration>, until_caught_up: bool) -> Result<Run> {
        let stream = consumer.stream.clone();
        let shards = block_on(async move {
            match stream.look().await {
                // Too many begin at once; that says nothing of the stream.
                Err(error) if error.kind() != ErrorKind::LimitExceeded => Err(error),
                _ => stream.list_shards().await,
            }
        })?;
        let (sender, deliveries) = channel();
        let epoch = Instant::now();
        let mut run = Run {
            consumer: consumer.clone(),
            deliveries,
            sender,
            readers: JoinSet::new(),
            epoch,
            until: time.and_then(|time| epoch.checked_add(time)),
            until_caught_up,
            begun: BTreeSet::new(),
            ended: BTreeSet::new(),
            active: BTreeMap::new(),
            relist: None,
            last_tick: epoch,
            fresh: false,
            report: Arc::default(),
        };
        let first: Vec<Shard> = match &consumer.shard {
            Some(id) if shards.iter().any(|shard| shard.id == *id) => {
                shards.into_iter().filter(|shard| shard.id == *id).collect()
            }
            Some(id) => {
                let known: Vec<&str> = shards.iter().map(|shard| shard.id.as_str()).collect();
                return Err(Error::invalid(format!(
                    "stream {} has no shard {id}; it has {}",
                    consumer.stream.name(),
                    known.join(", ")
                )));
            }
            None => {
                if consumer.from == From::Latest {
                    // What closed shards hold is older than "latest".
                    let closed = shards.iter().filter(|shard| !shard.is_open()).map(|shard| shard.id.clone());
                    run.ended.extend(closed);
                    run.begun = run.ended.clone();
                }
                ready(&shards, &run.begun, &run.ended).into_iter().cloned().collect()
            }
        };
        run.open(first, &consumer.from)?;
        Ok(run)
    }

    /// For whoever wants to stop the run from another thread.
    pub(crate) fn stopper(&self) -> Sender<Delivery> {
        self.sender.clone()
    }

    /// The report, kept up to date while the run goes on.
    pub(crate) fn shared_report(&self) -> Arc<Mutex<ConsumerReport>> {
        self.report.clone()
    }

    fn report(&self) -> MutexGuard<'_, ConsumerReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&mut self, shards: Vec<Shard>, from: &From) -> Result<()> {
        let mut readers: Vec<ShardReader> = shards
            .iter()
            .map(|shard| {
                ShardReader::new(
                    &self.consumer,
                    &shard.id,
                    from.clone(),
                    self.until_caught_up,
                    self.epoch,
                    self.stopper(),
                )
            })
            .collect();
        if *from == From::Latest {
            readers = block_on(async move {
                for reader in &mut readers {
                    reader.open_early().await?;
                }
                Ok::<_, Error>(readers)
            })?;
        }
        for (shard, reader) in shards.into_iter().zip(readers) {
            self.readers.spawn_on(reader.run(), runtime::handle());
            let state = ShardState { closed: !shard.is_open(), ..ShardState::default() };
            self.active.insert(shard.id.as_str().into(), state);
            self.begun.insert(shard.id);
        }
        Ok(())
    }

    /// Runs to the end; the processor is called on this thread alone.
    pub(crate) fn drive(mut self, processor: &mut dyn RecordProcessor) -> Result<ConsumerReport> {
        let ended = loop {
            if let Some(ended) = self.step(processor)? {
                break ended;
            }
        };
        if self.fresh {
            self.tick(processor)?;
        }
        if ended == Ended::Time
            && let Some(error) = self.active.values_mut().find_map(|shard| shard.unread.take())
        {
            return Err(error); // the whole run went by without one answer for this shard
        }
        let mut report = self.report();
        report.ended = Some(ended);
        Ok(report.clone())
    }

    /// Waits for one delivery, or until something is due, and deals with it.
    fn step(&mut self, processor: &mut dyn RecordProcessor) -> Result<Option<Ended>> {
        let now = Instant::now();
        if self.until.is_some_and(|until| until <= now) {
            return Ok(Some(Ended::Time));
        }
        let forced_tick = self.last_tick + self.consumer.poll_every + TICK_GRACE;
        let due =
            [Some(forced_tick), self.until, self.relist].into_iter().flatten().min().unwrap_or(forced_tick);
        match self.deliveries.recv_timeout(due.saturating_duration_since(now)) {
            Ok(Delivery::Page(shard, page)) => self.page(&shard, page, processor)?,
            Ok(Delivery::ShardEnded(shard)) => self.shard_ended(&shard, processor)?,
            Ok(Delivery::Retrying(shard, error)) => {
                self.report().retries += 1;
                if let Some(state) = self.active.get_mut(&shard) {
                    state.caught_up = false;
                    if state.millis_behind.is_none() {
                        state.unread = Some(error);
                    }
                }
            }
            // AWS calls an iterator or a position of an earlier stream of the name an invalid argument.
            Ok(Delivery::Failed(shard, error))
                if error.is_stream_not_found() || error.kind() == ErrorKind::InvalidInput =>
            {
                if self.stream_is_gone()? {
                    return Ok(Some(self.gone()));
                }
                if !error.is_stream_not_found() {
                    return Err(error);
                }
                // The stream is there: only the shard has outlived its retention.
                self.shard_ended(&shard, processor)?;
            }
            Ok(Delivery::Failed(_, error)) => return Err(error),
            Ok(Delivery::Stop) => return Ok(Some(Ended::Stopped)),
            // The loop holds a sender itself: it can't be disconnected.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if let Some(ended) = self.find_children()? {
            return Ok(Some(ended));
        }
        let polled = !self.active.is_empty() && self.active.values().all(|shard| shard.polled);
        if polled || Instant::now() >= forced_tick {
            self.tick(processor)?;
        }
        if self.relist.is_some() {
            return Ok(None);
        }
        if self.active.is_empty() {
            return Ok(Some(Ended::ShardsEnded));
        }
        let caught_up = self.until_caught_up && self.active.values().all(|shard| shard.caught_up);
        Ok((caught_up && self.none_has_closed()?).then_some(Ended::CaughtUp))
    }

    /// Whether the shards at whose tips we are still are the stream's tips: one that was split or
    /// merged while it was read may have children with records in them already.
    fn none_has_closed(&mut self) -> Result<bool> {
        if self.consumer.shard.is_some() {
            return Ok(true);
        }
        let stream = self.consumer.stream.clone();
        let shards = match block_on(async move { stream.list_shards().await }) {
            Ok(shards) => shards,
            Err(error) if error.is_stream_not_found() => return Ok(true),
            // Asked again after the next page.
            Err(error) if error.is_transient() => {
                self.report().retries += 1;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        for shard in shards.iter().filter(|shard| !shard.is_open()) {
            if let Some(state) = self.active.get_mut(shard.id.as_str()) {
                (state.closed, state.caught_up) = (true, false);
            }
        }
        Ok(self.active.values().all(|shard| shard.caught_up))
    }

    fn page(&mut self, shard_id: &Arc<str>, page: Page, processor: &mut dyn RecordProcessor) -> Result<()> {
        if let Some(state) = self.active.get_mut(shard_id) {
            state.polled |= page.poll_done;
            state.caught_up = page.caught_up && !state.closed;
            state.millis_behind = Some(page.millis_behind_latest);
            state.unread = None;
        }
        let behind = self.active.values().filter_map(|shard| shard.millis_behind).max();
        self.report().millis_behind_latest = behind;
        if page.records.is_empty() {
            return Ok(());
        }
        let stream = self.consumer.stream.shared_name();
        let batch = Batch { stream, shard_id: shard_id.clone(), records: page.records };
        self.process(batch, processor)
        // Only now the page's permit goes back, and its reader may fetch another one.
    }

    fn process(&mut self, batch: Batch, processor: &mut dyn RecordProcessor) -> Result<()> {
        let mut failures = 0;
        let skipped = loop {
            let Err(error) = processor.process(&batch, &mut self.context()) else { break None };
            match error.verdict {
                Verdict::Skip => break Some(error.message),
                Verdict::Retry if failures < RETRIES => {
                    failures += 1;
                    std::thread::sleep(delay(failures, &mut fastrand::Rng::new()));
                }
                Verdict::Retry | Verdict::Stop => return Err(processor_failed(&error.message)),
            }
        };
        self.fresh = true;
        let mut report = self.report();
        if let Some(last) = batch.records.last() {
            report.positions.insert(batch.shard_id.to_string(), last.sequence_number.clone());
        }
        let records = batch.records.len() as u64;
        match skipped {
            None => {
                report.records += records;
                report.bytes += batch.bytes();
            }
            Some(message) => {
                report.skipped_records += records;
                if report.skipped.len() < SKIPPED_KEPT {
                    // It may quote the record, and a report is there to be printed.
                    let message = printable(message.as_bytes()).into_owned();
                    report.skipped.push_back((batch, message));
                }
            }
        }
        Ok(())
    }

    fn shard_ended(&mut self, shard_id: &Arc<str>, processor: &mut dyn RecordProcessor) -> Result<()> {
        self.active.remove(shard_id);
        self.ended.insert(shard_id.to_string());
        if self.consumer.shard.is_none() {
            self.relist = Some(Instant::now());
        }
        let ended = processor.shard_ended(shard_id, &mut self.context());
        ended.map_err(|error| processor_failed(&error.message))
    }

    /// After a shard ended: its children, and theirs, may be read now.
    fn find_children(&mut self) -> Result<Option<Ended>> {
        if self.relist.is_none_or(|due| due > Instant::now()) {
            return Ok(None);
        }
        let stream = self.consumer.stream.clone();
        let listed = block_on(async move {
            let shards = stream.list_shards().await?;
            // Looked at afterwards, or they may be the shards of another stream.
            stream.look().await.map(|_| shards)
        });
        let shards: Vec<Shard> = match listed {
            Ok(shards) => shards,
            Err(error) if error.is_transient() || error.kind() == ErrorKind::LimitExceeded => {
                self.report().retries += 1;
                self.relist = Some(Instant::now() + RELIST);
                return Ok(None);
            }
            Err(error) if error.is_stream_not_found() => {
                // Readers that are left notice it too, behind the pages that they have delivered.
                self.relist = None;
                return Ok(self.active.is_empty().then(|| self.gone()));
            }
            Err(error) => return Err(error),
        };
        self.relist = None;
        let children = ready(&shards, &self.begun, &self.ended);
        let children = children.into_iter().cloned().collect();
        // All that a child holds came after what its parents held; a start in the past stands.
        let from = match &self.consumer.from {
            From::AtTimestamp(time) => From::AtTimestamp(*time),
            _ => From::TrimHorizon,
        };
        self.open(children, &from).map(|()| None)
    }

    /// Says why the run ends.
    fn gone(&self) -> Ended {
        notice(&self.consumer.stream.farewell());
        Ended::StreamDeleted
    }

    /// Whether it was deleted; one created again under its name is another stream.
    fn stream_is_gone(&self) -> Result<bool> {
        match self.consumer.stream.describe() {
            Ok(found) => Ok(found.status == "DELETING"),
            Err(error) if error.is_stream_not_found() => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn tick(&mut self, processor: &mut dyn RecordProcessor) -> Result<()> {
        self.last_tick = Instant::now();
        self.fresh = false;
        self.active.values_mut().for_each(|shard| shard.polled = false);
        processor.tick(&mut self.context()).map_err(|error| processor_failed(&error.message))
    }

    fn context(&self) -> Context {
        Context { millis_behind_latest: self.report().millis_behind_latest, ..Context::at(Timestamp::now()) }
    }
}
