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
        Ok(Measured { notes, gate, counter })
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
        if batch.records.is_empty() {
            return Ok(());
        }
        self.note(began, &batch.shard_id, batch.records.len())
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.as_mut().map_or(Ok(()), |counter| counter.tick(ctx))
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.as_mut().map_or(Ok(()), |counter| counter.shard_ended(shard_id, ctx))
    }
}
