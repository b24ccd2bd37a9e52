//! [`Counter`]: events per key in windows of time.

use std::time::Duration;

use super::clocks_ahead::ClocksAhead;
use super::copies::Copies;
use super::late::{Late, Refused};
use super::unparsed::{Unparsed, UnparsedRecords};
use super::watermark::Watermark;
use super::window::Window;
use super::windows::Windows;
use crate::event::ClientNetwork;
use crate::format::AnyFormat;
use crate::text::{printable, shorten};
use crate::timestamp::Timestamp;

mod counting;
mod saved;

/// Characters of a record that did not parse, where a line names the first: it is printed at every poll,
/// and a record can be a megabyte.
const DATA_SHOWN: usize = 200;

/// Counts events per key (requests per IP address) in windows of event time.
///
/// It is silent; [`printing`](Counter::printing) wraps it in one that writes its windows at every
/// poll. What a record must look like: [`KnownForms`](crate::KnownForms), or what [`reading`](Counter::reading)
/// says. An event with an id that was counted before is not counted again.
///
/// By default it keeps all windows, in memory, and an event is never too late. Told a
/// [`lateness`](Counter::lateness), it *completes* windows: those that the watermark has passed are
/// dropped from memory and handed out once, in order, by [`take_completed`](Counter::take_completed);
/// an event that comes for a completed window is in [`late`](Counter::late), one from more than 10
/// minutes after its own arrival in [`refused`](Counter::refused). None is lost in silence.
///
/// It reads as its [`Consumer`](crate::Consumer) does: at the tip of a shard once a poll (2 reads a second and
/// shard by default), and up to five times a second while it is behind, which is all that the service allows
/// the readers of a shard together.
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
    pub(crate) windows: Windows,
    /// Without one, no window is ever complete.
    pub(crate) watermark: Option<Watermark>,
    pub(crate) completed: Vec<Window>,
    pub(crate) late: Late,
    pub(crate) refused: Refused,
    clocks_ahead: ClocksAhead,
    /// Whether an event of the record under way is ahead of its arrival.
    is_ahead: bool,
    /// Of records that a filter sent on.
    pub(crate) copies: Copies,
    pub(crate) duplicates: u64,
    pub(crate) unparsed: UnparsedRecords,
    format: AnyFormat,
    network: Option<ClientNetwork>,
}

impl Counter {
    /// Windows of one minute.
    pub fn per_minute() -> Counter {
        Counter::tumbling(Duration::from_secs(60))
    }

