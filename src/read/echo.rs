//! [`Echo`]: prints what it is given.

use super::processor::{Context, ProcessError, RecordProcessor};
use crate::record::Batch;
use crate::text::printable;

/// Prints `key : data`, a line a record, as they arrive.
///
/// Keys and data come from strangers: what is not printable, or would mean something to a terminal
/// or a notebook, is shown as an escape.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Echo;

impl Echo {
    /// Nothing to configure.
    pub fn new() -> Echo {
        Echo
    }
}

impl RecordProcessor for Echo {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            println!("{} : {}", printable(record.partition_key.as_bytes()), printable(&record.data));
        }
        Ok(())
    }
}
