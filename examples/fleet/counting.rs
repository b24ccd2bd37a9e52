//! With `--postgres`: the children count what they are given, into a database that all workers share. Each record is a key
//! of its own, or has one of a few; its window follows from its number, so what is counted twice, or not at all, can be told.

use std::collections::BTreeMap;
use std::time::Duration;

use kinesis_lab::prelude::*;
use kinesis_lab::{EventError, Format, Text};

/// What is put ten times a second is 0.1 s of event time.
const MICROS: i64 = 5_000;
/// When the first one was, in microseconds: at the start of an hour, and so of a window of any length that divides it.
const BEGIN: i64 = 1_536_220_800_000_000;
const WINDOW: Duration = Duration::from_secs(2);

/// How many keys there are, where it is not one a record.
pub(crate) const KEYS: &str = "KINESIS_LAB_FLEET_KEYS";

/// A record's number: it is its key, or says which of so many it has, and says when it was.
#[derive(Debug)]
struct Numbers {
    keys: u64,
}

impl Format for Numbers {
    fn read(&self, record: &Record, each: &mut dyn FnMut(Result<kinesis_lab::Event, EventError>)) {
        each(match number(record) {
            Some(number) => Ok(kinesis_lab::Event::new(key(number, self.keys), time(number))),
            None => Err(EventError::new("no number")),
        });
    }
}

pub(crate) fn number(record: &Record) -> Option<u64> {
    str::from_utf8(&record.data).ok()?.parse().ok()
}

pub(crate) fn time(number: u64) -> Timestamp {
    Timestamp::from_micros(BEGIN + number.cast_signed() * MICROS)
}

/// Of the record that has this time.
pub(crate) fn number_at(time: Timestamp) -> Option<u64> {
    let micros = u64::try_from(time.as_micros() - BEGIN).ok()?;
    micros.is_multiple_of(MICROS.unsigned_abs()).then_some(micros / MICROS.unsigned_abs())
}

fn key(number: u64, keys: u64) -> String {
    (number % keys).to_string()
}

/// In memory, until it is told otherwise.
pub(crate) fn counter() -> Counter {
    let keys = std::env::var(KEYS).ok().and_then(|keys| keys.parse().ok()).unwrap_or(u64::MAX);
    // As long as a shard is believed to be at its tip, after its worker was cut off: none is late.
    Counter::tumbling(WINDOW).lateness(secs(5)).reading(Numbers { keys })
}

/// How the counts are, in a sentence; and what of them is not as it must be.
pub(crate) fn compare(database: &str, put: u64, keys: Option<u64>) -> Result<(String, Vec<String>), Error> {
    let counts = Counts::open(database)?;
    let (windows, early) = (counts.windows()?, counts.early()?);
    let (complete, late) = (windows.len(), counts.late()?);
    // By window, too: what is missing in one and too much in another would make up for each other.
    let mut found: BTreeMap<(Timestamp, String), u64> = BTreeMap::new();
    let mut count = |start: Timestamp, key: &Text, n: u64| {
        *found.entry((start, key.raw().to_owned())).or_default() += n;
    };
    for window in windows.iter().chain(&early) {
        window.counts.iter().for_each(|(key, n)| count(window.start, key, *n));
    }
    late.iter().for_each(|(start, key, n)| count(*start, key, *n));
    // Each once, and no other.
    let mut expected: BTreeMap<(Timestamp, String), u64> = BTreeMap::new();
    for number in 0..put {
        let time = time(number).as_micros();
        let start = Timestamp::from_micros(time - time.rem_euclid(WINDOW.as_micros() as i64));
        *expected.entry((start, key(number, keys.unwrap_or(u64::MAX)))).or_default() += 1;
    }
    let less = |of: &BTreeMap<_, u64>, than: &BTreeMap<_, u64>| -> u64 {
        let there = |key| of.get(key).copied().unwrap_or_default();
        than.iter().map(|(key, n)| n.saturating_sub(there(key))).sum()
    };
    let (missing, extra) = (less(&found, &expected), less(&expected, &found));
    let sentence = format!(
        "counted {} of {put} records in {complete} complete windows, {} still open, {} late: missing {missing}, extra {extra}",
        found.values().sum::<u64>(),
        early.len(),
        late.iter().map(|(_, _, n)| n).sum::<u64>()
    );
    let mut faults = Vec::new();
    if missing > 0 || extra > 0 {
        faults.push(format!("the counts are wrong: missing {missing}, extra {extra}"));
    }
    // The last seconds stay open, as long as events may come late.
    if put > 10_000 && complete < 10 {
        faults.push(format!("windows are not completed: {complete} of {put} records"));
    }
    Ok((sentence, faults))
}
