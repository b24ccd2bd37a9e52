//! The locks that the workers of a fleet have in common, all of them the server's, by number.

use tokio_postgres::Transaction;

use super::explain::DatabaseFault;
use super::layout::COUNTS;
use super::link::{Session, answered};
use super::url::PostgresUrl;
use crate::error::{Error, ErrorKind};

/// Batches have it together; who moves the watermark, alone: a batch that has read the watermark is written before it
/// moves.
const BATCHES: i32 = COUNTS.lock ^ 1 << 29;
/// Whoever completes windows; others leave it to that one.
const COMPLETING: i32 = COUNTS.lock ^ 1 << 28;

/// The writer's lock of one process (`lock.rs`), which workers have together: a process and a fleet do not count into the
/// same tables at once.
pub(super) async fn share(session: &mut Session, url: &PostgresUrl) -> Result<(), DatabaseFault> {
    if session.locked {
        return Ok(());
    }
    let sql = "SELECT pg_try_advisory_lock_shared($1, current_schema()::regnamespace::oid::int4)";
    let row = answered(session.client().query_one(sql, &[&COUNTS.lock])).await?;
    session.locked = row.try_get(0)?;
    match session.locked {
        true => Ok(()),
        false => Err(DatabaseFault::Said(Error::new(
            ErrorKind::StoreUnavailable,
            format!("one process counts into {url} by itself: a worker waits for its end"),
        ))),
    }
}

/// Until the transaction's end.
pub(super) async fn batch(transaction: &Transaction<'_>) -> Result<(), DatabaseFault> {
    let sql = "SELECT pg_advisory_xact_lock_shared($1, current_schema()::regnamespace::oid::int4)";
    answered(transaction.execute(sql, &[&BATCHES])).await.map(drop)
}

/// While no batch is under way; not for long, since those that come meanwhile wait behind this.
pub(super) async fn no_batch(transaction: &Transaction<'_>) -> Result<(), DatabaseFault> {
    answered(transaction.batch_execute("SET LOCAL lock_timeout = '300ms'")).await?;
    let sql = "SELECT pg_advisory_xact_lock($1, current_schema()::regnamespace::oid::int4)";
    answered(transaction.execute(sql, &[&BATCHES])).await.map(drop)
}

/// False where somebody else is completing windows.
pub(super) async fn completing(transaction: &Transaction<'_>) -> Result<bool, DatabaseFault> {
    let sql = "SELECT pg_try_advisory_xact_lock($1, current_schema()::regnamespace::oid::int4)";
    Ok(answered(transaction.query_one(sql, &[&COMPLETING])).await?.try_get(0)?)
}
