//! [`Log`]: the file in which an embedded service keeps what it holds, a line of JSON for each change.
//!
//! ferrokinesis's own persistence writes all that it holds with each put: 100 ms at 20,000 records. A put costs
//! its own size here, and the file is written anew when most of it is of the past ([`Log::replace`]). Lines are
//! handed to the operating system, not synced: they outlive the process, not a power cut.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::folder::{make_private, private_file};

const NAME: &str = "kinesis.log";
/// The first line: what this is, and in which layout.
const HEADER: &str = "{\"kinesis-lab\":\"local\",\"layout\":1}";
/// How long a program that had the folder open may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where lines go. A file; in tests, one on a disk that is full.
pub(crate) trait Sink: Write + Send {
    /// Everything after this many bytes goes.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Sink for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

pub(crate) struct Log {
    folder: PathBuf,
    file: Box<dyn Sink>,
    length: u64,
    /// There is half a line at the end, of a write that failed.
    torn: bool,
    // Until this is dropped, or the process ends in whatever way.
    _lock: File,
}

impl Log {
    /// Opens the one in a folder, or makes it, and gives each of its lines to `line`, in their order.
    pub(crate) fn open(folder: &Path, mut line: impl FnMut(&[u8]) -> Result<()>) -> Result<Log> {
        make_private(folder).map_err(|error| fails(folder, &error))?;
        if ["snapshot.bin", "wal.log"].iter().any(|old| folder.join(old).exists()) {
            return Err(Error::new(
                ErrorKind::Store,
                format!(
                    "{} is of an older version of kinesis-lab: remove the folder, or choose another",
                    folder.display()
                ),
            ));
        }
        let lock = lock(folder)?;
        let path = folder.join(NAME);
        let file = private_file().read(true).append(true).create(true).open(&path);
        let mut file = file.map_err(|error| fails(folder, &error))?;
        let length = read(&file, &path, &mut line)?;
        // What a process that was killed in the middle of a line has left.
        file.set_len(length).map_err(|error| fails(folder, &error))?;
        let mut written = length;
        if length == 0 {
            let begun = writeln!(file, "{HEADER}");
            begun.map_err(|error| fails(folder, &error))?;
            written = HEADER.len() as u64 + 1;
        }
        let folder = folder.to_owned();
        Ok(Log { folder, file: Box::new(file), length: written, torn: false, _lock: lock })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whole lines, all of them or none.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.mend()?;
        if let Err(error) = self.file.write_all(lines) {
            self.torn = true;
            // Room may be there for the next one, which cuts what is left of this one.
            let _ = self.mend();
            return Err(error);
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.cut(self.length)?;
            self.torn = false;
        }
        Ok(())
    }

    /// A file beside it, to be filled with what is still of use.
    pub(crate) fn replacement(&self) -> io::Result<Replacement> {
        let path = self.folder.join(format!("{NAME}.new"));
        let file = private_file().append(true).create(true).truncate(false).open(&path)?;
        file.set_len(0)?;
        let mut replacement = Replacement { path, file: BufWriter::with_capacity(1 << 20, file), length: 0 };
        replacement.append(format!("{HEADER}\n").as_bytes())?;
        Ok(replacement)
    }

    /// From now on, that one. Until then, this one is whole.
    pub(crate) fn replace(&mut self, replacement: Replacement) -> io::Result<()> {
        let Replacement { path, file, length } = replacement;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        // The name may reach the disk before the bytes do.
        file.sync_all()?;
        std::fs::rename(path, self.folder.join(NAME))?;
        (self.file, self.length, self.torn) = (Box::new(file), length, false);
        Ok(())
    }
}

pub(crate) struct Replacement {
    path: PathBuf,
    file: BufWriter<File>,
    length: u64,
}

impl Replacement {
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.length += lines.len() as u64;
        self.file.write_all(lines)
    }
}

/// Up to where lines are whole.
fn read(file: &File, path: &Path, line: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let (mut length, mut bytes, mut number) = (0, Vec::new(), 0u64);
    loop {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes).map_err(|error| fails(path, &error))?;
        if bytes.last() != Some(&b'\n') {
            return Ok(length);
        }
        number += 1;
        let content = &bytes[..read - 1];
        match number {
            1 if content != HEADER.as_bytes() => return Err(damaged(path, 1)),
            1 => {}
            _ => line(content).map_err(|_| damaged(path, number))?,
        }
        length += read as u64;
    }
}

fn damaged(path: &Path, line: u64) -> Error {
    Error::new(
        ErrorKind::Store,
        format!(
            "the local Kinesis cannot begin with what is in {}: line {line} is not one of its own; move the file \
             away, or choose another folder",
            path.display()
        ),
    )
}

fn fails(folder: &Path, error: &io::Error) -> Error {
    let sentence = format!(
        "the local Kinesis cannot use the folder {} ({error}): may you write there, and is there room?",
        folder.display()
    );
    Error::with_source(ErrorKind::Io, sentence, error.to_string())
}

/// One program at a time. A handle of this one that was just dropped may take a moment.
fn lock(folder: &Path) -> Result<File> {
    let file = private_file().write(true).create(true).truncate(false).open(folder.join("lock"));
    let file = file.map_err(|error| fails(folder, &error))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                let sentence = format!(
                    "{} is open in another local Kinesis: drop that one (in a notebook, `drop(kinesis)` and what \
                     was made of it), end its program, or choose another folder",
                    folder.display()
                );
                return Err(Error::new(ErrorKind::Store, sentence));
            }
            Err(TryLockError::Error(error)) => return Err(fails(folder, &error)),
        }
    }
}

#[cfg(test)]
mod tests;
