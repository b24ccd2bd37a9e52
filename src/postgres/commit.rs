//! A change written whole or not at all, by whoever has not been replaced.

use std::borrow::Cow;
use std::time::Duration;

use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::columns::Columns;
use super::explain::DatabaseFault;
use super::link::{Prepared, Session, answered};
use super::lock::WriterName;
use super::origins;
use super::sql_types::signed;
use super::texts::stored;
use super::url::PostgresUrl;
use crate::count::Change;
use crate::error::{Error, ErrorKind};
use crate::timestamp::Timestamp;

/// The shard under which one process that reads all of them writes its sums.
pub(super) const ALL_SHARDS: &str = "";

/// Of this writer, as it last read or wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Which of the processes that have written: each that loads is one more.
    pub(super) epoch: i64,
    /// How often somebody has committed.
    pub(super) commits: i64,
    /// The next commit was sent, and not answered.
    pub(super) in_doubt: bool,
}

const TURN: &str = "SELECT owner, epoch, commits FROM progress FOR UPDATE";
const CHECKPOINTS: &str = "INSERT INTO shards (shard, epoch, owner, sequence, arrival, ended, reported) \
    SELECT c.shard, 1, $1, c.sequence, c.arrival, c.ended, clock_timestamp() \
    FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::bool[]) AS c (shard, sequence, arrival, ended) \
    ON CONFLICT (shard) DO UPDATE SET sequence = excluded.sequence, sub_sequence = NULL, \
    arrival = excluded.arrival, ended = excluded.ended, reported = excluded.reported";
const SHARD_TIMES: &str = "UPDATE shards SET newest_event = t.newest \
    FROM unnest($1::text[], $2::timestamptz[]) AS t (shard, newest) \
    WHERE shards.shard = t.shard AND newest_event IS DISTINCT FROM t.newest";
const FORGET: [&str; 3] = [
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
const PROGRESS: &str = "UPDATE progress SET watermark = $1, commits = $2, committed = clock_timestamp(), \
    completed_by = CASE WHEN watermark < $1 THEN owner ELSE completed_by END";

const STATEMENTS: [&str; 13] = [
    TURN,
    CHECKPOINTS,
    SHARD_TIMES,
    FORGET[0],
    FORGET[1],
    FORGET[2],
    COUNTS,
    OVERFLOW,
    IDS,
    WINDOWS,
    LATE,
    TOTALS,
    PAIRS,
];

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
    session.prepare(&[COMPLETED_OVERFLOW, PROGRESS]).await?;
    session.prepare(&origins::STATEMENTS).await?;
    let (transaction, prepared) = session.begin().await?;
    // Where a commit of ours that was not answered is still going on, this waits for its end: it has the same lock.
    if is_written(&transaction, prepared, url, owner, *turn).await? {
        (turn.commits, turn.in_doubt) = (turn.commits + 1, false);
        return Ok(());
    }
    let write = Write { transaction: &transaction, prepared, change };
    write.places(owner).await?;
    write.open(size).await?;
    write.completed().await?;
    write.late(size).await?;
    write.totals().await?;
    origins::write(&transaction, prepared, &change.gone_origins, &change.origins).await?;
    let next = turn.commits + 1;
    write.execute(PROGRESS, &[&change.watermark, &next]).await?;
    turn.in_doubt = true;
    let outcome = answered(transaction.commit()).await;
    // An answer, also one that it failed: nothing of it is there then.
    if outcome.as_ref().is_ok_and(|()| true) {
        turn.commits = next;
    }
    turn.in_doubt = matches!(&outcome, Err(failure) if failure.breaks_connection());
    outcome
}

