//! [`Unparsed`]: a record that is no event, kept where it can be seen.

use crate::record::Record;

/// How many are kept for inspection; all are counted.
pub(super) const SAMPLES_KEPT: usize = 100;

/// A record that did not parse as an event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unparsed {
    /// The record, unchanged.
    pub record: Record,
    /// What is wrong with it.
    pub reason: String,
}

/// How many records did not parse, and the first of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnparsedRecords {
    count: u64,
    samples: Vec<Unparsed>,
}

impl UnparsedRecords {
    pub(crate) fn add(&mut self, record: &Record, reason: String) {
        self.count += 1;
        if self.samples.len() < SAMPLES_KEPT {
            self.samples.push(Unparsed { record: record.clone(), reason });
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The first 100 of them.
    pub(crate) fn samples(&self) -> &[Unparsed] {
        &self.samples
    }

    /// As a store has it, or as it was before a batch that is delivered again.
    pub(crate) fn restore(&mut self, count: u64) {
        self.count = count;
    }
}
