//! [`Beginning`]: the shards of a stream, before it is known where reading them begins.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::lineage::Lineage;
use super::options::ReadOptions;
use super::position::{Position, RunMoments};
use super::processor::{Checkpoint, StreamId};
use super::reader::ShardReader;
use super::registration::Registration;
use super::report::SharedReport;
use super::run::Run;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::Shard;

/// How many iterators are asked for at once: of a hundred shards, "latest" should be one moment.
const OPENED_AT_ONCE: usize = 16;

/// Between listing and opening, a processor is asked what it remembers.
pub(super) struct Beginning {
    options: ReadOptions,
    shards: Vec<Shard>,
    origin: RunMoments,
    registration: Option<Arc<Registration>>,
    report: SharedReport,
}

impl Beginning {
    pub(super) async fn list(options: &ReadOptions, report: &SharedReport) -> Result<Beginning> {
        let stream = &options.stream;
        match stream.verify().await {
            // Too many begin at once; that says nothing of the stream.
            Err(error) if error.kind() != ErrorKind::LimitExceeded => return Err(error),
            _ => {}
        }
        // Before the shards are listed: it may take its time, and "latest" is to be now.
        let registration = match &options.fan_out {
            Some(fan_out) => Some(Registration::begin(fan_out, stream, report).await?),
            None => None,
        };
        let (shards, began) = stream.list_shards_and_time().await?;
        let origin = RunMoments { began, created: stream.created() };
        Ok(Beginning { options: options.clone(), shards, origin, registration, report: report.clone() })
    }

    pub(super) fn stream_id(&self) -> StreamId {
        StreamId { name: self.options.stream.shared_name(), created: self.options.stream.created() }
    }

    /// Opens the shards; when this returns, "latest" means this moment.
    pub(super) async fn open(self, remembered: &[Checkpoint], time: Option<Duration>) -> Result<Run> {
        let Beginning { options, shards, origin, registration, report } = self;
        let (mut lineage, mut gone) = (Lineage::default(), Vec::new());
        let first: Vec<&Shard> = match &options.shard {
            Some(id) => match shards.iter().find(|shard| shard.id == *id) {
                Some(shard) => vec![shard],
                None => return Err(no_such_shard(&options, id, &shards)),
            },
            None => {
                if remembered.is_empty() && options.from == Position::Latest {
                    lineage.pass_over(&shards);
                }
                gone = lineage.remember(&shards, remembered);
                lineage.ready(&shards)
            }
        };
        let first: Vec<(Position, Shard)> = first
            .into_iter()
            .map(|shard| {
                let position = Position::at_beginning(&options.from, &shard.id, remembered, origin);
                (position, shard.clone())
            })
            .collect();
        let mut run = Run::new(options, origin, lineage, gone, time, report);
        run.registration = registration;
        let readers = first.iter().map(|(position, shard)| run.reader(shard, position.clone())).collect();
        let readers = match first.iter().any(|(position, _)| *position == Position::Latest) {
            true => open_early(readers).await?,
            false => readers,
        };
        for ((position, shard), reader) in first.into_iter().zip(readers) {
            run.read(&shard, &position, reader);
        }
        run.take_listed(&shards);
        Ok(run)
    }
}

async fn open_early(readers: Vec<ShardReader>) -> Result<Vec<ShardReader>> {
    let turns = Arc::new(Semaphore::new(OPENED_AT_ONCE));
    let mut opening = JoinSet::new();
    let mut opened: Vec<Option<ShardReader>> = readers.iter().map(|_| None).collect();
    for (n, mut reader) in readers.into_iter().enumerate() {
        let turns = turns.clone();
        opening.spawn(async move {
            let _turn = turns.acquire_owned().await;
            reader.open_early().await.map(|()| (n, reader))
        });
    }
    while let Some(outcome) = opening.join_next().await {
        let ended = |_| Error::new(ErrorKind::Service, "the async runtime of the consumer was shut down");
        let (n, reader) = outcome.map_err(ended)??;
        opened[n] = Some(reader);
    }
    Ok(opened.into_iter().flatten().collect())
}

fn no_such_shard(options: &ReadOptions, id: &str, shards: &[Shard]) -> Error {
    let known: Vec<&str> = shards.iter().map(|shard| shard.id.as_str()).collect();
    Error::invalid(format!("stream {} has no shard {id}; it has {}", options.stream.name(), known.join(", ")))
}
