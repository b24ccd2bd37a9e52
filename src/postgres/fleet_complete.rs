//! Windows that all shards have passed, completed by whichever worker comes first.

use tokio_postgres::{Client, Transaction};

use super::commit::{FORGET, drop_windows};
use super::explain::DatabaseFault;
use super::fleet_lock;
use super::fleet_rows::OF_COUNTS;
use super::fleet_terms::WindowTerms;
use super::layout::COUNTS;
use super::link::{Session, answered};
use super::sql_types::{Length, signed};
use super::turn::ALL_SHARDS;
use crate::fleet::next_watermark;
use crate::timestamp::Timestamp;

const ADVANCE: &str = "UPDATE progress SET watermark = $1, moved = coalesce(moved, watermark), completed_by = $2, \
    committed = clock_timestamp()";
const PANES: &str = "SELECT DISTINCT pane FROM open_counts WHERE pane < $1 \
    UNION SELECT DISTINCT pane FROM open_overflow WHERE pane < $1";
const WINDOWS: &str = "INSERT INTO windows SELECT w.start, w.start + $2::interval, coalesce(min(o.rest), o.key), \
    least(sum(o.count), 9223372036854775807)::int8 \
    FROM unnest($1::timestamptz[]) AS w (start) JOIN open_counts AS o ON o.pane >= w.start AND o.pane < w.start + $2::interval \
    GROUP BY w.start, o.key";
const OVERFLOW: &str = "INSERT INTO overflow SELECT w.start, w.start + $2::interval, \
    least(sum(o.count), 9223372036854775807)::int8 \
    FROM unnest($1::timestamptz[]) AS w (start) JOIN open_overflow AS o ON o.pane >= w.start AND o.pane < w.start + $2::interval \
    GROUP BY w.start";
const PAIRS: &str = "INSERT INTO shard_totals VALUES ($1, 'pairs', $2) \
    ON CONFLICT (shard, name) DO UPDATE SET count = shard_totals.count + excluded.count";

/// Moves the watermark, where that completes a window. Only this waits for batches that are under way, and they for it:
/// it is a row. What the watermark has passed is moved afterwards, unless windows overlap, whose panes still grow.
pub(super) async fn advance(
    session: &mut Session,
    owner: &str,
    shape: WindowTerms,
) -> Result<(), DatabaseFault> {
    // Most times there is nothing to do, which is seen without a lock.
    if next(session.client(), shape).await?.is_none() {
        return Ok(());
    }
    let (transaction, _) = session.begin().await?;
    if !fleet_lock::completing(&transaction, &COUNTS).await? {
        return Ok(());
    }
    fleet_lock::no_batch(&transaction, &COUNTS).await?;
    if let Some(next) = next(transaction.client(), shape).await? {
        answered(transaction.execute(ADVANCE, &[&next, &owner])).await?;
        if shape.span.overlaps() {
            move_in(&transaction, shape).await?;
        }
    }
    answered(transaction.commit()).await
}

async fn next(client: &Client, shape: WindowTerms) -> Result<Option<Timestamp>, DatabaseFault> {
    let row = answered(client.query_opt("SELECT watermark FROM progress", &[])).await?;
    let Some(row) = row else { return Ok(None) };
    let watermark: Timestamp = row.try_get(0)?;
    let shards = OF_COUNTS.all(client, shape.lateness).await?;
    Ok(next_watermark(&shards, shape.lateness, shape.span, watermark))
}

/// Makes windows of what the watermark has passed.
pub(super) async fn move_windows(session: &mut Session, shape: WindowTerms) -> Result<(), DatabaseFault> {
    let waiting = "SELECT moved IS NOT NULL FROM progress";
    let row = answered(session.client().query_opt(waiting, &[])).await?;
    if !row.map(|row| row.try_get(0)).transpose()?.unwrap_or(false) {
        return Ok(());
    }
    let (transaction, _) = session.begin().await?;
    if !fleet_lock::completing(&transaction, &COUNTS).await? {
        return Ok(());
    }
    move_in(&transaction, shape).await?;
    answered(transaction.commit()).await
}

async fn move_in(transaction: &Transaction<'_>, shape: WindowTerms) -> Result<(), DatabaseFault> {
    let row = answered(transaction.query_one("SELECT moved, watermark FROM progress", &[])).await?;
    let (Some(from), until): (Option<Timestamp>, Timestamp) = (row.try_get(0)?, row.try_get(1)?) else {
        return Ok(()); // somebody was quicker
    };
    let panes = answered(transaction.query(PANES, &[&until])).await?;
    let panes: Result<Vec<Timestamp>, _> = panes.iter().map(|row| row.try_get(0)).collect();
    let (starts, size) = (shape.span.between(panes?, from, until), Length(shape.size));
    if !starts.is_empty() {
        let pairs = answered(transaction.execute(WINDOWS, &[&starts, &size])).await?;
        answered(transaction.execute(OVERFLOW, &[&starts, &size])).await?;
        answered(transaction.execute(PAIRS, &[&ALL_SHARDS, &signed(pairs)])).await?;
    }
    let oldest = shape.span.oldest_needed(until);
    for sql in FORGET {
        answered(transaction.execute(sql, &[&oldest])).await?;
    }
    if let Some(keep) = shape.keep {
        drop_windows(transaction, until - keep - shape.size).await?;
    }
    answered(transaction.execute("UPDATE progress SET moved = NULL", &[])).await.map(drop)
}
