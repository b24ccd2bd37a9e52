//! What is remembered of forwarded records, so that their copies are told after a crash too.

use std::collections::BTreeMap;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};

use super::explain::DatabaseFault;
use super::link::{Prepared, answered};
use super::texts::{self, indexed};
use crate::count::SavedOrigin;

const FORGET: &str = "DELETE FROM open_origins WHERE shard = ANY($1)";
const FORGET_NUMBERS: &str = "DELETE FROM open_origin_numbers WHERE shard = ANY($1)";
const PAIR: &str = "INSERT INTO open_origins VALUES ($1, $2, $3, $4) \
    ON CONFLICT (shard, origin) DO UPDATE SET after = excluded.after";
const NUMBERS: &str = "INSERT INTO open_origin_numbers SELECT $1, $2, number FROM unnest($3::text[]) AS number \
    ON CONFLICT DO NOTHING";
// Numbers without leading zeros: the longer one is the larger one. Of one of an aggregate (`99/7`), or of one event
// of several (`99#3`), the digits before that.
const KNOWN: &str = "DELETE FROM open_origin_numbers WHERE shard = $1 AND origin = $2 \
    AND (length(substring(number from '^[0-9]*')), substring(number from '^[0-9]*') COLLATE \"C\") \
    <= (length($3::text), $3::text COLLATE \"C\")";

pub(super) const STATEMENTS: [&str; 5] = [FORGET, FORGET_NUMBERS, PAIR, NUMBERS, KNOWN];

pub(super) async fn write(
    transaction: &Transaction<'_>,
    prepared: Prepared<'_>,
    gone: &[String],
    changed: &[SavedOrigin],
) -> Result<(), DatabaseFault> {
    if !gone.is_empty() {
        for sql in [FORGET, FORGET_NUMBERS] {
            answered(transaction.execute(prepared.get(sql)?, &[&gone])).await?;
        }
    }
    for saved in changed {
        let (origin, rest) = indexed(saved.origin.raw());
        let pair: [&(dyn ToSql + Sync); 4] = [&saved.shard_id, &origin, &rest, &saved.after];
        answered(transaction.execute(prepared.get(PAIR)?, &pair)).await?;
        if !saved.numbers.is_empty() {
            let numbers: [&(dyn ToSql + Sync); 3] = [&saved.shard_id, &origin, &saved.numbers];
            answered(transaction.execute(prepared.get(NUMBERS)?, &numbers)).await?;
        }
        if let Some(after) = &saved.after {
            answered(transaction.execute(prepared.get(KNOWN)?, &[&saved.shard_id, &origin, after])).await?;
        }
    }
    Ok(())
}

pub(super) async fn read(client: &Client) -> Result<Vec<SavedOrigin>, DatabaseFault> {
    let mut pairs: BTreeMap<(String, String), SavedOrigin> = BTreeMap::new();
    for row in answered(client.query("SELECT shard, origin, rest, after FROM open_origins", &[])).await? {
        let (shard, origin, rest): (String, String, Option<String>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let mut saved = SavedOrigin::new(&shard, texts::read(rest.unwrap_or_else(|| origin.clone())));
        saved.after = row.try_get(3)?;
        pairs.insert((shard, origin), saved);
    }
    for row in answered(client.query("SELECT shard, origin, number FROM open_origin_numbers", &[])).await? {
        if let Some(pair) = pairs.get_mut(&(row.try_get(0)?, row.try_get(1)?)) {
            pair.numbers.push(row.try_get(2)?);
        }
    }
    Ok(pairs.into_values().collect())
}
