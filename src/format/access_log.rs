//! [`AccessLog`]: the lines of a web server's log, one after the other.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::file_kind::{NoLog, is_utf16, packing};
use super::layouts;
use super::line_reader::LineReader;
use super::log_format::LogFormat;
use crate::event::EventError;
use crate::harmless::{Data, Text};
use crate::notice::notice;
use crate::text::{grouped, printable, shorten};
use crate::timestamp::Timestamp;

/// A longer line is not kept: it is no request, and memory must not depend on what is in a file.
const MAX_LINE: usize = 1024 * 1024;
/// How many unparsed lines are kept to look at.
const MAX_SAMPLES: usize = 5;
/// Of these, so much is kept to see which layout they are in.
const LAYOUT_BYTES: usize = 16 * 1024;
/// How many characters of such a line are kept.
const MAX_SAMPLE_CHARS: usize = 100;

/// Reads a web server's access log line by line: an iterator of [`LogRecord`]s in the order of the file. In the
/// common or combined format, if nothing else is said ([`format`](AccessLog::format)); packed by gzip or not.
///
/// It holds one line at a time, whatever the size of the file. Lines that do not parse, and lines
/// over 1 MiB, are left out and counted; at the end one sentence on stderr says how many and which
/// was the first, and, where they are in another layout that is known, which one it is;
/// [`samples`](Self::samples) shows the first few. Empty lines are passed over.
///
/// ```
/// use kinesis_lab::AccessLog;
///
/// let text = "192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 512\n???\n";
/// let mut log = AccessLog::from_reader(text.as_bytes());
/// let record = log.next().unwrap()?;
/// assert_eq!((record.client.raw(), record.time.plain(0).as_str()), ("192.0.2.10", "2015-05-17 10:05:03"));
/// assert!(log.next().is_none()); // on stderr: 1 of 2 lines did not parse; the first: line 2: …
/// assert_eq!(log.unparsed(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct AccessLog {
    reader: Box<dyn BufRead + Send>,
    /// Of the line read last, empty ones counted.
    number: u64,
    lines: u64,
    unparsed: u64,
    samples: Vec<UnparsedLine>,
    /// The same lines as they are.
    first: Vec<Vec<u8>>,
    lines_of: LineReader,
    ended: bool,
    report: bool,
    is_packed: bool,
}

/// A line of a log that parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogRecord {
    /// Its line's number in the file, counted from 1.
    pub number: u64,
    /// The client's address or host name, or `-`, in the one form of all its spellings: a natural partition
    /// key. Or what else the format says is counted.
    pub client: Text,
    /// The time in the line, in UTC.
    pub time: Timestamp,
    /// The line as it was, without its line ending; [`LogLine::parse`](crate::LogLine::parse) gives its other
    /// fields. In W3C's extended format the line `#Fields:` stands before it, so that it can be read alone.
    pub line: Data,
}

impl AccessLog {
    /// Opens a log.
    ///
    /// ```
    /// use kinesis_lab::AccessLog;
    ///
    /// for record in AccessLog::open("data/access.log")?.quiet().take(3) {
    ///     println!("{:?}", record?);
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The operating system's, with the path. A file packed by bzip2, xz, zstd, zip or others, or one in
    /// UTF-16, is an error at the first line, which says how to unpack it; one whose gzip is broken or cut off, an
    /// error behind the last line that is whole.
    pub fn open(path: impl AsRef<Path>) -> io::Result<AccessLog> {
        let path = path.as_ref();
        match File::open(path) {
            Ok(file) => Ok(AccessLog::from_reader(BufReader::with_capacity(64 * 1024, file))),
            Err(e) => Err(io::Error::new(e.kind(), format!("cannot open {}: {e}", path.display()))),
        }
    }

    /// Reads a log from anything: standard input, bytes in memory, a decompressor.
    pub fn from_reader(reader: impl BufRead + Send + 'static) -> AccessLog {
        AccessLog {
            reader: Box::new(reader),
            number: 0,
            lines: 0,
            unparsed: 0,
            samples: Vec::new(),
            first: Vec::new(),
            lines_of: LineReader::of(&LogFormat::combined()),
            ended: false,
            report: true,
            is_packed: false,
        }
    }

