//! [`Agent`]: what a web application tells a stream about its requests.

use std::sync::Arc;
use std::time::Duration;

use super::block_feed;
use super::layer::AgentLayer;
use super::request_event::run_id;
use super::state::{AgentSettings, AgentState};
use crate::detect::{BlockList, LONGEST_BLOCK};
use crate::error::{Error, Result};
use crate::event::{ForwardedHeader, trusted_network};
use crate::stream::Stream;

/// How many events may wait to be sent, if nothing else is said.
const QUEUE: usize = 10_000;
/// For how long events are gathered: as without aggregates, at least; and not so long that a block comes too late.
const SHORTEST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// Makes an event of each request of a web application, and refuses the requests of who is blocked.
///
/// It is a layer for [tower](https://docs.rs/tower) services, and so for axum and hyper: the one that is
/// added last is the outermost, and sees what the application really answers. When the answer is known
/// (its status, not yet its body), an event goes into a queue in memory; a task of this crate's own takes
/// it from there to the stream, up to 500 events a call, each at most about 50 ms after it came. A request
/// never waits for that. When the service is slow and the queue is full, events are dropped, counted in
/// the [`AgentReport`](crate::AgentReport), and said on stderr, at most once a minute.
///
/// The event is JSON, with the client's address as partition key; [`Event::parse`](crate::Event::parse)
/// reads it:
/// ```json
/// {"v":1,"id":"…","ip":"192.0.2.7","time":"2026-11-24T11:00:00.000000Z","method":"GET","path":"/a?b",
///  "status":200,"user_agent":"…"}
/// ```
/// - `id` is no other event's, of any process: an event that is put twice counts once.
/// - `ip` is the client's address. Behind a proxy: see [`trusted_proxies`](Agent::trusted_proxies). It is
///   `-` where the server says no peer: with axum, serve by `into_make_service_with_connect_info`; with
///   hyper, put a [`Peer`](crate::Peer) into each request's extensions.
/// - `time` is when the request came; `path` has the query, and is shortened to 2,048 characters, the
///   `user_agent` to 512. A request without one has no such member.
/// - `status` is 499 (as nginx writes it) when the client went away before there was an answer, and 500
///   when the application panicked or failed without one.
/// - `"blocked":true` when the request was refused; its status is 403.
/// - What else the application tells: [`AgentFields`](crate::AgentFields).
///
/// ```
/// use axum::{Router, routing::get};
/// use kinesis_lab::{Agent, prelude::*};
///
/// let stream = Kinesis::local()?.create_stream("events", 1)?;
/// let agent = Agent::new(&stream).trusted_proxies(["127.0.0.1"])?.layer()?;
/// let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(agent.clone());
/// // … serve it; when the server has ended:
/// # drop(app);
/// let report = agent.shutdown();
/// assert_eq!((report.sent, report.dropped), (0, 0));
/// # Ok::<(), Error>(())
/// ```
///
/// With all that can be said:
///
/// ```
/// use kinesis_lab::{Agent, BlockList, prelude::*};
///
/// let kinesis = Kinesis::local()?;
/// let (events, alerts) = (kinesis.create_stream("events", 1)?, kinesis.create_stream("alerts", 1)?);
/// let agent = Agent::new(&events)
///     .trusted_proxies(["10.0.0.0/8"])?
///     .rfc7239() // they write `Forwarded`
///     .queue(5_000)
///     .blocks(BlockList::new())
///     .blocks_from(&alerts)
///     .longest_block(secs(3_600))
///     .layer()?;
/// agent.blocks().block("192.0.2.66", Timestamp::now() + secs(600))?;
/// assert_eq!(agent.report().to_string(), "0 events: 0 sent, 0 dropped, 0 failed, 0 waiting; 0 requests refused");
/// assert_eq!(agent.shutdown_within(secs(1)).waiting(), 0);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "no request is seen before .layer()"]
pub struct Agent {
    settings: AgentSettings,
    alerts: Option<Stream>,
    longest_block: Duration,
    fan_out: Option<String>,
}

impl Agent {
    /// An agent whose events go to this stream. Defaults: no proxy is trusted, 10,000 events may wait,
    /// nobody is blocked.
    pub fn new(stream: &Stream) -> Agent {
        let settings = AgentSettings {
            stream: stream.clone(),
            trusted: Vec::new(),
            header: ForwardedHeader::XForwardedFor,
            queue: QUEUE,
            blocks: BlockList::new(),
            aggregated: None,
        };
        Agent { settings, alerts: None, longest_block: LONGEST_BLOCK, fan_out: None }
    }

