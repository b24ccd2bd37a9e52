//! With `--postgres`: the children count what they are given, into a database that all workers share. Each record is a key
//! of its own, or has one of a few; its window follows from its number, so what is counted twice, or not at all, can be told.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use kinesis_lab::prelude::*;
use kinesis_lab::{Checkpoint, EventError, Format, SharedCounter, StreamId, Text};

use crate::journal::Journal;

/// In the environment of a daemon, which its children inherit: the database, and where the stream is.
pub(crate) const DATABASE: &str = "KINESIS_LAB_FLEET_POSTGRES";
pub(crate) const ENDPOINT: &str = "KINESIS_LAB_FLEET_KINESIS";
/// And whether it is a lesson.
pub(crate) const WITHOUT_FENCE: &str = "KINESIS_LAB_FLEET_WITHOUT_FENCE";

/// What is put ten times a second is 0.1 s of event time.
const MICROS: i64 = 5_000;
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
        let number: Option<u64> = str::from_utf8(&record.data).ok().and_then(|text| text.parse().ok());
        each(match number {
            Some(number) => Ok(kinesis_lab::Event::new(key(number, self.keys), time(number))),
            None => Err(EventError::new("no number")),
        });
    }
}

fn time(number: u64) -> Timestamp {
    Timestamp::from_micros(1_536_220_800_000_000 + number.cast_signed() * MICROS)
}

fn key(number: u64, keys: u64) -> String {
    (number % keys).to_string()
}

/// Written into its journal before it is counted: what is in the database, somebody was given.
pub(crate) struct CountedJournal {
    journal: Journal,
    counter: SharedCounter,
}

impl CountedJournal {
    pub(crate) fn open(file: &Path, database: &str) -> Result<CountedJournal, Error> {
        let keys = std::env::var(KEYS).ok().and_then(|keys| keys.parse().ok()).unwrap_or(u64::MAX);
        let endpoint = std::env::var(ENDPOINT).unwrap_or_default();
        let stream = Kinesis::endpoint(&endpoint)?.stream("fleet")?;
        // As long as a shard is believed to be at its tip, after its worker was cut off: none is late.
        let counter = Counter::tumbling(WINDOW).lateness(secs(5)).reading(Numbers { keys });
        let counter = counter.shared_in(database, &stream)?;
        let is_fenced = std::env::var_os(WITHOUT_FENCE).is_none();
        let counter = if is_fenced { counter } else { counter.without_fence() };
        Ok(CountedJournal { journal: Journal::open(file)?, counter })
    }
}

impl RecordProcessor for CountedJournal {
    fn shard_taken(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.shard_taken(shard_id, ctx)
    }

    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.counter.checkpoints(stream)
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        self.journal.process(batch, ctx)?;
        self.counter.process(batch, ctx)
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.tick(ctx)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.journal.shard_ended(shard_id, ctx)?;
        self.counter.shard_ended(shard_id, ctx)
    }
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
