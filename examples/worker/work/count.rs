//! Counts: requests per key, in windows.

use std::time::Duration;

use clap::Args;
use kinesis_lab::SharedCounter;
use kinesis_lab::prelude::*;

use crate::common;
use crate::formats::FormatArguments;

#[derive(Args)]
pub(crate) struct Count {
    /// How long a window is: 500ms, 60s, 5m, 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = common::duration)]
    window: Duration,
    /// From the start of one window to the next [default: the window's length]
    #[arg(long, value_name = "TIME", value_parser = common::duration)]
    slide: Option<Duration>,
    /// How much later than the newest event of its shard an event is still waited for
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = common::duration)]
    lateness: Duration,
    /// Drop completed windows that ended so long before the watermark: 720h [default: all are kept]
    #[arg(long, value_name = "TIME", value_parser = common::duration)]
    keep: Option<Duration>,
    /// For a lesson alone: does not ask whether another worker has the shard by now, so that counts are wrong as soon as
    /// one is cut off or stands still
    #[arg(long)]
    without_fence: bool,
    #[command(flatten)]
    format: FormatArguments,
}

impl Count {
    pub(super) fn counter(&self, database: &str, stream: &Stream) -> Result<SharedCounter, Error> {
        let slide = self.slide.unwrap_or(self.window);
        if slide > self.window {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "--slide is longer than --window: events between two windows would be in none",
            ));
        }
        let counter = Counter::sliding(self.window, slide).lateness(self.lateness);
        let counter = counter.reading(self.format.format()?).shared_in(database, stream)?;
        let counter = if self.without_fence { counter.without_fence() } else { counter };
        Ok(match self.keep {
            Some(time) => counter.keep_for(time),
            None => counter,
        })
    }
}
