//! [`PipelineStatus`]: how far a pipeline is.

use std::fmt;

use super::part::Part;
use super::summary::PartSummary;
use crate::count::ClockAhead;
use crate::read::ConsumerReport;
use crate::text::{grouped, printable};

/// How far a pipeline is; made by [`RunningPipeline::status`](crate::RunningPipeline::status).
///
/// ```text
/// part       state    records  lag    it says
/// filter     running   12,345  0.0 s  12,000 kept, 345 dropped
/// counter    running   12,345  0.0 s  watermark 2018-09-06 08:04:26, 120 in open windows
/// detection  stopped   11,200  –      2 alerts
/// ```
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::{Part, Pipeline};
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-status-{}", std::process::id()));
/// let events = Kinesis::local()?.create_stream("shop", 1)?;
/// events.put("192.0.2.10", "2018-09-06T08:04:56Z")?;
/// let status = Pipeline::over(&events).folder(&folder).run_until_caught_up()?;
/// let filter = &status.parts[0];
/// assert_eq!((filter.part, filter.records, filter.summary.as_str()), (Part::Filter, 1, "1 kept, 0 dropped"));
/// assert_eq!((filter.running, filter.restarts, &filter.error), (false, 0, &None));
/// assert_eq!((filter.late, filter.clocks_ahead.len()), (0, 0));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PipelineStatus {
    /// The parts of this process, in the order of the stream.
    pub parts: Vec<PartStatus>,
    /// Completed (window, address) pairs in the database of counts; 0 when there is none.
    pub windows: u64,
    /// Alerts in the database of alerts.
    pub alerts: u64,
    /// What the pipeline's databases take on the disk, in bytes, with what SQLite writes beside them.
    pub database_bytes: u64,
}

/// How far a part is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PartStatus {
    /// Which one.
    pub part: Part,
    /// Whether it is at work, or waits to be started again.
    pub running: bool,
    /// Records that it has processed, since it was started.
    pub records: u64,
    /// How far behind the tip of its stream it is, in milliseconds, the batch under way included; `None` when that is
    /// not known, as before the first answer and while the part waits to be started again.
    pub millis_behind_latest: Option<u64>,
    /// Of each shard the last record that it has processed since it was started.
    pub positions: Vec<(String, String)>,
    /// What was kept, counted, found, in a line.
    pub summary: String,
    /// Why it waits at present, when it does: its database is locked, or has no room.
    pub waiting: Option<String>,
    /// How often it had to try again because of that, since it was started the last time.
    pub waits: u64,
    /// Of that line: how often an event came too late for a window, or a playbook's.
    pub late: u64,
    /// Of that line: whose clocks are ahead of the service's, by more than 5 s.
    pub clocks_ahead: Vec<ClockAhead>,
    /// How often it has failed and was started again.
    pub restarts: u64,
    /// Why that was, the last time.
    pub last_error: Option<String>,
    /// Why it ended, when that was an error.
    pub error: Option<String>,
}

impl PartStatus {
    pub(super) fn new(
        part: Part,
        running: bool,
        report: &ConsumerReport,
        summary: PartSummary,
    ) -> PartStatus {
        PartStatus {
            part,
            running,
            records: report.records,
            millis_behind_latest: report.millis_behind_latest.filter(|_| running),
            positions: report.positions.clone().into_iter().collect(),
            waiting: report.waiting.clone().filter(|_| running),
            waits: report.waits,
            summary: summary.text,
            late: summary.late,
            clocks_ahead: summary.clocks_ahead,
            restarts: 0,
            last_error: None,
            error: None,
        }
    }
}

impl fmt::Display for PipelineStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.parts.iter().map(|part| grouped(part.records).len()).max().unwrap_or(0).max(7);
        write!(f, "{:9}  {:7}  {:>widest$}  {:6}  it says", "part", "state", "records", "lag")?;
        for part in &self.parts {
            let state = match (part.running, &part.error) {
                (true, _) if part.waiting.is_some() => "waiting",
                (true, _) => "running",
                (false, None) => "stopped",
                (false, Some(_)) => "failed",
            };
            let lag = match part.millis_behind_latest {
                Some(millis) => format!("{:.1} s", millis as f64 / 1_000.0),
                None => "–".to_owned(),
            };
            let mut summary = part.error.as_deref().unwrap_or(&part.summary).to_owned();
            if let (Some(error), None) = (&part.last_error, &part.error) {
                summary += &format!("; started again {} times, the last time because {error}", part.restarts);
            }
            if let Some(waiting) = &part.waiting {
                summary += &format!("; waits: {waiting}");
            }
            let summary = printable(summary.as_bytes());
            write!(
                f,
                "\n{:9}  {state:7}  {:>widest$}  {lag:6}  {summary}",
                part.part,
                grouped(part.records)
            )?;
        }
        Ok(())
    }
}
