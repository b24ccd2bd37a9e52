//! A change written whole or not at all, by whoever has not been replaced.

use std::borrow::Cow;
use std::time::Duration;

use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::columns::Columns;
use super::explain::DatabaseFault;
use super::link::{Prepared, Session, answered};
use super::lock::WriterName;
use super::sql_types::signed;
use super::texts::stored;
use super::turn::{ALL_SHARDS, Turn};
use super::url::PostgresUrl;
use super::{origins, places};
use crate::count::Change;
use crate::timestamp::Timestamp;

const TURN: &str = "SELECT owner, epoch, commits FROM progress FOR UPDATE";
pub(super) const FORGET: [&str; 3] = [
    "DELETE FROM open_counts WHERE pane < $1",
    "DELETE FROM open_overflow WHERE pane < $1",
    "DELETE FROM open_ids WHERE pane < $1",
];
const COUNTS: &str = "INSERT INTO open_counts SELECT pane, $1, key, rest, count \
    FROM unnest($2::timestamptz[], $3::text[], $4::text[], $5::int8[]) AS c (pane, key, rest, count) \
    ON CONFLICT (pane, shard, key) DO UPDATE SET count = excluded.count";
const OVERFLOW: &str = "INSERT INTO open_overflow SELECT pane, $1, count \
    FROM unnest($2::timestamptz[], $3::int8[]) AS c (pane, count) \
    ON CONFLICT (pane, shard) DO UPDATE SET count = excluded.count";
const IDS: &str = "INSERT INTO open_ids SELECT pane, $1, id FROM unnest($2::timestamptz[], $3::bytea[]) AS c (pane, id) \
    ON CONFLICT DO NOTHING";
const WINDOWS: &str = "INSERT INTO windows SELECT * \
    FROM unnest($1::timestamptz[], $2::timestamptz[], $3::text[], $4::int8[])";
const COMPLETED_OVERFLOW: &str = "INSERT INTO overflow VALUES ($1, $2, $3)";
const LATE: &str = "INSERT INTO shard_late SELECT start, \"end\", key, rest, $1, count \
    FROM unnest($2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[], $6::int8[]) \
    AS c (start, \"end\", key, rest, count) \
    ON CONFLICT (start, \"end\", key, shard) DO UPDATE SET count = shard_late.count + excluded.count";
const TOTALS: &str = "INSERT INTO shard_totals SELECT $1, name, count FROM unnest($2::text[], $3::int8[]) AS c (name, count) \
    ON CONFLICT (shard, name) DO UPDATE SET count = excluded.count \
    WHERE shard_totals.count IS DISTINCT FROM excluded.count";
const PAIRS: &str = "INSERT INTO shard_totals VALUES ($1, 'pairs', $2) \
    ON CONFLICT (shard, name) DO UPDATE SET count = shard_totals.count + excluded.count";
/// Along the index; the rows of what is dropped are those that `pairs` counts no more.
const DROP_WINDOWS: &str = "WITH dropped AS (DELETE FROM windows WHERE start < $2 RETURNING 1) \
    UPDATE shard_totals SET count = count - (SELECT count(*) FROM dropped) WHERE shard = $1 AND name = 'pairs'";
const DROP: [&str; 2] = ["DELETE FROM overflow WHERE start < $1", "DELETE FROM shard_late WHERE start < $1"];
const PROGRESS: &str = "UPDATE progress SET watermark = $1, commits = $2, committed = clock_timestamp(), \
    completed_by = CASE WHEN watermark < $1 THEN owner ELSE completed_by END";

/// What a shard's counts, or those of all shards, take.
pub(super) const STATEMENTS: [&str; 5] = [COUNTS, OVERFLOW, IDS, LATE, TOTALS];
const OF_ONE_PROCESS: [&str; 8] =
    [TURN, FORGET[0], FORGET[1], FORGET[2], WINDOWS, PAIRS, COMPLETED_OVERFLOW, PROGRESS];

/// Writes the next change; one that was in doubt, and was written, not again.
pub(super) async fn commit(
    session: &mut Session,
    url: &PostgresUrl,
    owner: &WriterName,
    turn: &mut Turn,
    change: &Change,
    size: Duration,
) -> Result<(), DatabaseFault> {
    session.prepare(&STATEMENTS).await?;
    session.prepare(&OF_ONE_PROCESS).await?;
    session.prepare(&origins::OF_COUNTS.statements()).await?;
    session.prepare(&places::OF_COUNTS.statements()).await?;
    let (transaction, prepared) = session.begin().await?;
    if turn.is_written(&transaction, prepared, TURN, url, owner).await? {
        return Ok(());
    }
    let write = Write { transaction: &transaction, prepared, change, shard: ALL_SHARDS };
    let places =
        places::OF_COUNTS.write(&transaction, prepared, owner, &change.checkpoints, &change.shard_times);
    places.await?;
    write.forget().await?;
    write.open(size).await?;
    write.completed().await?;
    write.late(size).await?;
    write.totals().await?;
    if let Some(before) = change.drop_before {
        drop_windows(&transaction, before).await?;
    }
    let origins = origins::OF_COUNTS.write(&transaction, prepared, &change.gone_origins, &change.origins);
    origins.await?;
    write.execute(PROGRESS, &[&change.watermark, &turn.next()]).await?;
    turn.commit(transaction).await
}

