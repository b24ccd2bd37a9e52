//! [`LeftOut`]: a record that no stream would take.

use std::fmt;

use crate::error::Error;
use crate::text::{printable, shorten};

/// How many characters of its data are kept.
const MAX_CHARS: usize = 100;

/// A record that can never be put, because its key or its size is refused; a producer goes on without it.
///
/// Its `Display`: `line 17: a partition key is 1 to 256 characters long; this one has 310: …: 192.0.2.10 - - …`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LeftOut {
    /// `line` of a log, `record` of a producer.
    pub what: &'static str,
    /// Which one, counted from 1.
    pub number: u64,
    /// Why it can't be put.
    pub error: Error,
    /// The first 100 characters of its data, made [`printable`].
    pub text: String,
}

impl LeftOut {
    pub(super) fn new((what, number): (&'static str, u64), error: Error, data: &[u8]) -> LeftOut {
        // No character is longer than 4 bytes; the rest of a long record need not be looked at.
        let start = &data[..data.len().min(MAX_CHARS * 4)];
        let text = shorten(&printable(start), MAX_CHARS).into_owned();
        LeftOut { what, number, error, text }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}: {}", self.what, self.number, self.error, self.text)
    }
}
