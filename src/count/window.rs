//! [`Window`]: one window with its counts.

use std::fmt;
use std::time::Duration;

use crate::harmless::Text;
use crate::record::Entry;
use crate::text::in_quotes;
use crate::timestamp::Timestamp;

/// One window with its counts.
///
/// ```
/// use kinesis_lab::prelude::*;
///
/// let mut windows = Windows::tumbling(secs(60));
/// windows.add("192.0.2.10", "2018-09-06T08:04:50Z".parse()?, 9);
/// let window = windows.iter().next().unwrap();
/// assert_eq!((window.total(), window.end.since(window.start)), (9, secs(60)));
/// assert_eq!(window.to_string(), "2018-09-06 08:04:00 : [('192.0.2.10', 9)]");
/// # Ok::<(), kinesis_lab::TimestampError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// The first instant in it.
    pub start: Timestamp,
    /// The first instant after it: `start + size`.
    pub end: Timestamp,
    /// Its length.
    pub size: Duration,
    /// Each key with its count, sorted by key.
    pub counts: Vec<(Text, u64)>,
    /// Events of keys that came when no further key could be kept ([`Windows::max_pairs`](crate::Windows::max_pairs)).
    pub overflow: u64,
}

impl Window {
    /// All events in it.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum::<u64>() + self.overflow
    }

    /// The window as records for another stream, one a key, with the key as partition key:
    /// `{"count":9,"end":"…","id":"…","ip":"192.0.2.10","time":"…"}`. `time` is the window's start, and the
    /// id tells a copy from another window: [`Event::parse`](crate::Event::parse) reads them.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # let mut counter = Counter::per_minute().lateness(secs(30));
    /// # let kinesis = Kinesis::local()?;
    /// # let counts = kinesis.create_stream("counts", 1)?;
    /// let records: Vec<Entry> = counter.take_completed().iter().flat_map(Window::entries).collect();
    /// counts.put_many(records).send()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn entries(&self) -> Vec<Entry> {
        let (time, end) = (self.start.to_string(), self.end.to_string());
        let entry = |(key, count): &(Text, u64)| {
            let key = key.raw();
            let id = format!("{time}/{end}/{key}");
            let data = serde_json::json!({ "ip": key, "time": time, "end": end, "count": count, "id": id });
            // An event's key may be what no partition key can be.
            let partition_key: String = key.chars().take(256).collect();
            let partition_key = if partition_key.is_empty() { "-".to_owned() } else { partition_key };
            Entry::new(partition_key, data.to_string())
        };
        self.counts.iter().map(entry).collect()
    }
}

/// Characters of a key that are shown: as many as a partition key has.
pub(super) const KEY_CHARS: usize = 256;

/// `2018-09-06 08:04:00 : [('192.0.2.10', 9), ('192.0.2.20', 4)]`; a key has no quote in it (`\x27` there), and at
/// most 256 characters.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole_seconds = self.size.subsec_nanos() == 0;
        write!(f, "{} : [", self.start.plain(if whole_seconds { 0 } else { 6 }))?;
        for (n, (key, count)) in self.counts.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}({}, {count})", in_quotes(key.raw(), KEY_CHARS))?;
        }
        f.write_str("]")?;
        match self.overflow {
            0 => Ok(()),
            n => write!(f, " and {n} of further keys"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key could end its quotes, and write entries of others.
    #[test]
    fn a_key_forges_no_entry() {
        let (start, size) = (Timestamp::from_secs(1_536_220_800), Duration::from_secs(60));
        let counts = ["a', 9), ('192.0.2.10", "b\n2018-09-06 08:01:00 : [('c", &"d".repeat(100_000)]
            .map(|key| (Text::from(key), 1))
            .to_vec();
        let shown = Window { start, end: start + size, size, counts, overflow: 0 }.to_string();
        assert_eq!(
            shown,
            format!(
                r"2018-09-06 08:00:00 : [('a\x27, 9), (\x27192.0.2.10', 1), ('b\n2018-09-06 08:01:00 : [(\x27c', 1), ('{}…', 1)]",
                "d".repeat(255)
            )
        );
        assert_eq!(shown.matches('\'').count(), 6);
    }
}
