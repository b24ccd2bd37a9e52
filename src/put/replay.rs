//! [`Replay`]: an access log, put into a stream as if it happened now.

use std::io;
use std::time::Duration;

use super::emitter::launch;
use super::pace::Pace;
use super::plan::Plan;
use super::producer_handle::ProducerHandle;
use super::queue::PutOptions;
use crate::error::Result;
use crate::format::LogRecord;
use crate::record::Entry;
use crate::stream::Stream;
use crate::timestamp::Timestamp;

/// Puts the lines of an access log, in the order of the file; made by [`Stream::replay`].
///
/// The partition key is the client's address, the data is the line itself. By default it goes as
/// fast as it can; [`speed`](Replay::speed) keeps the gaps between the lines.
///
/// A line that no stream would take (its client is longer than the 256 characters of a partition key, the whole is
/// larger than 1 MiB) is left out; the report counts these and names the first.
///
/// The log may be a live one, `tail -F access.log | program`: it is read on a thread of its own, and a line is put
/// when it comes.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("log", 1)?;
/// let text = "\
/// 192.0.2.1 - - [06/Sep/2018:08:04:56 +0000] \"GET / HTTP/1.1\" 200 5
/// 192.0.2.2 - - [06/Sep/2018:08:04:57 +0000] \"GET /a HTTP/1.1\" 404 5
/// ";
/// // A minute a second, the lines of a client in their order:
/// let replay = stream.replay(AccessLog::from_reader(text.as_bytes())).speed(60.0).ordered().limit(1_000);
/// assert_eq!(replay.start().join().sent, 2);
/// # Ok::<(), Error>(())
/// ```
#[must_use = "nothing is emitted before .start()"]
pub struct Replay {
    stream: Stream,
    lines: Box<dyn Iterator<Item = io::Result<LogRecord>> + Send>,
    pace: Pace,
    limit: u64,
    options: PutOptions,
}

impl Stream {
    /// The lines of an access log as a producer, to be configured and started:
    /// `stream.replay(AccessLog::open("data/access.log")?).speed(60.0).start()`.
    ///
    /// ```
    /// use kinesis_lab::{LogLine, prelude::*};
    ///
    /// let stream = Kinesis::local()?.create_stream("log", 2)?;
    /// let errors = AccessLog::open("data/access.log")?.filter(|record| match record {
    ///     Ok(record) => LogLine::parse(&record.line).is_ok_and(|line| line.status >= 400),
    ///     Err(_) => true, // a log that can't be read is not a log that has ended
    /// });
    /// let report = stream.replay(errors).start().join();
    /// assert!(report.sent > 0 && report.last_error.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replay(&self, log: impl Iterator<Item = std::io::Result<LogRecord>> + Send + 'static) -> Replay {
        Replay::new(self.clone(), Box::new(log))
    }
}

impl Replay {
    fn new(stream: Stream, lines: Box<dyn Iterator<Item = io::Result<LogRecord>> + Send>) -> Replay {
        Replay { stream, lines, pace: Pace::AtOnce, limit: u64::MAX, options: PutOptions::default() }
    }

    /// Plays the log at so many times its own speed: 60.0 is a minute a second. Default: at once, which is also
    /// what anything means that is no positive number.
    pub fn speed(mut self, factor: f64) -> Replay {
        self.pace = Pace::times(factor);
        self
    }

    /// How many lines to put at the most. Default: all.
    pub fn limit(mut self, lines: u64) -> Replay {
        self.limit = lines;
        self
    }

    /// Keeps the order of the lines of one client also when a record is retried; slower. Lines of
    /// different clients may still come out of the log's order: see
    /// [`PutMany::ordered`](crate::PutMany::ordered).
    pub fn ordered(mut self) -> Replay {
        self.options.ordered = true;
        self
    }

    /// Begins to put, in the background.
    pub fn start(self) -> ProducerHandle {
        let plan = Lines { lines: self.lines, next: None, first: None, number: 0, left: self.limit };
        launch(self.stream, Box::new(plan), self.pace, self.options, false)
    }
}

struct Lines {
    lines: Box<dyn Iterator<Item = io::Result<LogRecord>> + Send>,
    next: Option<LogRecord>,
    first: Option<Timestamp>,
    /// Of the line emitted last.
    number: u64,
    left: u64,
}

impl Plan for Lines {
    fn next_offset(&mut self) -> Result<Option<Duration>> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.next.is_none() {
            self.next = self.lines.next().transpose()?;
        }
        let Some(time) = self.next.as_ref().map(|record| record.time) else { return Ok(None) };
        // A line from before the first one, as real logs have them, is due at once.
        Ok(Some(time.since(*self.first.get_or_insert(time))))
    }

    fn emit(&mut self, _now: Timestamp) -> Entry {
        self.left -= 1;
        match self.next.take() {
            Some(record) => {
                self.number = record.number;
                Entry::new(record.client, record.line)
            }
            // Not reached: the emitter asks for the offset first. An empty key would be refused.
            None => Entry::new("", ""),
        }
    }

    fn place(&self) -> (&'static str, u64) {
        ("line", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan_feed::PlanFeed;
    use super::*;

    /// An `AccessLog` knows no client of that length; an iterator of one's own may.
    #[tokio::test]
    async fn a_client_that_is_no_key_is_left_out_by_its_line() {
        let record = |number: u64, client: String| LogRecord {
            number,
            client: client.into(),
            time: Timestamp::from_secs(1_536_220_800),
            line: "a line".into(),
        };
        let lines =
            [record(3, "192.0.2.1".into()), record(17, "h".repeat(257)), record(18, "192.0.2.2".into())];
        let plan = Lines {
            lines: Box::new(lines.into_iter().map(Ok)),
            next: None,
            first: None,
            number: 0,
            left: 10,
        };
        let feed = PlanFeed::start(Box::new(plan), Pace::AtOnce);
        let mut put = 0;
        loop {
            feed.gather().await;
            let fed = feed.take();
            put += fed.entries.len();
            if fed.end.is_some() {
                let first = fed.left_out.1.unwrap();
                assert_eq!((put, fed.left_out.0, first.number), (2, 1, 17));
                assert!(first.to_string().starts_with("line 17: a partition key is 1 to 256"), "{first}");
                break;
            }
        }
    }
}
