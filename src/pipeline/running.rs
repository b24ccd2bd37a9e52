//! [`RunningPipeline`]: the parts of a pipeline at work.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::part::Part;
use super::running_part::{Failure, RunningPart};
use super::status::{PartStatus, PipelineStatus};
use super::summary::Summary;
use super::wiring::Wiring;
use crate::error::{Error, Result};
use crate::stored::{Alerts, Counts};

/// The parts of a [`Pipeline`](crate::Pipeline) at work in the background; dropping it stops them, and waits
/// for their last commits: then their files are free.
///
/// One that fails is started again where it was, after 0.1 s, doubling up to a minute, and says so on stderr;
/// the others go on meanwhile. [`status`](RunningPipeline::status) has how often that was, and why. When one
/// fails too often ([`Pipeline::max_restarts`](crate::Pipeline::max_restarts)), all end, and
/// [`join`](RunningPipeline::join) and [`error`](RunningPipeline::error) say why.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::{Part, Pipeline};
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-running-{}", std::process::id()));
/// let events = Kinesis::local()?.create_stream("shop", 1)?;
/// let mut running = Pipeline::over(&events).folder(&folder).start()?;
/// events.put("192.0.2.10", r#"{"time":"2018-09-06T08:04:56Z","path":"/"}"#)?;
/// while running.status().parts.iter().any(|part| part.records == 0) {}
///
/// running.stop_part(Part::Detection); // the others go on
/// running.start(Part::Detection)?; // where it was
/// let status = running.stop();
/// assert!(status.parts.iter().all(|part| !part.running && part.restarts == 0));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Error>(())
/// ```
#[must_use = "dropping it stops the pipeline: keep it in a variable"]
pub struct RunningPipeline {
    wiring: Wiring,
    running: BTreeMap<Part, RunningPart>,
    /// What is known of those that have ended.
    ended: BTreeMap<Part, PartStatus>,
    failure: Failure,
}

impl RunningPipeline {
    pub(super) fn new(wiring: Wiring) -> RunningPipeline {
        RunningPipeline {
            wiring,
            running: BTreeMap::new(),
            ended: BTreeMap::new(),
            failure: Failure::default(),
        }
    }

    /// Starts a part, or starts it again where it was; one that runs goes on. What it failed before is
    /// forgiven.
    ///
    /// # Errors
    /// When its file can't be used, or its stream can't be read.
    pub fn start(&mut self, part: Part) -> Result<()> {
        if self.running.get(&part).is_some_and(RunningPart::is_running) {
            return Ok(());
        }
        // One that has ended by itself gives its file back first.
        self.stop_part(part);
        self.failure.forgive();
        let (consumer, restarts) = (self.wiring.consumer(part)?, self.wiring.max_restarts());
        let failure = self.failure.clone();
        let running = match part {
            Part::Filter => RunningPart::start(consumer, self.wiring.filter()?, restarts, failure)?,
            Part::Counter => RunningPart::start(consumer, self.wiring.counter()?, restarts, failure)?,
            Part::Detection => RunningPart::start(consumer, self.wiring.detection()?, restarts, failure)?,
        };
        self.running.insert(part, running);
        Ok(())
    }

    pub(super) fn run_until_caught_up(&mut self, part: Part) -> Result<()> {
        let status = match part {
            Part::Filter => run_until_caught_up(&self.wiring, self.wiring.filter()?),
            Part::Counter => run_until_caught_up(&self.wiring, self.wiring.counter()?),
            Part::Detection => run_until_caught_up(&self.wiring, self.wiring.detection()?),
        }?;
        self.ended.insert(part, status);
        Ok(())
    }

    /// Stops a part after the batch under way, with a last commit. The others go on.
    pub fn stop_part(&mut self, part: Part) {
        if let Some(mut running) = self.running.remove(&part) {
            running.ask_to_end();
            running.join();
            self.ended.insert(part, running.status());
        }
    }

    /// Stops all parts, and says how far they came. What a part waits for is not waited for any more: what
    /// the filter could not put and what detection could not deliver is done by the next run.
    pub fn stop(mut self) -> PipelineStatus {
        self.stop_all();
        self.status()
    }

    /// All at once, so that the time of a slow end is not spent thrice.
    fn stop_all(&mut self) {
        self.running.values_mut().for_each(RunningPart::ask_to_end);
        Part::ALL.into_iter().for_each(|part| self.stop_part(part));
    }

    /// Waits until it ends by itself, because its streams were deleted or a part has failed too often.
    ///
    /// # Errors
    /// The error of the part that failed too often.
    pub fn join(mut self) -> Result<PipelineStatus> {
        while self.running.values().any(RunningPart::is_running) {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.stop_all();
        match self.error() {
            Some(error) => Err(error),
            None => Ok(self.status()),
        }
    }

    /// Why it has ended by itself, if it has: a part that failed too often.
    pub fn error(&self) -> Option<Error> {
        self.failure.error()
    }

    /// How far each part is. It waits for nothing, and costs the same whatever the databases hold.
    pub fn status(&mut self) -> PipelineStatus {
        let mut parts = self.ended.clone();
        parts.extend(self.running.iter().map(|(part, running)| (*part, running.status())));
        let windows = Counts::open(self.wiring.file("counts.db")).and_then(|counts| counts.pairs()).ok();
        let alerts = Alerts::open(self.wiring.file("alerts.db")).and_then(|alerts| alerts.written()).ok();
        PipelineStatus {
            parts: parts.into_values().collect(),
            windows: windows.unwrap_or(0),
            alerts: alerts.unwrap_or(0),
            database_bytes: self.wiring.database_bytes(),
        }
    }
}

fn run_until_caught_up<P: Summary>(wiring: &Wiring, mut processor: P) -> Result<PartStatus> {
    let report = wiring.consumer(P::PART)?.run_until_caught_up(&mut processor)?;
    Ok(PartStatus::new(P::PART, false, &report, processor.summary()))
}

impl Drop for RunningPipeline {
    fn drop(&mut self) {
        self.stop_all();
    }
}

impl fmt::Debug for RunningPipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pipeline")?;
        let parts = Part::ALL.into_iter().filter(|part| self.wiring.parts().contains(part));
        parts.into_iter().try_for_each(|part| {
            let running = self.running.get(&part).is_some_and(RunningPart::is_running);
            write!(f, ", {part} {}", if running { "running" } else { "ended" })
        })
    }
}

#[cfg(all(test, feature = "local", target_os = "linux"))]
mod tests;
