//! What `cargo xtask fleet kill`, `add`, `status` and so on say to a fleet that is up: a line over a socket in its folder.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use kinesis_lab::prelude::*;

/// In the fleet's folder.
pub(crate) const SOCKET: &str = "control";

/// Somebody who waits for an answer.
pub(crate) struct Asked {
    pub(crate) request: Request,
    asker: UnixStream,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Status,
    Add,
    Split,
    /// A worker, by its number.
    Kill(usize),
    Stop(usize),
    /// For so many seconds.
    Pause(usize, u64),
    Down,
}

impl Request {
    fn parse(line: &str) -> Option<Request> {
        Some(match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
            ("status", "") => Request::Status,
            ("add", "") => Request::Add,
            ("split", "") => Request::Split,
            ("down", "") => Request::Down,
            ("kill", number) => Request::Kill(number.parse().ok()?),
            ("stop", number) => Request::Stop(number.parse().ok()?),
            ("pause", numbers) => {
                let (number, seconds) = numbers.split_once(' ')?;
                Request::Pause(number.parse().ok()?, seconds.parse().ok()?)
            }
            _ => return None,
        })
    }
}

impl Asked {
    /// The asker may be gone.
    pub(crate) fn answer(mut self, text: &str) {
        let _ = writeln!(self.asker, "{text}");
    }
}

/// Whether a fleet is up in this folder.
pub(crate) fn is_up(folder: &Path) -> bool {
    UnixStream::connect(folder.join(SOCKET)).is_ok()
}

pub(crate) fn listen(folder: &Path) -> Result<Receiver<Asked>, Error> {
    let path = folder.join(SOCKET);
    let listener = UnixListener::bind(&path).map_err(|error| {
        Error::new(
            ErrorKind::Io,
            format!("no socket at {}: {error}; --folder names another place", path.display()),
        )
    })?;
    let (send, asked) = channel();
    std::thread::Builder::new().name("control".into()).spawn(move || {
        for asker in listener.incoming().flatten() {
            // One after the other: who says nothing for a second holds nobody up for longer.
            let _ = asker.set_read_timeout(Some(Duration::from_secs(1)));
            let mut line = String::new();
            let _ = BufReader::new((&asker).take(100)).read_line(&mut line);
            match Request::parse(&line) {
                Some(request) => {
                    if send.send(Asked { request, asker }).is_err() {
                        return;
                    }
                }
                None => {
                    let _ = writeln!(
                        &asker,
                        "error: write status, add, split, kill N, stop N, pause N SECONDS or down"
                    );
                }
            }
        }
    })?;
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_word_and_perhaps_a_number() {
        assert_eq!(Request::parse("kill 2\n"), Some(Request::Kill(2)));
        assert_eq!(Request::parse("status"), Some(Request::Status));
        assert_eq!(Request::parse("pause 2 15"), Some(Request::Pause(2, 15)));
        for line in ["", "pause 2", "kill", "kill -1", "status 2", "kill two"] {
            assert_eq!(Request::parse(line), None, "{line}");
        }
    }

    #[test]
    fn who_asks_is_answered() {
        let folder = kinesis_lab::temporary_folder("fleet").unwrap();
        assert!(!is_up(&folder));
        let asked = listen(&folder).unwrap();
        let ask = |line: &str| {
            let mut socket = UnixStream::connect(folder.join(SOCKET)).unwrap();
            writeln!(socket, "{line}").unwrap();
            socket
        };
        let heard = |mut socket: UnixStream| {
            let mut text = String::new();
            socket.read_to_string(&mut text).unwrap();
            text
        };
        let asker = ask("stop 3");
        let somebody = asked.recv().unwrap();
        assert_eq!(somebody.request, Request::Stop(3));
        somebody.answer("it ends");
        assert_eq!(heard(asker), "it ends\n");
        assert!(heard(ask("nonsense")).starts_with("error: write status"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
