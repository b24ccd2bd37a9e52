//! [`Link`]: a connection that is made when it is needed, and made again after it broke.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio_postgres::{Client, IsolationLevel, Statement, Transaction};

use super::explain::DatabaseFault;
use super::tls::Tls;
use super::url::PostgresUrl;
use crate::error::{Error, Result};
use crate::runtime::{handle, wait_here};

/// How long an answer may take. All statements are small (see `columns.rs`); a server that is stopped keeps its
/// connections, and would be waited for without end.
const ANSWER: Duration = Duration::from_secs(60);
/// Of every session. Times are shown in UTC. A transaction in which nothing is said for so long is ended by the
/// server, which frees its locks: its program was stopped, or its line cut. Who waits for a lock for a second says
/// so, and tries again, so that a run hears meanwhile that it is to stop. The server, too, asks whether anybody is
/// there: who is not is ended after 40 s, and another takes over.
const SETTINGS: &str = "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET client_min_messages = 'warning'; \
    SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '1s'; \
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3";

pub(super) struct Link {
    pub(super) url: PostgresUrl,
    tls: Tls,
    session: Option<Session>,
}

/// One connection; with it, what the server keeps for it.
pub(super) struct Session {
    client: Client,
    statements: HashMap<String, Statement>,
    /// It holds the writer's lock (`lock.rs`).
    pub(super) locked: bool,
    /// It was said that somebody else holds it.
    pub(super) told: bool,
}

impl Link {
    /// Not connected yet. The name is what the server's administrator sees.
    pub(super) fn new(url: &PostgresUrl, name: &str) -> Result<Link> {
        let mut url = url.clone();
        url.config.application_name(name);
        let tls = Tls::new(&url)?;
        Ok(Link { url, tls, session: None })
    }

    /// Does something with the connection, here, and waits for it; works in any context.
    pub(super) fn with<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Link) -> Result<T, DatabaseFault>,
    ) -> Result<T> {
        let outcome = wait_here(work(self));
        self.settle(outcome)
    }

    /// The outcome as everybody knows one; a connection that is of no more use is given up.
    fn settle<T>(&mut self, outcome: Result<T, DatabaseFault>) -> Result<T> {
        outcome.map_err(|failure| {
            if failure.breaks_connection() {
                self.session = None;
            }
            failure.explain(&self.url)
        })
    }

    /// The connection, made now where there is none.
    pub(super) async fn session(&mut self) -> Result<&mut Session, DatabaseFault> {
        let open = self.session.take().filter(|session| !session.client.is_closed());
        let session = match open {
            Some(session) => session,
            None => Session::connect(&self.url, &self.tls).await?,
        };
        Ok(self.session.insert(session))
    }
}

impl Session {
    async fn connect(url: &PostgresUrl, tls: &Tls) -> Result<Session, DatabaseFault> {
        let (client, connection) = answered(url.config.connect(tls.clone())).await?;
        // On the runtime that stays; it ends when the client is dropped, or the server hangs up, which calls say.
        handle().spawn(connection);
        answered(client.batch_execute(SETTINGS)).await?;
        Ok(Session { client, statements: HashMap::new(), locked: false, told: false })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Prepares what is not prepared on this connection yet.
    pub(super) async fn prepare(&mut self, statements: &[&str]) -> Result<(), DatabaseFault> {
        for sql in statements {
            if !self.statements.contains_key(*sql) {
                let statement = answered(self.client.prepare(sql)).await?;
                self.statements.insert((*sql).to_owned(), statement);
            }
        }
        Ok(())
    }

    /// Begins a transaction; what was prepared stands beside it. Dropped, it is rolled back.
    pub(super) async fn begin(&mut self) -> Result<(Transaction<'_>, Prepared<'_>), DatabaseFault> {
        let transaction = answered(
            self.client
                .build_transaction()
                .isolation_level(IsolationLevel::ReadCommitted)
                .read_only(false)
                .start(),
        )
        .await?;
        Ok((transaction, Prepared(&self.statements)))
    }
}

/// What [`Session::prepare`] has prepared.
#[derive(Clone, Copy)]
pub(super) struct Prepared<'a>(&'a HashMap<String, Statement>);

impl<'a> Prepared<'a> {
    pub(super) fn get(self, sql: &str) -> Result<&'a Statement, DatabaseFault> {
        // Where it was forgotten, a test sees it the first time that it runs.
        self.0.get(sql).ok_or_else(|| {
            DatabaseFault::Said(Error::new(crate::error::ErrorKind::Store, format!("not prepared: {sql}")))
        })
    }
}

/// What the server says, if it does.
pub(super) async fn answered<T>(
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, DatabaseFault> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(DatabaseFault::Silence(ANSWER)),
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.url, f)
    }
}
