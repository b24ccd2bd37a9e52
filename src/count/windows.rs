//! [`Windows`]: counts per key in windows of event time, tumbling or sliding. Pure.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use md5::{Digest, Md5};

use super::pane::{Count, Span};
use super::panes::Panes;
use super::sums::Sums;
use super::window::Window;
use crate::harmless::Text;
use crate::timestamp::Timestamp;

mod saved;

/// How many (pane, key) pairs are kept, if nothing else is said: 250 MB of IP addresses (benches/stored.rs).
const MAX_PAIRS: usize = 1_000_000;

/// Counts per key in windows of equal size, aligned to the epoch.
///
/// *Tumbling* windows follow one another; *sliding* ones begin every `slide` and overlap, so that an
/// event counts in several. There is no clock in here: an event's own time decides where it counts,
/// whenever it arrives, and [`complete`](Self::complete) is told how far event time has advanced.
///
/// What is stored is not the windows but the *panes* that they have in common (as long as the greatest
/// common divisor of size and slide), so an event costs the same however many windows it is in.
///
/// ```
/// # use kinesis_lab::{Windows, Timestamp};
/// let mut windows = Windows::tumbling(std::time::Duration::from_secs(60));
/// for time in ["08:04:58", "08:05:01", "08:04:59"] {
///     windows.add("192.0.2.10", format!("2018-09-06T{time}Z").parse()?, 1);
/// }
/// let counts: Vec<String> = windows.iter().map(|window| window.to_string()).collect();
/// assert_eq!(counts, [
///     "2018-09-06 08:04:00 : [('192.0.2.10', 2)]",
///     "2018-09-06 08:05:00 : [('192.0.2.10', 1)]",
/// ]);
/// # Ok::<(), kinesis_lab::TimestampError>(())
/// ```
#[derive(Clone)]
pub struct Windows {
    size: Duration,
    slide: Duration,
    /// The same three in microseconds.
    span: Span,
    panes: Panes,
    /// Of the window that was completed last, where windows overlap.
    sums: Sums,
    /// Windows that end here or earlier are complete: no longer in memory, nothing is added to them.
    completed_until: i64,
    pairs: usize,
    /// What all panes have: a status must not wait for the sum of a million keys.
    total: u128,
    max_pairs: usize,
    pub(crate) unplaced: u64,
}

/// What became of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Added {
    /// The starts of the windows for which it came too late; it counts in its others, if there are any.
    pub late: Vec<Timestamp>,
    /// Its key is one too many: it counts in its windows' `overflow`.
    pub overflow: bool,
    /// It has an id, and was here before: it counts nowhere.
    pub duplicate: bool,
    /// There are as many panes as may be kept: it counts in [`Windows::unplaced`] alone.
    pub unplaced: bool,
}

impl Windows {
    /// No events yet, in windows of this size. One below a microsecond becomes a microsecond.
    pub fn tumbling(size: Duration) -> Windows {
        Windows::sliding(size, size)
    }

