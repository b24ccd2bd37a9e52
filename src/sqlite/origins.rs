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
    // Numbers without leading zeros: the longer one is the larger one. Of one of an aggregate (`99/7`), or of one
    // event of several (`99#3`), what is before that.
    let mut known = transaction.prepare_cached(
        "DELETE FROM open_origin_numbers WHERE shard = ?1 AND origin = ?2 \
         AND (instr(replace(number, '#', '/') || '/', '/') - 1, \
         substr(number, 1, instr(replace(number, '#', '/') || '/', '/') - 1)) <= (length(?3), ?3)",
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of one event of several (`99#3`) were longer than the number that they are up to, and stayed for ever.
    #[test]
    fn numbers_that_are_known_are_forgotten_in_all_their_forms() {
        let mut database = Connection::open_in_memory().unwrap();
        database.execute_batch(include_str!("common.sql")).unwrap();
        let transaction = database.transaction().unwrap();
        let mut saved = SavedOrigin::new("a", "s/b");
        saved.numbers =
            ["99", "99/7", "99#3", "99/7#3", "98#12", "100", "100#3", "100/0"].map(str::to_owned).to_vec();
        saved.after = Some("99".to_owned());
        write(&transaction, &[], &[saved.clone()]).unwrap();
        let mut left = read(&transaction).unwrap().remove(0).numbers;
        left.sort();
        assert_eq!(left, ["100", "100#3", "100/0"]);
        write(&transaction, &["a".to_owned()], &[]).unwrap();
        assert!(read(&transaction).unwrap().is_empty());
    }
}