/// The parts of a change, each a few statements.
pub(super) struct Write<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) prepared: Prepared<'a>,
    pub(super) change: &'a Change,
    /// Under which the sums are.
    pub(super) shard: &'a str,
}

/// Completed windows that start before this, and what came too late for them.
pub(super) async fn drop_windows(
    transaction: &Transaction<'_>,
    before: Timestamp,
) -> Result<(), DatabaseFault> {
    answered(transaction.execute(DROP_WINDOWS, &[&ALL_SHARDS, &before])).await?;
    for sql in DROP {
        answered(transaction.execute(sql, &[&before])).await?;
    }
    Ok(())
}

impl Write<'_> {
    async fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, DatabaseFault> {
        answered(self.transaction.execute(self.prepared.get(sql)?, values)).await
    }

    /// What no open window needs any more.
    async fn forget(&self) -> Result<(), DatabaseFault> {
        for sql in FORGET {
            self.execute(sql, &[&self.change.oldest_pane]).await?;
        }
        Ok(())
    }

    /// What the open windows consist of.
    pub(super) async fn open(&self, size: Duration) -> Result<(), DatabaseFault> {
        let mut counts = Columns::default();
        let (mut overflow_panes, mut overflows) = (Vec::new(), Vec::new());
        let (mut id_panes, mut ids) = (Vec::new(), Vec::new());
        for (pane, saved) in &self.change.panes {
            for (key, count) in &saved.counts {
                counts.push_indexed(*pane, *pane + size, key.raw(), *count);
                if counts.is_full() {
                    self.counts(std::mem::take(&mut counts)).await?;
                }
            }
            if saved.overflow > 0 {
                overflow_panes.push(*pane);
                overflows.push(signed(saved.overflow));
            }
            id_panes.extend(saved.ids.iter().map(|_| *pane));
            ids.extend(saved.ids.iter().map(|id| id.to_be_bytes().to_vec()));
        }
        self.counts(counts).await?;
        if !overflows.is_empty() {
            self.execute(OVERFLOW, &[&self.shard, &overflow_panes, &overflows]).await?;
        }
        for (panes, ids) in id_panes.chunks(20_000).zip(ids.chunks(20_000)) {
            self.execute(IDS, &[&self.shard, &panes, &ids]).await?;
        }
        Ok(())
    }

    async fn counts(&self, counts: Columns<'_>) -> Result<(), DatabaseFault> {
        if !counts.is_empty() {
            let values: [&(dyn ToSql + Sync); 5] =
                [&self.shard, &counts.starts, &counts.keys, &counts.rests, &counts.counts];
            self.execute(COUNTS, &values).await?;
        }
        Ok(())
    }

    async fn completed(&self) -> Result<(), DatabaseFault> {
        let mut rows = Columns::default();
        let mut pairs = 0;
        for window in &self.change.completed {
            for (key, count) in &window.counts {
                rows.push(window.start, window.end, stored(key.raw()), None, *count);
                pairs += 1;
                if rows.is_full() {
                    self.windows(std::mem::take(&mut rows)).await?;
                }
            }
            if window.overflow > 0 {
                self.execute(COMPLETED_OVERFLOW, &[&window.start, &window.end, &signed(window.overflow)])
                    .await?;
            }
        }
        self.windows(rows).await?;
        if pairs > 0 {
            self.execute(PAIRS, &[&ALL_SHARDS, &signed(pairs)]).await?;
        }
        Ok(())
    }

    async fn windows(&self, rows: Columns<'_>) -> Result<(), DatabaseFault> {
        if !rows.is_empty() {
            self.execute(WINDOWS, &[&rows.starts, &rows.ends, &rows.keys, &rows.counts]).await?;
        }
        Ok(())
    }

    pub(super) async fn late(&self, size: Duration) -> Result<(), DatabaseFault> {
        let mut rows = Columns::default();
        for ((start, key), count) in &self.change.late {
            rows.push_indexed(*start, *start + size, key.raw(), *count);
            if rows.is_full() {
                self.late_rows(std::mem::take(&mut rows)).await?;
            }
        }
        self.late_rows(rows).await
    }

    async fn late_rows(&self, rows: Columns<'_>) -> Result<(), DatabaseFault> {
        if !rows.is_empty() {
            let values: [&(dyn ToSql + Sync); 6] =
                [&self.shard, &rows.starts, &rows.ends, &rows.keys, &rows.rests, &rows.counts];
            self.execute(LATE, &values).await?;
        }
        Ok(())
    }

    pub(super) async fn totals(&self) -> Result<(), DatabaseFault> {
        let totals = self.change.totals;
        let names = ["late", "refused", "duplicates", "unparsed", "unplaced"].map(Cow::Borrowed).to_vec();
        let counts =
            [totals.late, totals.refused, totals.duplicates, totals.unparsed, totals.unplaced].map(signed);
        self.execute(TOTALS, &[&self.shard, &names, &counts.to_vec()]).await.map(drop)
    }
}
