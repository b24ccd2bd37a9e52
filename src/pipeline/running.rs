//! [`RunningPipeline`]: the parts of a pipeline at work.

use std::fmt;

use super::filter::Filter;
use super::pipeline::{Part, Wiring};
use super::status::{PartStatus, PipelineStatus};
use crate::count::StoredCounter;
use crate::detect::Detection;
use crate::error::Result;
use crate::read::ConsumerHandle;
use crate::read::ConsumerReport;
use crate::read::RecordProcessor;
use crate::sqlite::Alerts;
use crate::sqlite::Counts;
use crate::text::grouped;

/// The parts of a [`Pipeline`](crate::Pipeline) at work in the background; dropping it stops them, and waits
/// for their last commits: then their files are free.
///
/// One that fails ends alone, and says so on stderr; [`status`](RunningPipeline::status) has its error, and
/// [`start`](RunningPipeline::start) starts it again where it was.
#[must_use = "dropping it stops the pipeline: keep it in a variable"]
pub struct RunningPipeline {
    wiring: Wiring,
    filter: Slot<Filter>,
    counter: Slot<StoredCounter>,
    detection: Slot<Detection>,
}

/// A part that runs, or what is known of it since it ended.
struct Slot<P> {
    handle: Option<ConsumerHandle<P>>,
    last: Option<PartStatus>,
}

impl<P> Default for Slot<P> {
    fn default() -> Slot<P> {
        Slot { handle: None, last: None }
    }
}

impl<P: Says> Slot<P> {
    /// Takes note of an end, and gives its file back by dropping the processor.
    fn ended(&mut self, processor: P, report: &ConsumerReport, error: Option<String>) {
        let status = PartStatus::new(P::PART, false, report, processor.says());
        self.last = Some(PartStatus { error, ..status });
    }

    fn stop(&mut self) {
        let Some(handle) = self.handle.take() else { return };
        let before = handle.report();
        let (processor, outcome) = handle.stop();
        match outcome {
            Ok(report) => self.ended(processor, &report, None),
            Err(error) => self.ended(processor, &before, Some(error.to_string())),
        }
    }

    fn status(&mut self) -> Option<PartStatus> {
        if self.handle.as_ref().is_some_and(|handle| !handle.is_running()) {
            self.stop();
        }
        match &self.handle {
            Some(handle) => {
                let says = handle.with(|processor| processor.says());
                Some(PartStatus::new(P::PART, true, &handle.report(), says))
            }
            None => self.last.clone(),
        }
    }

    fn run(&mut self, wiring: &Wiring, mut processor: P) -> Result<()> {
        let report = wiring.run(P::PART, &mut processor)?;
        self.ended(processor, &report, None);
        Ok(())
    }
}

impl RunningPipeline {
    pub(crate) fn new(wiring: Wiring) -> RunningPipeline {
        RunningPipeline {
            wiring,
            filter: Slot::default(),
            counter: Slot::default(),
            detection: Slot::default(),
        }
    }

    /// Starts a part, or starts it again where it was; one that runs goes on.
    ///
    /// # Errors
    /// When its file can't be used, or its stream can't be read.
    pub fn start(&mut self, part: Part) -> Result<()> {
        // One that has ended by itself gives its file back first.
        self.status();
        match part {
            Part::Filter if self.filter.handle.is_none() => {
                self.filter.handle = Some(self.wiring.consumer(part)?.start(self.wiring.filter()?)?);
            }
            Part::Counter if self.counter.handle.is_none() => {
                self.counter.handle = Some(self.wiring.consumer(part)?.start(self.wiring.counter()?)?);
            }
            Part::Detection if self.detection.handle.is_none() => {
                self.detection.handle = Some(self.wiring.consumer(part)?.start(self.wiring.detection()?)?);
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn run_until_caught_up(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Filter => self.filter.run(&self.wiring, self.wiring.filter()?),
            Part::Counter => self.counter.run(&self.wiring, self.wiring.counter()?),
            Part::Detection => self.detection.run(&self.wiring, self.wiring.detection()?),
        }
    }

    /// Stops a part after the batch under way, with a last commit. The others go on.
    pub fn stop_part(&mut self, part: Part) {
        match part {
            Part::Filter => self.filter.stop(),
            Part::Counter => self.counter.stop(),
            Part::Detection => self.detection.stop(),
        }
    }

    /// Stops all parts, the first one first, and says how far they came.
    pub fn stop(mut self) -> PipelineStatus {
        Part::ALL.into_iter().for_each(|part| self.stop_part(part));
        self.status()
    }

    /// How far each part is.
    pub fn status(&mut self) -> PipelineStatus {
        let parts = [self.filter.status(), self.counter.status(), self.detection.status()];
        let windows = Counts::open(self.wiring.file("counts.db")).and_then(|counts| counts.pairs()).ok();
        let alerts = Alerts::open(self.wiring.file("alerts.db")).and_then(|alerts| alerts.count()).ok();
        PipelineStatus {
            parts: parts.into_iter().flatten().collect(),
            windows: windows.unwrap_or(0),
            alerts: alerts.unwrap_or(0),
        }
    }
}

impl Drop for RunningPipeline {
    fn drop(&mut self) {
        Part::ALL.into_iter().for_each(|part| self.stop_part(part));
    }
}

impl fmt::Debug for RunningPipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pipeline, {:?}, {:?}, {:?}",
            self.filter.handle, self.counter.handle, self.detection.handle
        )
    }
}

/// A part, and what it says of itself in a status.
trait Says: RecordProcessor + Send + 'static {
    const PART: Part;
    fn says(&self) -> String;
}

/// `, 3 late` unless there is none.
fn more(number: u64, what: &str) -> String {
    if number == 0 { String::new() } else { format!(", {} {what}", grouped(number)) }
}

impl Says for Filter {
    const PART: Part = Part::Filter;

    fn says(&self) -> String {
        let unparsed = more(self.unparsed(), "did not parse");
        format!("{} kept, {} dropped{unparsed}", grouped(self.kept()), grouped(self.dropped()))
    }
}

impl Says for StoredCounter {
    const PART: Part = Part::Counter;

    fn says(&self) -> String {
        let watermark = match self.watermark() {
            crate::timestamp::Timestamp::MIN => "no watermark yet".to_owned(),
            time => format!("watermark {}", time.plain(0)),
        };
        let rest = more(self.late().count(), "late")
            + &more(self.refused().count(), "from the future")
            + &more(self.duplicates(), "duplicates")
            + &more(self.unparsed(), "did not parse");
        format!("{watermark}, {} in open windows{rest}", grouped(self.total()))
    }
}

impl Says for Detection {
    const PART: Part = Part::Detection;

    fn says(&self) -> String {
        let totals = self.totals();
        let rest = more(self.undelivered() as u64, "not delivered yet")
            + &more(totals.late, "late")
            + &more(totals.refused, "from the future")
            + &more(totals.duplicates, "duplicates")
            + &more(totals.unparsed, "did not parse")
            + &more(totals.overflow, "beyond the memory");
        let plural = if totals.alerts == 1 { "alert" } else { "alerts" };
        format!("{} {plural}{rest}", grouped(totals.alerts))
    }
}
