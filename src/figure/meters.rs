//! [`Meters`]: what a lateness costs, and what it saves. Pure.

use std::time::Duration;

use super::watermark_trace::TraceStep;
use crate::count::Window;

/// Waiting and loss, of so many steps and the windows that are still open after them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Meters {
    /// Windows that are complete.
    pub(super) completed: u64,
    /// The sum over them, from the end of each to the arrival of the event that completed it, in microseconds.
    pub(super) waited: u128,
    /// (event, window) pairs that came too late.
    pub(super) late: u64,
    /// Those that are counted.
    pub(super) counted: u64,
    pub(super) refused: u64,
}

impl Meters {
    pub(super) fn of(steps: &[TraceStep], open: &[Window]) -> Meters {
        let mut meters = Meters { counted: open.iter().map(Window::total).sum(), ..Meters::default() };
        for step in steps {
            meters.late += step.late.len() as u64;
            meters.refused += u64::from(step.refused);
            meters.completed += step.completed.len() as u64;
            for window in &step.completed {
                meters.counted += window.total();
                // An event moves the watermark no further than to its arrival, so that this is never negative.
                meters.waited += step.arrival.since(window.end).as_micros();
            }
        }
        meters
    }

    pub(super) fn waiting(self) -> Option<Duration> {
        let mean = self.waited.checked_div(self.completed.into())?;
        Some(Duration::from_micros(mean.try_into().unwrap_or(u64::MAX)))
    }
}
