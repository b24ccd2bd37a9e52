//! [`AccessLog`]: the lines of a web server's log, one after the other.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::log_line::{LogLine, LogLineError};
use crate::text::{Quoted, grouped, printable, shorten};
use crate::timestamp::Timestamp;

/// A longer line is not kept: it is no request, and memory must not depend on what is in a file.
const MAX_LINE: usize = 1024 * 1024;
/// How many unparsed lines are kept to look at.
const MAX_SAMPLES: usize = 5;
/// How many characters of such a line are kept.
const MAX_SAMPLE_CHARS: usize = 100;

/// Reads an Apache or nginx access log (common or combined format) line by line: an iterator of
/// [`LogRecord`]s in the order of the file.
///
/// It holds one line at a time, whatever the size of the file. Lines that do not parse, and lines
/// over 1 MiB, are left out and counted; at the end one sentence on stderr says how many and which
/// was the first, and [`samples`](Self::samples) shows the first few. Empty lines are passed over.
///
/// ```
/// use kinesis_lab::AccessLog;
///
/// let text = "192.0.2.10 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 512\n???\n";
/// let mut log = AccessLog::from_reader(text.as_bytes());
/// let record = log.next().unwrap()?;
/// assert_eq!((record.client.as_str(), record.time.plain(0).as_str()), ("192.0.2.10", "2015-05-17 10:05:03"));
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
    ended: bool,
    report: bool,
}

/// A line of a log that parsed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogRecord {
    /// Its line's number in the file, counted from 1.
    pub number: u64,
    /// The client's address or host name: a natural partition key.
    pub client: String,
    /// The time in the line, in UTC.
    pub time: Timestamp,
    /// The line as it was, without its line ending; [`LogLine::parse`] gives its other fields.
    pub line: Vec<u8>,
}

impl fmt::Debug for LogRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut record = f.debug_struct("LogRecord");
        record.field("client", &Quoted(&self.client)).field("time", &self.time);
        record.field("line", &format_args!("{}", printable(&self.line))).finish()
    }
}

