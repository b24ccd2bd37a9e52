//! [`ClocksAhead`]: whose clocks are ahead of the service's. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::event::Event;
use crate::harmless::Text;
use crate::record::{Batch, Record};
use crate::text::{grouped, printable, shorten};
use crate::timestamp::Timestamp;

/// An event that is ahead of its arrival by no more is nobody's fault: some services give arrivals in whole
/// seconds, and clocks that are kept by NTP differ by less than one.
const TOLERATED: Duration = Duration::from_secs(5);
/// Whose last such event arrived longer than this before the newest record is well again.
const REMEMBERED: Duration = Duration::from_secs(600);
/// After so long the furthest event so far is no longer what is said: the clock may have been set.
const MEASURED: Duration = Duration::from_secs(60);
/// How many sources are kept apart. Names are the events' own, which strangers may have written.
const MAX_SOURCES: usize = 100;
/// Characters of a source's name.
const SHOWN: usize = 80;
/// What an agent's ids begin with, in hexadecimal digits: the same in all events of one run of one process.
const RUN_DIGITS: usize = 20;
/// How many digits an agent's id has.
const ID_DIGITS: usize = 32;

/// Whose clocks are ahead of the service's: sources whose events claim to be from after their own arrival, by
/// more than 5 s.
///
/// They harm nobody else, because no event moves the watermark past its own arrival; but their own events are in
/// later windows than they should be, or refused, so somebody should set that clock.
///
/// The source is what the event says of it: its field `server` or `hostname`; else, of an
/// agent's event, the part of the id that all events of that agent have; else the shard, and a key for an
/// example. At most 100 are kept apart, each until 10 minutes of records have come without an event of it that
/// was ahead.
///
/// ```
/// use kinesis_lab::prelude::*;
///
/// // Two web servers; the clock of the second one is four minutes fast.
/// let mut counter = Counter::per_minute().lateness(secs(30));
/// let now: Timestamp = "2018-09-06T08:04:56Z".parse()?;
/// let data = |server: &str, time: Timestamp| format!(r#"{{"time":"{time}","server":"{server}"}}"#);
/// let records = [
///     Record::new("192.0.2.10", data("web-1", now), "1", now),
///     Record::new("192.0.2.20", data("web-2", now + secs(240)), "2", now),
/// ];
/// let mut ctx = Context::at(now);
/// counter.process(&Batch::new("visits", "shardId-000000000000", records.to_vec()), &mut ctx).expect("counted");
/// counter.tick(&mut ctx).expect("counted");
/// assert_eq!(counter.watermark(), now - secs(30)); // by the service's clock, not by web-2's
/// assert_eq!(counter.clocks_ahead().to_string(), "clocks ahead: web-2 by 240 s");
/// # Ok::<(), kinesis_lab::TimestampError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ClocksAhead {
    sources: BTreeMap<String, ClockAhead>,
    events: u64,
    /// The latest arrival of all records.
    newest: Timestamp,
}

/// One source whose clock is ahead.
///
/// Its `Display` is a line that can be printed: `web-2 by 240 s`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockAhead {
    /// The source, [`printable`](crate::printable).
    pub source: String,
    /// By how much at least: the most that an event of the last minute was ahead of its own arrival. What an
    /// event takes to arrive comes on top.
    pub by: Duration,
    /// How many events were ahead.
    pub events: u64,
    /// When the last of them arrived.
    pub last: Timestamp,
    /// Since when `by` is measured.
    since: Timestamp,
}

impl ClocksAhead {
    /// The sources, the furthest ahead first.
    pub fn sources(&self) -> Vec<ClockAhead> {
        let mut sources: Vec<ClockAhead> = self.sources.values().cloned().collect();
        sources.sort_by(|a, b| b.by.cmp(&a.by).then_with(|| a.source.cmp(&b.source)));
        sources
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// How many events were ahead, those of sources that are well again among them.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Takes note of an event if it is ahead.
    #[inline]
    pub(crate) fn observe(&mut self, shard_id: &str, record: &Record, event: &Event) {
        if is_ahead(event.time, record.arrival) {
            self.add(shard_id, record, event);
        }
    }

    #[cold]
    fn add(&mut self, shard_id: &str, record: &Record, event: &Event) {
        let by = event.time.since(record.arrival);
        self.events += 1;
        let named = source(event);
        let id = named.clone().unwrap_or_else(|| shard_id.to_owned());
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&id) {
            let oldest = self.sources.iter().min_by_key(|(_, clock)| clock.last).map(|(id, _)| id.clone());
            oldest.and_then(|oldest| self.sources.remove(&oldest));
        }
        let clock = self.sources.entry(id).or_insert_with(|| ClockAhead {
            source: named
                .unwrap_or_else(|| format!("{} (such as {})", shown(shard_id), shown(event.key.raw()))),
            by: Duration::ZERO,
            events: 0,
            last: record.arrival,
            since: record.arrival,
        });
        clock.events += 1;
        clock.last = clock.last.max(record.arrival);
        clock.by = clock.by.max(by);
        if record.arrival > clock.since + MEASURED {
            (clock.by, clock.since) = (by, record.arrival);
        }
    }

    /// All records of a batch were observed.
    pub(crate) fn pass(&mut self, batch: &Batch) {
        let arrival = batch.records.last().map_or(self.newest, |last| last.arrival);
        self.newest = self.newest.max(arrival);
        if !self.sources.is_empty() {
            let newest = self.newest;
            self.sources.retain(|_, clock| newest <= clock.last + REMEMBERED);
        }
    }
}

