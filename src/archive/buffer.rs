//! [`Buffer`]: the records of a shard that are in no object yet. Pure.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::extent::Extent;
use super::line::write_line;
use super::names::SequenceKey;
use crate::record::Record;
use crate::timestamp::Timestamp;

/// Records one after the other as the shard has them, without a gap.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    lines: Vec<u8>,
    extent: Option<Extent>,
    /// When the first of them came.
    since: Option<Timestamp>,
}

impl Buffer {
    /// Takes all records of one sequence number.
    pub(super) fn push(&mut self, key: SequenceKey, records: &[Record], now: Timestamp) {
        let Some(last) = records.last() else { return };
        self.since.get_or_insert(now);
        records.iter().for_each(|record| write_line(record, &mut self.lines));
        let here =
            Extent { first: key.clone(), last: key, arrival: last.arrival, records: records.len() as u64 };
        self.extent = Some(match self.extent.take() {
            Some(before) => before.and(here),
            None => here,
        });
    }

    /// From where to where it goes; `None` when it is empty.
    pub(super) fn extent(&self) -> Option<&Extent> {
        self.extent.as_ref()
    }

    /// When the first of its records came; `None` when it is empty.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// The bytes of its lines.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The lines, gzipped: the same of the same lines.
    pub(super) fn gzipped(&self) -> io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&self.lines)?;
        encoder.finish()
    }

    pub(super) fn clear(&mut self) {
        *self = Buffer::default();
    }

    /// Keeps what comes after this record.
    pub(super) fn forget_through(&mut self, last: &SequenceKey) {
        let before = std::mem::take(self);
        let now = before.since.unwrap_or_default();
        for line in before.lines.split_inclusive(|byte| *byte == b'\n') {
            // Of our own writing: each can be read.
            if let Some((key, record)) = Extent::read(line)
                && key > *last
            {
                self.push(key, &[record], now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u32, sub: Option<u64>) -> Record {
        let mut record =
            Record::new("k", format!("data of {number}"), number.to_string(), Timestamp::from_secs(7));
        record.sub_sequence_number = sub;
        record
    }

    fn buffer(records: &[Record]) -> Buffer {
        let mut buffer = Buffer::default();
        for records in records.chunk_by(|a, b| a.sequence_number == b.sequence_number) {
            let key = SequenceKey::of(&records[0].sequence_number).unwrap();
            buffer.push(key, records, Timestamp::from_secs(9));
        }
        buffer
    }

    #[test]
    fn what_is_forgotten_is_what_another_has_written() {
        let all = [record(9, None), record(10, Some(0)), record(10, Some(1)), record(100, None)];
        for (last, left) in [("8", 4), ("9", 3), ("10", 1), ("11", 1), ("100", 0), ("1000", 0)] {
            let mut buffer = buffer(&all);
            buffer.forget_through(&SequenceKey::of(last).unwrap());
            assert_eq!(buffer.extent().map_or(0, |extent| extent.records), left, "{last}");
            let want = self::buffer(&all[4 - left as usize..]);
            assert_eq!(
                (buffer.gzipped().unwrap(), buffer.since()),
                (want.gzipped().unwrap(), want.since()),
                "{last}"
            );
            assert_eq!(buffer.extent(), want.extent(), "{last}");
        }
    }

    #[test]
    fn it_knows_from_where_to_where_it_goes() {
        assert_eq!((Buffer::default().extent(), Buffer::default().len()), (None, 0));
        let mut buffer = buffer(&[record(9, None), record(10, Some(0)), record(10, Some(1))]);
        let extent = buffer.extent().unwrap();
        assert_eq!((extent.first.number(), extent.last.number(), extent.records), ("9", "10", 3));
        assert_eq!(Extent::of(&buffer.gzipped().unwrap()).unwrap(), *extent);
        buffer.clear();
        assert_eq!((buffer.extent(), buffer.since()), (None, None));
    }
}
