//! [`Late`] and [`Refused`]: the events that are in no window, kept where they can be seen.

use std::collections::BTreeMap;
use std::fmt;

use super::unparsed::SAMPLES_KEPT;
use super::window::KEY_CHARS;
use crate::harmless::Text;
use crate::text::shown;
use crate::timestamp::Timestamp;

/// How many (window, key) pairs are counted apart; beyond that, only the total grows.
const MAX_PAIRS: usize = 100_000;

/// Events that came for windows already complete.
///
/// One that is late for some of its windows, and in time for others, is in both; [`count`](Self::count)
/// counts (event, window) pairs.
///
/// ```
/// use kinesis_lab::prelude::*;
///
/// // As a consumer would drive it: two polls.
/// let mut counter = Counter::per_minute().lateness(secs(10));
/// let mut ctx = Context::at(Timestamp::now());
/// for time in ["2018-09-06T08:05:00Z", "2018-09-06T08:00:59Z"] {
///     let record = Record::new("192.0.2.10", time, "1", ctx.now);
///     counter.process(&Batch::new("visits", "shardId-000000000000", vec![record]), &mut ctx)?;
///     counter.tick(&mut ctx)?;
/// }
/// assert_eq!(counter.late().windows()[0].0.plain(0), "2018-09-06 08:00:00");
/// assert_eq!(
///     counter.late().to_string(),
///     "1 came too late for its window; the first is 192.0.2.10 at 2018-09-06 08:00:59"
/// );
/// # Ok::<(), ProcessError>(())
/// ```
#[derive(Clone, Default)]
pub struct Late {
    count: u64,
    windows: BTreeMap<(Timestamp, Text), u64>,
    samples: Vec<LateEvent>,
    /// A store empties `windows` again and again, so that all are kept until then.
    pub(crate) stored: bool,
}

/// One late event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LateEvent {
    /// Whose it is.
    pub key: Text,
    /// When it happened.
    pub time: Timestamp,
    /// The starts of the windows for which it came too late.
    pub windows: Vec<Timestamp>,
}

impl Late {
    /// How many (event, window) pairs.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many events of which key came too late for which window, by the window's start. The first
    /// 100,000 different ones; the count is of all. With a store they are in its table `late`.
    pub fn windows(&self) -> Vec<(Timestamp, Text, u64)> {
        self.windows.iter().map(|((start, key), n)| (*start, key.clone(), *n)).collect()
    }

    /// The first 100 of them.
    pub fn samples(&self) -> &[LateEvent] {
        &self.samples
    }

    /// What a store has not yet.
    pub(crate) fn take_windows(&mut self) -> BTreeMap<(Timestamp, Text), u64> {
        std::mem::take(&mut self.windows)
    }

    /// As a store has it.
    pub(crate) fn restore(&mut self, count: u64) {
        *self = Late { count, stored: true, ..Late::default() };
    }

    pub(crate) fn add(&mut self, key: &str, time: Timestamp, windows: &[Timestamp]) {
        for start in windows {
            self.count += 1;
            let pair = (*start, Text::from(key));
            if self.stored || self.windows.len() < MAX_PAIRS || self.windows.contains_key(&pair) {
                *self.windows.entry(pair).or_default() += 1;
            }
        }
        if self.samples.len() < SAMPLES_KEPT {
            self.samples.push(LateEvent { key: key.into(), time, windows: windows.to_vec() });
        }
    }
}

impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `3 came too late for their windows; the first is 192.0.2.10 at 2018-09-06 08:04:56`
impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.count == 1 { "its window" } else { "their windows" };
        match (self.count, self.samples.first()) {
            (0, _) => f.write_str("none came too late"),
            // Of an earlier program, whose events are not kept.
            (n, None) => write!(f, "{n} came too late for {whose}"),
            (n, Some(first)) => {
                let key = shown(first.key.raw(), KEY_CHARS);
                write!(f, "{n} came too late for {whose}; the first is {key} at {}", first.time.plain(0))
            }
        }
    }
}

/// Events that claim to be from more than 10 minutes after their arrival; they never move the watermark.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("ahead", 1)?;
/// stream.put("192.0.2.10", "2999-01-01T00:00:00Z")?;
/// let mut counter = Counter::per_minute().lateness(secs(10));
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// assert_eq!((counter.refused().count(), counter.total()), (1, 0));
/// assert_eq!(
///     counter.refused().to_string(),
///     "1 is from the future; the first is 192.0.2.10 at 2999-01-01 00:00:00"
/// );
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Refused {
    count: u64,
    samples: Vec<RefusedEvent>,
}

/// One event from the future.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedEvent {
    /// Whose it is.
    pub key: Text,
    /// When it claims to have happened.
    pub time: Timestamp,
    /// When Kinesis took it.
    pub arrival: Timestamp,
}

impl Refused {
    /// How many.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first 100 of them.
    pub fn samples(&self) -> &[RefusedEvent] {
        &self.samples
    }

    pub(crate) fn add(&mut self, key: &str, time: Timestamp, arrival: Timestamp) {
        self.count += 1;
        if self.samples.len() < SAMPLES_KEPT {
            self.samples.push(RefusedEvent { key: key.into(), time, arrival });
        }
    }

    pub(crate) fn restore(&mut self, count: u64) {
        self.count = count;
    }
}

/// `2 are from the future; the first is 192.0.2.10 at 2038-01-19 03:14:07`
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let are = if self.count == 1 { "is" } else { "are" };
        match (self.count, self.samples.first()) {
            (0, _) => f.write_str("none is from the future"),
            (n, None) => write!(f, "{n} {are} from the future"),
            (n, Some(first)) => {
                let key = shown(first.key.raw(), KEY_CHARS);
                write!(f, "{n} {are} from the future; the first is {key} at {}", first.time.plain(0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_program_counted_is_said_without_its_events() {
        let (mut late, mut refused) = (Late::default(), Refused::default());
        let said = |late: &Late, refused: &Refused| format!("{late}; {refused}");
        assert_eq!(said(&late, &refused), "none came too late; none is from the future");
        late.restore(1);
        refused.restore(1);
        assert_eq!(said(&late, &refused), "1 came too late for its window; 1 is from the future");
        late.restore(7);
        refused.restore(7);
        assert_eq!(said(&late, &refused), "7 came too late for their windows; 7 are from the future");
    }
}
