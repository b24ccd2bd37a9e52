//! The child that is measured: it does nothing but note its batches, or counts into PostgreSQL, too.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;
use kinesis_lab::{Checkpoint, SharedCounter, StreamId};

use super::load;
use super::notes::Note;
use crate::child::{DATABASE, ENDPOINT};
use crate::journal::now;

/// In the environment of a daemon: a file for which the children wait, so that all begin at once.
pub(crate) const GATE: &str = "KINESIS_LAB_FLEET_GATE";

/// As a processor that keeps its own place, or none.
pub(crate) struct Measured {
    notes: File,
    gate: PathBuf,
    counter: Option<SharedCounter>,
    /// A batch whose counts are not written yet: since when, of which shard, how many records.
    pending: Option<(i64, String, usize)>,
}

impl Measured {
    /// Whose journal would be this file; none where nothing is measured.
    pub(crate) fn of_this_process(journal: &Path) -> Option<Result<Measured, Error>> {
        let gate = PathBuf::from(std::env::var_os(GATE)?);
        Some(Measured::open(journal, gate))
    }

    fn open(journal: &Path, gate: PathBuf) -> Result<Measured, Error> {
        let notes = OpenOptions::new().create(true).append(true).open(journal)?;
        let counter = match std::env::var(DATABASE) {
            Ok(database) => {
                let endpoint = std::env::var(ENDPOINT).unwrap_or_default();
                let stream = Kinesis::endpoint(&endpoint)?.stream("fleet")?;
                Some(load::counter().shared_in(&database, &stream)?)
            }
            Err(_) => None,
        };
        Ok(Measured { notes, gate, counter, pending: None })
    }

    /// In one write, so that half of it is never read for long.
    fn note(&mut self, began: i64, shard: &str, records: usize) -> Result<(), ProcessError> {
        Ok(self.notes.write_all(Note::line(began, now(), shard, records).as_bytes())?)
    }
}

impl RecordProcessor for Measured {
    fn shard_taken(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        if let Some(counter) = &mut self.counter {
            counter.shard_taken(shard_id, ctx)?;
        }
        self.note(now(), shard_id, 0)
    }

    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        self.counter.as_mut().map_or(Ok(Vec::new()), |counter| counter.checkpoints(stream))
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        // Nobody opens it where the fleet was ended before: then it goes on, and hears that its daemon is gone.
        let waits = Instant::now();
        while !self.gate.exists() && waits.elapsed() < Duration::from_secs(180) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let began = now();
        if let Some(counter) = &mut self.counter {
            counter.process(batch, ctx)?;
        }
        if !batch.records.is_empty() {
            self.pending = Some((began, batch.shard_id.to_string(), batch.records.len()));
        }
        Ok(())
    }

    /// A counter of a fleet commits here, or is told that another has the shard by now.
    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        if let Some(counter) = &mut self.counter {
            counter.tick(ctx)?;
        }
        match self.pending.take() {
            Some((began, shard, records)) => self.note(began, &shard, records),
            None => Ok(()),
        }
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.as_mut().map_or(Ok(()), |counter| counter.shard_ended(shard_id, ctx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_noted_once_its_counts_are_written() {
        let folder = kinesis_lab::temporary_folder("fleet").unwrap();
        std::fs::write(folder.join("gate"), "").unwrap();
        let mut child = Measured::open(&folder.join("worker-1.1"), folder.join("gate")).unwrap();
        let noted = || std::fs::read_to_string(folder.join("worker-1.1")).unwrap();
        let at = Timestamp::from_secs(1_536_220_800);
        let mut context = Context::at(at);
        let batch = |records| Batch::new("fleet", "shardId-000000000003", records);
        child.process(&batch(vec![Record::new("a", "b", "1", at)]), &mut context).unwrap();
        assert_eq!(noted(), "");
        child.tick(&mut context).unwrap();
        assert!(noted().ends_with(" shardId-000000000003 1\n"), "{}", noted());
        let before = noted();
        child.process(&batch(Vec::new()), &mut context).unwrap();
        child.tick(&mut context).unwrap();
        assert_eq!(noted(), before);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
