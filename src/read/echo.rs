//! [`Echo`]: prints what it is given.

use std::io::Write as _;

use super::process_error::ProcessError;
use super::processor::{Context, RecordProcessor};
use crate::record::Batch;

/// Prints `key : data`, a line a record, as they arrive; behind a user record of an aggregate, which one it is.
///
/// Keys and data come from strangers: what is not printable, or would mean something to a terminal
/// or a notebook, is shown as an escape.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let stream = Kinesis::local()?.create_stream("words", 1)?;
/// stream.put("192.0.2.10", "hello")?;
/// stream.put("192.0.2.10", b"\x1b[2J")?; // would clear a terminal
/// let mut echo = Echo::new();
/// // 192.0.2.10 : hello
/// // 192.0.2.10 : \x1b[2J
/// assert_eq!(stream.consumer().trim_horizon().run_until_caught_up(&mut echo)?.records, 2);
/// # Ok::<(), Error>(())
/// ```
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
        let mut out = std::io::stdout().lock();
        for record in &batch.records {
            let (key, data) = (&record.partition_key, &record.data);
            // Where nobody reads them any more (`| head`), that is no reason to stop reading the stream.
            let _ = match record.sub_sequence_number {
                Some(number) => writeln!(out, "{key} : {data} (user record {number})"),
                None => writeln!(out, "{key} : {data}"),
            };
        }
        Ok(())
    }
}