    /// The proxies in front of the application, as addresses or networks: `["127.0.0.1", "10.0.0.0/8"]`.
    /// Default: none, and the client is who is at the other end of the connection.
    ///
    /// Of a request that comes from one of them, `X-Forwarded-For` is read from the right, past those
    /// that are trusted too: the first other address is the client's. What stands further left was
    /// written by strangers, and is not looked at. Each proxy must append to the header, as nginx does with
    /// `$proxy_add_x_forwarded_for`; one that passes on what it was sent lets everybody choose an
    /// address.
    ///
    /// The address of a trusted proxy is never blocked: behind it is everybody.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for what is neither an address nor a
    /// network.
    pub fn trusted_proxies<I>(mut self, proxies: I) -> Result<Agent>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        for proxy in proxies {
            self.settings.trusted.push(trusted_network(proxy.as_ref())?);
        }
        Ok(self)
    }

    /// The trusted proxies write `Forwarded` (RFC 7239), not `X-Forwarded-For`.
    ///
    /// One of the two is believed, never both: a proxy that writes one of them passes the other on as a
    /// stranger sent it.
    pub fn rfc7239(mut self) -> Agent {
        self.settings.header = ForwardedHeader::Forwarded;
        self
    }

    /// How many events may wait to be sent, at least 1; up to 1,000 more are on their way. Default:
    /// 10,000, which is some 5 MB of ordinary requests, and 40 MB of those with the longest paths.
    pub fn queue(mut self, events: usize) -> Agent {
        // The channel's own limit is far beyond any memory.
        self.settings.queue = events.clamp(1, u32::MAX as usize);
        self
    }

    /// Gathers events for so long, 50 ms to 10 s, and sends those of a shard as one record of Kinesis, up to 24,999
    /// bytes of them, as the Kinesis Producer Library does: see [`PutMany::aggregated`](crate::PutMany::aggregated).
    /// Some 70 ordinary requests are then paid for as one. What has not been sent is lost when the process dies, so
    /// the delay is also what a crash costs. Default: each event is a record, after about 50 ms.
    ///
    /// ```
    /// # use kinesis_lab::{Agent, prelude::*};
    /// # let stream = Kinesis::local()?.create_stream("events", 1)?;
    /// let agent = Agent::new(&stream).aggregated(secs(1)).layer()?;
    /// let report = agent.shutdown();
    /// assert_eq!((report.sent, report.kinesis_records), (0, 0));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn aggregated(mut self, delay: Duration) -> Agent {
        self.settings.aggregated = Some(delay.clamp(SHORTEST_DELAY, LONGEST_DELAY));
        self
    }

    /// The list of who is blocked; the application may share it with other layers and change it.
    pub fn blocks(mut self, list: BlockList) -> Agent {
        self.settings.blocks = list;
        self
    }

    /// Takes the blocks from a stream of [`Alert`](crate::Alert)s, which is read in the background, from
    /// its oldest record on. When that fails, it is begun again after 5 s.
    ///
    /// All agents of a process that follow the same stream share one reader, which reads each shard once a
    /// second: a fifth of the five reads a second that the service allows all its readers together. With
    /// [`fan_out`](Agent::fan_out), it takes none.
    pub fn blocks_from(mut self, alerts: &Stream) -> Agent {
        self.alerts = Some(alerts.clone());
        self
    }

    /// Takes the blocks by enhanced fan-out, registered under this name: they come at once, and none of the reads are
    /// taken that all readers of the stream of alerts share; see [`Consumer::fan_out`](crate::Consumer::fan_out), also
    /// for what it costs. Each process needs a name of its own, and a stream takes 20. Default: polling, once a
    /// second.
    ///
    /// ```
    /// # use kinesis_lab::{Agent, prelude::*};
    /// # let kinesis = Kinesis::local()?;
    /// # let (events, alerts) = (kinesis.create_stream("events", 1)?, kinesis.create_stream("alerts", 1)?);
    /// let agent = Agent::new(&events).blocks_from(&alerts).fan_out("shop-1").layer()?;
    /// # drop(agent);
    /// assert!(alerts.deregister_consumer("shop-1")?); // when that process is not to come back
    /// # Ok::<(), Error>(())
    /// ```
    pub fn fan_out(mut self, name: &str) -> Agent {
        self.fan_out = Some(name.to_owned());
        self
    }

    /// No alert of [`blocks_from`](Agent::blocks_from) has an address refused for longer than this after it came,
    /// whatever it says: who may write to that stream should not refuse anybody for ever. Default: 24 hours.
    pub fn longest_block(mut self, time: Duration) -> Agent {
        self.longest_block = time;
        self
    }

    /// Begins, and gives the layer for the application's router.
    ///
    /// # Errors
    /// When the stream of alerts can't be read.
    pub fn layer(self) -> Result<AgentLayer> {
        let mut run = [0; 10];
        getrandom::fill(&mut run).map_err(|error| {
            Error::new(
                crate::error::ErrorKind::Io,
                format!(
                    "the operating system gives no random numbers, of which events' ids are made: {error}"
                ),
            )
        })?;
        let feed = match &self.alerts {
            Some(alerts) => {
                let (blocks, fan_out) = (&self.settings.blocks, self.fan_out.as_deref());
                Some(block_feed::BlockFeed::start(alerts, blocks, self.longest_block, fan_out)?)
            }
            None => None,
        };
        Ok(AgentLayer::new(Arc::new(AgentState::begin(self.settings, run_id(&run), feed))))
    }
}
