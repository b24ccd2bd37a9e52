//! What a detection goes on from; whoever loads it has taken it over.

use std::collections::BTreeMap;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Transaction};

use super::alert_rows::undelivered;
use super::explain::DatabaseFault;
use super::link::{Session, answered};
use super::load::other_stream;
use super::lock::WriterName;
use super::sql_types::unsigned;
use super::texts::{self, stored};
use super::turn::{ALL_SHARDS, Turn};
use super::url::PostgresUrl;
use super::{origins, places};
use crate::detect::{DetectionTotals, MOST_WAITING, Playbooks, SavedDetection, SavedTally};
use crate::notice::notice;
use crate::read::StreamId;
use crate::timestamp::Timestamp;

pub(super) const NEW: &str = "INSERT INTO alert_progress (stream, created, watermark, owner, epoch) VALUES ($1, $2, $3, '', 0) \
    ON CONFLICT DO NOTHING";
pub(super) const OF: &str =
    "SELECT stream, created, watermark, epoch, commits FROM alert_progress FOR UPDATE";
const TAKE: [&str; 2] = [
    "UPDATE alert_progress SET owner = $1, epoch = epoch + 1",
    "UPDATE alert_shards SET owner = $1, epoch = epoch + 1",
];
/// What a fleet has counted by shard, this process has in one sum.
const FOLD: [&str; 4] = [
    "WITH theirs AS (DELETE FROM open_tallies WHERE shard <> $1 RETURNING playbook, pane, key, count) \
     INSERT INTO open_tallies SELECT playbook, pane, key, $1, sum(count) FROM theirs GROUP BY playbook, pane, key \
     ON CONFLICT (playbook, pane, key, shard) DO UPDATE SET count = open_tallies.count + excluded.count",
    "WITH theirs AS (DELETE FROM alert_totals WHERE shard <> $1 RETURNING name, count) \
     INSERT INTO alert_totals SELECT $1, name, sum(count) FROM theirs GROUP BY name \
     ON CONFLICT (shard, name) DO UPDATE SET count = alert_totals.count + excluded.count",
    "WITH theirs AS (DELETE FROM beyond_memory WHERE shard <> $1 RETURNING playbook, count) \
     INSERT INTO beyond_memory SELECT $1, playbook, sum(count) FROM theirs GROUP BY playbook \
     ON CONFLICT (shard, playbook) DO UPDATE SET count = beyond_memory.count + excluded.count",
    "WITH theirs AS (DELETE FROM alert_ids WHERE shard <> $1 RETURNING minute, id) \
     INSERT INTO alert_ids SELECT DISTINCT minute, $1, id FROM theirs ON CONFLICT DO NOTHING",
];
const DEFINE: &str = "INSERT INTO alert_definitions VALUES ($1, $2) \
    ON CONFLICT (playbook) DO UPDATE SET definition = excluded.definition";
/// Of each key the last time, for its cool-down: along the index.
const FIRED: &str = "SELECT playbook, key, max(time) FROM alerts GROUP BY playbook, key";

/// Takes the alerts over, if they are of this stream.
pub(super) async fn load(
    session: &mut Session,
    url: &PostgresUrl,
    owner: &WriterName,
    ours: &StreamId,
    playbooks: &Playbooks,
) -> Result<(Turn, SavedDetection), DatabaseFault> {
    let (transaction, _) = session.begin().await?;
    let new: [&(dyn ToSql + Sync); 3] = [&&*ours.name, &ours.created, &Timestamp::MIN];
    answered(transaction.execute(NEW, &new)).await?;
    let row = answered(transaction.query_one(OF, &[])).await?;
    if let Some(error) = other_stream(url, &StreamId::new(row.try_get(0)?, row.try_get(1)?), ours) {
        return Err(error.into());
    }
    let (watermark, epoch, commits) = (row.try_get(2)?, row.try_get::<_, i64>(3)?, row.try_get(4)?);
    for sql in TAKE {
        answered(transaction.execute(sql, &[&owner.as_str()])).await?;
    }
    for sql in FOLD {
        answered(transaction.execute(sql, &[&ALL_SHARDS])).await?;
    }
    keep_definitions(&transaction, playbooks).await?;
    let saved = read(transaction.client(), watermark).await?;
    answered(transaction.commit()).await?;
    Ok((Turn { epoch: epoch + 1, commits, in_doubt: false }, saved))
}

