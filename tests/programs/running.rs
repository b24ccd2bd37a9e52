//! How a program is started with an odd stdout or stderr, asked to end, and what it ended with.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

/// What may be wrong with a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Odd {
    /// `>&-`
    Closed,
    /// `> /dev/full`: no room on the disk.
    Full,
    /// `| head -0`: the reader has left.
    Gone,
}

pub(crate) const ODD: [Odd; 3] = [Odd::Closed, Odd::Full, Odd::Gone];

/// Each stream, odd in each way, and both at once.
pub(crate) fn ways() -> Vec<(Option<Odd>, Option<Odd>)> {
    ODD.into_iter()
        .flat_map(|odd| [(Some(odd), None), (None, Some(odd)), (Some(odd), Some(odd))])
        // Where the kernel has no such device.
        .filter(|way| {
            Path::new("/dev/full").exists() || (way.0 != Some(Odd::Full) && way.1 != Some(Odd::Full))
        })
        .collect()
}

/// A program with odd streams (stdout, stderr); the others are pipes.
pub(crate) fn command(name: &str, way: (Option<Odd>, Option<Odd>), arguments: &[&str]) -> Command {
    // Beside the test's own folder; `cargo build --examples --features full` puts it there.
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    // A shell can start it with a stream that is not there at all.
    let closed = |odd, redirection| if odd == Some(Odd::Closed) { redirection } else { "" };
    let script = format!("exec \"$@\" {} {}", closed(way.0, ">&-"), closed(way.1, "2>&-"));
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(path.join("examples").join(name)).args(arguments);
    command.stdin(Stdio::null()).stdout(stream(way.0)).stderr(stream(way.1));
    // Who starts the tests with nohup has every program below them ignore SIGHUP.
    // SAFETY: signal() may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            Ok(())
        });
    }
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1");
    command
}

fn stream(odd: Option<Odd>) -> Stdio {
    match odd {
        None => Stdio::piped(),
        Some(Odd::Closed) => Stdio::null(),
        Some(Odd::Full) => OpenOptions::new().write(true).open("/dev/full").unwrap().into(),
        Some(Odd::Gone) => std::io::pipe().unwrap().1.into(),
    }
}

/// Runs it to its end.
pub(crate) fn run(name: &str, way: (Option<Odd>, Option<Odd>), arguments: &[&str]) -> Ended {
    let child = command(name, way, arguments).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    Ended::of(output.status, &output.stdout, &output.stderr)
}

/// What came of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Ended {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let ended = Ended { status, stdout: text(stdout), stderr: text(stderr) };
        // Rust's status of a panic.
        assert!(status.code() != Some(101) && !ended.stderr.contains("panicked"), "{ended:?}");
        ended
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// One that goes on until it is told to end; killed with the test that started it.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(mut command: Command) -> Running {
        // `cargo test` builds examples; `cargo test --test …` does not.
        Running(command.spawn().expect("the program is there after `cargo build --examples --features full`"))
    }

    /// The first line that it says on stdout.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to end by a signal, and waits.
    pub(crate) fn end(&mut self, signal: &str) -> Ended {
        assert!(self.is_running(), "it has ended before it was asked to: {:?}", self.ended());
        self.signal(signal);
        self.ended()
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> Ended {
        // Its summary at most: less than a pipe holds.
        until(|| !self.is_running());
        let status = self.0.wait().unwrap();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let Some(stream) = &mut self.0.stdout {
            stream.read_to_end(&mut stdout).unwrap();
        }
        if let Some(stream) = &mut self.0.stderr {
            stream.read_to_end(&mut stderr).unwrap();
        }
        Ended::of(status, &stdout, &stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so; a minute at most.
pub(crate) fn until(mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < end, "it was waited for in vain");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A port that was free a moment ago: a program whose stdout nobody reads can't say which it took.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

pub(crate) fn answers(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A file of a folder, as an argument.
pub(crate) fn file(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

pub(crate) fn endpoint(kinesis: &Kinesis) -> String {
    kinesis.endpoint_url().unwrap().to_owned()
}

/// Requests of one client to one page, a second apart, up to now: more than any playbook lets pass.
pub(crate) fn attack(stream: &Stream, client: &str, requests: usize) {
    let now = Timestamp::now();
    let entries = (0..requests).map(|n| {
        let time = now - Duration::from_millis((requests - n) as u64 * 20);
        let data = format!(
            r#"{{"id":"{client}-{n}","time":"{time}","path":"/login","status":401,"method":"POST"}}"#
        );
        Entry::new(client, data)
    });
    stream.put_many(entries.collect()).send().unwrap();
}
