//! [`BlockFeed`]: keeps block lists fed by a stream of alerts.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::detect::{BlockList, blocks_in};
use crate::error::Result;
use crate::notice::notice;
use crate::read::{Consumer, ConsumerHandle, Context, ProcessError, RecordProcessor};
use crate::record::Batch;
use crate::stream::Stream;
use crate::timestamp::Timestamp;

/// The service lets a shard be read five times a second, by all its readers together. A fifth of that for each
/// process leaves room for four others.
const POLL: Duration = Duration::from_secs(1);
/// A consumer ends when its stream can't be read for a minute. A web server outlives that.
const AGAIN: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_secs(60);

/// The feeds of this process: one a stream, whatever the number of its agents.
static FEEDS: Mutex<Vec<Weak<AlertReader>>> = Mutex::new(Vec::new());

/// A block list that is fed in the background, until this is dropped.
pub(crate) struct BlockFeed {
    feed: Arc<AlertReader>,
    list: BlockList,
}

/// The one reader of a stream of alerts, and the lists that it feeds. It ends with the last of them.
struct AlertReader {
    key: ReaderKey,
    lists: Arc<Mutex<Lists>>,
    // Nothing is sent: its end is the signal.
    _stop: Sender<()>,
}

/// What makes two feeds one.
#[derive(Debug, Clone, PartialEq)]
struct ReaderKey {
    endpoint: Option<String>,
    name: String,
    created: Timestamp,
    longest: Duration,
    /// The name of its registration, where it fans out.
    fan_out: Option<String>,
}

#[derive(Default)]
struct Lists {
    /// What the stream says, for a list that comes later; and so that to read it again brings back nobody who
    /// was pardoned since.
    known: BlockList,
    fed: Vec<BlockList>,
}

impl BlockFeed {
    /// Feeds the list with the blocks of the stream, none of which lasts longer than `longest` from its alert's
    /// arrival on. By enhanced fan-out, where it is told a name.
    pub(crate) fn start(
        alerts: &Stream,
        list: &BlockList,
        longest: Duration,
        fan_out: Option<&str>,
    ) -> Result<BlockFeed> {
        let key = ReaderKey {
            endpoint: alerts.kinesis().endpoint_url().map(str::to_owned),
            name: alerts.name().to_owned(),
            created: alerts.created(),
            longest,
            fan_out: fan_out.map(str::to_owned),
        };
        // Held while a reader begins, so that two agents that begin together share it.
        let mut feeds = lock(&FEEDS);
        feeds.retain(|feed| feed.strong_count() > 0);
        let running = feeds.iter().filter_map(Weak::upgrade).find(|feed| feed.key == key);
        let feed = match running {
            Some(feed) => feed,
            None => {
                let feed = Arc::new(AlertReader::start(alerts, key)?);
                feeds.push(Arc::downgrade(&feed));
                feed
            }
        };
        drop(feeds);
        let mut lists = lock(&feed.lists);
        for (client, until) in lists.known.blocked(Timestamp::now()) {
            list.block_named(client.raw(), until);
        }
        lists.fed.push(list.clone());
        drop(lists);
        Ok(BlockFeed { feed, list: list.clone() })
    }
}

impl Drop for BlockFeed {
    fn drop(&mut self) {
        let mut lists = lock(&self.feed.lists);
        // Once: another agent may feed the same list.
        if let Some(at) = lists.fed.iter().position(|list| list.is(&self.list)) {
            lists.fed.swap_remove(at);
        }
    }
}

impl AlertReader {
    fn start(alerts: &Stream, key: ReaderKey) -> Result<AlertReader> {
        let consumer = consumer(alerts, key.fan_out.as_deref());
        let lists = Arc::<Mutex<Lists>>::default();
        let reader = BlockReader { lists: lists.clone(), longest: key.longest };
        let running = consumer.start(reader.clone())?;
        let (stop, stopped) = channel();
        let feed = move || keep_reading(&consumer, &reader, running, &stopped);
        std::thread::Builder::new().name("kinesis-lab blocks".into()).spawn(feed)?;
        Ok(AlertReader { key, lists, _stop: stop })
    }
}

fn consumer(alerts: &Stream, fan_out: Option<&str>) -> Consumer {
    let consumer = alerts.consumer().trim_horizon().poll_every(POLL);
    match fan_out {
        Some(name) => consumer.fan_out(name),
        None => consumer,
    }
}

