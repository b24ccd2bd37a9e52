//! [`Pipeline`]: filter, counter and detection over a stream of events, wired.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::filter::Filter;
use super::running::RunningPipeline;
use super::status::PipelineStatus;
use crate::count::Counter;
use crate::count::StoredCounter;
use crate::detect::Alert;
use crate::detect::Detection;
use crate::detect::Playbooks;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::read::Consumer;
use crate::read::RecordProcessor;
use crate::service::Kinesis;
use crate::stream::Stream;

/// The security-automation pipeline: events → filter → log → detection → alerts, and a counter beside it.
///
/// | part | reads | writes | its file in the folder |
/// | --- | --- | --- | --- |
/// | filter | stream `NAME` | stream `NAME-log` | `filter.db`: its place |
/// | counter | stream `NAME` | | `counts.db`: windows, its place |
/// | detection | stream `NAME-log` | stream `NAME-alerts` | `alerts.db`: alerts, open counts, its place |
///
/// Each part has a place of its own, in a file of its own: it can lag, crash or be started again without
/// the others noticing. They run in one process, or each in one ([`only`](Pipeline::only)); a second
/// process with the same part and folder waits for the first one's end and takes over. The streams of the
/// log and of the alerts are made when they are not there (on AWS, a stream costs money by the hour).
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::{Pipeline, Playbook, Playbooks};
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-pipeline-{}", std::process::id()));
/// let kinesis = Kinesis::local()?;
/// let events = kinesis.create_stream("shop", 1)?;
/// events.producer("192.0.2.66").interval(secs(1)).at_once().limit(120).start().join();
///
/// let playbooks = Playbooks::new(vec![Playbook::new("too many requests", 50).block_for(secs(600))])?;
/// let pipeline = Pipeline::over(&events).folder(&folder).playbooks(&playbooks);
/// let status = pipeline.run_until_caught_up()?;
/// assert_eq!((status.parts[0].records, status.alerts), (120, 1));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is read before .start() or .run_until_caught_up()"]
pub struct Pipeline {
    events: Stream,
    folder: PathBuf,
    keep: Keep,
    playbooks: Option<Playbooks>,
    on_alert: Option<OnAlert>,
    window: Duration,
    lateness: Duration,
    poll_every: Duration,
    shards: u32,
    only: Vec<Part>,
}

type Keep = Arc<dyn Fn(&Event<'_>) -> bool + Send + Sync>;
type OnAlert = Arc<dyn Fn(&Alert) + Send + Sync>;

/// A part of a [`Pipeline`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Sends on what is to be looked at.
    Filter,
    /// Counts requests per address.
    Counter,
    /// Runs the playbooks.
    Detection,
}

impl Part {
    /// In the order of the stream.
    pub const ALL: [Part; 3] = [Part::Filter, Part::Counter, Part::Detection];
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Part::Filter => "filter",
            Part::Counter => "counter",
            Part::Detection => "detection",
        })
    }
}

impl Pipeline {
    /// A pipeline over a stream of events. Defaults: all three parts, all events kept, the shipped
    /// playbooks, windows of a minute, 30 s lateness, a poll every 0.5 s, files in the folder `NAME-state`.
    pub fn over(events: &Stream) -> Pipeline {
        Pipeline {
            events: events.clone(),
            folder: PathBuf::from(format!("{}-state", events.name())),
            keep: Arc::new(|_| true),
            playbooks: None,
            on_alert: None,
            window: Duration::from_secs(60),
            lateness: Duration::from_secs(30),
            poll_every: Duration::from_millis(500),
            shards: 1,
            only: Part::ALL.to_vec(),
        }
    }

    /// Where its three files are; the folder is made when it is not there.
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Pipeline {
        self.folder = folder.as_ref().to_owned();
        self
    }

    /// Which events the filter sends on. Default: all.
    pub fn keep(mut self, keep: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static) -> Pipeline {
        self.keep = Arc::new(keep);
        self
    }

    /// What detection looks for. Default: [`Playbooks::shipped`].
    pub fn playbooks(mut self, playbooks: &Playbooks) -> Pipeline {
        self.playbooks = Some(playbooks.clone());
        self
    }

    /// Calls a function with each alert; see [`Detection::on_alert`].
    pub fn on_alert(mut self, call: impl Fn(&Alert) + Send + Sync + 'static) -> Pipeline {
        self.on_alert = Some(Arc::new(call));
        self
    }

    /// The size of the counter's windows. Default: 60 s. Files of another size are refused.
    pub fn window(mut self, size: Duration) -> Pipeline {
        self.window = size;
        self
    }

    /// How late events may be, for counter and detection. Default: 30 s.
    pub fn lateness(mut self, lateness: Duration) -> Pipeline {
        self.lateness = lateness;
        self
    }

    /// The time between two polls, at least 0.2 s. Default: 0.5 s.
    pub fn poll_every(mut self, interval: Duration) -> Pipeline {
        self.poll_every = interval;
        self
    }

