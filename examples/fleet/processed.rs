//! What all children together have processed, out of their journals.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kinesis_lab::prelude::*;

use crate::journal::{Line, What};

/// All journals of a folder together, as far as they have been read.
#[derive(Default)]
pub(crate) struct Processed {
    /// How often each record was, by its own number.
    pub(crate) records: BTreeMap<u64, u64>,
    /// Of an aggregate.
    pub(crate) packed: u64,
    /// Whose each shard is: the worker that has processed something of it last, and when.
    pub(crate) owners: BTreeMap<String, (i64, String)>,
    /// Shards at whose end somebody was.
    pub(crate) ended: BTreeSet<String>,
    /// Lines that are none, and records that came after a later one of their shard in the same journal.
    pub(crate) odd: Vec<String>,
    /// When the first and the last record was processed, of those with a number below this.
    pub(crate) timed_below: u64,
    pub(crate) timed: Option<(i64, i64)>,
    pub(crate) losses: Vec<Loss>,
    journals: BTreeMap<PathBuf, Tail>,
}

/// A worker that went, or was paused, and what became of its shards.
pub(crate) struct Loss {
    pub(crate) worker: String,
    pub(crate) how: &'static str,
    pub(crate) at: i64,
    /// How long each was nobody's, once it is somebody's again.
    pub(crate) shards: BTreeMap<String, Option<Duration>>,
}

/// How far a journal was read, and where each of its shards is.
#[derive(Default)]
struct Tail {
    read: u64,
    last: BTreeMap<String, (u128, u64)>,
}

impl Processed {
    /// Nothing yet; those with a number below this are timed.
    pub(crate) fn timing(below: u64) -> Processed {
        Processed { timed_below: below, ..Processed::default() }
    }

    pub(crate) fn read(&mut self, folder: &Path) -> Result<(), Error> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let mut tail = self.journals.remove(&path).unwrap_or_default();
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(tail.read))?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            // Half a line is still being written.
            let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
            tail.read += whole.len() as u64;
            let worker = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            self.add(&worker, whole, &mut tail);
            self.journals.insert(path, tail);
        }
        Ok(())
    }

    pub(crate) fn children(&self) -> usize {
        self.journals.len()
    }

    /// More than once.
    pub(crate) fn again(&self) -> u64 {
        self.records.values().map(|times| times - 1).sum()
    }

    /// The shards of a worker that were not at their end yet.
    pub(crate) fn shards_of(&self, worker: &str) -> Vec<&String> {
        let owned = self.owners.iter().filter(|(_, (_, owner))| owner == worker);
        owned.map(|(shard, _)| shard).filter(|shard| !self.ended.contains(*shard)).collect()
    }

    pub(crate) fn lost(&mut self, worker: &str, how: &'static str, at: i64) {
        let shards = self.shards_of(worker).into_iter().map(|shard| (shard.clone(), None)).collect();
        self.losses.push(Loss { worker: worker.to_owned(), how, at, shards });
    }

    /// Of `put` records and these closed shards, what is not as it must be.
    pub(crate) fn faults(&self, put: u64, closed: &BTreeSet<String>) -> Vec<String> {
        let mut faults = Vec::new();
        let missing: Vec<u64> = (0..put).filter(|number| !self.records.contains_key(number)).collect();
        if !missing.is_empty() {
            let some: Vec<String> = missing.iter().take(5).map(u64::to_string).collect();
            faults.push(format!("missing: {} of {put} records, such as {}", missing.len(), some.join(", ")));
        }
        let unknown = self.records.keys().filter(|number| **number >= put).count();
        if unknown > 0 {
            faults.push(format!("processed, and never put: {unknown} records"));
        }
        faults.extend(self.odd.iter().take(5).cloned());
        for shard in closed.symmetric_difference(&self.ended) {
            faults.push(format!("{shard} is closed, or said to be at its end, and not both"));
        }
        faults
    }

    fn add(&mut self, worker: &str, text: &str, tail: &mut Tail) {
        for line in text.lines() {
            let Some(Line { millis, shard, what }) = Line::parse(line) else {
                self.odd.push(format!("{worker} wrote: {line}"));
                continue;
            };
            let owner = self.owners.entry(shard.to_owned()).or_insert((millis, worker.to_owned()));
            if owner.0 <= millis {
                *owner = (millis, worker.to_owned());
            }
            for loss in &mut self.losses {
                loss.seen(worker, shard, millis);
            }
            match what {
                What::Ended => drop(self.ended.insert(shard.to_owned())),
                What::Record { place, packed, own } => {
                    if tail.last.insert(shard.to_owned(), place).is_some_and(|before| before > place) {
                        self.odd.push(format!("out of order, by {worker}: {line}"));
                    }
                    *self.records.entry(own).or_default() += 1;
                    self.packed += u64::from(packed);
                    if own < self.timed_below {
                        let (first, last) = self.timed.unwrap_or((millis, millis));
                        self.timed = Some((first.min(millis), last.max(millis)));
                    }
                }
            }
        }
    }
}

