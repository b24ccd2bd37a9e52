//! The tables: made where there are none, brought up to date where they are older, refused where they are another's.

use tokio_postgres::Client;

use super::explain::DatabaseFault;
use super::link::{Session, answered};
use super::url::PostgresUrl;
use crate::error::{Error, ErrorKind};

/// What tables there are to be.
pub(crate) struct TableSet {
    /// Names them in a sentence, and in the table `kinesis_lab`: "counts".
    pub(super) what: &'static str,
    /// What their writer does: "counts into".
    pub(super) does: &'static str,
    /// The first half of an advisory lock's number; the schema is the other.
    pub(super) lock: i32,
    /// From nothing to layout 1, from there to layout 2, and so on.
    pub(super) steps: &'static [&'static str],
    /// A table of the first step: where it is there before that, it is somebody else's.
    pub(super) first_table: &'static str,
}

impl TableSet {
    /// The names of all that hold rows.
    pub(super) fn tables(&self) -> impl Iterator<Item = &'static str> {
        let made = self.steps.iter().flat_map(|step| step.lines());
        made.filter_map(|line| Some(line.strip_prefix("CREATE TABLE ")?.split_once(" (")?.0))
    }

    fn newest(&self) -> i32 {
        i32::try_from(self.steps.len()).unwrap_or(i32::MAX)
    }
}

/// The first half of the lock of whoever makes tables: one for all sets, which share `kinesis_lab`. ("KLMK". A writer has
/// its own for days.)
const MAKING: i32 = 0x4b4c_4d4b;

/// "KLAB".
pub(super) const COUNTS: TableSet = TableSet {
    what: "counts",
    does: "counts into",
    lock: 0x4b4c_4142,
    steps: &[include_str!("counts.sql"), include_str!("counts_2.sql")],
    first_table: "progress",
};

/// "KLAD".
pub(super) const ALERTS: TableSet = TableSet {
    what: "alerts",
    does: "writes its alerts into",
    lock: 0x4b4c_4144,
    steps: &[include_str!("alerts.sql"), include_str!("alerts_2.sql")],
    first_table: "alert_progress",
};

/// Makes the tables, or brings them to this version's layout, whole or not at all.
pub(super) async fn make(
    session: &mut Session,
    url: &PostgresUrl,
    kind: &TableSet,
) -> Result<(), DatabaseFault> {
    check_place(session.client(), url).await?;
    // Without a lock and without writing: whoever has only to use the tables need not be allowed to make them.
    if layout(session.client(), url, kind).await? == Some(kind.newest()) {
        return Ok(());
    }
    let (transaction, _) = session.begin().await?;
    answered(transaction.batch_execute("SET LOCAL lock_timeout = '10s'")).await?;
    let lock = "SELECT pg_advisory_xact_lock($1, current_schema()::regnamespace::oid::int4)";
    answered(transaction.execute(lock, &[&MAKING])).await?;
    let marks = "CREATE TABLE IF NOT EXISTS kinesis_lab \
        (what text PRIMARY KEY, layout int NOT NULL, made timestamptz NOT NULL DEFAULT now())";
    let found = layout(transaction.client(), url, kind).await?.unwrap_or(0);
    answered(transaction.batch_execute(marks)).await?;
    for step in kind.steps.iter().skip(usize::try_from(found).unwrap_or(0)) {
        answered(transaction.batch_execute(step)).await?;
    }
    let mark = "INSERT INTO kinesis_lab (what, layout) VALUES ($1, $2) \
        ON CONFLICT (what) DO UPDATE SET layout = excluded.layout, made = now()";
    answered(transaction.execute(mark, &[&kind.what, &kind.newest()])).await?;
    answered(transaction.commit()).await
}

/// The layout of the tables that are there; none where there are none. Another program's, or a later one's, is an
/// error.
pub(super) async fn layout(
    client: &Client,
    url: &PostgresUrl,
    kind: &TableSet,
) -> Result<Option<i32>, DatabaseFault> {
    // Each statement sees what is committed by then, and somebody may be making them all in one commit: of a table that was
    // there before its mark was looked for, the mark is there, too, or it is another program's.
    let has_tables = is_there(client, kind.first_table).await?;
    let found = if is_there(client, "kinesis_lab").await? {
        let sql = "SELECT layout FROM kinesis_lab WHERE what = $1";
        answered(client.query_opt(sql, &[&kind.what])).await?
    } else {
        None
    };
    let Some(row) = found else {
        return match has_tables {
            false => Ok(None),
            true => Err(said(format!(
                "{url} has a table {} of another program: give the {} a database of their own, or a schema \
                 (…?options=-csearch_path%3Dname)",
                kind.first_table, kind.what
            ))),
        };
    };
    let layout: i32 = row.try_get(0)?;
    match layout > kind.newest() {
        false => Ok(Some(layout)),
        true => Err(said(format!(
            "{url} has {} of layout {layout}, and this version of kinesis-lab writes layout {}: use the version that \
             made it, or another database",
            kind.what,
            kind.newest()
        ))),
    }
}

/// Whether the schema in which ours would be made has a table of this name.
async fn is_there(client: &Client, table: &str) -> Result<bool, DatabaseFault> {
    let sql = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1 AND relnamespace = current_schema()::regnamespace)";
    Ok(answered(client.query_one(sql, &[&table])).await?.try_get(0)?)
}

/// A schema to make tables in, in an encoding that takes every key.
async fn check_place(client: &Client, url: &PostgresUrl) -> Result<(), DatabaseFault> {
    let sql = "SELECT current_schema()::text, current_setting('server_encoding')";
    let row = answered(client.query_one(sql, &[])).await?;
    let (schema, encoding): (Option<String>, String) = (row.try_get(0)?, row.try_get(1)?);
    if schema.is_none() {
        return Err(said(format!("{url} has no schema of the search path's: make it by CREATE SCHEMA")));
    }
    match encoding.as_str() {
        "UTF8" => Ok(()),
        other => Err(said(format!(
            "{url} is in the encoding {other}, which does not take every key: make one by CREATE DATABASE … ENCODING 'UTF8' \
             TEMPLATE template0"
        ))),
    }
}

fn said(sentence: String) -> DatabaseFault {
    DatabaseFault::Said(Error::new(ErrorKind::Store, sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tables_are_known_by_name() {
        for set in [COUNTS, ALERTS] {
            let made: usize = set.steps.iter().map(|step| step.matches("CREATE TABLE ").count()).sum();
            assert_eq!((set.tables().count(), made), (11, 11));
            assert_eq!(set.tables().next(), Some(set.first_table));
        }
    }
}
