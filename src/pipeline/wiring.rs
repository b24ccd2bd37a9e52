//! [`Wiring`]: the streams and files of a pipeline, and the parts made from them.

use std::path::PathBuf;

use super::filter::Filter;
use super::part::Part;
use super::settings::PipelineSettings;
use crate::count::{Counter, StoredCounter};
use crate::detect::{Detection, Playbooks};
use crate::error::{Error, ErrorKind, Result};
use crate::folder::make_private;
use crate::read::Consumer;
use crate::service::Kinesis;
use crate::stream::Stream;

/// What the parts are made from, now and when one is started again.
pub(super) struct Wiring {
    settings: PipelineSettings,
    log: Option<Stream>,
    alerts: Option<Stream>,
    playbooks: Playbooks,
}

impl Wiring {
    /// Opens the streams, makes those that are not there, and the folder.
    pub(super) fn prepare(settings: PipelineSettings) -> Result<Wiring> {
        if settings.parts().is_empty() {
            return Err(Error::invalid("a pipeline without parts does nothing: name at least one of them"));
        }
        make_private(&settings.folder).map_err(|error| {
            Error::with_source(
                ErrorKind::Io,
                format!(
                    "cannot make the folder {} for the pipeline's files: {error}",
                    settings.folder.display()
                ),
                error,
            )
        })?;
        let (kinesis, name) = (settings.events.kinesis(), settings.events.name());
        let there = |suffix: &str| stream(kinesis, &format!("{name}-{suffix}"), settings.shards);
        // The counter reads the events alone.
        let chained = settings.only.iter().any(|part| *part != Part::Counter);
        let log = if chained { Some(there("log")?) } else { None };
        let alerts = if settings.only.contains(&Part::Detection) { Some(there("alerts")?) } else { None };
        let playbooks = match &settings.playbooks {
            Some(playbooks) => playbooks.clone(),
            None => shipped()?,
        };
        Ok(Wiring { settings, log, alerts, playbooks })
    }

    pub(super) fn max_restarts(&self) -> u32 {
        self.settings.max_restarts
    }

    pub(super) fn parts(&self) -> Vec<Part> {
        self.settings.parts()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.settings.folder.join(name)
    }

    /// Of all three that are there, with their logs.
    pub(super) fn database_bytes(&self) -> u64 {
        let files = ["filter.db", "counts.db", "alerts.db"]
            .iter()
            .flat_map(|name| [(*name).to_owned(), format!("{name}-wal")]);
        files.filter_map(|file| Some(std::fs::metadata(self.file(&file)).ok()?.len())).sum()
    }

    fn log(&self) -> Result<&Stream> {
        self.log.as_ref().ok_or_else(|| Error::invalid("this pipeline was told to do without the log"))
    }

    /// The stream that a part reads, from its oldest record on; its file knows better from the second time.
    pub(super) fn consumer(&self, part: Part) -> Result<Consumer> {
        let stream = match part {
            Part::Filter | Part::Counter => &self.settings.events,
            Part::Detection => self.log()?,
        };
        Ok(stream.consumer().trim_horizon().poll_every(self.settings.poll_every))
    }

    pub(super) fn filter(&self) -> Result<Filter> {
        let keep = self.settings.keep.clone();
        Filter::new(self.log()?, move |event| keep(event))
            .reading(self.settings.format.clone())
            .stored_in(self.file("filter.db"))
    }

    pub(super) fn counter(&self) -> Result<StoredCounter> {
        let mut counter = Counter::tumbling(self.settings.window).lateness(self.settings.lateness);
        counter = counter.reading(self.settings.format.clone());
        let counter = counter.stored_in(self.file("counts.db"))?;
        Ok(match self.settings.keep_for {
            Some(time) => counter.keep_for(time),
            None => counter,
        })
    }

    pub(super) fn detection(&self) -> Result<Detection> {
        let mut detection = Detection::new(&self.playbooks)
            .lateness(self.settings.lateness)
            .stored_in(self.file("alerts.db"))?;
        if let Some(alerts) = &self.alerts {
            detection = detection.alerts_to(alerts);
        }
        if let Some(call) = self.settings.on_alert.clone() {
            detection = detection.on_alert(move |alert| call(alert));
        }
        Ok(detection)
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
