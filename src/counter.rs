//! [`Counter`]: events per key in windows of time.

use std::time::Duration;

use crate::event::Event;
use crate::printing::Printing;
use crate::processor::{Context, ProcessError, RecordProcessor};
use crate::record::{Batch, Record};
use crate::text::{printable, shorten};
use crate::window::{Window, Windows};

/// Characters of a record that did not parse, where a line names the first: it is printed at every poll,
/// and a record can be a megabyte.
const DATA_SHOWN: usize = 200;
/// How many records that did not parse are kept for inspection; all are counted.
const UNPARSED_KEPT: usize = 100;

/// Counts events per key (requests per IP address) in windows of event time.
///
/// It is silent; [`printing`](Counter::printing) wraps it in one that writes its windows at every
/// poll. It keeps all windows, in memory. What a record must look like: [`Event::parse`].
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("counted", 2)?;
/// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(12).start().join();
/// let mut counter = Counter::per_minute();
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// assert_eq!(counter.to_string(), "\
/// 2018-09-06 08:00:00 : [('192.0.2.10', 6)]
/// 2018-09-06 08:01:00 : [('192.0.2.10', 6)]
/// ");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Counter {
    windows: Windows,
    unparsed: u64,
    samples: Vec<Unparsed>,
}

/// A record that did not parse as an event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unparsed {
    /// The record, unchanged.
    pub record: Record,
    /// What is wrong with it.
    pub reason: String,
}

impl Counter {
    /// Windows of one minute.
    pub fn per_minute() -> Counter {
        Counter::tumbling(Duration::from_secs(60))
    }

    /// Windows of any size, aligned to the epoch, one after the other.
    pub fn tumbling(size: Duration) -> Counter {
        Counter { windows: Windows::tumbling(size), unparsed: 0, samples: Vec::new() }
    }

    /// The same counter, writing its windows to stdout at every poll.
    pub fn printing(self) -> Printing {
        Printing::new(self)
    }

    /// The windows that have events, by time.
    pub fn windows(&self) -> Vec<Window> {
        self.windows.iter().collect()
    }

    /// All events counted.
    pub fn total(&self) -> u64 {
        self.windows.total()
    }

    /// How many records did not parse as an event.
    pub fn unparsed(&self) -> u64 {
        self.unparsed
    }

    /// The first 100 records that did not parse, each with the reason.
    pub fn unparsed_samples(&self) -> &[Unparsed] {
        &self.samples
    }

    /// The windows as a chart; as the last expression of a notebook cell, it is drawn there.
    #[cfg(feature = "chart")]
    pub fn chart(&self) -> crate::chart::Chart {
        let rows = self.windows.iter().map(|window| (window.start, window.counts)).collect();
        crate::chart::Chart::bars(&format!("Requests per {}", unit(self.windows.size())), rows)
    }

    fn count(&mut self, record: &Record) {
        match Event::parse(record) {
            Ok(event) => self.windows.add(&event.key, event.time, 1),
            Err(error) => {
                self.unparsed += 1;
                if self.samples.len() < UNPARSED_KEPT {
                    self.samples.push(Unparsed { record: record.clone(), reason: error.to_string() });
                }
            }
        }
    }
}

impl RecordProcessor for Counter {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        batch.records.iter().for_each(|record| self.count(record));
        Ok(())
    }
}

/// A line a window, and one for the records that did not parse, if there are any.
impl std::fmt::Display for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for window in self.windows.iter() {
            writeln!(f, "{window}")?;
        }
        if let Some(first) = self.samples.first() {
            let (key, data) = (
                printable(first.record.partition_key.as_bytes()),
                shorten(&printable(&first.record.data), DATA_SHOWN).into_owned(),
            );
            let n = match self.unparsed {
                1 => "1 record".to_owned(),
                n => format!("{n} records"),
            };
            writeln!(f, "{n} did not parse; the first is {key} : {data} ({})", first.reason)?;
        }
        Ok(())
    }
}

#[cfg(feature = "chart")]
fn unit(size: Duration) -> String {
    match size.as_secs() {
        3_600 => "hour".into(),
        60 => "minute".into(),
        1 => "second".into(),
        n if n > 0 && n % 60 == 0 => format!("{} minutes", n / 60),
        _ => format!("{size:?}"),
    }
}
