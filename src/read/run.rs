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

use super::consumer::{Consumer, ConsumerReport, Ended, From, Lost, SKIPPED_KEPT, processor_failed};
use super::processor::{Checkpoint, Context, RecordProcessor, StreamId, Verdict};
use super::reader::{Page, ShardReader};
use crate::backoff::delay;
use crate::error::{Error, ErrorKind, Result};
use crate::notice::notice;
use crate::record::Batch;
use crate::runtime::{self, block_on};
use crate::stream::ShardProgress;
use crate::stream::{Shard, ready};
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
    Lost(Lost),
    Failed(Arc<str>, Error),
    Stop,
}

#[derive(Default)]
struct ShardState {
    /// Split or merged before it was opened. It has an end, and only there is it read through: an empty
    /// page before that says nothing, and what was put later lies in its children.
    closed: bool,
    parents: Vec<String>,
    since: Timestamp,
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
    began: Timestamp,
    until: Option<Instant>,
    until_caught_up: bool,
    begun: BTreeSet<String>,
    ended: BTreeSet<String>,
    active: BTreeMap<Arc<str>, ShardState>,
    /// Shards that ended while not all of their children are open, with their parents.
    waiting: BTreeMap<Arc<str>, Vec<String>>,
    /// Shards that were not yet read to their end, and are no longer listed.
    gone: Vec<Lost>,
    /// When to look for the children of shards that ended.
    relist: Option<Instant>,
    last_tick: Instant,
    /// Something was processed since the last tick.
    fresh: bool,
    report: Arc<Mutex<ConsumerReport>>,
}

impl Run {
    /// Lists the shards and opens them; when this returns, "latest" means this moment.
    pub(crate) fn begin(
        consumer: &Consumer,
        time: Option<Duration>,
        until_caught_up: bool,
        processor: &mut dyn RecordProcessor,
    ) -> Result<Run> {
        let stream = consumer.stream.clone();
        let id = StreamId { name: stream.shared_name(), created: stream.created() };
        let shards = block_on(async move {
            match stream.verify().await {
                // Too many begin at once; that says nothing of the stream.
                Err(error) if error.kind() != ErrorKind::LimitExceeded => Err(error),
                _ => stream.list_shards().await,
            }
        })?;
        let remembered = processor.checkpoints(&id).map_err(|error| processor_failed(&error.message))?;
        let (sender, deliveries) = channel();
        let epoch = Instant::now();
        let mut run = Run {
            consumer: consumer.clone(),
            deliveries,
            sender,
            readers: JoinSet::new(),
            epoch,
            began: Timestamp::now(),
            until: time.and_then(|time| epoch.checked_add(time)),
            until_caught_up,
            begun: BTreeSet::new(),
            ended: BTreeSet::new(),
            active: BTreeMap::new(),
            waiting: BTreeMap::new(),
            gone: Vec::new(),
            relist: None,
            last_tick: epoch,
            fresh: false,
            report: Arc::default(),
        };
        let first: Vec<Shard> = match &consumer.shard {
            Some(id) => match shards.iter().find(|shard| shard.id == *id) {
                Some(shard) => vec![shard.clone()],
                None => {
                    let known: Vec<&str> = shards.iter().map(|shard| shard.id.as_str()).collect();
                    return Err(Error::invalid(format!(
                        "stream {} has no shard {id}; it has {}",
                        consumer.stream.name(),
                        known.join(", ")
                    )));
                }
            },
            None => {
                if remembered.is_empty() && consumer.from == From::Latest {
                    // What closed shards hold is older than "latest".
                    let closed = shards.iter().filter(|shard| !shard.is_open()).map(|shard| shard.id.clone());
                    run.ended.extend(closed);
                }
                run.remember(&shards, &remembered);
                run.begun = run.ended.clone();
                ready(&shards, &run.begun, &run.ended).into_iter().cloned().collect()
            }
        };
        let first = first.into_iter().map(|shard| (run.first_position(&shard, &remembered), shard)).collect();
        run.open(first)?;
        if !remembered.is_empty() {
            run.settle(&shards);
        }
        Ok(run)
    }

    /// Takes over which shards have ended, as the processor remembers it.
    fn remember(&mut self, shards: &[Shard], remembered: &[Checkpoint]) {
        for checkpoint in remembered {
            let listed = shards.iter().find(|shard| shard.id == checkpoint.shard_id);
            if listed.is_some() && !checkpoint.ended {
                continue;
            }
            if !checkpoint.ended {
                let (shard_id, after) = (checkpoint.shard_id.clone(), checkpoint.arrival);
                self.gone.push(Lost { shard_id, after, before: None });
            }
            self.ended.insert(checkpoint.shard_id.clone());
            let parents = listed.map(Shard::parent_ids).unwrap_or_default();
            self.waiting.insert(checkpoint.shard_id.as_str().into(), parents);
        }
    }

