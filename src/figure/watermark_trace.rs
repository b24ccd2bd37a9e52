//! [`WatermarkTrace`]: what a watermark does, event by event. Pure.

use std::fmt;
use std::time::Duration;

use super::meters::Meters;
use crate::count::{Watermark, Window, Windows};
use crate::event::Event;
use crate::harmless::Text;
use crate::text::shown;
use crate::timestamp::Timestamp;

/// The trace's own shard: it is told of events in the order of one.
const SHARD: &str = "trace";
/// Characters of a key that are shown.
pub(super) const KEY_CHARS: usize = 40;

/// What a watermark does to windows, event by event: what a counter with this lateness does if it polls after each
/// event. And a figure of it, in which a reader can move the events and the lateness.
///
/// There is no clock in it: it is told when an event happened, and when it arrived. An event that claims to be from
/// more than 10 minutes after its arrival is refused.
///
/// ```
/// use kinesis_lab::prelude::*;
/// use kinesis_lab::{Watermark, WatermarkTrace};
///
/// let at = |secs: i64| Timestamp::from_secs(1_536_220_800 + secs); // 2018-09-06 08:00:00
/// let mut trace = WatermarkTrace::new(&Windows::tumbling(secs(60)), &Watermark::new(secs(5)));
/// for (key, time, arrival) in [("192.0.2.10", 50, 51), ("192.0.2.10", 70, 71), ("192.0.2.33", 55, 75)] {
///     trace.observe(key, at(time), at(arrival));
/// }
/// assert_eq!(trace.steps()[1].completed[0].to_string(), "2018-09-06 08:00:00 : [('192.0.2.10', 1)]");
/// assert_eq!(trace.steps()[2].late, [at(0)]);
/// assert_eq!((trace.waiting(), trace.late(), trace.open().len()), (Some(secs(11)), 1, 1)); // 71 s - 60 s
/// ```
#[derive(Debug, Clone)]
pub struct WatermarkTrace {
    windows: Windows,
    watermark: Watermark,
    steps: Vec<TraceStep>,
}

/// What one event did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceStep {
    /// Whose it is.
    pub key: Text,
    /// When it happened.
    pub time: Timestamp,
    /// When it arrived: never before the event of the step before.
    pub arrival: Timestamp,
    /// Where the watermark is after it.
    pub watermark: Timestamp,
    /// The windows that it completed, in order.
    pub completed: Vec<Window>,
    /// The starts of the windows for which it came too late.
    pub late: Vec<Timestamp>,
    /// It claims to be from the future: it is in no window, and has moved nothing.
    pub refused: bool,
}

impl WatermarkTrace {
    /// No event yet: windows of the size and slide of these, a watermark of the lateness of this one. What they hold
    /// is left alone.
    pub fn new(windows: &Windows, watermark: &Watermark) -> WatermarkTrace {
        WatermarkTrace {
            windows: Windows::sliding(windows.size(), windows.slide()),
            watermark: Watermark::new(watermark.lateness()),
            steps: Vec::new(),
        }
    }

    /// An event, in the order of arrival: whose it is, when it happened, when it arrived. An arrival before the last
    /// one counts as at the same moment.
    pub fn observe(&mut self, key: &str, time: Timestamp, arrival: Timestamp) -> &TraceStep {
        let arrival = self.steps.last().map_or(arrival, |last| arrival.max(last.arrival));
        let event = Event::new(key, time);
        let refused = event.is_from_the_future(arrival);
        let late = match refused {
            true => Vec::new(),
            false => self.windows.add(key, time, 1).late,
        };
        self.watermark.observe_event(SHARD, &event, arrival);
        let watermark = self.watermark.advance(&[]);
        let completed = self.windows.complete(watermark);
        let step = TraceStep { key: event.key, time, arrival, watermark, completed, late, refused };
        let n = self.steps.len();
        self.steps.push(step);
        &self.steps[n]
    }

    /// What each event did.
    pub fn steps(&self) -> &[TraceStep] {
        &self.steps
    }

    /// The windows that are not complete.
    pub fn open(&self) -> Vec<Window> {
        self.windows.iter().collect()
    }

    /// How long after its end a window's count comes, on average over those that are complete; `None` while none is.
    /// In processing time: from the end of the window to the arrival of the event that completed it.
    pub fn waiting(&self) -> Option<Duration> {
        Meters::of(&self.steps, &self.open()).waiting()
    }

    /// How many (event, window) pairs came too late.
    pub fn late(&self) -> u64 {
        Meters::of(&self.steps, &self.open()).late
    }

    pub(super) fn size(&self) -> Duration {
        self.windows.size()
    }

    pub(super) fn slide(&self) -> Duration {
        self.windows.slide()
    }

    pub(super) fn lateness(&self) -> Duration {
        self.watermark.lateness()
    }
}

/// `08:01:05 (192.0.2.10) came at 08:01:07: watermark 08:00:35; completes 2018-09-06 08:00:00 : […]`
impl fmt::Display for TraceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |time: Timestamp| time.plain(0)[11..].to_owned();
        let key = shown(self.key.raw(), KEY_CHARS);
        write!(f, "{} ({key}) came at {}: ", self.time.plain(0), clock(self.arrival))?;
        match self.watermark {
            Timestamp::MIN => f.write_str("no watermark yet")?,
            watermark => write!(f, "watermark {}", clock(watermark))?,
        }
        if self.refused {
            f.write_str("; refused, from the future")?;
        }
        if let Some(first) = self.late.first() {
            write!(f, "; too late for {}", clock(*first))?;
        }
        for window in &self.completed {
            write!(f, "; completes {} with {}", clock(window.start), window.total())?;
        }
        Ok(())
    }
}

/// A line for each event.
impl fmt::Display for WatermarkTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.steps.iter().map(TraceStep::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}
