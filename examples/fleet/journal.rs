//! What the children process, written down before the lease table hears of it.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use kinesis_lab::prelude::*;

/// In the environment of a daemon, which its children inherit: where they write, and whose they are.
pub(crate) const FOLDER: &str = "KINESIS_LAB_FLEET_JOURNALS";
pub(crate) const WORKER: &str = "KINESIS_LAB_FLEET_WORKER";

/// A line for each record: when, shard, sequence number, sub-sequence number, the record's own number.
pub(crate) struct Journal(BufWriter<File>);

impl Journal {
    /// The file of this process, where it is a child.
    pub(crate) fn of_a_child() -> Option<PathBuf> {
        let (folder, worker) = (std::env::var_os(FOLDER)?, std::env::var(WORKER).ok()?);
        Some(Path::new(&folder).join(format!("{worker}.{}", std::process::id())))
    }

    pub(crate) fn open(file: &Path) -> Result<Journal, Error> {
        // Process ids come again.
        Ok(Journal(BufWriter::new(OpenOptions::new().create(true).append(true).open(file)?)))
    }
}

impl RecordProcessor for Journal {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        let now = now();
        for record in &batch.records {
            let sub = record.sub_sequence_number.map_or("-".to_owned(), |sub| sub.to_string());
            writeln!(self.0, "{now} {} {} {sub} {}", batch.shard_id, record.sequence_number, record.data)?;
        }
        Ok(self.0.flush()?)
    }

    fn shard_ended(&mut self, shard_id: &str, _: &mut Context) -> Result<(), ProcessError> {
        writeln!(self.0, "{} {shard_id} ended", now())?;
        Ok(self.0.flush()?)
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_micros() / 1000
}

/// One of its lines.
#[derive(Debug, PartialEq)]
pub(crate) struct Line<'a> {
    pub(crate) millis: i64,
    pub(crate) shard: &'a str,
    pub(crate) what: What,
}

#[derive(Debug, PartialEq)]
pub(crate) enum What {
    Ended,
    Record {
        /// The last 38 digits of a sequence number, which tell the records of one shard apart, and a sub-sequence number.
        place: (u128, u64),
        packed: bool,
        own: u64,
    },
}

impl<'a> Line<'a> {
    pub(crate) fn parse(line: &'a str) -> Option<Line<'a>> {
        let words: Vec<&str> = line.split(' ').collect();
        let (millis, shard, what) = match words[..] {
            [millis, shard, "ended"] => (millis, shard, What::Ended),
            [millis, shard, number, sub, own] => {
                let digits = number.get(number.len().saturating_sub(38)..)?;
                let packed = sub != "-";
                let place = (digits.parse().ok()?, if packed { sub.parse().ok()? } else { 0 });
                (millis, shard, What::Record { place, packed, own: own.parse().ok()? })
            }
            _ => return None,
        };
        Some(Line { millis: millis.parse().ok()?, shard, what })
    }
}
