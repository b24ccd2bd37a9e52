//! A change of a detection written whole or not at all, by whoever has not been replaced.

use std::borrow::Cow;

use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::explain::DatabaseFault;
use super::link::{Prepared, Session, answered};
use super::lock::WriterName;
use super::sql_types::signed;
use super::texts::stored;
use super::turn::{ALL_SHARDS, Turn};
use super::url::PostgresUrl;
use super::{origins, places};
use crate::detect::{AlertChange, is_told};
use crate::timestamp::Timestamp;

/// How many rows a statement takes: all texts of an alert are bounded.
const ROWS: usize = 10_000;

const TURN: &str = "SELECT owner, epoch, commits FROM alert_progress FOR UPDATE";
const ALERT: &str = "INSERT INTO alerts VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
    ON CONFLICT (id) DO NOTHING";
const TOTALS: &str = "INSERT INTO alert_totals SELECT $1, name, count FROM unnest($2::text[], $3::int8[]) AS c (name, count) \
    ON CONFLICT (shard, name) DO UPDATE SET count = excluded.count \
    WHERE alert_totals.count IS DISTINCT FROM excluded.count";
const BEYOND: &str = "INSERT INTO beyond_memory SELECT $1, playbook, count \
    FROM unnest($2::text[], $3::int8[]) AS c (playbook, count) \
    ON CONFLICT (shard, playbook) DO UPDATE SET count = excluded.count";
const FORGET: [&str; 2] = [
    "DELETE FROM open_tallies AS t USING unnest($1::text[], $2::timestamptz[]) AS o (playbook, oldest) \
     WHERE t.playbook = o.playbook AND t.pane < o.oldest",
    "DELETE FROM open_items AS t USING unnest($1::text[], $2::timestamptz[]) AS o (playbook, oldest) \
     WHERE t.playbook = o.playbook AND t.pane < o.oldest",
];
const TALLIES: &str = "INSERT INTO open_tallies SELECT playbook, pane, key, $1, count \
    FROM unnest($2::text[], $3::timestamptz[], $4::text[], $5::int8[]) AS c (playbook, pane, key, count) \
    ON CONFLICT (playbook, pane, key, shard) DO UPDATE SET count = excluded.count";
const ITEMS: &str = "INSERT INTO open_items SELECT * \
    FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::int8[]) ON CONFLICT DO NOTHING";
const FORGET_IDS: &str = "DELETE FROM alert_ids WHERE minute < $1";
const IDS: &str = "INSERT INTO alert_ids SELECT minute, $1, id \
    FROM unnest($2::timestamptz[], $3::bytea[]) AS c (minute, id) ON CONFLICT DO NOTHING";
const PROGRESS: &str =
    "UPDATE alert_progress SET watermark = $1, commits = $2, committed = clock_timestamp()";

/// What a batch of a worker, or of one process, takes.
pub(super) const STATEMENTS: [&str; 9] =
    [ALERT, TOTALS, BEYOND, FORGET[0], FORGET[1], TALLIES, ITEMS, FORGET_IDS, IDS];

/// Writes the next change; one that was in doubt, and was written, not again.
pub(super) async fn commit(
    session: &mut Session,
    url: &PostgresUrl,
    owner: &WriterName,
    turn: &mut Turn,
    change: &AlertChange,
) -> Result<(), DatabaseFault> {
    session.prepare(&STATEMENTS).await?;
    session.prepare(&[TURN, PROGRESS]).await?;
    session.prepare(&origins::OF_ALERTS.statements()).await?;
    session.prepare(&places::OF_ALERTS.statements()).await?;
    let (transaction, prepared) = session.begin().await?;
    if turn.is_written(&transaction, prepared, TURN, url, owner).await? {
        return Ok(());
    }
    let places =
        places::OF_ALERTS.write(&transaction, prepared, owner, &change.checkpoints, &change.shard_times);
    places.await?;
    let write = Statements { transaction: &transaction, prepared };
    write.alerts(change).await?;
    write.totals(ALL_SHARDS, change).await?;
    write.forget(change).await?;
    write.open(change).await?;
    write.ids(change).await?;
    let origins = origins::OF_ALERTS.write(&transaction, prepared, &change.gone_origins, &change.origins);
    origins.await?;
    write.execute(PROGRESS, &[&change.watermark, &turn.next()]).await?;
    turn.commit(transaction).await
}

/// The parts of a change, each a few statements.
pub(super) struct Statements<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) prepared: Prepared<'a>,
}

