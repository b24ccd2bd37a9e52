//! A line to PostgreSQL that breaks when it is told to, at the worst moment.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Where the next commit's line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Nothing,
    /// The server never hears of the COMMIT.
    Commit,
    /// It does, and its answer is lost.
    Answer,
    /// Nothing more comes through, and the line stays.
    Silence,
}

#[derive(Default)]
struct State {
    next: Option<Cut>,
    silent: bool,
    /// The server does not hear that its clients are gone.
    vanished: bool,
    open: Vec<TcpStream>,
}

pub(crate) struct CutLine {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl CutLine {
    pub(crate) fn to(server: u16) -> CutLine {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = CutLine { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = line.state.clone();
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                state.lock().unwrap().open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let dropped = Arc::new(Mutex::new(false));
                std::thread::spawn({
                    let dropped = dropped.clone();
                    move || answers(from, to, &dropped)
                });
                std::thread::spawn({
                    let state = state.clone();
                    move || questions(client, server, &state, &dropped)
                });
            }
        });
        line
    }

    /// The same address through this line, without TLS, in which nobody could find a COMMIT.
    pub(crate) fn url(&self, url: &str) -> String {
        let (before, after) = url.split_once("127.0.0.1:").unwrap();
        let (_, database) = after.split_once('/').unwrap();
        format!("{before}127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    pub(crate) fn cut_next(&self, cut: Cut) {
        self.state.lock().unwrap().next = Some(cut);
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.state.lock().unwrap().silent
    }

    /// All who are connected are gone, as when a network is cut: the server hears nothing of it.
    pub(crate) fn vanish(&self) {
        let mut state = self.state.lock().unwrap();
        state.vanished = true;
        for client in state.open.iter().step_by(2) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn hang_up(&self) {
        for stream in self.state.lock().unwrap().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// From the program to the server. A COMMIT comes in one piece: it is small, and nothing is sent beside it.
fn questions(mut client: TcpStream, mut server: TcpStream, state: &Mutex<State>, dropped: &Mutex<bool>) {
    let mut bytes = [0; 1 << 16];
    while let Ok(n @ 1..) = client.read(&mut bytes) {
        let is_commit = bytes[..n].windows(7).any(|word| word == b"COMMIT\0");
        let cut =
            if is_commit { state.lock().unwrap().next.take().unwrap_or(Cut::Nothing) } else { Cut::Nothing };
        match cut {
            Cut::Nothing => {}
            Cut::Commit => break,
            Cut::Answer => *dropped.lock().unwrap() = true,
            Cut::Silence => {
                state.lock().unwrap().silent = true;
                continue;
            }
        }
        if server.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    // `State::open` keeps the other end open.
    if !state.lock().unwrap().vanished {
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    }
}

fn answers(mut server: TcpStream, mut client: TcpStream, dropped: &Mutex<bool>) {
    let mut bytes = [0; 1 << 16];
    while let Ok(n @ 1..) = server.read(&mut bytes) {
        // The server has committed: this is its answer.
        if *dropped.lock().unwrap() || client.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
}
