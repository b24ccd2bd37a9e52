//! The daemon at the other ends of stdin and stdout, which are its own from here on.
//!
//! A processor may print, a library of its may, and so may a program that it starts. What is printed between two
//! messages is passed over by the daemon; but half a line before a message makes it one that it does not know, and
//! both sides wait for ever. So the pipes are moved to descriptors that nobody else knows of and no program inherits;
//! descriptor 1 becomes stderr, whose lines the daemon logs, and descriptor 0 is empty. By `rustix`, because std has no
//! `dup2`, and with libc's it would be the only unsafe code of this crate.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::{Receiver, channel};

use super::lines::{LONGEST, next_line};
use crate::error::{Error, ErrorKind, Result};
use crate::stop::Stop;

/// Who asks, and is answered.
pub(crate) trait Daemon {
    /// Its next line; nothing when it is gone.
    async fn line(&mut self) -> Result<Option<Vec<u8>>>;

    /// A line to it, without its end; false when it is gone.
    fn send(&mut self, line: &str) -> Result<bool>;
}

/// Behind this process's stdin and stdout.
pub(crate) struct PipedDaemon {
    lines: Receiver<io::Result<Vec<u8>>>,
    output: File,
}

impl PipedDaemon {
    /// Takes both, for good. `stop` is asked when the daemon is gone, also while a processor is at work: what waits
    /// gives up then.
    pub(crate) fn take(stop: &Stop) -> Result<PipedDaemon> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if io::stdin().is_terminal() {
            return Err(Error::invalid(
                "this program is a child of the KCL's daemon, which talks to it over stdin and stdout; here they are a \
                 terminal. Name it as executableName in a file of properties, and start the daemon with that",
            ));
        }
        if TAKEN.swap(true, Ordering::Relaxed) {
            return Err(Error::invalid(
                "this process is a child of the KCL's daemon already: it has one shard, the daemon starts another \
                 process for the next",
            ));
        }
        let (input, output) = apart().map_err(|error| {
            let sentence = format!("stdin and stdout can't be kept for the KCL's daemon alone: {error}");
            Error::with_source(ErrorKind::Io, sentence, error)
        })?;
        let (send, lines) = channel(1);
        let stop = stop.clone();
        std::thread::Builder::new().name("kcl-stdin".into()).spawn(move || {
            let mut reader = BufReader::with_capacity(64 << 10, input);
            loop {
                let line = next_line(&mut reader, LONGEST).transpose();
                let last = !matches!(line, Some(Ok(_)));
                if last {
                    stop.ask();
                }
                // Nobody listens any more once the run has ended.
                if line.is_none_or(|line| send.blocking_send(line).is_err()) || last {
                    return;
                }
            }
        })?;
        let mut daemon = PipedDaemon { lines, output };
        // Ends what this program may have printed before, half a line of which would spoil the first answer. An empty
        // line is none of the daemon's: it passes over it.
        daemon.send("")?;
        Ok(daemon)
    }
}

/// Copies of stdin and stdout, in whose places others are put.
fn apart() -> io::Result<(File, File)> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // Not flushed before: what std holds back of a line then goes to stderr with the rest.
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok((input, output))
}

impl Daemon for PipedDaemon {
    async fn line(&mut self) -> Result<Option<Vec<u8>>> {
        self.lines.recv().await.transpose().map_err(|error| {
            Error::with_source(ErrorKind::Io, format!("the KCL's daemon can't be read: {error}"), error)
        })
    }

    fn send(&mut self, line: &str) -> Result<bool> {
        match self.output.write_all(format!("{line}\n").as_bytes()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => {
                let sentence = format!("the KCL's daemon can't be written to: {error}");
                Err(Error::with_source(ErrorKind::Io, sentence, error))
            }
        }
    }
}