impl Statements<'_> {
    async fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), DatabaseFault> {
        answered(self.transaction.execute(self.prepared.get(sql)?, values)).await.map(drop)
    }

    pub(super) async fn alerts(&self, change: &AlertChange) -> Result<(), DatabaseFault> {
        for alert in &change.alerts {
            let values: [&(dyn ToSql + Sync); 13] = [
                &alert.id.raw(),
                &alert.time,
                &stored(alert.playbook.raw()),
                &stored(alert.key.raw()),
                &alert.ip.as_ref().map(|ip| stored(ip.raw())),
                &alert.start,
                &alert.end,
                &signed(alert.count),
                &signed(alert.threshold),
                &alert.response.to_string(),
                &alert.blocked_until(),
                &stored(alert.evidence.raw()),
                &!is_told(alert),
            ];
            self.execute(ALERT, &values).await?;
        }
        Ok(())
    }

    /// Those of a shard, or of one process.
    pub(super) async fn totals(&self, shard: &str, change: &AlertChange) -> Result<(), DatabaseFault> {
        let totals = change.totals;
        let numbers = [
            ("alerts", totals.alerts),
            ("late", totals.late),
            ("refused", totals.refused),
            ("duplicates", totals.duplicates),
            ("unparsed", totals.unparsed),
            ("overflow", totals.overflow),
            ("undeliverable", totals.undeliverable),
            ("callback_panics", totals.callback_panics),
        ];
        let (names, counts): (Vec<&str>, Vec<i64>) =
            numbers.iter().map(|(name, count)| (*name, signed(*count))).unzip();
        self.execute(TOTALS, &[&shard, &names, &counts]).await?;
        let (playbooks, counts): (Vec<Cow<'_, str>>, Vec<i64>) =
            change.beyond_memory.iter().map(|(playbook, count)| (stored(playbook), signed(*count))).unzip();
        match playbooks.is_empty() {
            true => Ok(()),
            false => self.execute(BEYOND, &[&shard, &playbooks, &counts]).await,
        }
    }

    /// What no open window needs any more.
    pub(super) async fn forget(&self, change: &AlertChange) -> Result<(), DatabaseFault> {
        let (playbooks, oldest): (Vec<Cow<'_, str>>, Vec<Timestamp>) =
            change.oldest_panes.iter().map(|(playbook, oldest)| (stored(playbook), *oldest)).unzip();
        for sql in FORGET {
            self.execute(sql, &[&playbooks, &oldest]).await?;
        }
        self.execute(FORGET_IDS, &[&change.ids_from]).await
    }

    /// What the open windows consist of: sums over all shards, whoever writes them.
    pub(super) async fn open(&self, change: &AlertChange) -> Result<(), DatabaseFault> {
        for tallies in change.tallies.chunks(ROWS) {
            let playbooks: Vec<_> = tallies.iter().map(|tally| stored(&tally.playbook)).collect();
            let panes: Vec<_> = tallies.iter().map(|tally| tally.pane).collect();
            let keys: Vec<_> = tallies.iter().map(|tally| stored(&tally.key)).collect();
            let counts: Vec<_> = tallies.iter().map(|tally| signed(tally.n)).collect();
            self.execute(TALLIES, &[&ALL_SHARDS, &playbooks, &panes, &keys, &counts]).await?;
            let of = |tally: &crate::detect::SavedTally| tally.items.len();
            if tallies.iter().all(|tally| of(tally) == 0) {
                continue;
            }
            let each = |at: usize| std::iter::repeat_n(at, of(&tallies[at]));
            let of_item: Vec<usize> = (0..tallies.len()).flat_map(each).collect();
            let items: Vec<i64> =
                tallies.iter().flat_map(|tally| &tally.items).map(|item| item.cast_signed()).collect();
            for (of_item, items) in of_item.chunks(ROWS).zip(items.chunks(ROWS)) {
                let item_playbooks: Vec<_> = of_item.iter().map(|at| &playbooks[*at]).collect();
                let item_panes: Vec<_> = of_item.iter().map(|at| panes[*at]).collect();
                let item_keys: Vec<_> = of_item.iter().map(|at| &keys[*at]).collect();
                self.execute(ITEMS, &[&item_playbooks, &item_panes, &item_keys, &items]).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn ids(&self, change: &AlertChange) -> Result<(), DatabaseFault> {
        for ids in change.ids.chunks(ROWS) {
            let (minutes, ids): (Vec<Timestamp>, Vec<Vec<u8>>) =
                ids.iter().map(|(minute, id)| (*minute, id.to_be_bytes().to_vec())).unzip();
            self.execute(IDS, &[&ALL_SHARDS, &minutes, &ids]).await?;
        }
        Ok(())
    }
}
