//! A program of the scene: started, watched, killed, started again.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use kinesis_lab::{Error, ErrorKind};

/// What one says of itself is this long at most.
const SAID: u64 = 4_096;

/// How long a program may take to listen, or to end, on a machine that has much else to do.
const START: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(120);

/// One of this folder's programs. What it says goes through a pipe to a `cat`, whose end closes the pipe.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    arguments: Vec<String>,
    log: PathBuf,
    running: Option<(Child, Child)>,
    /// Where in the log the last start is.
    since: u64,
    pub(crate) started: Instant,
    pub(crate) starts: u32,
}

impl Program {
    pub(crate) fn start(
        name: &'static str,
        folder: &Path,
        program: &str,
        arguments: &[&str],
    ) -> Result<Program, Error> {
        let path = std::env::current_exe()?.with_file_name(program);
        let mut all = vec![path.to_string_lossy().into_owned()];
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let log = folder.join(format!("{name}.log"));
        let mut program = Program {
            name,
            arguments: all,
            log,
            running: None,
            since: 0,
            started: Instant::now(),
            starts: 0,
        };
        program.start_again()?;
        Ok(program)
    }

    pub(crate) fn start_again(&mut self) -> Result<(), Error> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        self.since = log.metadata()?.len();
        let (reader, writer) = std::io::pipe()?;
        let cat = Command::new("cat").stdin(reader).stdout(log).stderr(Stdio::null()).spawn()?;
        let mut command = Command::new(&self.arguments[0]);
        command.args(&self.arguments[1..]).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let child = command.spawn().map_err(|error| {
            Error::new(
                ErrorKind::Io,
                format!("{} does not start: {error}; build it first", self.arguments[0]),
            )
        })?;
        self.running = Some((child, cat));
        (self.started, self.starts) = (Instant::now(), self.starts + 1);
        Ok(())
    }

    /// The address that it says it listens at.
    pub(crate) fn address(&self) -> Result<String, Error> {
        let end = Instant::now() + START;
        while Instant::now() < end {
            let said = self.said_since(self.since);
            // Whole lines alone.
            let lines = said.rsplit_once('\n').map_or("", |(lines, _)| lines);
            if let Some(at) = lines.find("http://127.0.0.1:") {
                return Ok(lines[at..].split_whitespace().next().unwrap_or_default().to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Error::new(
            ErrorKind::Io,
            format!("{} does not say where it listens: {}", self.name, self.last_words()),
        ))
    }

    fn said_since(&self, offset: u64) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let (mut file, mut said) = (File::open(&self.log)?, Vec::new());
            file.seek(SeekFrom::Start(offset))?;
            file.take(SAID).read_to_end(&mut said)?;
            Ok(said)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let length = std::fs::metadata(&self.log).map_or(0, |metadata| metadata.len());
        self.said_since(length.saturating_sub(SAID).max(self.since))
    }

    /// What its last status says of its lag: `0.4 s`, `unknown`.
    pub(crate) fn lag(&self) -> Option<String> {
        let words = self.last_words();
        let line = words.lines().rev().find(|line| line.contains("lag "))?;
        let lag = line.split_once("lag ")?.1;
        Some(lag.split([',', '·']).next()?.trim().to_owned())
    }

    /// Nobody reads what it says any more.
    pub(crate) fn close_pipe(&mut self) {
        if let Some((_, cat)) = &mut self.running {
            let _ = cat.kill();
            let _ = cat.wait();
        }
    }

    /// What it ended with, when it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let (child, _) = self.running.as_mut()?;
        let status = child.try_wait().ok()??;
        self.forget();
        Some(status)
    }

    pub(crate) fn kill(&mut self) {
        if let Some((child, _)) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.forget();
    }

    /// By SIGTERM; until when it is to have ended.
    pub(crate) fn ask_to_end(&mut self) -> Result<Instant, String> {
        let Some((child, _)) = &self.running else { return Err(format!("{} is not running", self.name)) };
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        Ok(Instant::now() + END)
    }

    /// What it ended with; nothing yet before that. It is killed when its time is over.
    pub(crate) fn end(&mut self, until: Instant) -> Option<Result<ExitStatus, String>> {
        if let Some(status) = self.ended() {
            return Some(Ok(status));
        }
        if Instant::now() < until {
            return None;
        }
        self.kill();
        Some(Err(format!("{} did not end within two minutes after SIGTERM", self.name)))
    }

    /// Its reader has read all by then, or is gone.
    fn forget(&mut self) {
        if let Some((_, mut cat)) = self.running.take() {
            let _ = cat.wait();
        }
    }

    /// The memory that it takes, in bytes: what Linux calls VmRSS.
    pub(crate) fn memory(&self) -> Option<u64> {
        memory_of(&self.running.as_ref()?.0.id().to_string())
    }
}

/// Of a process by its number, or of `self`.
pub(crate) fn memory_of(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kb| kb * 1_024)
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
