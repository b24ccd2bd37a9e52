//! How many transactions PostgreSQL commits, by its own counts.

use std::time::Instant;

use kinesis_lab::block_on;
use kinesis_lab::prelude::*;

use crate::postgres::Postgres;

/// At a moment.
pub(crate) struct Commits {
    at: Instant,
    /// Those that wrote: each takes a number, and a flush to the disk. All databases together, of which one is at work.
    wrote: i64,
    /// All of one database. A server process tells this once a second, so that it is for longer times alone.
    all: i64,
}

impl Commits {
    /// Asked from a database beside, so that to ask is none of them.
    pub(crate) fn now(postgres: &Postgres, database: &str) -> Result<Commits, Error> {
        const ASK: &str = "SELECT txid_snapshot_xmax(txid_current_snapshot()), xact_commit \
            FROM pg_stat_database WHERE datname = $1";
        let (client, database) = (postgres.client("postgres")?, database.to_owned());
        let failed = |error: tokio_postgres::Error| Error::new(ErrorKind::Store, error.to_string());
        let row = block_on(async move { client.query_one(ASK, &[&database]).await }).map_err(failed)?;
        let number = |column| row.try_get(column).map_err(failed);
        Ok(Commits { at: Instant::now(), wrote: number(0)?, all: number(1)? })
    }

    /// Those that wrote, since then.
    pub(crate) fn wrote_since(&self, before: &Commits) -> i64 {
        self.wrote - before.wrote
    }

    /// A second, since then: those that wrote, and all.
    pub(crate) fn a_second_since(&self, before: &Commits) -> (f64, f64) {
        let seconds = (self.at - before.at).as_secs_f64();
        (self.wrote_since(before) as f64 / seconds, (self.all - before.all) as f64 / seconds)
    }
}