    /// How many shards the streams get that have to be made. Default: 1.
    pub fn shards(mut self, shards: u32) -> Pipeline {
        self.shards = shards;
        self
    }

    /// Only these parts in this process. Default: all.
    pub fn only(mut self, parts: &[Part]) -> Pipeline {
        self.only = parts.to_vec();
        self
    }

    /// Starts the parts in the background.
    ///
    /// # Errors
    /// When a stream can't be opened or made, or a file can't be used.
    pub fn start(&self) -> Result<RunningPipeline> {
        let mut running = RunningPipeline::new(self.prepare()?);
        for part in self.parts() {
            running.start(part)?;
        }
        Ok(running)
    }

    /// Runs one part after the other, each until it has read its stream to the tip: for what is in the
    /// stream already, with the same result each time.
    ///
    /// # Errors
    /// As [`start`](Pipeline::start), and those of [`Consumer::run_for`].
    pub fn run_until_caught_up(&self) -> Result<PipelineStatus> {
        let mut running = RunningPipeline::new(self.prepare()?);
        for part in self.parts() {
            running.run_until_caught_up(part)?;
        }
        Ok(running.status())
    }

    fn parts(&self) -> Vec<Part> {
        Part::ALL.into_iter().filter(|part| self.only.contains(part)).collect()
    }

    fn prepare(&self) -> Result<Wiring> {
        if self.parts().is_empty() {
            return Err(Error::invalid("a pipeline without parts does nothing: name at least one of them"));
        }
        std::fs::create_dir_all(&self.folder).map_err(|error| {
            Error::with_source(
                crate::error::ErrorKind::Io,
                format!("cannot make the folder {} for the pipeline's files: {error}", self.folder.display()),
                error,
            )
        })?;
        let name = self.events.name();
        let there = |suffix: &str| stream(self.events.kinesis(), &format!("{name}-{suffix}"), self.shards);
        // The counter reads the events alone.
        let chained = self.only.iter().any(|part| *part != Part::Counter);
        let log = if chained { Some(there("log")?) } else { None };
        let alerts = if self.only.contains(&Part::Detection) { Some(there("alerts")?) } else { None };
        let playbooks = match &self.playbooks {
            Some(playbooks) => playbooks.clone(),
            None => shipped()?,
        };
        Ok(Wiring { pipeline: self.clone(), log, alerts, playbooks })
    }
}

#[cfg(feature = "playbooks")]
fn shipped() -> Result<Playbooks> {
    Ok(Playbooks::shipped())
}

#[cfg(not(feature = "playbooks"))]
fn shipped() -> Result<Playbooks> {
    Err(Error::invalid("without the feature `playbooks`, a pipeline is told its playbooks: .playbooks(&…)"))
}

/// Opens a stream, or makes it.
fn stream(kinesis: &Kinesis, name: &str, shards: u32) -> Result<Stream> {
    match kinesis.stream(name) {
        Err(error) if error.is_stream_not_found() => kinesis.create_stream(name, shards),
        opened => opened,
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pipeline over {:?}, files in {}", self.events, self.folder.display())
    }
}

/// What the parts are made from, now and when one is started again.
pub(crate) struct Wiring {
    pipeline: Pipeline,
    log: Option<Stream>,
    alerts: Option<Stream>,
    playbooks: Playbooks,
}

impl Wiring {
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.pipeline.folder.join(name)
    }

    fn log(&self) -> Result<&Stream> {
        self.log.as_ref().ok_or_else(|| Error::invalid("this pipeline was told to do without the log"))
    }

    /// The stream that a part reads, from its oldest record on; its file knows better from the second time.
    pub(crate) fn consumer(&self, part: Part) -> Result<Consumer> {
        let stream = match part {
            Part::Filter | Part::Counter => &self.pipeline.events,
            Part::Detection => self.log()?,
        };
        Ok(stream.consumer().trim_horizon().poll_every(self.pipeline.poll_every))
    }

    pub(crate) fn filter(&self) -> Result<Filter> {
        let keep = self.pipeline.keep.clone();
        Filter::new(self.log()?, move |event| keep(event)).stored_in(self.file("filter.db"))
    }

    pub(crate) fn counter(&self) -> Result<StoredCounter> {
        let counter = Counter::tumbling(self.pipeline.window).lateness(self.pipeline.lateness);
        counter.stored_in(self.file("counts.db"))
    }

    pub(crate) fn detection(&self) -> Result<Detection> {
        let mut detection = Detection::new(&self.playbooks)
            .lateness(self.pipeline.lateness)
            .stored_in(self.file("alerts.db"))?;
        if let Some(alerts) = &self.alerts {
            detection = detection.alerts_to(alerts);
        }
        if let Some(call) = self.pipeline.on_alert.clone() {
            detection = detection.on_alert(move |alert| call(alert));
        }
        Ok(detection)
    }

    pub(crate) fn run(
        &self,
        part: Part,
        processor: &mut dyn RecordProcessor,
    ) -> Result<crate::read::ConsumerReport> {
        self.consumer(part)?.run_until_caught_up(processor)
    }
}
