//! What is remembered of forwarded records, so that their copies are told after a crash too.

use std::collections::BTreeMap;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};

use super::explain::DatabaseFault;
use super::link::{Prepared, answered};
use super::texts::{self, indexed};
use crate::count::SavedOrigin;

/// The statements for one table of origins, and the one of their numbers.
pub(super) struct OriginTable {
    forget: &'static str,
    forget_numbers: &'static str,
    pair: &'static str,
    numbers: &'static str,
    known: &'static str,
    read: &'static str,
    read_numbers: &'static str,
}

macro_rules! origin_table {
    ($pairs:literal, $numbers:literal) => {
        OriginTable {
            forget: concat!("DELETE FROM ", $pairs, " WHERE shard = ANY($1)"),
            forget_numbers: concat!("DELETE FROM ", $numbers, " WHERE shard = ANY($1)"),
            pair: concat!(
                "INSERT INTO ",
                $pairs,
                " VALUES ($1, $2, $3, $4) ON CONFLICT (shard, origin) DO UPDATE SET after = excluded.after"
            ),
            numbers: concat!(
                "INSERT INTO ",
                $numbers,
                " SELECT $1, $2, number FROM unnest($3::text[]) AS number ON CONFLICT DO NOTHING"
            ),
            // Numbers without leading zeros: the longer one is the larger one. Of one of an aggregate (`99/7`), or
            // of one event of several (`99#3`), the digits before that.
            known: concat!(
                "DELETE FROM ",
                $numbers,
                " WHERE shard = $1 AND origin = $2 \
                 AND (length(substring(number from '^[0-9]*')), substring(number from '^[0-9]*') COLLATE \"C\") \
                 <= (length($3::text), $3::text COLLATE \"C\")"
            ),
            read: concat!("SELECT shard, origin, rest, after FROM ", $pairs),
            read_numbers: concat!("SELECT shard, origin, number FROM ", $numbers),
        }
    };
}

pub(super) const OF_COUNTS: OriginTable = origin_table!("open_origins", "open_origin_numbers");
pub(super) const OF_ALERTS: OriginTable = origin_table!("alert_origins", "alert_origin_numbers");

impl OriginTable {
    pub(super) const fn statements(&self) -> [&'static str; 5] {
        [self.forget, self.forget_numbers, self.pair, self.numbers, self.known]
    }

    pub(super) async fn write(
        &self,
        transaction: &Transaction<'_>,
        prepared: Prepared<'_>,
        gone: &[String],
        changed: &[SavedOrigin],
    ) -> Result<(), DatabaseFault> {
        if !gone.is_empty() {
            for sql in [self.forget, self.forget_numbers] {
                answered(transaction.execute(prepared.get(sql)?, &[&gone])).await?;
            }
        }
        for saved in changed {
            let (origin, rest) = indexed(saved.origin.raw());
            let pair: [&(dyn ToSql + Sync); 4] = [&saved.shard_id, &origin, &rest, &saved.after];
            answered(transaction.execute(prepared.get(self.pair)?, &pair)).await?;
            if !saved.numbers.is_empty() {
                let numbers: [&(dyn ToSql + Sync); 3] = [&saved.shard_id, &origin, &saved.numbers];
                answered(transaction.execute(prepared.get(self.numbers)?, &numbers)).await?;
            }
            if let Some(after) = &saved.after {
                let known: [&(dyn ToSql + Sync); 3] = [&saved.shard_id, &origin, after];
                answered(transaction.execute(prepared.get(self.known)?, &known)).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn read(&self, client: &Client) -> Result<Vec<SavedOrigin>, DatabaseFault> {
        let mut pairs: BTreeMap<(String, String), SavedOrigin> = BTreeMap::new();
        for row in answered(client.query(self.read, &[])).await? {
            let (shard, origin, rest): (String, String, Option<String>) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let mut saved = SavedOrigin::new(&shard, texts::read(rest.unwrap_or_else(|| origin.clone())));
            saved.after = row.try_get(3)?;
            pairs.insert((shard, origin), saved);
        }
        for row in answered(client.query(self.read_numbers, &[])).await? {
            if let Some(pair) = pairs.get_mut(&(row.try_get(0)?, row.try_get(1)?)) {
                pair.numbers.push(row.try_get(2)?);
            }
        }
        Ok(pairs.into_values().collect())
    }
}
