//! [`Extent`]: from which record to which an object goes; and reading one, line by line. Pure.

use std::io::{BufRead as _, BufReader, Read as _};

use flate2::read::MultiGzDecoder;

use super::line::read_line;
use super::names::SequenceKey;
use crate::record::Record;
use crate::timestamp::Timestamp;

/// The longest line: 10 MiB of data, the most that a record can have, of which each byte is an escape of six.
const LONGEST_LINE: u64 = 64 << 20;

/// From which record to which something goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) first: SequenceKey,
    pub(super) last: SequenceKey,
    /// When the last of them arrived.
    pub(super) arrival: Timestamp,
    pub(super) records: u64,
}

impl Extent {
    /// Of this, and what comes after it.
    pub(super) fn and(self, after: Extent) -> Extent {
        Extent { first: self.first, records: self.records + after.records, ..after }
    }

    /// A line and where it is.
    pub(super) fn read(line: &[u8]) -> Option<(SequenceKey, Record)> {
        let record = read_line(line).ok()?;
        Some((SequenceKey::of(&record.sequence_number).ok()?, record))
    }

    /// Of an object, all of which is read.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(object: &[u8]) -> Result<Extent, String> {
        let mut lines = ObjectLines::new(object.to_vec());
        let mut extent: Option<Extent> = None;
        while let Some((key, record)) = lines.next()? {
            let here = Extent { first: key.clone(), last: key, arrival: record.arrival, records: 1 };
            extent = Some(match extent {
                Some(before) => before.and(here),
                None => here,
            });
        }
        extent.ok_or_else(|| "it is empty".to_owned())
    }
}

/// The records of an object. It may be a stranger's: of a line, no more is held than one of ours has.
pub(super) struct ObjectLines {
    reader: BufReader<MultiGzDecoder<std::io::Cursor<Vec<u8>>>>,
    line: Vec<u8>,
    number: u64,
    before: Option<SequenceKey>,
}

impl ObjectLines {
    pub(super) fn new(object: Vec<u8>) -> ObjectLines {
        let reader = BufReader::new(MultiGzDecoder::new(std::io::Cursor::new(object)));
        ObjectLines { reader, line: Vec::new(), number: 0, before: None }
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// What is wrong, with the number of the line.
    pub(super) fn next(&mut self) -> Result<Option<(SequenceKey, Record)>, String> {
        self.number += 1;
        let wrong = |number: u64, what: &str| format!("line {number}: {what}");
        self.line.clear();
        match (&mut self.reader).take(LONGEST_LINE + 1).read_until(b'\n', &mut self.line) {
            Ok(0) => return Ok(None),
            Ok(_) if self.line.len() as u64 > LONGEST_LINE => {
                return Err(wrong(self.number, "longer than any record"));
            }
            Ok(_) if !self.line.ends_with(b"\n") => return Err(wrong(self.number, "cut short")),
            Ok(_) => {}
            Err(error) => return Err(wrong(self.number, &format!("no gzip, or broken ({error})"))),
        }
        let record = read_line(&self.line).map_err(|what| wrong(self.number, &what))?;
        let key = SequenceKey::of(&record.sequence_number)
            .map_err(|error| wrong(self.number, &error.to_string()))?;
        if self.before.as_ref().is_some_and(|before| key < *before) {
            return Err(wrong(self.number, "it is before the one above it"));
        }
        self.before = Some(key.clone());
        Ok(Some((key, record)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn object(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn line(number: u32) -> String {
        format!(
            "{{\"partition_key\":\"k\",\"sequence_number\":\"{number}\",\"arrival\":\"2018-09-06T08:04:56Z\",\"data\":\"\"}}\n"
        )
    }

    #[test]
    fn an_object_that_is_not_whole_is_told_and_where() {
        let whole = object(&format!("{}{}", line(7), line(10)));
        let extent = Extent::of(&whole).unwrap();
        assert_eq!((extent.first.number(), extent.last.number(), extent.records), ("7", "10", 2));
        for cut in 0..whole.len() {
            assert!(Extent::of(&whole[..cut]).is_err(), "{cut} of {} bytes", whole.len());
        }
        for (text, want) in [
            (String::new(), "it is empty"),
            (format!("{}x\n", line(7)), "line 2: no line of JSON"),
            (format!("{}{}", line(7), line(10).trim_end()), "line 2: cut short"),
            (format!("{}{}", line(10), line(7)), "line 2: it is before the one above it"),
            (line(7).replace("\"7\"", "\"x\""), "line 1: x is no sequence number"),
        ] {
            let error = Extent::of(&object(&text)).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
        assert!(Extent::of(b"plain").unwrap_err().contains("line 1: no gzip"));
    }

    /// A few kilobytes of gzip are a line of gigabytes: it is given up at the longest that there can be.
    #[test]
    fn a_line_without_an_end_is_not_held() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        for _ in 0..80 {
            encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
        }
        let mut lines = ObjectLines::new(encoder.finish().unwrap());
        assert_eq!(lines.next().unwrap_err(), "line 1: longer than any record");
        assert!(lines.line.capacity() <= 2 * LONGEST_LINE as usize + 1);
    }
}