impl AccessLog {
    /// Opens a log.
    ///
    /// # Errors
    /// The operating system's, with the path. A file packed by gzip is an error at the first line.
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
            ended: false,
            report: true,
        }
    }

    /// Says nothing on stderr at the end.
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

    /// `3 of 10,000 lines did not parse; the first: line 17: …`; `None` when all did.
    pub fn summary(&self) -> Option<String> {
        let first = self.samples.first()?;
        let (count, lines) = (grouped(self.unparsed), grouped(self.lines));
        let noun = if self.lines == 1 { "line" } else { "lines" };
        Some(format!("{count} of {lines} {noun} did not parse; the first: {first}"))
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
            self.lines += 1;
            if line.len() > MAX_LINE {
                self.leave_out(None, &line);
                continue;
            }
            match LogLine::parse(&line) {
                Ok(LogLine { client, time, .. }) => {
                    return Ok(Some(LogRecord {
                        number: self.number,
                        client: client.to_owned(),
                        time,
                        line,
                    }));
                }
                Err(reason) => self.leave_out(Some(reason), &line),
            }
        }
    }

    /// Passes over a byte order mark, which Windows editors leave, and refuses packed files: rotated
    /// logs are, and "3,000 of 3,000 lines did not parse" would not tell anyone why.
    fn check_start(&mut self) -> io::Result<()> {
        let start = self.reader.fill_buf()?;
        if start.starts_with(&[0x1f, 0x8b]) {
            let hint = "the log is packed by gzip; unpack it first (gunzip -k FILE.gz)";
            return Err(io::Error::new(io::ErrorKind::InvalidData, hint));
        }
        if start.starts_with(b"\xef\xbb\xbf") {
            self.reader.consume(3);
        }
        Ok(())
    }

    fn leave_out(&mut self, reason: Option<LogLineError>, line: &[u8]) {
        self.unparsed += 1;
        if self.samples.len() < MAX_SAMPLES {
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
        let next = self.read_record();
        if !matches!(next, Ok(Some(_))) {
            self.ended = true;
            if let Some(summary) = self.summary().filter(|_| self.report) {
                eprintln!("{summary}");
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
    pub reason: Option<LogLineError>,
    /// Its first 100 characters, made [`printable`].
    pub text: String,
}

impl fmt::Display for UnparsedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Some(reason) => write!(f, "line {}: {reason}: {}", self.number, self.text),
            None => write!(f, "line {}: longer than 1 MiB: {}", self.number, self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};
    use std::time::Duration;

    const LINE: &str = r#"192.0.2.10 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 512"#;

    fn log(text: impl Into<Vec<u8>>) -> AccessLog {
        AccessLog::from_reader(io::Cursor::new(text.into())).quiet()
    }

    /// How many records, how many lines left out.
    fn counts(text: impl Into<Vec<u8>>) -> (usize, u64) {
        let mut log = log(text);
        let records: Vec<LogRecord> = log.by_ref().map(|r| r.unwrap()).collect();
        assert!(records.iter().all(|r| r.line == LINE.as_bytes()));
        (records.len(), log.unparsed())
    }

    #[test]
    fn line_endings_and_byte_order_marks() {
        assert_eq!(counts(""), (0, 0));
        assert_eq!(counts("\n\r\n \n"), (0, 0));
        assert_eq!(counts(LINE), (1, 0));
        assert_eq!(counts(format!("\u{feff}{LINE}\r\n\r\n{LINE}\n{LINE}")), (3, 0));
        assert_eq!(counts([b"\xff\xfe\n", LINE.as_bytes(), b"\n\xc3"].concat()), (1, 2));
    }

    #[test]
    fn what_is_left_out_is_counted_and_told() {
        let mut log = log(format!("{LINE}\n\n\u{1b}[2J EVCXR_END_CONTENT\n{}{LINE}", "x\n".repeat(10)));
        assert_eq!(log.by_ref().count(), 2);
        assert_eq!((log.lines(), log.unparsed(), log.samples().len()), (13, 11, MAX_SAMPLES));
        let want = r"11 of 13 lines did not parse; the first: line 3: no time such as [17/May/2015:10:05:03 +0000] after the user: \x1b[2J EVCXR\u{5f}END_CONTENT";
        assert_eq!(log.summary().unwrap(), want);
    }

    #[test]
    fn overlong_lines_are_skipped_without_being_kept() {
        /// A line, then one of as many bytes, then a line again.
        fn with_a_line_of(bytes: u64) -> AccessLog {
            let line = || io::Cursor::new(format!("{LINE}\n"));
            let long = BufReader::with_capacity(1 << 16, io::repeat(b'x').take(bytes));
            let middle = long.chain(io::Cursor::new("\n"));
            AccessLog::from_reader(line().chain(middle).chain(line())).quiet()
        }
        let mut log = with_a_line_of(40 * 1024 * 1024);
        assert_eq!((log.by_ref().count(), log.unparsed()), (2, 1));
        assert_eq!(log.samples()[0].reason, None);
        assert!(log.samples()[0].to_string().starts_with("line 2: longer than 1 MiB: xxx"));
        assert_eq!(log.samples()[0].text.chars().count(), MAX_SAMPLE_CHARS);

        // At the limit: the longest line that is looked at, and some bytes more.
        let was_read = [0, 1, 2, 3, 4].map(|more| {
            let mut log = with_a_line_of(MAX_LINE as u64 + more);
            assert_eq!((log.by_ref().count(), log.lines()), (2, 3));
            log.samples()[0].reason.is_some()
        });
        assert_eq!(was_read, [true, false, false, false, false]);
    }

    #[test]
    fn errors_say_what_to_do() {
        let error = AccessLog::open("/nowhere/access.log").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("cannot open /nowhere/access.log: "), "{error}");
        let mut packed = log(b"\x1f\x8b\x08\x00".to_vec());
        assert!(packed.next().unwrap().unwrap_err().to_string().contains("gunzip"));
        assert!(packed.next().is_none());
        // A folder opens like a file on Unix; reading it fails, which must not look like an empty log.
        if let Ok(mut folder) = AccessLog::open(env!("CARGO_MANIFEST_DIR")) {
            assert!(folder.next().unwrap().is_err());
        }
    }

    #[test]
    fn a_real_log() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/apache_access.log");
        if !path.exists() {
            // Not `println!`, which the test harness swallows.
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "SKIPPED: a_real_log: {} is not there", path.display());
            return;
        }
        let mut log = AccessLog::open(path).unwrap();
        let mut clients: HashMap<String, u32> = HashMap::new();
        let mut minutes = HashSet::new();
        for record in log.by_ref() {
            let record = record.unwrap();
            *clients.entry(record.client).or_default() += 1;
            minutes.insert(record.time.truncate(Duration::from_secs(60)));
        }
        assert_eq!((log.lines(), log.unparsed(), log.summary()), (10_000, 0, None));
        assert_eq!((clients.len(), minutes.len()), (1_753, 84));
        for (client, count) in [("66.249.73.135", 482), ("46.105.14.53", 364), ("130.237.218.86", 357)] {
            assert_eq!(clients[client], count);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_every_line_accounted_for(
            parts in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..60),
                    Just([LINE.as_bytes(), b"\n"].concat()),
                ],
                0..20,
            ),
        ) {
            let bytes = parts.concat();
            let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).count();
            prop_assume!(!bytes.starts_with(&[0x1f, 0x8b]) && !bytes.starts_with(b"\xef\xbb\xbf"));
            let mut log = log(bytes);
            let parsed = log.by_ref().filter(Result::is_ok).count();
            prop_assert_eq!(parsed as u64 + log.unparsed(), lines as u64);
            prop_assert_eq!(log.lines(), lines as u64);
        }
    }
}
