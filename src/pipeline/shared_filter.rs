//! [`SharedFilter`]: a filter of which each worker of a fleet has a shard.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;

use super::filter::{Filter, RECORDS_OF_A_CALL};
use crate::count::{Change, Fingerprint, SavedState, Totals, Unparsed};
use crate::error::Result;
use crate::event::Origin;
use crate::fleet::{FleetStore, ListShards, ShardAssignment, ShardChange, Tip};
use crate::postgres::{PostgresFleet, PostgresUrl};
use crate::read::{Checkpoint, Context, ProcessError, RecordProcessor, StreamId};
use crate::record::{Batch, Record};
use crate::stream::Stream;
use crate::timestamp::Timestamp;

/// The steps in which event time advances for all workers.
const STEP: Duration = Duration::from_millis(100);
/// A batch that is further ahead of event time, as this worker knows it, is sent in two parts.
const BEHIND: Duration = Duration::from_secs(5);

/// A [`Filter`] whose place many workers of the Kinesis Client Library share, in one database; made by
/// [`Filter::shared_in`].
///
/// Each worker's child sends the events of its shard on. Where the shard is, is written when all that it sent is
/// acknowledged, and refused where another worker has taken the shard since. A worker that was cut off may have sent a
/// batch by then that the other one sends again: its records have the same origins, and whoever counts the second stream
/// ([`Counter`](crate::Counter), [`Detection`](crate::Detection)) counts each event once.
///
/// Each record says how far event time has advanced over all shards of the first stream, as far as this worker knows: it
/// is told with each batch that it writes, so that is behind by a batch, or by 5 s at most, and moves in steps of 0.1 s.
/// While a shard is read by nobody, it stands still, and so do the windows of the second stream.
pub struct SharedFilter {
    filter: Filter,
    assignment: ShardAssignment,
    /// Of all shards, when this worker last wrote.
    event_time: Timestamp,
    /// What earlier workers of the shard could not read.
    unparsed_before: u64,
}

impl Filter {
    /// The same filter, for a worker of the Kinesis Client Library (feature `kcl`): of each shard one worker sends the
    /// events on, and all of them keep their places in one PostgreSQL database, whose address is as
    /// [`Postgres`](crate::Postgres) reads it. It takes tables of its own: in one database with a counter, each has a
    /// schema (`postgres://…/shop?options=-csearch_path%3Dfilter`).
    ///
    /// ```no_run
    /// use kinesis_lab::{Filter, StreamId, kcl::Child, prelude::*};
    ///
    /// // A child of the KCL's daemon, which starts this program for each shard that the worker has.
    /// fn main() -> Result<(), Error> {
    ///     let kinesis = Kinesis::aws().connect()?;
    ///     let (stream, log) = (kinesis.stream("shop")?, kinesis.stream("shop-log")?);
    ///     let filter = Filter::new(&log, |event| !event.fields["path"].starts_with("/static/"));
    ///     let mut filter = filter.shared_in("postgres://ann@db.example/filter", &stream)?;
    ///     Child::new().stream(&StreamId::new(stream.name(), stream.created())).run(&mut filter)?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the address does not read as one. Nothing is asked
    /// of the database before a shard is taken; it is waited for where it does not answer.
    pub fn shared_in(self, url: &str, stream: &Stream) -> Result<SharedFilter> {
        let store = PostgresFleet::new(&PostgresUrl::parse(url)?)?;
        let (id, of) = (StreamId::new(stream.name(), stream.created()), stream.clone());
        Ok(SharedFilter::new(self, Box::new(store), id, Box::new(move || of.shards())))
    }
}

impl SharedFilter {
    fn new(filter: Filter, store: Box<dyn FleetStore>, stream: StreamId, list: ListShards) -> SharedFilter {
        let assignment = ShardAssignment::new(store, stream, list);
        SharedFilter { filter, assignment, event_time: Timestamp::MIN, unparsed_before: 0 }
    }

    /// Events that this worker has sent on.
    pub fn kept(&self) -> u64 {
        self.filter.kept()
    }

    /// Events that it has not.
    pub fn dropped(&self) -> u64 {
        self.filter.dropped()
    }

    /// The first 100 records that it could not read, of up to 16 MiB, each with the reason.
    pub fn unparsed_samples(&self) -> &[Unparsed] {
        self.filter.unparsed_samples()
    }

    fn take(&mut self, shard_id: &str) -> Result<()> {
        let stream = self.assignment.stream.clone();
        // Event time advances as a watermark of windows does, so short ones of which nothing is counted.
        let fingerprint = Fingerprint::new(stream, STEP, STEP);
        let fingerprint = Fingerprint { key: format!("sent on to {}", self.filter.target()), ..fingerprint };
        let saved = self.assignment.take(shard_id, &fingerprint, Duration::ZERO, None)?;
        self.restore(&saved);
        self.unparsed_before = saved.totals.unparsed.saturating_sub(self.filter.unparsed());
        Ok(())
    }

    fn restore(&mut self, saved: &SavedState) {
        self.event_time = self.event_time.max(saved.watermark);
    }