/// Hands what the stream says on to the lists.
#[derive(Clone)]
struct BlockReader {
    lists: Arc<Mutex<Lists>>,
    longest: Duration,
}

impl RecordProcessor for BlockReader {
    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        let lists = lock(&self.lists);
        for (client, until) in blocks_in(batch, ctx.now, self.longest) {
            if lists.known.block_named(client.raw(), until) {
                for list in &lists.fed {
                    list.block_named(client.raw(), until);
                }
            }
        }
        for list in lists.fed.iter().chain([&lists.known]) {
            list.sweep(ctx.now);
        }
        Ok(())
    }
}

/// Begins again with the oldest record when the consumer has ended: to hear of a block twice is no harm.
fn keep_reading(
    consumer: &Consumer,
    reader: &BlockReader,
    mut running: ConsumerHandle<BlockReader>,
    stopped: &Receiver<()>,
) {
    let mut told: Option<Instant> = None;
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(AGAIN) {
        if running.is_running() {
            continue;
        }
        match consumer.start(reader.clone()) {
            Ok(again) => running = again,
            Err(error) if told.is_none_or(|told| told.elapsed() >= QUIET) => {
                told = Some(Instant::now());
                notice(&format!("the agent hears of no new blocks: {error}"));
            }
            Err(_) => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, feature = "local"))]
mod tests {
    use super::*;
    use crate::service::Kinesis;

    #[test]
    fn the_feeds_of_a_stream_are_one_reader() {
        let kinesis = Kinesis::local().unwrap();
        let (alerts, others) =
            (kinesis.create_stream("alerts", 1).unwrap(), kinesis.create_stream("others", 1).unwrap());
        let (first, second, day) = (BlockList::new(), BlockList::new(), Duration::from_secs(86_400));
        let one = BlockFeed::start(&alerts, &first, day, None).unwrap();
        let reader = BlockReader { lists: one.feed.lists.clone(), longest: day };
        let far = Timestamp::now() + Duration::from_secs(3_600);
        lock(&reader.lists).known.block_named("192.0.2.66", far);

        let two = BlockFeed::start(&kinesis.stream("alerts").unwrap(), &second, day, None).unwrap();
        assert!(Arc::ptr_eq(&one.feed, &two.feed), "one reader");
        assert!(second.is_blocked("192.0.2.66", Timestamp::now()), "who comes later learns what is known");
        let third = BlockFeed::start(&others, &second, day, None).unwrap();
        assert!(!Arc::ptr_eq(&one.feed, &third.feed), "another stream, another reader");

        drop(one);
        assert_eq!(lock(&two.feed.lists).fed.len(), 1);
        let feed = Arc::downgrade(&two.feed);
        drop(two);
        assert!(feed.upgrade().is_none(), "it ends with the last list");
    }

    #[test]
    fn it_takes_a_fifth_of_a_shards_reads() {
        let alerts = Kinesis::local().unwrap().create_stream("alerts", 1).unwrap();
        let shown = format!("{:?}", consumer(&alerts, None));
        assert!(shown.contains("poll_every: 1s"), "{shown}");
    }

    /// A reader that begins again reads old alerts again.
    #[test]
    fn who_was_pardoned_stays_pardoned() {
        let now = Timestamp::now();
        let until = now + Duration::from_secs(600);
        let data = format!(
            r#"{{"v":1,"id":"1","playbook":"p","key":"k","ip":"192.0.2.66","time":"{now}","start":"{now}",
                "end":"{until}","count":1,"threshold":1,"response":"block","until":"{until}","evidence":""}}"#
        );
        let batch = Batch::new("alerts", "s", vec![crate::record::Record::new("k", data, "1", now)]);
        let list = BlockList::new();
        let lists = Arc::new(Mutex::new(Lists { known: BlockList::new(), fed: vec![list.clone()] }));
        let mut reader = BlockReader { lists, longest: Duration::from_secs(86_400) };
        reader.process(&batch, &mut Context::at(now)).unwrap();
        assert!(list.is_blocked("192.0.2.66", now));
        list.pardon("192.0.2.66").unwrap();
        reader.process(&batch, &mut Context::at(now)).unwrap();
        assert!(!list.is_blocked("192.0.2.66", now));
    }
}
