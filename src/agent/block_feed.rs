//! Keeps a block list fed by a stream of alerts.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::detect::BlockList;
use crate::error::Result;
use crate::notice::notice;
use crate::read::Consumer;
use crate::read::ConsumerHandle;
use crate::stream::Stream;

/// As often as the service lets a shard be read.
const POLL: Duration = Duration::from_millis(200);
/// A consumer ends when its stream can't be read for a minute. A web server outlives that.
const AGAIN: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_secs(60);

/// A block list that is fed in the background, until this is dropped.
pub(crate) struct BlockFeed {
    // Nothing is sent: its end is the signal.
    _stop: Sender<()>,
}

impl BlockFeed {
    pub(crate) fn start(alerts: &Stream, list: &BlockList) -> Result<BlockFeed> {
        let consumer = alerts.consumer().trim_horizon().poll_every(POLL);
        let running = consumer.start(list.clone())?;
        let (stop, stopped) = channel();
        let list = list.clone();
        let feed = move || keep_reading(&consumer, &list, running, &stopped);
        std::thread::Builder::new().name("kinesis-lab blocks".into()).spawn(feed)?;
        Ok(BlockFeed { _stop: stop })
    }
}

/// Begins again with the oldest record when the consumer has ended: to hear of a block twice is no harm.
fn keep_reading(
    consumer: &Consumer,
    list: &BlockList,
    mut running: ConsumerHandle<BlockList>,
    stopped: &Receiver<()>,
) {
    let mut told: Option<Instant> = None;
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(AGAIN) {
        if running.is_running() {
            continue;
        }
        match consumer.start(list.clone()) {
            Ok(again) => running = again,
            Err(error) if told.is_none_or(|told| told.elapsed() >= QUIET) => {
                told = Some(Instant::now());
                notice(&format!("the agent hears of no new blocks: {error}"));
            }
            Err(_) => {}
        }
    }
}
