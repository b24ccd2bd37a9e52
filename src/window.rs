//! [`Windows`]: counts per key in tumbling windows of event time. Pure.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use crate::text::{Quoted, printable};
use crate::timestamp::Timestamp;

/// Counts per key in windows of equal size, aligned to the epoch, one after the other.
///
/// There is no clock in here: the time of an event decides where it counts, whenever it comes.
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
    /// By start. The keys are hashed while counting and sorted only when they are looked at.
    counts: BTreeMap<Timestamp, Counts>,
}

type Counts = HashMap<Box<str>, u64, foldhash::quality::RandomState>;

impl Windows {
    /// No events yet, in windows of this size. One below a microsecond becomes a microsecond.
    pub fn tumbling(size: Duration) -> Windows {
        Windows { size: size.max(Duration::from_micros(1)), counts: BTreeMap::new() }
    }

    /// The windows' size.
    pub fn size(&self) -> Duration {
        self.size
    }

    /// Counts `count` events of a key at a time.
    pub fn add(&mut self, key: &str, time: Timestamp, count: u64) {
        let window = self.counts.entry(time.truncate(self.size)).or_default();
        match window.get_mut(key) {
            Some(sum) => *sum += count,
            None => drop(window.insert(key.into(), count)),
        }
    }

    /// The windows that have events, by time.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Window> + '_ {
        self.counts.iter().map(|(start, counts)| {
            let mut counts: Vec<(String, u64)> =
                counts.iter().map(|(key, count)| (key.to_string(), *count)).collect();
            counts.sort_unstable();
            Window { start: *start, size: self.size, counts }
        })
    }

    /// All events counted.
    pub fn total(&self) -> u64 {
        self.counts.values().flat_map(HashMap::values).sum()
    }
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// One window with its counts.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// The first instant in it.
    pub start: Timestamp,
    /// Its length; the first instant after it is `start + size`.
    pub size: Duration,
    /// Each key with its count, sorted by key.
    pub counts: Vec<(String, u64)>,
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.counts.iter().map(|(key, count)| (Quoted(key), count)).collect();
        let mut window = f.debug_struct("Window");
        window.field("start", &self.start).field("size", &self.size).field("counts", &counts).finish()
    }
}

/// `2018-09-06 08:04:00 : [('192.0.2.10', 9), ('192.0.2.20', 4)]`
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole_seconds = self.size.subsec_nanos() == 0;
        write!(f, "{} : [", self.start.plain(if whole_seconds { 0 } else { 6 }))?;
        for (n, (key, count)) in self.counts.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}('{}', {count})", printable(key.as_bytes()))?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // 256 cases of up to 100 events; each compares with the count that one would write by hand.
        #[test]
        fn any_order_gives_the_batch_count(
            mut events in proptest::collection::vec((0u8..4, -200_000_000i64..200_000_000), 0..100),
            size in 1u64..100,
        ) {
            let size = Duration::from_secs(size);
            let count = |events: &[(u8, i64)]| {
                let mut windows = Windows::tumbling(size);
                events.iter().for_each(|(key, at)| windows.add(&key.to_string(), Timestamp::from_micros(*at), 1));
                windows.iter().collect::<Vec<_>>()
            };
            let forward = count(&events);
            for window in &forward {
                for (key, n) in &window.counts {
                    let by_hand = events.iter().filter(|(k, at)| {
                        let at = Timestamp::from_micros(*at);
                        k.to_string() == *key && window.start <= at && at < window.start + size
                    });
                    prop_assert_eq!(by_hand.count() as u64, *n);
                }
            }
            prop_assert_eq!(forward.iter().flat_map(|w| &w.counts).map(|(_, n)| n).sum::<u64>(), events.len() as u64);
            events.reverse();
            prop_assert_eq!(count(&events), forward);
        }
    }
}
