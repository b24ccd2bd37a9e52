//! [`Pipeline`]: filter, counter and detection over a stream of events, wired.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::part::Part;
use super::running::RunningPipeline;
use super::settings::PipelineSettings;
use super::status::PipelineStatus;
use super::wiring::Wiring;
use crate::detect::{Alert, Playbooks};
use crate::error::Result;
use crate::event::Event;
use crate::format::AnyFormat;
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
///
/// All that can be said, with what it is if nothing is said (but for `keep`, `keep_for` and `on_alert`):
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::{Part, Pipeline, Playbooks};
/// # let events = Kinesis::local()?.create_stream("shop", 1)?;
/// let pipeline = Pipeline::over(&events)
///     .folder("shop-state")
///     .playbooks(&Playbooks::shipped())
///     .keep(|event| event.fields.get("path").is_none_or(|path| !path.starts_with("/static/")))
///     .on_alert(|alert| println!("{alert}"))
///     .window(secs(60))
///     .lateness(secs(30))
///     .keep_for(secs(90 * 24 * 3_600)) // three months
///     .poll_every(millis(500))
///     .shards(1)
///     .max_restarts(20)
///     .only(&Part::ALL);
/// # Ok::<(), Error>(())
/// ```
///
/// **Reads.** The service allows five reads a second and shard, of all readers together. Each part makes one a
/// poll at the tip of its stream, and up to five a second while it is behind. With the default poll of 0.5 s,
/// filter and counter make 4 a second and shard of the events, detection 2 of the log; a website's agents make
/// 1 of the alerts for each process. With other readers beside them, poll less often.
#[derive(Clone)]
#[must_use = "nothing is read before .start() or .run_until_caught_up()"]
pub struct Pipeline {
    settings: PipelineSettings,
}

impl Pipeline {
    /// A pipeline over a stream of events. Defaults: all three parts, all events kept, the shipped
    /// playbooks, windows of a minute, 30 s lateness, a poll every 0.5 s, files in the folder `NAME-state`.
    pub fn over(events: &Stream) -> Pipeline {
        Pipeline { settings: PipelineSettings::over(events) }
    }

    /// Where its three files are; the folder is made when it is not there, for this user alone.
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Pipeline {
        self.settings.folder = folder.as_ref().to_owned();
        self
    }

    /// Which events the filter sends on. Default: all.
    pub fn keep(mut self, keep: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Pipeline {
        self.settings.keep = Arc::new(keep);
        self
    }

    /// What detection looks for. Default: [`Playbooks::shipped`].
    pub fn playbooks(mut self, playbooks: &Playbooks) -> Pipeline {
        self.settings.playbooks = Some(playbooks.clone());
        self
    }

    /// Calls a function with each alert; see [`Detection::on_alert`](crate::Detection::on_alert).
    pub fn on_alert(mut self, call: impl Fn(&Alert) + Send + Sync + 'static) -> Pipeline {
        self.settings.on_alert = Some(Arc::new(call));
        self
    }

    /// The size of the counter's windows. Default: 60 s. Files of another size are refused.
    pub fn window(mut self, size: Duration) -> Pipeline {
        self.settings.window = size;
        self
    }

    /// How late events may be, for counter and detection. Default: 30 s.
    pub fn lateness(mut self, lateness: Duration) -> Pipeline {
        self.settings.lateness = lateness;
        self
    }

    /// How long completed windows stay in the database of counts, behind the watermark: see
    /// [`StoredCounter::keep_for`](crate::StoredCounter::keep_for). Default: all are kept.
    pub fn keep_for(mut self, time: Duration) -> Pipeline {
        self.settings.keep_for = Some(time);
        self
    }

    /// The time between two polls, at least 0.2 s. Default: 0.5 s.
    pub fn poll_every(mut self, interval: Duration) -> Pipeline {
        self.settings.poll_every = interval;
        self
    }

    /// Reads the records of the stream in this format; the filter sends on what everything reads. Default:
    /// [`KnownForms`](crate::KnownForms).
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// use kinesis_lab::{JsonFormat, Pipeline};
    ///
    /// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-reading-{}", std::process::id()));
    /// let events = Kinesis::local()?.create_stream("shop", 1)?;
    /// events.put("any", r#"{"@timestamp":1709288100123,"client":{"addr":"192.0.2.10"}}"#)?;
    /// let format = JsonFormat::new().key(&["client.addr"]).time("@timestamp");
    /// let status = Pipeline::over(&events).folder(&folder).reading(format).run_until_caught_up()?;
    /// assert!(status.parts.iter().all(|part| part.records == 1));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn reading(mut self, format: impl Into<AnyFormat>) -> Pipeline {
        self.settings.format = format.into();
        self
    }

    /// How many shards the streams get that have to be made. Default: 1.
    pub fn shards(mut self, shards: u32) -> Pipeline {
        self.settings.shards = shards;
        self
    }

    /// Only these parts in this process. Default: all.
    pub fn only(mut self, parts: &[Part]) -> Pipeline {
        self.settings.only = parts.to_vec();
        self
    }

    /// How often a part that fails is started again within an hour before the whole pipeline ends with its
    /// error. Default: 20; 0 means never.
    pub fn max_restarts(mut self, restarts: u32) -> Pipeline {
        self.settings.max_restarts = restarts;
        self
    }

    /// Starts the parts in the background.
    ///
    /// # Errors
    /// When a stream can't be opened or made, or a file can't be used.
    pub fn start(&self) -> Result<RunningPipeline> {
        let mut running = RunningPipeline::new(Wiring::prepare(self.settings.clone())?);
        for part in self.settings.parts() {
            running.start(part)?;
        }
        Ok(running)
    }

    /// Runs one part after the other, each until it has read its stream to the tip: for what is in the
    /// stream already, with the same result each time.
    ///
    /// # Errors
    /// As [`start`](Pipeline::start), and those of [`Consumer::run_for`](crate::Consumer::run_for).
    pub fn run_until_caught_up(&self) -> Result<PipelineStatus> {
        let mut running = RunningPipeline::new(Wiring::prepare(self.settings.clone())?);
        for part in self.settings.parts() {
            running.run_until_caught_up(part)?;
        }
        Ok(running.status())
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pipeline over {:?}, files in {}", self.settings.events, self.settings.folder.display())
    }
}