    /// No events yet, in windows of this size, one every `slide`; a slide beyond the size is the size.
    ///
    /// ```
    /// use kinesis_lab::prelude::*;
    ///
    /// let mut windows = Windows::sliding(secs(60), secs(20));
    /// windows.add("192.0.2.10", "2018-09-06T08:04:50Z".parse()?, 1);
    /// let starts: Vec<String> = windows.iter().map(|window| window.start.plain(0)).collect();
    /// assert_eq!(starts, ["2018-09-06 08:04:00", "2018-09-06 08:04:20", "2018-09-06 08:04:40"]);
    /// # Ok::<(), kinesis_lab::TimestampError>(())
    /// ```
    pub fn sliding(size: Duration, slide: Duration) -> Windows {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4).max(1);
        let size = micros(size).min(i64::MAX / 4);
        let slide = micros(slide).min(size);
        let of = |micros: i64| Duration::from_micros(micros.unsigned_abs());
        let span = Span::new(size, slide);
        Windows {
            size: of(size),
            slide: of(slide),
            span,
            panes: Panes::new(span.pane),
            sums: Sums::default(),
            completed_until: i64::MIN,
            pairs: 0,
            total: 0,
            max_pairs: MAX_PAIRS,
            unplaced: 0,
        }
    }

    /// How many (pane, key) pairs are kept in memory, ids of events included: events of further keys
    /// count in their window's `overflow`. Of panes there are no more than that either, and at least one:
    /// an event that would need a further one is in no window, and counts in [`unplaced`](Self::unplaced).
    /// Default: 1,000,000.
    ///
    /// ```
    /// use kinesis_lab::prelude::*;
    ///
    /// let mut windows = Windows::tumbling(secs(60)).max_pairs(1);
    /// let noon = Timestamp::from_secs(1_536_235_200);
    /// assert!(!windows.add("192.0.2.10", noon, 1).overflow);
    /// assert!(windows.add("192.0.2.20", noon, 1).overflow);
    /// assert!(windows.add("192.0.2.10", noon + secs(60), 1).unplaced);
    /// let window = windows.flush().remove(0);
    /// assert_eq!(window.to_string(), "2018-09-06 12:00:00 : [('192.0.2.10', 1)] and 1 of further keys");
    /// ```
    pub fn max_pairs(mut self, pairs: usize) -> Windows {
        self.max_pairs = pairs;
        self
    }

    /// The windows' size.
    pub fn size(&self) -> Duration {
        self.size
    }

    /// The time from the start of one window to the next one's.
    pub fn slide(&self) -> Duration {
        self.slide
    }

    /// Counts `count` events of a key at a time.
    pub fn add(&mut self, key: impl AsRef<str>, time: Timestamp, count: u64) -> Added {
        self.add_with_id(key.as_ref(), time, count, None)
    }

    /// As [`add`](Self::add); an `id` that was here before, in the same pane, counts nowhere.
    ///
    /// ```
    /// use kinesis_lab::prelude::*;
    ///
    /// let (mut windows, now) = (Windows::tumbling(secs(60)), Timestamp::now());
    /// assert!(!windows.add_with_id("192.0.2.10", now, 1, Some("order 7")).duplicate);
    /// assert!(windows.add_with_id("192.0.2.10", now, 1, Some("order 7")).duplicate);
    /// assert_eq!(windows.total(), 1);
    /// ```
    pub fn add_with_id(&mut self, key: &str, time: Timestamp, count: u64, id: Option<&str>) -> Added {
        let time = time.as_micros();
        let mut added = Added::default();
        // Before that time no window is complete, so nearly every event passes with one comparison.
        if time < self.completed_until {
            added.late = self
                .span
                .starts(time)
                .filter(|start| start + self.span.size <= self.completed_until)
                .map(Timestamp::from_micros)
                .collect();
            if self.span.last_end(time) <= self.completed_until {
                return added; // all of its windows are complete
            }
            self.sums.forget();
        }
        // Far-apart events have a pane each, and would be endless also where none has room for a key.
        let Some(pane) = self.panes.of(time, self.max_pairs.max(1)) else {
            self.unplaced = self.unplaced.saturating_add(count);
            added.unplaced = true;
            return added;
        };
        let full = self.pairs >= self.max_pairs;
        if let Some(id) = id {
            let id = u128::from_be_bytes(Md5::digest(id.as_bytes()).into());
            if pane.ids.contains(&id) {
                added.duplicate = true;
                return added;
            }
            if !full {
                pane.ids.insert(id);
                pane.new_ids.push(id);
                self.pairs += 1;
            }
        }
        let more = match pane.counts.get_mut(key) {
            Some(sum) => sum.add(count),
            None if full => {
                added.overflow = true;
                pane.overflow.add(count)
            }
            None => {
                pane.counts.insert(String::from(key).into(), Count { n: count, changed: true });
                self.pairs += 1;
                count
            }
        };
        self.total += u128::from(more);
        added
    }

    /// Takes out the windows that end at `watermark` or earlier, in order; each comes once, and what is
    /// added to it later is late. A watermark before an earlier one changes nothing.
    ///
    /// ```
    /// use kinesis_lab::prelude::*;
    ///
    /// let mut windows = Windows::tumbling(secs(60));
    /// let minute = Timestamp::from_secs(1_536_220_800);
    /// windows.add("192.0.2.10", minute, 1);
    /// assert_eq!(windows.complete(minute + secs(59)).len(), 0);
    /// assert_eq!(windows.complete(minute + secs(60))[0].total(), 1);
    /// assert_eq!(windows.add("192.0.2.10", minute, 1).late, [minute]);
    /// ```
    pub fn complete(&mut self, watermark: Timestamp) -> Vec<Window> {
        let watermark = watermark.as_micros();
        if watermark <= self.completed_until {
            return Vec::new();
        }
        let starts: BTreeSet<i64> = self
            .panes
            .starts()
            .take_while(|pane| *pane < watermark)
            .flat_map(|pane| self.span.starts(pane))
            .filter(|start| {
                start + self.span.size > self.completed_until && start + self.span.size <= watermark
            })
            .collect();
        let completed = starts.into_iter().map(|start| self.next_window(start)).collect();
        self.completed_until = watermark;
        // The panes that no open window needs any more.
        while self.panes.first_start().is_some_and(|first| self.span.last_end(first) <= watermark) {
            let Some((start, pane)) = self.panes.pop_first() else { break };
            self.sums.take_off(start, &pane);
            self.pairs -= pane.counts.len() + pane.ids.len();
            self.total -= pane.total();
        }
        completed
    }

    /// Completes whatever is still open.
    pub fn flush(&mut self) -> Vec<Window> {
        let end = self.panes.last_start().map(|pane| self.span.last_end(pane));
        self.sums.forget();
        let open = self.open_starts().into_iter().map(|start| self.window(start)).collect();
        self.panes.clear();
        (self.pairs, self.total) = (0, 0);
        self.completed_until = self.completed_until.max(end.unwrap_or(i64::MIN));
        open
    }

    /// The windows in memory that have events, by time: all that are not complete.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Window> + '_ {
        self.open_starts().into_iter().map(|start| self.window(start))
    }

    /// All events in memory, each once.
    pub fn total(&self) -> u64 {
        self.total.try_into().unwrap_or(u64::MAX)
    }

    /// How many events are in no window because there was no room for a further pane.
    pub fn unplaced(&self) -> u64 {
        self.unplaced
    }

    /// How many (pane, key) pairs and ids are in memory.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    fn open_starts(&self) -> BTreeSet<i64> {
        self.panes
            .starts()
            .flat_map(|pane| self.span.starts(pane))
            .filter(|start| start + self.span.size > self.completed_until)
            .collect()
    }

    /// A window that is complete, which the next one may overlap.
    fn next_window(&mut self, start: i64) -> Window {
        if self.span.pane == self.span.size {
            return self.window(start);
        }
        let end = start + self.span.size;
        let panes = &self.panes;
        match self.sums.window(start..end, |starts| panes.between(starts)) {
            Some((counts, overflow)) => self.of_counts(start, counts, overflow),
            None => self.window(start),
        }
    }

    fn of_counts(&self, start: i64, counts: Vec<(String, u64)>, overflow: u64) -> Window {
        let (from, end) = (Timestamp::from_micros(start), Timestamp::from_micros(start + self.span.size));
        let counts = counts.into_iter().map(|(key, n)| (Text::from(key), n)).collect();
        Window { start: from, end, size: self.size, counts, overflow }
    }

    fn window(&self, start: i64) -> Window {
        let mut panes = self.panes.between(start..start + self.span.size).peekable();
        let (mut overflow, mut counts) = (0, Vec::new());
        if let Some(first) = panes.next() {
            overflow = first.overflow.n;
            counts = first.counts.iter().map(|(key, count)| (key.to_string(), count.n)).collect();
            if panes.peek().is_some() {
                let mut sums: HashMap<String, u64, foldhash::quality::RandomState> =
                    counts.into_iter().collect();
                for pane in panes {
                    overflow = pane.overflow.n.saturating_add(overflow);
                    for (key, count) in &pane.counts {
                        match sums.get_mut(&**key) {
                            Some(sum) => *sum = count.n.saturating_add(*sum),
                            None => drop(sums.insert(key.to_string(), count.n)),
                        }
                    }
                }
                counts = sums.into_iter().collect();
            }
        }
        counts.sort_unstable();
        self.of_counts(start, counts, overflow)
    }
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
