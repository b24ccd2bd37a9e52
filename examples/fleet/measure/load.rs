//! What is put and counted: as in the benchmark `stored`.

use std::time::Duration;

use kinesis_lab::prelude::*;

const KEYS: u64 = 1_000;
/// Of a record's data, in bytes.
const SIZE: usize = 100;

/// The counter, in a fleet or in one process.
pub(crate) fn counter() -> Counter {
    Counter::per_minute().lateness(secs(60))
}

/// An hour of event time.
pub(crate) fn backlog(stream: &Stream, records: u64) -> Result<(), Error> {
    put(stream, 0..records, Duration::from_secs(3_600) / u32::try_from(records).unwrap_or(u32::MAX))
}

/// Records with these numbers; so long after each other, by their own times.
pub(crate) fn put(stream: &Stream, numbers: std::ops::Range<u64>, apart: Duration) -> Result<(), Error> {
    let entry = |number: u64| {
        let micros = 1_536_192_000_000_000 + number * u64::try_from(apart.as_micros()).unwrap_or_default();
        let mut data = Timestamp::from_micros(micros.cast_signed()).to_string().into_bytes();
        data.resize(SIZE, b' ');
        let key = number % KEYS;
        Entry::new(format!("10.0.{}.{}", key >> 8, key & 255), data)
    };
    let sent = stream.put_many(numbers.map(entry).collect()).send();
    sent.map_err(|failure| Error::new(ErrorKind::Service, failure.to_string()))?;
    Ok(())
}

/// Of a database, all that were counted, in whichever window.
pub(crate) fn counted(database: &str) -> Result<u64, Error> {
    let counts = Counts::open(database)?;
    let (windows, early) = (counts.windows()?, counts.early()?);
    let in_windows: u64 =
        windows.iter().chain(&early).flat_map(|window| window.counts.iter().map(|(_, n)| *n)).sum();
    Ok(in_windows + counts.late()?.iter().map(|(_, _, n)| n).sum::<u64>())
}
