//! What counters and their databases show of themselves.

use std::time::Duration;

use super::chart::Chart;
use crate::count::Counter;

impl Counter {
    /// The windows in memory as a chart; as the last expression of a notebook cell, it is drawn there.
    pub fn chart(&self) -> Chart {
        let rows = self.windows().into_iter().map(|window| (window.start, window.counts)).collect();
        Chart::bars(&format!("Requests per {}", unit(self.window_size())), rows)
    }
}

/// `minute`, `5 minutes`, `90s`: what a window is, in a title.
pub(crate) fn unit(size: Duration) -> String {
    match size.as_secs() {
        3_600 => "hour".into(),
        60 => "minute".into(),
        1 => "second".into(),
        n if n > 0 && n % 60 == 0 => format!("{} minutes", n / 60),
        _ => format!("{size:?}"),
    }
}