    /// Where a shard that is there at the beginning is read from.
    fn first_position(&self, shard: &Shard, remembered: &[Checkpoint]) -> From {
        let from = &self.consumer.from;
        match remembered.iter().find(|checkpoint| checkpoint.shard_id == shard.id) {
            _ if remembered.is_empty() => from.clone(),
            Some(Checkpoint { sequence_number: Some(number), arrival, .. }) => {
                From::Checkpoint(number.clone(), *arrival)
            }
            // It was read, and there was nothing: "latest" was then.
            Some(checkpoint) if *from == From::Latest => From::AtTimestamp(checkpoint.arrival),
            Some(_) => from.clone(),
            None => self.position_of_child(),
        }
    }

    /// All that a child holds came after what its parents held; a start in the past stands.
    fn position_of_child(&self) -> From {
        match &self.consumer.from {
            From::AtTimestamp(time) => From::AtTimestamp(*time),
            _ => From::TrimHorizon,
        }
    }

    /// Of the shards that ended, keeps waiting for those with a child that is not open.
    fn settle(&mut self, shards: &[Shard]) {
        let begun = &self.begun;
        self.waiting.retain(|ended, _| {
            shards
                .iter()
                .any(|shard| !begun.contains(&shard.id) && shard.parent_ids().iter().any(|p| **p == **ended))
        });
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

    fn open(&mut self, shards: Vec<(From, Shard)>) -> Result<()> {
        let mut readers: Vec<ShardReader> = shards
            .iter()
            .map(|(from, shard)| {
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
        if shards.iter().any(|(from, _)| *from == From::Latest) {
            readers = block_on(async move {
                for reader in &mut readers {
                    reader.open_early().await?;
                }
                Ok::<_, Error>(readers)
            })?;
        }
        for ((from, shard), reader) in shards.into_iter().zip(readers) {
            self.readers.spawn_on(reader.run(), runtime::handle());
            let (closed, parents) = (!shard.is_open(), shard.parent_ids());
            let since = match from {
                From::Latest => self.began,
                From::AtTimestamp(time) | From::Checkpoint(_, time) => time,
                _ => self.consumer.stream.created(),
            };
            let state = ShardState { closed, parents, since, ..ShardState::default() };
            self.active.insert(shard.id.as_str().into(), state);
            self.begun.insert(shard.id);
        }
        Ok(())
    }

    /// Runs to the end; the processor is called on this thread alone.
    pub(crate) fn drive(mut self, processor: &mut dyn RecordProcessor) -> Result<ConsumerReport> {
        for lost in std::mem::take(&mut self.gone) {
            let ended = processor.shard_ended(&lost.shard_id, &mut self.context());
            ended.map_err(|error| processor_failed(&error.message))?;
            self.fresh = true;
            self.lost(lost);
        }
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
            Ok(Delivery::Lost(lost)) => self.lost(lost),
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

    fn lost(&mut self, lost: Lost) {
        notice(&lost.to_string());
        self.report().lost.push(lost);
    }

    fn shard_ended(&mut self, shard_id: &Arc<str>, processor: &mut dyn RecordProcessor) -> Result<()> {
        let state = self.active.remove(shard_id);
        self.ended.insert(shard_id.to_string());
        self.fresh = true;
        if self.consumer.shard.is_none() {
            self.relist = Some(Instant::now());
            self.waiting.insert(shard_id.clone(), state.map(|state| state.parents).unwrap_or_default());
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
            stream.verify().await.map(|_| shards)
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
        let children = children.into_iter().map(|shard| (self.position_of_child(), shard.clone())).collect();
        self.open(children)?;
        self.settle(&shards);
        Ok(None)
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
        let reading = self.active.iter().map(|(id, state)| ShardProgress {
            shard_id: id.clone(),
            parents: state.parents.clone(),
            since: state.since,
            answered: state.millis_behind.is_some(),
            idle: state.caught_up,
            ended: false,
        });
        let waiting = self.waiting.iter().map(|(id, parents)| ShardProgress {
            shard_id: id.clone(),
            parents: parents.clone(),
            since: self.consumer.stream.created(),
            answered: true,
            idle: false,
            ended: true,
        });
        Context {
            now: Timestamp::now(),
            millis_behind_latest: self.report().millis_behind_latest,
            shards: reading.chain(waiting).collect(),
        }
    }
}
