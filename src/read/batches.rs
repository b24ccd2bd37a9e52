//! [`Batches`]: a consumer as a stream of batches, for async code.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::beginning::Beginning;
use super::options::ReadOptions;
use super::position::Position;
use super::processor::Checkpoint;
use super::report::{ConsumerReport, SharedReport};
use super::run::Step;
use crate::error::{Error, Result};
use crate::record::Batch;
use crate::runtime::current;
use crate::stop::Stop;

/// Records of a shard, and up to where it is processed once they are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckpointedBatch {
    /// The records; none, when it is the shard's end that is told, or the moment that "latest" was.
    pub batch: Batch,
    /// To be kept when the records are processed: [`Batches::resume`] goes on from it. A shard's end is a
    /// checkpoint that is [`ended`](Checkpoint::ended): its children's records come after it.
    pub checkpoint: Checkpoint,
}

/// The records of a stream as a [`futures_core::Stream`] of batches; made by
/// [`Consumer::batches`](crate::Consumer::batches).
///
/// It begins when it is first polled, which is when "latest" is, or with [`begin`](Self::begin); it reads on
/// the tokio runtime of whoever does that (on one of this crate's own where there is none), at most two pages
/// of a shard ahead. Dropping it ends the reading. It ends when the stream is deleted, when all shards have
/// ended, or, told so by [`until_caught_up`](crate::Consumer::until_caught_up), at their tips; after an error
/// there is nothing more.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
/// # runtime.block_on(async {
/// let stream = Kinesis::local()?.create_stream_async("batches", 1).await?;
/// # let put = || stream.put("key", "data");
/// put()?;
/// let consumer = stream.consumer().trim_horizon().until_caught_up();
///
/// let mut saved = Vec::new();
/// let mut batches = consumer.batches();
/// while let Some(next) = batches.next().await {
///     let next = next?;
///     assert_eq!(next.batch.records[0].data, b"data");
///     saved.push(next.checkpoint); // with what came of the records, in one transaction
/// }
/// assert_eq!((saved.len(), batches.report().ended), (1, Some(Ended::CaughtUp)));
///
/// put()?;
/// let mut batches = consumer.batches().resume(saved);
/// batches.begin().await?;
/// assert_eq!(batches.next().await.expect("a batch")?.batch.records.len(), 1);
/// assert!(batches.next().await.is_none());
/// # Ok::<(), Error>(())
/// # })?;
/// # Ok::<(), Error>(())
/// ```
#[must_use = "nothing is read before it is polled"]
pub struct Batches {
    state: Phase,
    report: SharedReport,
    /// Of the page whose last batch was handed out last, and its shard.
    permit: Option<(Arc<str>, OwnedSemaphorePermit)>,
}

enum Phase {
    Told(Box<ReadOptions>, Vec<Checkpoint>),
    Begun(Reading),
    Over,
}

struct Reading {
    told: Receiver<Told>,
    task: JoinHandle<()>,
}

/// What the task of a run tells.
enum Told {
    Begun,
    Batch(Box<CheckpointedBatch>, Option<OwnedSemaphorePermit>),
    Failed(Error),
}

impl Batches {
    pub(super) fn new(options: &ReadOptions) -> Batches {
        let state = Phase::Told(Box::new(options.clone()), Vec::new());
        Batches { state, report: SharedReport::default(), permit: None }
    }

    /// Goes on from checkpoints that an earlier run led to, the last one of each shard: a shard that had ended
    /// is not read, one that is not among them is read from its first record on. Once it has begun, this
    /// changes nothing.
    pub fn resume(mut self, checkpoints: Vec<Checkpoint>) -> Batches {
        if let Phase::Told(_, remembered) = &mut self.state {
            *remembered = checkpoints;
        }
        self
    }

