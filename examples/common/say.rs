//! Words for people and for other programs, whatever became of the streams that they go to.
//!
//! `println` and `eprintln` panic where nobody reads any more (`2>&-`, `| head -1`) or the disk is full; no
//! message is worth the work that it tells of.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use kinesis_lab::{Error, ErrorKind};

/// A sentence for people, on stderr; where it can't be written, there is nobody to tell.
pub(crate) fn say(sentence: impl Display) {
    // In one write, so that the lines of two threads don't mix.
    let _ = io::stderr().lock().write_all(format!("{sentence}\n").as_bytes());
}

/// A line that somebody may wait for, on stdout: an address, an alert. A program whose work is elsewhere goes
/// on without it.
pub(crate) fn tell(line: impl Display) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}

/// The product of a program, on stdout, to its last byte. A reader who has seen enough (`| head -1`) is no
/// error: the rest is not wanted then, as with `cat`.
pub(crate) fn product(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    // Without what is still in the buffer, which dropping it would try to write once more.
    let _ = out.into_parts();
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Io, format!("the result can't be written to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// What a program ends with: 0, or 1 and a sentence why.
pub(crate) fn ended(outcome: Result<(), Error>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}