impl Loss {
    fn seen(&mut self, worker: &str, shard: &str, millis: i64) {
        if worker == self.worker || millis < self.at {
            return;
        }
        if let Some(time) = self.shards.get_mut(shard) {
            let after = Duration::from_millis(millis.saturating_sub(self.at).unsigned_abs());
            *time = Some(time.map_or(after, |before| before.min(after)));
        }
    }

    /// Until the last of them was somebody's again.
    pub(crate) fn over(&self) -> Option<Duration> {
        self.shards.values().copied().collect::<Option<Vec<Duration>>>()?.into_iter().max()
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shards = counted(self.shards.len());
        match self.over() {
            None if self.shards.is_empty() => write!(f, "it had no shard"),
            None => write!(f, "{} of its {shards} taken over", self.shards.values().flatten().count()),
            Some(time) => write!(f, "its {shards} taken over within {:.1} s", time.as_secs_f64()),
        }
    }
}

pub(crate) fn counted(shards: usize) -> String {
    format!("{shards} shard{}", if shards == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journals_are_added_up_and_disorder_is_seen() {
        let mut all = Processed::timing(3);
        let (mut first, mut second) = (Tail::default(), Tail::default());
        all.add("worker-1", "1 a 4959 - 1\n2 a 4960 0 2\n3 a 4960 1 3\n4 a ended\n5 b 10 - 4\n", &mut first);
        // Another child has the same once more, and this is no disorder.
        all.add("worker-2", "9 a 4960 1 3", &mut second);
        assert_eq!(all.records, BTreeMap::from([(1, 1), (2, 1), (3, 2), (4, 1)]));
        assert_eq!((all.again(), all.packed, all.ended.len(), all.odd.len()), (1, 3, 1, 0));
        assert_eq!((all.owners["a"].1.as_str(), all.owners["b"].1.as_str()), ("worker-2", "worker-1"));
        assert_eq!(all.timed, Some((1, 2)));
        all.add("worker-1", "10 b 11 - 5\n11 b 9 - 6\nnonsense", &mut first);
        assert_eq!(all.odd, ["out of order, by worker-1: 11 b 9 - 6", "worker-1 wrote: nonsense"]);
    }

    #[test]
    fn each_kind_of_fault_is_told() {
        let closed = |shards: &[&str]| shards.iter().map(|shard| shard.to_string()).collect();
        let mut all = Processed::default();
        all.add("worker-1", "1 a 1 - 0\n2 a 2 - 1\n3 a ended\n4 b 1 - 2", &mut Tail::default());
        assert!(all.faults(3, &closed(&["a"])).is_empty());
        assert_eq!(all.faults(5, &closed(&["a"])), ["missing: 2 of 5 records, such as 3, 4"]);
        assert_eq!(all.faults(2, &closed(&["a"])), ["processed, and never put: 1 records"]);
        for shards in [&["a", "b"][..], &[]] {
            assert!(all.faults(3, &closed(shards))[0].contains("and not both"), "{shards:?}");
        }
        all.add("worker-2", "nonsense", &mut Tail::default());
        assert_eq!(all.faults(3, &closed(&["a"])), ["worker-2 wrote: nonsense"]);
    }

    #[test]
    fn a_takeover_takes_until_the_last_shard_is_somebodys() {
        let mut all = Processed::default();
        all.add("worker-1", "1 a 1 - 1\n2 b 1 - 2\n3 c 1 - 3\n4 c ended", &mut Tail::default());
        all.lost("worker-1", "killed", 1_000);
        let over = |all: &Processed| all.losses[0].over().map(|time| time.as_millis());
        assert_eq!(all.losses[0].shards.keys().collect::<Vec<_>>(), ["a", "b"]);
        // What the lost one wrote last is read late; and another that had it before is no takeover.
        all.add("worker-1", "1001 a 2 - 4", &mut Tail::default());
        all.add("worker-3", "900 b 0 - 0", &mut Tail::default());
        assert_eq!(over(&all), None);
        all.add("worker-2", "6000 a 3 - 5\n9000 a 4 - 6", &mut Tail::default());
        assert_eq!(over(&all), None);
        assert_eq!(all.losses[0].to_string(), "1 of its 2 shards taken over");
        all.add("worker-3", "7500 b 3 - 7", &mut Tail::default());
        assert_eq!(over(&all), Some(6_500));
        assert_eq!(all.losses[0].to_string(), "its 2 shards taken over within 6.5 s");
    }

    #[test]
    fn half_a_line_is_read_when_it_is_whole() {
        let folder = kinesis_lab::temporary_folder("fleet").unwrap();
        let journal = folder.join("worker-7.123");
        std::fs::write(&journal, "1 a 5 - 1\n2 a 6 -").unwrap();
        let mut all = Processed::default();
        all.read(&folder).unwrap();
        assert_eq!((all.records.len(), all.children()), (1, 1));
        std::fs::write(&journal, "1 a 5 - 1\n2 a 6 - 2\n").unwrap();
        all.read(&folder).unwrap();
        all.read(&folder).unwrap();
        assert_eq!((all.records.len(), all.again(), all.odd.len()), (2, 0, 0));
        assert_eq!(all.shards_of("worker-7"), ["a"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