/// Whether the next commit is there already; an error where somebody else has written.
async fn is_written(
    transaction: &Transaction<'_>,
    prepared: Prepared<'_>,
    url: &PostgresUrl,
    owner: &WriterName,
    turn: Turn,
) -> Result<bool, DatabaseFault> {
    let said = |sentence: String| Err(DatabaseFault::Said(Error::new(ErrorKind::Store, sentence)));
    let Some(row) = answered(transaction.query_opt(prepared.get(TURN)?, &[])).await? else {
        return said(format!("the counts in {url} were emptied while this program ran: start it again"));
    };
    let (theirs, epoch, commits): (String, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let ours = theirs == owner.as_str();
    if !ours && epoch > turn.epoch {
        return said(format!(
            "another program has taken {url} over, and goes on from what this one committed: this one ends"
        ));
    }
    match commits - turn.commits {
        0 if ours => Ok(false),
        1 if ours && turn.in_doubt => Ok(true),
        _ => said(format!(
            "{url} is not as this program left it: was it restored from an older state? Start again, and it goes on \
             from what is there"
        )),
    }
}

/// The parts of a change, each a few statements.
struct Write<'a> {
    transaction: &'a Transaction<'a>,
    prepared: Prepared<'a>,
    change: &'a Change,
}

impl Write<'_> {
    async fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, DatabaseFault> {
        answered(self.transaction.execute(self.prepared.get(sql)?, values)).await
    }

    /// How far each shard is.
    async fn places(&self, owner: &WriterName) -> Result<(), DatabaseFault> {
        let checkpoints = &self.change.checkpoints;
        if !checkpoints.is_empty() {
            let shards: Vec<&str> = checkpoints.iter().map(|place| place.shard_id.as_str()).collect();
            let numbers: Vec<Option<&str>> =
                checkpoints.iter().map(|place| place.sequence_number.as_deref()).collect();
            let arrivals: Vec<Timestamp> = checkpoints.iter().map(|place| place.arrival).collect();
            let ended: Vec<bool> = checkpoints.iter().map(|place| place.ended).collect();
            self.execute(CHECKPOINTS, &[&owner.as_str(), &shards, &numbers, &arrivals, &ended]).await?;
        }
        if !self.change.shard_times.is_empty() {
            let (shards, times): (Vec<&str>, Vec<Timestamp>) =
                self.change.shard_times.iter().map(|(shard, time)| (shard.as_str(), *time)).unzip();
            self.execute(SHARD_TIMES, &[&shards, &times]).await?;
        }
        Ok(())
    }

    /// What the open windows consist of.
    async fn open(&self, size: Duration) -> Result<(), DatabaseFault> {
        let oldest = self.change.oldest_pane;
        for sql in FORGET {
            self.execute(sql, &[&oldest]).await?;
        }
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
            self.execute(OVERFLOW, &[&ALL_SHARDS, &overflow_panes, &overflows]).await?;
        }
        for (panes, ids) in id_panes.chunks(20_000).zip(ids.chunks(20_000)) {
            self.execute(IDS, &[&ALL_SHARDS, &panes, &ids]).await?;
        }
        Ok(())
    }

    async fn counts(&self, counts: Columns<'_>) -> Result<(), DatabaseFault> {
        if !counts.is_empty() {
            let values: [&(dyn ToSql + Sync); 5] =
                [&ALL_SHARDS, &counts.starts, &counts.keys, &counts.rests, &counts.counts];
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

    async fn late(&self, size: Duration) -> Result<(), DatabaseFault> {
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
                [&ALL_SHARDS, &rows.starts, &rows.ends, &rows.keys, &rows.rests, &rows.counts];
            self.execute(LATE, &values).await?;
        }
        Ok(())
    }

    async fn totals(&self) -> Result<(), DatabaseFault> {
        let totals = self.change.totals;
        let names = ["late", "refused", "duplicates", "unparsed", "unplaced"].map(Cow::Borrowed).to_vec();
        let counts =
            [totals.late, totals.refused, totals.duplicates, totals.unparsed, totals.unplaced].map(signed);
        self.execute(TOTALS, &[&ALL_SHARDS, &names, &counts.to_vec()]).await.map(drop)
    }
}
