//! What counters and their databases show of themselves.

use std::time::Duration;

use super::chart::Chart;
use crate::count::{Counter, Printing, StoredCounter};
use crate::text::grouped;

impl Counter {
    /// The windows in memory as a chart, with the late events marked, and how many from the future are in none; as the last expression of a notebook cell, it is drawn there.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("drawn", 1)?;
    /// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(12).start().join();
    /// let mut counter = Counter::per_minute();
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    /// assert!(counter.chart().to_string().contains("Requests per minute"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn chart(&self) -> Chart {
        let rows = self.windows().into_iter().map(|window| (window.start, window.counts)).collect();
        let chart = Chart::bars(&format!("Requests per {}", unit(self.window_size())), rows);
        let chart = chart.late(self.late().windows());
        match self.refused().count() {
            0 => chart,
            1 => chart.note("1 from the future is in no window"),
            n => chart.note(&format!("{} from the future are in no window", grouped(n))),
        }
    }
}

impl Printing {
    /// As [`Counter::chart`].
    pub fn chart(&self) -> Chart {
        self.counter().chart()
    }
}

impl StoredCounter {
    /// As [`Counter::chart`]: the windows in memory, not those in the store.
    pub fn chart(&self) -> Chart {
        self.counter().chart()
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