    /// Sends a batch on, to be written.
    fn send(&mut self, batch: &Batch, ctx: &Context) -> Result<(), ProcessError> {
        let origin = Origin {
            watermark: self.event_time,
            after: self.never_again(&batch.records),
            ..self.filter.origin(batch)
        };
        self.filter.whole(batch, |filter| send(filter, batch, &origin, &ctx.stop()))?;
        self.assignment.shard_of(&batch.shard_id)?.push(batch);
        Ok(())
    }

    /// How far event time is now that this worker has written.
    fn ask_event_time(&mut self) -> Result<()> {
        self.assignment.complete_now()?;
        self.assignment.shard.iter_mut().for_each(|shard| shard.stale = true);
        if let Some(saved) = self.assignment.reload_if_stale()? {
            self.restore(&saved);
        }
        Ok(())
    }

    /// Up to where nobody sends anything again: it is written. Of an aggregate of which a part is, the rest is still to
    /// come under the same number.
    fn never_again(&self, records: &[Record]) -> Option<String> {
        let written = &self.assignment.shard.as_ref()?.claim.position.as_ref()?.sequence_number;
        records.iter().all(|record| record.sequence_number != *written).then(|| written.clone())
    }

    /// Writes where the shard is; again, if it could not be written before.
    fn write(&mut self, now: Timestamp, tip: Tip) -> Result<()> {
        if let Some(saved) = self.assignment.reload_if_stale()? {
            self.restore(&saved);
        }
        let ShardAssignment { store, shard: Some(shard), .. } = &mut self.assignment else { return Ok(()) };
        if !shard.has_news(now, tip.reached) {
            return Ok(());
        }
        shard.stale = true;
        let (position, arrival) = shard.next_position();
        let newest_event = self.filter.newest_event(&shard.claim.shard_id);
        let unparsed = self.unparsed_before + self.filter.unparsed();
        let event_time = &mut self.event_time;
        store.write(&shard.claim, &mut |watermark| {
            *event_time = watermark.max(*event_time);
            let totals = Totals { unparsed, ..Totals::default() };
            let change = Change { totals, watermark, oldest_pane: Timestamp::MIN, ..Change::default() };
            ShardChange { change, position: position.clone(), arrival, newest_event, tip }
        })?;
        shard.written(now, tip.reached);
        Ok(())
    }
}

/// How many records share the last one's number: an aggregate is not cut.
fn last_of(records: &[Record]) -> usize {
    let last = records.last().map(|record| &record.sequence_number);
    records.iter().rev().take_while(|record| Some(&record.sequence_number) == last).count()
}

fn send(
    filter: &mut Filter,
    batch: &Batch,
    origin: &Origin,
    stop: &watch::Receiver<bool>,
) -> Result<(), ProcessError> {
    for records in batch.records.chunks(RECORDS_OF_A_CALL) {
        let selected = filter.select(&batch.shard_id, records);
        filter.put(selected, origin, stop)?;
    }
    Ok(())
}

impl RecordProcessor for SharedFilter {
    fn shard_taken(&mut self, shard_id: &str, _: &mut Context) -> Result<(), ProcessError> {
        self.take(shard_id).map_err(ProcessError::of_store)
    }

    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.assignment.checkpoints(
            stream,
            "this filter's places are",
            "a filter that a fleet shares has a shard a worker: run this as a child of the Kinesis Client Library \
             (kinesis_lab::kcl::run), or, in one process, use stored_in",
        )
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        let batch = Batch { stream: self.assignment.stream.name.clone(), ..batch.clone() };
        let Some(mut batch) = self.assignment.shard_of(&batch.shard_id)?.uncovered(&batch) else {
            return Ok(());
        };
        // After an outage there may be an hour in a batch, and no other for long: its last record says how far event time
        // is behind the others. Before the first is sent, nothing is known of that.
        let is_behind = |record: &Record| record.arrival > self.event_time + BEHIND;
        let at = batch.records.len() - last_of(&batch.records);
        if at > 0 && batch.records.last().is_some_and(is_behind) {
            let last = batch.records.split_off(at);
            self.send(&batch, ctx)?;
            self.write(ctx.now, Tip::default()).map_err(ProcessError::of_store)?;
            self.ask_event_time().map_err(ProcessError::of_store)?;
            batch.records = last;
        }
        self.send(&batch, ctx)
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        let tip = self.assignment.shard.as_ref().map_or(Tip::default(), |shard| shard.tip(ctx));
        self.write(ctx.now, tip).map_err(ProcessError::of_store)?;
        self.assignment.complete(ctx.now).map_err(ProcessError::of_store)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.write(ctx.now, Tip::default()).map_err(ProcessError::of_store)?;
        self.assignment.end(shard_id)
    }
}

impl fmt::Debug for SharedFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shard = self.assignment.shard.as_ref().map_or("no shard", |shard| &shard.claim.shard_id);
        write!(f, "{:?}, of {shard}, its place in {}", self.filter, self.assignment.store.place())
    }
}
