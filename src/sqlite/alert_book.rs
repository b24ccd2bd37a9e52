//! Alerts, and what a detection goes on from, in an SQLite file.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::file::{self, DatabaseFile, Kind, signed, time, unsigned};
use super::origins;
use crate::detect::DetectionTotals;
use crate::detect::Playbooks;
use crate::detect::{Alert, Response};
use crate::detect::{AlertChange, AlertStore, SavedDetection, Undelivered};
use crate::detect::{MOST_WAITING, SavedTally, is_told};
use crate::error::Result;
use crate::notice::notice;
use crate::read::StreamId;
use crate::timestamp::Timestamp;

/// "KLAD".
pub(crate) const ALERTS: Kind = Kind {
    application: 0x4b4c_4144,
    layout: 1,
    tables: concat!(include_str!("alerts.sql"), include_str!("common.sql")),
    what: "the alerts",
};

/// The index `alerts_undelivered` has them in this order.
const UNDELIVERED: &str = "WHERE delivered = 0 ORDER BY time, id";

/// The columns of an alert, in the order in which [`alert`] reads them.
pub(crate) const COLUMNS: &str =
    "id, time, playbook, key, ip, start, \"end\", count, threshold, response, until, evidence";

pub(crate) struct AlertBook(pub(super) DatabaseFile);

impl AlertBook {
    pub(crate) fn open(path: &Path) -> Result<AlertBook> {
        Ok(AlertBook(DatabaseFile::open(path, &ALERTS)?))
    }
}

impl AlertStore for AlertBook {
    fn load(&mut self, stream: &StreamId, playbooks: &Playbooks) -> Result<SavedDetection> {
        self.0.check_meta(stream, &[], str::to_owned)?;
        self.0.write(|transaction| keep_definitions(transaction, playbooks))?;
        self.0.read(read)
    }

    fn commit(&mut self, change: &AlertChange) -> Result<()> {
        self.0.write(|transaction| write(transaction, change))
    }
}

impl Undelivered for AlertBook {
    fn delivered(&mut self, alerts: &[Alert]) -> Result<()> {
        self.0.write(|transaction| {
            let mut update = transaction.prepare_cached("UPDATE alerts SET delivered = 1 WHERE id = ?1")?;
            alerts.iter().try_for_each(|alert| update.execute([&alert.id]).map(drop))
        })
    }

    fn undelivered(&mut self, limit: usize) -> Result<Vec<Alert>> {
        self.0.read(|database| select(database, UNDELIVERED, limit))
    }
}

/// Drops the open counts of playbooks that count something else now: they would be added to what they are
/// not counts of.
fn keep_definitions(transaction: &Transaction<'_>, playbooks: &Playbooks) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare("SELECT playbook, definition FROM definitions")?;
    let theirs: BTreeMap<String, String> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let ours: BTreeMap<String, String> =
        playbooks.iter().map(|playbook| (playbook.name.clone(), playbook.definition())).collect();
    for (name, definition) in &theirs {
        if ours.get(name) == Some(definition) {
            continue;
        }
        if ours.contains_key(name) {
            notice(&format!("playbook `{name}` counts something else now: it begins anew"));
        }
        for table in ["open_tallies", "open_items", "definitions"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE playbook = ?1"), [name])?;
        }
    }
    for (name, definition) in &ours {
        transaction.execute("INSERT OR REPLACE INTO definitions VALUES (?1, ?2)", [name, definition])?;
    }
    Ok(())
}

fn read(database: &Connection) -> rusqlite::Result<SavedDetection> {
    let (checkpoints, shard_times) = file::read_checkpoints(database)?;
    let progress =
        "SELECT watermark, alerts, late, refused, duplicates, unparsed, overflow FROM open_progress";
    let found = database.query_row(progress, [], |row| {
        let count = |at| unsigned(row, at);
        let totals = DetectionTotals {
            alerts: count(1)?,
            late: count(2)?,
            refused: count(3)?,
            duplicates: count(4)?,
            unparsed: count(5)?,
            overflow: count(6)?,
            ..DetectionTotals::default()
        };
        Ok((Timestamp::from_micros(row.get(0)?), totals))
    });
    let (watermark, totals) = found.optional()?.unwrap_or((Timestamp::MIN, DetectionTotals::default()));
    let total = |name: &str| {
        let count = "SELECT count FROM totals WHERE name = ?1";
        Ok::<_, rusqlite::Error>(
            database.query_row(count, [name], |row| unsigned(row, 0)).optional()?.unwrap_or(0),
        )
    };
    let totals = DetectionTotals {
        undeliverable: total("undeliverable")?,
        callback_panics: total("callback_panics")?,
        ..totals
    };
    let mut statement =
        database.prepare("SELECT playbook, key, max(time) FROM alerts GROUP BY playbook, key")?;
    let fired =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, time(&row.get::<_, String>(2)?))))?;
    let fired = fired.collect::<rusqlite::Result<_>>()?;
    let undelivered = select(database, UNDELIVERED, MOST_WAITING)?;
    let all: u64 =
        database.query_row("SELECT count(*) FROM alerts WHERE delivered = 0", [], |row| unsigned(row, 0))?;
    let more_undelivered = all.saturating_sub(undelivered.len() as u64);
    let mut statement = database.prepare("SELECT playbook, count FROM beyond_memory")?;
    let beyond_memory = statement
        .query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut statement = database.prepare("SELECT minute, id FROM open_ids")?;
    let ids = statement
        .query_map([], |row| Ok((Timestamp::from_micros(row.get(0)?), u128::from_be_bytes(row.get(1)?))))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(SavedDetection {
        checkpoints,
        shard_times,
        watermark,
        totals,
        tallies: read_tallies(database)?,
        fired,
        undelivered,
        more_undelivered,
        beyond_memory,
        ids,
        origins: origins::read(database)?,
    })
}