/// Drops the open counts of playbooks that count something else now: they would be added to what they are
/// not counts of.
pub(super) async fn keep_definitions(
    transaction: &Transaction<'_>,
    playbooks: &Playbooks,
) -> Result<(), DatabaseFault> {
    let rows = answered(transaction.query("SELECT playbook, definition FROM alert_definitions", &[])).await?;
    let mut theirs = BTreeMap::new();
    for row in &rows {
        theirs.insert(texts::read(row.try_get(0)?), texts::read(row.try_get(1)?));
    }
    let ours: BTreeMap<String, String> =
        playbooks.iter().map(|playbook| (playbook.name.clone(), playbook.definition())).collect();
    for (name, definition) in &theirs {
        if ours.get(name) == Some(definition) {
            continue;
        }
        if ours.contains_key(name) {
            notice(&format!("playbook `{name}` counts something else now: it begins anew"));
        }
        for table in ["open_tallies", "open_items", "alert_definitions"] {
            let sql = format!("DELETE FROM {table} WHERE playbook = $1");
            answered(transaction.execute(&sql, &[&stored(name)])).await?;
        }
    }
    for (name, definition) in &ours {
        answered(transaction.execute(DEFINE, &[&stored(name), &stored(definition)])).await?;
    }
    Ok(())
}

async fn read(client: &Client, watermark: Timestamp) -> Result<SavedDetection, DatabaseFault> {
    let (checkpoints, shard_times) = places::OF_ALERTS.read(client).await?;
    let mut fired = Vec::new();
    for row in answered(client.query(FIRED, &[])).await? {
        fired.push((texts::read(row.try_get(0)?), texts::read(row.try_get(1)?), row.try_get(2)?));
    }
    let waiting = undelivered(client, MOST_WAITING).await?;
    let all = answered(client.query_one("SELECT count(*) FROM alerts WHERE NOT delivered", &[])).await?;
    let more_undelivered = unsigned(all.try_get(0)?).saturating_sub(waiting.len() as u64);
    let mut beyond_memory = Vec::new();
    for row in answered(client.query("SELECT playbook, count FROM beyond_memory", &[])).await? {
        beyond_memory.push((texts::read(row.try_get(0)?), unsigned(row.try_get(1)?)));
    }
    let mut ids = Vec::new();
    for row in answered(client.query("SELECT minute, id FROM alert_ids", &[])).await? {
        if let Ok(id) = row.try_get::<_, &[u8]>(1)?.try_into() {
            ids.push((row.try_get(0)?, u128::from_be_bytes(id)));
        }
    }
    Ok(SavedDetection {
        checkpoints,
        shard_times,
        watermark,
        totals: read_totals(client).await?,
        tallies: read_tallies(client).await?,
        fired,
        undelivered: waiting,
        more_undelivered,
        beyond_memory,
        ids,
        origins: origins::OF_ALERTS.read(client).await?,
    })
}

async fn read_tallies(client: &Client) -> Result<Vec<SavedTally>, DatabaseFault> {
    let mut tallies: BTreeMap<(String, Timestamp, String), SavedTally> = BTreeMap::new();
    let sql = "SELECT playbook, pane, key, sum(count)::int8 FROM open_tallies GROUP BY 1, 2, 3";
    for row in answered(client.query(sql, &[])).await? {
        let (playbook, pane, key): (String, Timestamp, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let at = (playbook.clone(), pane, key.clone());
        let (playbook, key) = (texts::read(playbook), texts::read(key));
        let n = unsigned(row.try_get(3)?);
        tallies.insert(at, SavedTally { playbook, pane, key, n, items: Vec::new() });
    }
    for row in answered(client.query("SELECT playbook, pane, key, item FROM open_items", &[])).await? {
        if let Some(tally) = tallies.get_mut(&(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)) {
            tally.items.push(row.try_get::<_, i64>(3)?.cast_unsigned());
        }
    }
    Ok(tallies.into_values().collect())
}

pub(super) async fn read_totals(client: &Client) -> Result<DetectionTotals, DatabaseFault> {
    let sql = "SELECT name, sum(count)::int8 FROM alert_totals GROUP BY name";
    totals(&answered(client.query(sql, &[])).await?)
}

/// Rows of a name and a number.
pub(super) fn totals(rows: &[Row]) -> Result<DetectionTotals, DatabaseFault> {
    let mut totals = DetectionTotals::default();
    for row in rows {
        let count = unsigned(row.try_get(1)?);
        match row.try_get(0)? {
            "alerts" => totals.alerts = count,
            "late" => totals.late = count,
            "refused" => totals.refused = count,
            "duplicates" => totals.duplicates = count,
            "unparsed" => totals.unparsed = count,
            "overflow" => totals.overflow = count,
            "undeliverable" => totals.undeliverable = count,
            "callback_panics" => totals.callback_panics = count,
            _ => {}
        }
    }
    Ok(totals)
}