    /// Windows of any size, aligned to the epoch, one after the other. One below a microsecond becomes a
    /// microsecond.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("tumbling", 1)?;
    /// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(6).start().join();
    /// let mut counter = Counter::tumbling(secs(30));
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    /// let starts: Vec<String> = counter.windows().iter().map(|window| window.start.plain(0)).collect();
    /// assert_eq!(starts, ["2018-09-06 08:00:00", "2018-09-06 08:00:30"]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn tumbling(size: Duration) -> Counter {
        Counter::sliding(size, size)
    }

    /// Windows of any size, one every `slide`, that overlap: an event counts in `size / slide` of them. A slide
    /// beyond the size is the size.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("sliding", 1)?;
    /// stream.put("192.0.2.10", "2018-09-06T08:04:50Z")?;
    /// let mut counter = Counter::sliding(secs(60), secs(20));
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    /// assert_eq!((counter.windows().len(), counter.total()), (3, 1));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn sliding(size: Duration, slide: Duration) -> Counter {
        Counter {
            windows: Windows::sliding(size, slide),
            watermark: None,
            completed: Vec::new(),
            late: Late::default(),
            refused: Refused::default(),
            clocks_ahead: ClocksAhead::default(),
            is_ahead: false,
            copies: Copies::default(),
            duplicates: 0,
            unparsed: UnparsedRecords::default(),
            format: AnyFormat::default(),
            network: None,
        }
    }

    /// Completes windows once the [`Watermark`] has passed their end: the newest event time of the
    /// slowest shard, less this. Default: no window is ever complete.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("late", 1)?;
    /// let mut counter = Counter::per_minute().lateness(secs(30));
    /// stream.put("192.0.2.10", "2018-09-06T08:00:10Z")?;
    /// stream.put("192.0.2.10", "2018-09-06T08:01:35Z")?; // 30 s earlier, the first minute has ended
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    /// assert_eq!(counter.watermark().plain(0), "2018-09-06 08:01:05");
    /// let completed = counter.take_completed();
    /// assert_eq!(completed[0].to_string(), "2018-09-06 08:00:00 : [('192.0.2.10', 1)]");
    /// counter.flush(); // nothing more is expected
    /// assert_eq!((counter.take_completed().len(), counter.total()), (1, 0));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn lateness(mut self, lateness: Duration) -> Counter {
        self.watermark = Some(Watermark::new(lateness));
        self
    }

    /// Reads records in this format: what is counted is the key of its events. Default:
    /// [`KnownForms`](crate::KnownForms).
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// use kinesis_lab::JsonFormat;
    ///
    /// let stream = Kinesis::local()?.create_stream("pages", 1)?;
    /// stream.put("any", r#"{"at": 1709288100, "page": "/cart"}"#)?;
    /// let mut counter = Counter::per_minute().reading(JsonFormat::new().key(&["page"]).time("at"));
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    /// assert_eq!(counter.to_string(), "2024-03-01 10:15:00 : [('/cart', 1)]\n");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn reading(mut self, format: impl Into<AnyFormat>) -> Counter {
        self.format = format.into();
        self
    }

    /// Counts clients by their networks: those that agree in the first `v4` bits of an address of IPv4 (1 to 32)
    /// or the first `v6` of one of IPv6 (1 to 128) are one key, `192.0.2.0/24` or `2001:db8:1:2::/64`. What is no
    /// address stays as it is. Default: each address is a key.
    ///
    /// Whoever has one address of IPv6 has 2⁶⁴ of them: providers give networks of 64 bits (RFC 6177).
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("networks", 1)?;
    /// for client in ["2001:db8:1:2::1", "2001:db8:1:2::2", "192.0.2.1", "192.0.2.2"] {
    ///     stream.put(client, "2018-09-06T08:04:56Z")?;
    /// }
    /// let mut counter = Counter::per_minute().network(32, 64);
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    /// let window = "[('192.0.2.1', 1), ('192.0.2.2', 1), ('2001:db8:1:2::/64', 2)]";
    /// assert_eq!(counter.windows()[0].to_string(), format!("2018-09-06 08:04:00 : {window}"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn network(mut self, v4: u8, v6: u8) -> Counter {
        self.network = Some(ClientNetwork::of(v4.max(1), v6.max(1)));
        self
    }

    /// What its keys are, as [`Fingerprint`](super::store::Fingerprint) has it.
    pub(crate) fn key_name(&self) -> String {
        let name = self.format.key_name();
        match self.network.map(ClientNetwork::lengths) {
            None | Some((32, 128)) => name,
            Some((v4, v6)) => format!("{name}/{v4}/{v6}"),
        }
    }

    /// How many (pane, key) pairs are kept in memory; events of further keys are counted without their
    /// key, in [`Window::overflow`]. As many panes at the most: events that would need one more are counted
    /// in [`unplaced`](Counter::unplaced). Default: 1,000,000.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// // Whoever chooses the keys can't choose how much memory they take.
    /// let stream = Kinesis::local()?.create_stream("strangers", 1)?;
    /// for host in 1..=5 {
    ///     stream.put(&format!("192.0.2.{host}"), "2018-09-06T08:04:56Z")?;
    /// }
    /// let mut counter = Counter::per_minute().max_pairs(3);
    /// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    /// let window = &counter.windows()[0];
    /// assert_eq!((window.counts.len(), window.overflow, counter.total()), (3, 2, 5));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn max_pairs(mut self, pairs: usize) -> Counter {
        self.windows = self.windows.max_pairs(pairs);
        self
    }

    /// The windows in memory that have events, by time: all that are not complete.
    pub fn windows(&self) -> Vec<Window> {
        self.windows.iter().collect()
    }

    /// The windows completed since this was last called, in order.
    pub fn take_completed(&mut self) -> Vec<Window> {
        std::mem::take(&mut self.completed)
    }

    /// Completes the windows still open: nothing more is expected.
    pub fn flush(&mut self) {
        self.completed.extend(self.windows.flush());
    }

    /// How long a window is.
    #[cfg(feature = "chart")]
    pub(crate) fn window_size(&self) -> Duration {
        self.windows.size()
    }

    /// All events in memory: in windows that are not complete.
    pub fn total(&self) -> u64 {
        self.windows.total()
    }

    /// How far event time has advanced; [`Timestamp::MIN`] without a [`lateness`](Counter::lateness).
    pub fn watermark(&self) -> Timestamp {
        self.watermark.as_ref().map_or(Timestamp::MIN, Watermark::current)
    }

    /// The events that came for windows already complete.
    pub fn late(&self) -> &Late {
        &self.late
    }

    /// The events from the future.
    pub fn refused(&self) -> &Refused {
        &self.refused
    }

    /// Whose clocks are ahead of the service's.
    pub fn clocks_ahead(&self) -> &ClocksAhead {
        &self.clocks_ahead
    }

    /// How many events were counted before: they have an id that was seen, or a filter sent them twice.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// How many records, or parts of one that should be an event, did not parse as one.
    pub fn unparsed(&self) -> u64 {
        self.unparsed.count()
    }

    /// How many events are in no window, because there were as many panes as may be kept
    /// ([`max_pairs`](Counter::max_pairs)).
    pub fn unplaced(&self) -> u64 {
        self.windows.unplaced()
    }

    /// The first 100 records that did not parse, of up to 16 MiB, each with its place and the reason.
    pub fn unparsed_samples(&self) -> &[Unparsed] {
        self.unparsed.samples()
    }
}

/// A line a window in memory, and one for each kind of event that is in none.
impl std::fmt::Display for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for window in self.windows.iter() {
            writeln!(f, "{window}")?;
        }
        if self.late.count() > 0 {
            writeln!(f, "{}", self.late)?;
        }
        if self.refused.count() > 0 {
            writeln!(f, "{}", self.refused)?;
        }
        if !self.clocks_ahead.is_empty() {
            writeln!(f, "{}", self.clocks_ahead)?;
        }
        if self.unplaced() > 0 {
            writeln!(f, "{} are in no window: there is no room for one more (max_pairs)", self.unplaced())?;
        }
        if let Some(first) = self.unparsed.samples().first() {
            let (key, data) = (
                &first.record.partition_key,
                shorten(&printable(&first.record.data), DATA_SHOWN).into_owned(),
            );
            let n = match self.unparsed.count() {
                1 => "1 record".to_owned(),
                n => format!("{n} records"),
            };
            writeln!(f, "{n} did not parse; the first is {key} : {data} ({})", first.reason)?;
        }
        Ok(())
    }
}
