//! The locks that the workers of a fleet have in common, all of them the server's, by number.

use tokio_postgres::Transaction;

use super::explain::DatabaseFault;
use super::layout::TableSet;
use super::link::{Session, answered};
use super::url::PostgresUrl;
use crate::error::{Error, ErrorKind};

/// Of a counter, batches have it together; who moves the watermark, alone: a batch that has read the watermark is written
/// before it moves. Of a detection, each batch has it alone.
const fn batches(kind: &TableSet) -> i32 {
    kind.lock ^ 1 << 29
}

/// Whoever completes windows; others leave it to that one.
const fn completes(kind: &TableSet) -> i32 {
    kind.lock ^ 1 << 28
}

/// The writer's lock of one process (`lock.rs`), which workers have together: a process and a fleet do not count into the
/// same tables at once.
pub(super) async fn share(
    session: &mut Session,
    url: &PostgresUrl,
    kind: &TableSet,
) -> Result<(), DatabaseFault> {
    if session.locked {
        return Ok(());
    }
    let sql = "SELECT pg_try_advisory_lock_shared($1, current_schema()::regnamespace::oid::int4)";
    let row = answered(session.client().query_one(sql, &[&kind.lock])).await?;
    session.locked = row.try_get(0)?;
    match session.locked {
        true => Ok(()),
        false => Err(DatabaseFault::Said(Error::new(
            ErrorKind::StoreUnavailable,
            format!("one process {} {url} by itself: a worker waits for its end", kind.does),
        ))),
    }
}

/// Until the transaction's end.
pub(super) async fn batch(transaction: &Transaction<'_>, kind: &TableSet) -> Result<(), DatabaseFault> {
    let sql = "SELECT pg_advisory_xact_lock_shared($1, current_schema()::regnamespace::oid::int4)";
    answered(transaction.execute(sql, &[&batches(kind)])).await.map(drop)
}

/// Until the transaction's end, while no other has it: each waits for its turn, some seconds.
pub(super) async fn turn(transaction: &Transaction<'_>, kind: &TableSet) -> Result<(), DatabaseFault> {
    let lock = batches(kind);
    let sql = format!(
        "SET LOCAL lock_timeout = '5s'; \
         SELECT pg_advisory_xact_lock({lock}, current_schema()::regnamespace::oid::int4)"
    );
    answered(transaction.batch_execute(&sql)).await
}

/// While no batch is under way; not for long, since those that come meanwhile wait behind this.
pub(super) async fn no_batch(transaction: &Transaction<'_>, kind: &TableSet) -> Result<(), DatabaseFault> {
    answered(transaction.batch_execute("SET LOCAL lock_timeout = '300ms'")).await?;
    let sql = "SELECT pg_advisory_xact_lock($1, current_schema()::regnamespace::oid::int4)";
    answered(transaction.execute(sql, &[&batches(kind)])).await.map(drop)
}

/// False where somebody else is completing windows.
pub(super) async fn completing(
    transaction: &Transaction<'_>,
    kind: &TableSet,
) -> Result<bool, DatabaseFault> {
    let sql = "SELECT pg_try_advisory_xact_lock($1, current_schema()::regnamespace::oid::int4)";
    Ok(answered(transaction.query_one(sql, &[&completes(kind)])).await?.try_get(0)?)
}
