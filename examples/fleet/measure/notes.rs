//! What measured children write down: a line a batch, which costs next to nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use kinesis_lab::prelude::*;

/// A batch: from when to when (milliseconds since 1970), of which shard, how many records; none when a child was just
/// given the shard.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Note {
    pub(crate) worker: String,
    pub(crate) began: i64,
    pub(crate) ended: i64,
    pub(crate) shard: String,
    pub(crate) records: u64,
}

impl Note {
    pub(crate) fn line(began: i64, ended: i64, shard: &str, records: usize) -> String {
        format!("{began} {ended} {shard} {records}\n")
    }

    fn parse(worker: &str, line: &str) -> Option<Note> {
        let [began, ended, shard, records] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        let (began, ended, records) = (began.parse().ok()?, ended.parse().ok()?, records.parse().ok()?);
        Some(Note { worker: worker.to_owned(), began, ended, shard: shard.to_owned(), records })
    }
}

/// Of all children in a folder, in the order of time.
pub(crate) fn read(folder: &Path) -> Result<Vec<Note>, Error> {
    let mut notes = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let worker = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let text = std::fs::read_to_string(&path)?;
        // Half a line is still being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let note = Note::parse(&worker, line).ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, format!("{worker} wrote, and it is no note: {line}"))
            })?;
            notes.push(note);
        }
    }
    notes.sort_by_key(|note| note.ended);
    Ok(notes)
}

/// Whose each shard is: the worker that had something to do with it last.
pub(crate) fn holders(notes: &[Note]) -> BTreeMap<&str, &str> {
    notes.iter().map(|note| (&*note.shard, &*note.worker)).collect()
}

/// Those that it holds.
pub(crate) fn shards_of(notes: &[Note], worker: &str) -> Vec<String> {
    let own = holders(notes).into_iter().filter(|(_, holder)| *holder == worker);
    own.map(|(shard, _)| shard.to_owned()).collect()
}

/// From `at` on until other workers have processed records of each of these shards, once they have.
pub(crate) fn taken_over(notes: &[Note], lost: &str, at: i64, shards: &[String]) -> Option<Duration> {
    let by_another = |shard: &String| {
        let is_it = |note: &&Note| {
            note.shard == *shard && note.worker != lost && note.records > 0 && note.ended >= at
        };
        notes.iter().filter(is_it).map(|note| note.ended).min()
    };
    let times: Vec<i64> = shards.iter().map(by_another).collect::<Option<_>>()?;
    Some(Duration::from_millis(times.into_iter().max()?.abs_diff(at)))
}

/// How many records, in how many batches, from when to when.
#[derive(Debug, PartialEq)]
pub(crate) struct Sum {
    pub(crate) records: u64,
    pub(crate) batches: usize,
    pub(crate) began: i64,
    pub(crate) ended: i64,
}

impl Sum {
    /// None before the first record.
    pub(crate) fn of(notes: &[Note]) -> Option<Sum> {
        let batches: Vec<&Note> = notes.iter().filter(|note| note.records > 0).collect();
        Some(Sum {
            records: batches.iter().map(|note| note.records).sum(),
            batches: batches.len(),
            began: batches.iter().map(|note| note.began).min()?,
            ended: batches.iter().map(|note| note.ended).max()?,
        })
    }

    pub(crate) fn seconds(&self) -> f64 {
        (self.ended - self.began).max(1) as f64 / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(of: &[(&str, &str)]) -> Vec<Note> {
        let mut notes: Vec<Note> =
            of.iter().map(|(worker, line)| Note::parse(worker, line).unwrap()).collect();
        notes.sort_by_key(|note| note.ended);
        notes
    }

    #[test]
    fn a_note_is_read_as_it_is_written() {
        let line = Note::line(5, 9, "a", 3);
        let note = Note::parse("worker-1", line.trim()).unwrap();
        assert_eq!((note.began, note.ended, &*note.shard, note.records), (5, 9, "a", 3));
        for odd in ["", "5 9 a", "5 9 a three", "5 9 a 3 4"] {
            assert_eq!(Note::parse("worker-1", odd), None, "{odd}");
        }
    }

    #[test]
    fn a_takeover_takes_until_records_of_the_last_shard_are_processed_by_another() {
        let mut all = notes(&[("worker-1", "1 2 a 5"), ("worker-1", "1 3 b 5"), ("worker-2", "1 4 c 5")]);
        assert_eq!(holders(&all), [("a", "worker-1"), ("b", "worker-1"), ("c", "worker-2")].into());
        let shards = ["a".to_owned(), "b".to_owned()];
        let over = |all: &[Note]| taken_over(all, "worker-1", 10, &shards).map(|time| time.as_millis());
        // The lost one's last words; a shard that is given, without records yet; another that had it before.
        all.extend(notes(&[
            ("worker-1", "9 11 b 5"),
            ("worker-2", "60 60 a 0"),
            ("worker-3", "1 1 b 5"),
            ("worker-2", "60 70 a 5"),
        ]));
        assert_eq!(over(&all), None);
        all.extend(notes(&[
            ("worker-3", "80 95 b 1"),
            ("worker-2", "100 110 a 1"),
            ("worker-3", "120 130 b 1"),
        ]));
        assert_eq!(over(&all), Some(85));
        assert_eq!(taken_over(&all, "worker-1", 10, &[]), None);
    }

    #[test]
    fn a_sum_is_from_the_first_record_on() {
        assert_eq!(Sum::of(&notes(&[("worker-1", "1 1 a 0")])), None);
        let sum = Sum::of(&notes(&[
            ("worker-1", "1 1 a 0"),
            ("worker-2", "500 900 b 7"),
            ("worker-1", "400 2400 a 3"),
            ("worker-1", "2400 9000 a 0"),
        ]));
        assert_eq!(sum, Some(Sum { records: 10, batches: 2, began: 400, ended: 2400 }));
        assert_eq!(sum.unwrap().seconds(), 2.0);
    }
}