    /// In which format its lines are. Default: [`LogFormat::combined`], which reads the common one, too.
    ///
    /// ```
    /// use kinesis_lab::{AccessLog, LogFormat};
    ///
    /// let text = "shop.example:443 192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 512\n";
    /// let mut log = AccessLog::from_reader(text.as_bytes()).format(LogFormat::vhost_combined());
    /// assert_eq!(log.next().unwrap()?.client, "192.0.2.10");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn format(mut self, format: LogFormat) -> AccessLog {
        self.lines_of = LineReader::of(&format);
        self
    }

    /// Says nothing on stderr at the end.
    ///
    /// ```
    /// use kinesis_lab::AccessLog;
    ///
    /// let mut log = AccessLog::from_reader("?\n".as_bytes()).quiet();
    /// assert_eq!(log.by_ref().count(), 0);
    /// assert_eq!((log.lines(), log.samples()[0].number), (1, 1));
    /// assert!(log.summary().unwrap().starts_with("1 of 1 line did not parse; the first: line 1: "));
    /// ```
    pub fn quiet(mut self) -> AccessLog {
        self.report = false;
        self
    }

    /// How many lines have been read so far, unparsed ones included, empty ones not.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// How many of them did not parse.
    pub fn unparsed(&self) -> u64 {
        self.unparsed
    }

    /// The first five lines that did not parse.
    pub fn samples(&self) -> &[UnparsedLine] {
        &self.samples
    }

    /// `3 of 10,000 lines did not parse; the first: line 17: …`, and in which known layout these are, if they are
    /// in one; `None` when all did.
    pub fn summary(&self) -> Option<String> {
        let first = self.samples.first()?;
        let (count, lines) = (grouped(self.unparsed), grouped(self.lines));
        let noun = if self.lines == 1 { "line" } else { "lines" };
        let mut summary = format!("{count} of {lines} {noun} did not parse; the first: {first}");
        if let Some(layout) = layouts::fitting(&self.first) {
            summary += &format!("; {layout}");
        }
        Some(summary)
    }

    /// The next line that parses; `None` at the end.
    fn read_record(&mut self) -> io::Result<Option<LogRecord>> {
        if self.number == 0 {
            self.check_start()?;
        }
        loop {
            let mut line = Vec::with_capacity(256);
            // A line of the full length, its line ending, and one byte to see that it is longer.
            let limit = MAX_LINE as u64 + 3;
            if (&mut self.reader).take(limit).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if line.pop_if(|b| *b == b'\n').is_some() {
                line.pop_if(|b| *b == b'\r');
            } else if line.len() as u64 == limit {
                self.reader.skip_until(b'\n')?;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            if line.len() > MAX_LINE {
                self.lines += 1;
                self.leave_out(None, &line);
                continue;
            }
            let Some(found) = self.lines_of.client_and_time(&line) else { continue };
            self.lines += 1;
            match found {
                Ok((client, time)) => {
                    let line = match &self.lines_of.header {
                        Some(header) => [header, &b"\n"[..], &line].concat(),
                        None => line,
                    };
                    return Ok(Some(LogRecord { number: self.number, client, time, line: line.into() }));
                }
                Err(reason) => self.leave_out(Some(reason), &line),
            }
        }
    }

    /// Passes over a byte order mark, which Windows editors leave, and refuses packed files and UTF-16:
    /// rotated logs are packed, and "3,000 of 3,000 lines did not parse" would not tell anyone why.
    fn check_start(&mut self) -> io::Result<()> {
        if self.reader.fill_buf()?.starts_with(b"\x1f\x8b") {
            let packed = std::mem::replace(&mut self.reader, Box::new(io::empty()));
            self.is_packed = true;
            // Rotated logs are put one behind the other, each packed by itself.
            self.reader = Box::new(BufReader::with_capacity(64 * 1024, MultiGzDecoder::new(packed)));
        }
        let start = self.reader.fill_buf()?;
        if let Some((packer, command)) = packing(start) {
            let hint = format!("the log is packed by {packer}; unpack it first ({command})");
            return Err(io::Error::new(io::ErrorKind::InvalidData, NoLog(hint)));
        }
        if is_utf16(start) {
            let hint = "the log is UTF-16, as PowerShell writes it; convert it first (iconv -f UTF-16 -t UTF-8 FILE)";
            return Err(io::Error::new(io::ErrorKind::InvalidData, NoLog(hint.to_owned())));
        }
        if start.starts_with(b"\xef\xbb\xbf") {
            self.reader.consume(3);
        }
        Ok(())
    }

    fn packed_and_broken(&self, error: &io::Error) -> String {
        format!(
            "the log is packed by gzip, and broken or cut off behind line {} ({error}); copy it anew, or take what is \
             whole of it (gunzip -c FILE.gz > FILE)",
            grouped(self.number)
        )
    }

    fn leave_out(&mut self, reason: Option<EventError>, line: &[u8]) {
        self.unparsed += 1;
        if self.samples.len() < MAX_SAMPLES {
            self.first.push(line[..line.len().min(LAYOUT_BYTES)].to_vec());
            // No character is longer than 4 bytes; the rest of a long line need not be looked at.
            let start = &line[..line.len().min(MAX_SAMPLE_CHARS * 4)];
            let text = shorten(&printable(start), MAX_SAMPLE_CHARS).into_owned();
            self.samples.push(UnparsedLine { number: self.number, reason, text });
        }
    }
}

impl Iterator for AccessLog {
    type Item = io::Result<LogRecord>;

    /// The next record, or an error of the reader, after which there is nothing more.
    fn next(&mut self) -> Option<io::Result<LogRecord>> {
        if self.ended {
            return None;
        }
        let mut next = self.read_record();
        if let Err(error) = &next
            && self.is_packed
            && error.get_ref().is_none_or(|reason| !reason.is::<NoLog>())
        {
            next = Err(io::Error::new(error.kind(), self.packed_and_broken(error)));
        }
        if !matches!(next, Ok(Some(_))) {
            self.ended = true;
            if let Some(summary) = self.summary().filter(|_| self.report) {
                notice(&summary);
            }
        }
        next.transpose()
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccessLog { lines, unparsed, .. } = self;
        f.debug_struct("AccessLog").field("lines", lines).field("unparsed", unparsed).finish_non_exhaustive()
    }
}

/// A line that was left out. Its `Display`: `line 17: no status code …: 192.0.2.10 - - …`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnparsedLine {
    /// Its number in the file, counted from 1.
    pub number: u64,
    /// What is wrong with it; `None` when it is longer than 1 MiB.
    pub reason: Option<EventError>,
    /// Its first 100 characters, made [`printable`].
    pub text: String,
}

impl fmt::Display for UnparsedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "line {}: {reason}: {}", self.number, self.text),
            None => write!(f, "line {}: longer than 1 MiB: {}", self.number, self.text),
        }
    }
}

#[cfg(test)]
mod tests;
