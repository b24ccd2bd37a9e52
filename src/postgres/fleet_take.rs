//! A worker takes a shard, and what it goes on from.

use std::collections::BTreeMap;

use tokio_postgres::Transaction;

use super::explain::DatabaseFault;
use super::fleet_rows::{FleetRow, OF_COUNTS};
use super::fleet_terms;
use super::layout::COUNTS;
use super::link::{Session, answered};
use super::load;
use super::origins;
use super::sql_types::unsigned;
use super::texts;
use super::turn::ALL_SHARDS;
use super::url::PostgresUrl;
use crate::count::{SavedPane, SavedState};
use crate::fleet::{Claim, ShardLineage, TakenShard, Taking, ancestors};
use crate::harmless::Text;
use crate::timestamp::Timestamp;

/// A single process that still writes finds another name than its own.
const OWN: &str = "UPDATE progress SET owner = $1, epoch = epoch + 1";
/// Makes this worker the one that writes for a shard; whoever was it before is refused from now on.
pub(super) async fn take(
    session: &mut Session,
    url: &PostgresUrl,
    owner: &str,
    taking: &Taking<'_>,
) -> Result<TakenShard<SavedState>, DatabaseFault> {
    let (transaction, _) = session.begin().await?;
    load::check_in(&transaction, url, taking.fingerprint).await?;
    fleet_terms::check_lateness(&transaction, url, &COUNTS, taking.lateness).await?;
    answered(transaction.execute(OWN, &[&owner])).await?;
    OF_COUNTS.enter(&transaction, taking.lineage).await?;
    let row = OF_COUNTS.take(&transaction, taking.shard_id, owner).await?;
    let taken = read(&transaction, row, taking.shard_id, taking.lineage).await?;
    answered(transaction.commit()).await?;
    Ok(taken)
}

/// What is there of a shard that this worker has taken. Where a commit of its own is still going on, that waits for its
/// end, which has the same lock.
pub(super) async fn reload(
    session: &mut Session,
    url: &PostgresUrl,
    claim: &Claim,
    lineage: &[ShardLineage],
) -> Result<TakenShard<SavedState>, DatabaseFault> {
    let (transaction, _) = session.begin().await?;
    let row = OF_COUNTS.read(&transaction, url, claim).await?;
    let taken = read(&transaction, row, &claim.shard_id, lineage).await?;
    answered(transaction.rollback()).await?;
    Ok(taken)
}

/// Of this shard alone, but for the watermark; and for ids and origins, those of the shards that it came from, and of a
/// single process.
async fn read(
    transaction: &Transaction<'_>,
    row: FleetRow,
    shard_id: &str,
    lineage: &[ShardLineage],
) -> Result<TakenShard<SavedState>, DatabaseFault> {
    let watermark: Timestamp =
        answered(transaction.query_one("SELECT watermark FROM progress", &[])).await?.try_get(0)?;
    let mut saved = SavedState { watermark, ..SavedState::default() };
    saved.shard_times = row.newest_event.map(|time| (shard_id.to_owned(), time)).into_iter().collect();
    let mut panes: BTreeMap<Timestamp, SavedPane> = BTreeMap::new();
    let sql = "SELECT pane, coalesce(rest, key), count FROM open_counts WHERE shard = $1";
    for row in answered(transaction.query(sql, &[&shard_id])).await? {
        let key: String = row.try_get(1)?;
        let count = (Text::from(texts::read(key)), unsigned(row.try_get(2)?));
        panes.entry(row.try_get(0)?).or_default().counts.push(count);
    }
    let sql = "SELECT pane, count FROM open_overflow WHERE shard = $1";
    for row in answered(transaction.query(sql, &[&shard_id])).await? {
        panes.entry(row.try_get(0)?).or_default().overflow = unsigned(row.try_get(1)?);
    }
    let mut known = ancestors(shard_id, lineage);
    known.extend([shard_id.to_owned(), ALL_SHARDS.to_owned()]);
    let of: Vec<&str> = known.iter().map(String::as_str).collect();
    let sql = "SELECT DISTINCT pane, id FROM open_ids WHERE shard = ANY($1)";
    for row in answered(transaction.query(sql, &[&of])).await? {
        let id: &[u8] = row.try_get(1)?;
        if let Ok(id) = id.try_into() {
            panes.entry(row.try_get(0)?).or_default().ids.push(u128::from_be_bytes(id));
        }
    }
    saved.panes = panes.into_iter().collect();
    saved.origins = origins::OF_COUNTS.read(transaction.client()).await?;
    saved.origins.retain(|origin| known.contains(&origin.shard_id));
    let sql = "SELECT name, count FROM shard_totals WHERE shard = $1";
    let totals = answered(transaction.query(sql, &[&shard_id])).await?;
    saved.totals = load::totals(&totals)?;
    Ok(row.place.with(saved))
}
