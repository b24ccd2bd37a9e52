//! What is remembered of forwarded records, so that their copies are told after a crash too.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use crate::count::SavedOrigin;

pub(crate) fn read(database: &Connection) -> rusqlite::Result<Vec<SavedOrigin>> {
    let mut pairs: BTreeMap<(String, String), SavedOrigin> = BTreeMap::new();
    let mut statement = database.prepare("SELECT shard, origin, after FROM open_origins")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (shard_id, origin): (String, String) = (row.get(0)?, row.get(1)?);
        let key = (shard_id.clone(), origin.clone());
        pairs.insert(
            key,
            SavedOrigin { shard_id, origin: origin.into(), after: row.get(2)?, numbers: Vec::new() },
        );
    }
    let mut statement = database.prepare("SELECT shard, origin, number FROM open_origin_numbers")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(pair) = pairs.get_mut(&(row.get(0)?, row.get(1)?)) {
            pair.numbers.push(row.get(2)?);
        }
    }
    Ok(pairs.into_values().collect())
}

pub(crate) fn write(
    transaction: &Transaction<'_>,
    gone: &[String],
    changed: &[SavedOrigin],
) -> rusqlite::Result<()> {
    for shard in gone {
        for table in ["open_origins", "open_origin_numbers"] {
            transaction.prepare_cached(&format!("DELETE FROM {table} WHERE shard = ?1"))?.execute([shard])?;
        }
    }
    let mut pair = transaction.prepare_cached("INSERT OR REPLACE INTO open_origins VALUES (?1, ?2, ?3)")?;
    let mut number =
        transaction.prepare_cached("INSERT OR IGNORE INTO open_origin_numbers VALUES (?1, ?2, ?3)")?;
    // Numbers without leading zeros: the longer one is the larger one. Of one of an aggregate (`99/7`), what is
    // before the slash.
    let mut known = transaction.prepare_cached(
        "DELETE FROM open_origin_numbers WHERE shard = ?1 AND origin = ?2 \
         AND (instr(number || '/', '/') - 1, substr(number, 1, instr(number || '/', '/') - 1)) \
         <= (length(?3), ?3)",
    )?;
    for saved in changed {
        pair.execute(params![saved.shard_id, saved.origin, saved.after])?;
        for digits in &saved.numbers {
            number.execute(params![saved.shard_id, saved.origin, digits])?;
        }
        if let Some(after) = &saved.after {
            known.execute(params![saved.shard_id, saved.origin, after])?;
        }
    }
    Ok(())
}