    /// Lists the shards and opens them; "latest" is the moment at which this ends.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound) and whatever else keeps the shards from
    /// being listed.
    pub async fn begin(&mut self) -> Result<()> {
        if !matches!(self.state, Phase::Told(..)) {
            return Ok(());
        }
        match std::future::poll_fn(|context| self.poll_told(context)).await {
            Some(Told::Failed(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// The next batch; nothing at the end. When the future is dropped, no batch is lost.
    pub async fn next(&mut self) -> Option<Result<CheckpointedBatch>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// What it came to so far: `records` are those that were handed out.
    pub fn report(&self) -> ConsumerReport {
        self.report.get()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<CheckpointedBatch>>> {
        // Whoever asks for the next batch has done with this one.
        if let Some((shard_id, permit)) = self.permit.take() {
            self.report.lag().processed(&shard_id);
            drop(permit);
        }
        loop {
            return Poll::Ready(match std::task::ready!(self.poll_told(context)) {
                Some(Told::Begun) => continue,
                Some(Told::Failed(error)) => Some(Err(error)),
                Some(Told::Batch(next, permit)) => {
                    self.permit = permit.map(|permit| (next.batch.shard_id.clone(), permit));
                    self.report.lock().pass(&next.batch);
                    Some(Ok(*next))
                }
                None => None,
            });
        }
    }

    fn poll_told(&mut self, context: &mut Context<'_>) -> Poll<Option<Told>> {
        if let Phase::Told(..) = self.state {
            let Phase::Told(options, remembered) = std::mem::replace(&mut self.state, Phase::Over) else {
                return Poll::Ready(None);
            };
            let (tell, told) = channel(1);
            let task = current().spawn(read(options, remembered, self.report.clone(), tell));
            self.state = Phase::Begun(Reading { told, task });
        }
        let Phase::Begun(reading) = &mut self.state else { return Poll::Ready(None) };
        let told = std::task::ready!(reading.told.poll_recv(context));
        if matches!(told, None | Some(Told::Failed(_))) {
            self.state = Phase::Over;
            self.report.lag().over(Instant::now());
        }
        Poll::Ready(told)
    }
}

impl futures_core::Stream for Batches {
    type Item = Result<CheckpointedBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(
    options: Box<ReadOptions>,
    remembered: Vec<Checkpoint>,
    report: SharedReport,
    tell: Sender<Told>,
) {
    if let Err(error) = steps(&options, &remembered, report, &tell).await {
        let _ = tell.send(Told::Failed(error)).await; // an error means that nobody listens any more
    }
}

async fn steps(
    options: &ReadOptions,
    remembered: &[Checkpoint],
    report: SharedReport,
    tell: &Sender<Told>,
) -> Result<()> {
    let mut last: BTreeMap<String, Checkpoint> =
        remembered.iter().map(|place| (place.shard_id.clone(), place.clone())).collect();
    let stream = options.stream.shared_name();
    let mut run = Beginning::list(options, &report).await?.open(remembered, None).await?;
    let mut say = VecDeque::from([Told::Begun]);
    if options.from == Position::Latest && remembered.is_empty() {
        // What "latest" was, or a shard that has no record before the next run would be read from its first.
        for shard in run.context(&Stop::default()).shards.iter() {
            let batch =
                Batch { stream: stream.clone(), shard_id: shard.shard_id.clone(), records: Vec::new() };
            let checkpoint = Checkpoint::new(&*shard.shard_id, None, shard.since);
            last.insert(checkpoint.shard_id.clone(), checkpoint.clone());
            say.push_back(Told::Batch(Box::new(CheckpointedBatch { batch, checkpoint }), None));
        }
    }
    loop {
        while let Some(told) = say.pop_front() {
            if tell.send(told).await.is_err() {
                return Ok(()); // nobody listens any more
            }
        }
        let (batch, checkpoint, permit) = loop {
            match run.next().await? {
                Step::Batch(batch, permit) => {
                    let Some(record) = batch.records.last() else { continue };
                    let number = Some(record.sequence_number.as_str());
                    let checkpoint = Checkpoint::new(&*batch.shard_id, number, record.arrival);
                    break (batch, checkpoint, permit);
                }
                Step::ShardEnded(shard_id) => {
                    let before = last.remove(&*shard_id);
                    let before = before.unwrap_or_else(|| {
                        Checkpoint::new(&*shard_id, None, crate::timestamp::Timestamp::now())
                    });
                    let batch = Batch { stream: stream.clone(), shard_id, records: Vec::new() };
                    break (batch, before.ended(), None);
                }
                Step::Tick => {}
                Step::Ended(ended) => return run.finish(ended).map(drop),
            }
        };
        last.insert(checkpoint.shard_id.clone(), checkpoint.clone());
        say.push_back(Told::Batch(Box::new(CheckpointedBatch { batch, checkpoint }), permit));
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            Phase::Told(..) => "not begun",
            Phase::Begun(_) => "begun",
            Phase::Over => "over",
        };
        write!(f, "batches, {state}, {} records read", self.report.lock().records)
    }
}