/// Whether an event of this time is ahead of its arrival by more than is tolerated.
pub(super) fn is_ahead(time: Timestamp, arrival: Timestamp) -> bool {
    time > arrival + TOLERATED
}

/// Which one an event is of, as far as it says.
fn source(event: &Event) -> Option<String> {
    // Not `host`, which in many logs is the host that the client asked for: the client chooses it.
    let mut names = ["server", "hostname"].iter().filter_map(|name| event.fields.get(*name));
    if let Some(name) = names.find(|name| !name.is_empty()) {
        return Some(shown(name.raw()));
    }
    let of_an_agent = |id: &&str| id.len() == ID_DIGITS && id.bytes().all(|b| b.is_ascii_hexdigit());
    let id = event.id.as_ref().map(Text::raw).filter(of_an_agent)?;
    Some(format!("the agent with ids {}…", &id[..RUN_DIGITS]))
}

fn shown(text: &str) -> String {
    shorten(&printable(text.as_bytes()), SHOWN).into_owned()
}

/// `web-2 by 240 s`
impl fmt::Display for ClockAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {} s", self.source, grouped(self.by.as_secs()))
    }
}

/// `clocks ahead: web-2 by 240 s, web-7 by 12 s`; the three that are furthest ahead.
impl fmt::Display for ClocksAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.sources();
        if sources.is_empty() {
            return f.write_str("no clock is ahead");
        }
        f.write_str("clocks ahead: ")?;
        for (n, clock) in sources.iter().take(3).enumerate() {
            write!(f, "{}{clock}", if n == 0 { "" } else { ", " })?;
        }
        match sources.len() {
            0..=3 => Ok(()),
            n => write!(f, " and {} more", n - 3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: &str = "shardId-000000000003";

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_536_220_800) + Duration::from_secs(secs)
    }

    /// A batch of one record, which arrives then, and is ahead by so much.
    fn send(clocks: &mut ClocksAhead, arrival: Timestamp, ahead: u64, members: &str) {
        let time = arrival + Duration::from_secs(ahead);
        let record = Record::new("192.0.2.7", format!(r#"{{"time":"{time}"{members}}}"#), "1", arrival);
        clocks.observe(SHARD, &record, &Event::parse(&record).unwrap());
        clocks.pass(&Batch::new("s", SHARD, vec![record]));
    }

    #[test]
    fn a_source_is_named_as_well_as_its_events_say() {
        let mut clocks = ClocksAhead::default();
        send(&mut clocks, at(0), 5, "");
        assert!(clocks.is_empty() && clocks.to_string() == "no clock is ahead", "tolerated");
        send(&mut clocks, at(0), 6, "");
        send(&mut clocks, at(0), 240, r#","server":"web-3","id":"000102030405060708ff0000000000ff""#);
        send(&mut clocks, at(0), 90, r#","hostname":"web-4","server":"","host":"shop.example""#);
        send(&mut clocks, at(0), 50, r#","id":"000102030405060708ff0000000000ff""#);
        send(&mut clocks, at(0), 70, r#","id":"000102030405060708ff000000000100""#);
        send(&mut clocks, at(0), 7, r#","id":"order 7""#);
        let said: Vec<String> = clocks.sources().iter().map(ClockAhead::to_string).collect();
        let shard = format!("{SHARD} (such as 192.0.2.7) by 7 s");
        assert_eq!(
            said,
            ["web-3 by 240 s", "web-4 by 90 s", "the agent with ids 000102030405060708ff… by 70 s", &shard]
        );
        assert_eq!(clocks.sources().iter().map(|clock| clock.events).collect::<Vec<_>>(), [1, 1, 2, 2]);
        assert_eq!(clocks.events(), 6);
        assert!(
            clocks
                .to_string()
                .ends_with("web-4 by 90 s, the agent with ids 000102030405060708ff… by 70 s and 1 more")
        );
    }

    #[test]
    fn a_clock_that_is_set_is_no_longer_named() {
        let mut clocks = ClocksAhead::default();
        let server = r#","server":"web-3""#;
        for secs in 0..10 {
            send(&mut clocks, at(secs), 240 - secs, server);
        }
        assert_eq!(clocks.to_string(), "clocks ahead: web-3 by 240 s");
        // It is set back, though not far enough.
        for secs in (10..80).step_by(5) {
            send(&mut clocks, at(secs), 30, server);
        }
        assert_eq!(clocks.to_string(), "clocks ahead: web-3 by 30 s");
        // And then it is right: it is named for ten minutes more.
        send(&mut clocks, at(75 + 600), 0, server);
        assert!(!clocks.is_empty());
        send(&mut clocks, at(75 + 601), 0, server);
        assert!(clocks.is_empty() && clocks.events() == 24);
    }

    #[test]
    fn strangers_names_take_little_room_and_command_nobody() {
        let mut clocks = ClocksAhead::default();
        for n in 0..1_000 {
            let name = format!(r#","server":"{n} EVCXR_BEGIN_CONTENT \u001b {}""#, "x".repeat(10_000));
            send(&mut clocks, at(n), 30, &name);
        }
        assert_eq!((clocks.sources().len(), clocks.events()), (MAX_SOURCES, 1_000));
        let text = format!("{clocks} {clocks:?} {:?}", clocks.sources());
        assert!(!text.contains("EVCXR_") && !text.contains('\u{1b}'), "{text}");
        assert!(clocks.sources().iter().all(|clock| clock.source.chars().count() <= 80));
        assert!(clocks.sources().iter().any(|clock| clock.source.starts_with("999 ")), "the newest are kept");
    }
}