fn read_tallies(database: &Connection) -> rusqlite::Result<Vec<SavedTally>> {
    let mut tallies: BTreeMap<(String, i64, String), SavedTally> = BTreeMap::new();
    let mut statement = database.prepare("SELECT playbook, pane, key, count FROM open_tallies")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (playbook, pane, key): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let at = (playbook.clone(), pane, key.clone());
        let pane = Timestamp::from_micros(pane);
        tallies.insert(at, SavedTally { playbook, pane, key, n: unsigned(row, 3)?, items: Vec::new() });
    }
    let mut statement = database.prepare("SELECT playbook, pane, key, item FROM open_items")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(tally) = tallies.get_mut(&(row.get(0)?, row.get(1)?, row.get(2)?)) {
            tally.items.push(row.get::<_, i64>(3)?.cast_unsigned());
        }
    }
    Ok(tallies.into_values().collect())
}

fn write(transaction: &Transaction<'_>, change: &AlertChange) -> rusqlite::Result<()> {
    file::write_checkpoints(transaction, &change.checkpoints, &change.shard_times)?;
    let totals = change.totals;
    let numbers =
        [totals.alerts, totals.late, totals.refused, totals.duplicates, totals.unparsed, totals.overflow];
    let mut progress = vec![change.watermark.as_micros()];
    progress.extend(numbers.map(signed));
    transaction
        .prepare_cached("INSERT OR REPLACE INTO open_progress VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(rusqlite::params_from_iter(progress))?;
    let mut total = transaction.prepare_cached("INSERT OR REPLACE INTO totals VALUES (?1, ?2)")?;
    for (name, count) in
        [("undeliverable", totals.undeliverable), ("callback_panics", totals.callback_panics)]
    {
        total.execute(params![name, signed(count)])?;
    }
    let mut beyond = transaction.prepare_cached("INSERT OR REPLACE INTO beyond_memory VALUES (?1, ?2)")?;
    for (playbook, count) in &change.beyond_memory {
        beyond.execute(params![playbook, signed(*count)])?;
    }
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO alerts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    for alert in &change.alerts {
        insert.execute(params![
            alert.id,
            alert.time.to_string(),
            alert.playbook,
            alert.key,
            alert.ip,
            alert.start.to_string(),
            alert.end.to_string(),
            signed(alert.count),
            signed(alert.threshold),
            alert.response.to_string(),
            alert.blocked_until().map(|until| until.to_string()),
            alert.evidence,
            !is_told(alert),
        ])?;
    }
    write_open(transaction, change)?;
    origins::write(transaction, &change.gone_origins, &change.origins)
}

fn write_open(transaction: &Transaction<'_>, change: &AlertChange) -> rusqlite::Result<()> {
    for table in ["open_tallies", "open_items"] {
        let sql = format!("DELETE FROM {table} WHERE playbook = ?1 AND pane < ?2");
        let mut delete = transaction.prepare_cached(&sql)?;
        for (playbook, oldest) in &change.oldest_panes {
            delete.execute(params![playbook, oldest.as_micros()])?;
        }
    }
    let mut tally =
        transaction.prepare_cached("INSERT OR REPLACE INTO open_tallies VALUES (?1, ?2, ?3, ?4)")?;
    let mut item = transaction.prepare_cached("INSERT OR IGNORE INTO open_items VALUES (?1, ?2, ?3, ?4)")?;
    for saved in &change.tallies {
        let pane = saved.pane.as_micros();
        tally.execute(params![saved.playbook, pane, saved.key, signed(saved.n)])?;
        for hash in &saved.items {
            item.execute(params![saved.playbook, pane, saved.key, hash.cast_signed()])?;
        }
    }
    transaction
        .prepare_cached("DELETE FROM open_ids WHERE minute < ?1")?
        .execute([change.ids_from.as_micros()])?;
    let mut id = transaction.prepare_cached("INSERT OR IGNORE INTO open_ids VALUES (?1, ?2)")?;
    for (minute, hash) in &change.ids {
        id.execute(params![minute.as_micros(), hash.to_be_bytes()])?;
    }
    Ok(())
}

/// Alerts that a condition selects, at most `limit` of them (0: all).
pub(crate) fn select(database: &Connection, condition: &str, limit: usize) -> rusqlite::Result<Vec<Alert>> {
    let limit = if limit == 0 { -1 } else { i64::try_from(limit).unwrap_or(i64::MAX) };
    let mut statement = database.prepare(&format!("SELECT {COLUMNS} FROM alerts {condition} LIMIT ?1"))?;
    statement.query_map([limit], alert)?.collect()
}

fn alert(row: &rusqlite::Row<'_>) -> rusqlite::Result<Alert> {
    let moment = |at: usize| Ok::<_, rusqlite::Error>(time(&row.get::<_, String>(at)?));
    let happened = moment(1)?;
    let until: Option<String> = row.get(10)?;
    Ok(Alert {
        id: row.get(0)?,
        time: happened,
        playbook: row.get(2)?,
        key: row.get(3)?,
        ip: row.get(4)?,
        start: moment(5)?,
        end: moment(6)?,
        count: unsigned(row, 7)?,
        threshold: unsigned(row, 8)?,
        response: match (row.get::<_, String>(9)?.as_str(), until) {
            ("block", Some(until)) => Response::Block(time(&until).since(happened)),
            ("monitor", _) => Response::Monitor,
            _ => Response::Notify,
        },
        evidence: row.get(11)?,
    })
}
