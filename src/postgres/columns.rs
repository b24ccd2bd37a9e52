//! [`Columns`]: rows as the arrays of an `INSERT … SELECT … FROM unnest(…)`, a few megabytes at a time. Pure.

use std::borrow::Cow;

use super::sql_types::signed;
use super::texts::indexed;
use crate::timestamp::Timestamp;

/// How many rows and bytes of texts a statement takes: one that is longer is answered late, and takes memory twice.
const ROWS: usize = 20_000;
const BYTES: usize = 8 << 20;

/// Keys with their counts, each at one or two times.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) starts: Vec<Timestamp>,
    pub(super) ends: Vec<Timestamp>,
    pub(super) keys: Vec<Cow<'a, str>>,
    /// Of a key that is too long for an index: all of it.
    pub(super) rests: Vec<Option<Cow<'a, str>>>,
    pub(super) counts: Vec<i64>,
    bytes: usize,
}

impl<'a> Columns<'a> {
    /// One whose key is to be found again.
    pub(super) fn push_indexed(&mut self, start: Timestamp, end: Timestamp, key: &'a str, count: u64) {
        let (key, rest) = indexed(key);
        self.push(start, end, key, rest, count);
    }

    pub(super) fn push(
        &mut self,
        start: Timestamp,
        end: Timestamp,
        key: Cow<'a, str>,
        rest: Option<Cow<'a, str>>,
        count: u64,
    ) {
        self.bytes += key.len() + rest.as_ref().map_or(0, |rest| rest.len());
        self.starts.push(start);
        self.ends.push(end);
        self.keys.push(key);
        self.rests.push(rest);
        self.counts.push(signed(count));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether there are as many as one statement takes.
    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= ROWS || self.bytes >= BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_full_by_rows_or_by_bytes() {
        let (long, at) = ("k".repeat(1 << 20), Timestamp::MIN);
        let mut columns = Columns::default();
        let mut rows = 0;
        while !columns.is_full() {
            columns.push_indexed(at, at, &long, 1);
            rows += 1;
        }
        assert_eq!(rows, 8);
        let mut columns = Columns::default();
        while !columns.is_full() {
            columns.push_indexed(at, at, "192.0.2.10", 1);
        }
        assert_eq!(columns.keys.len(), ROWS);
    }
}
