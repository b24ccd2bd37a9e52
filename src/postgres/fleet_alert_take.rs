//! A worker takes a shard of a detection, and what it goes on from.

use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::alert_load::{NEW, OF, keep_definitions, totals};
use super::explain::DatabaseFault;
use super::fleet_rows::{FleetRow, OF_ALERTS};
use super::fleet_terms::AlertTerms;
use super::layout::ALERTS;
use super::link::{Session, answered};
use super::load::other_stream;
use super::sql_types::unsigned;
use super::texts;
use super::url::PostgresUrl;
use super::{fleet_lock, fleet_terms, origins};
use crate::detect::SavedDetection;
use crate::error::{Error, ErrorKind};
use crate::fleet::{Claim, ShardLineage, TakenShard, TakingAlerts, ancestors};
use crate::read::StreamId;
use crate::timestamp::Timestamp;

/// A single process that still writes finds another name than its own.
const OWN: &str = "UPDATE alert_progress SET owner = $1, epoch = epoch + 1, playbooks = $2";
const PLAYBOOKS: &str = "SELECT playbooks FROM alert_progress";
/// A worker that lives has a shard, and says so every 2 s.
const LIVES: &str = "SELECT EXISTS (SELECT FROM alert_shards \
    WHERE reported > clock_timestamp() - interval '15 s' AND NOT ended)";

/// Makes this worker the one that writes for a shard; whoever was it before is refused from now on.
pub(super) async fn take(
    session: &mut Session,
    url: &PostgresUrl,
    owner: &str,
    taking: &TakingAlerts<'_>,
    terms: &AlertTerms,
) -> Result<TakenShard<SavedDetection>, DatabaseFault> {
    let (transaction, _) = session.begin().await?;
    // Between two batches: what a playbook of another definition has counted is dropped, whoever has counted it.
    fleet_lock::turn(&transaction, &ALERTS).await?;
    let new: [&(dyn ToSql + Sync); 3] = [&&*taking.stream.name, &taking.stream.created, &Timestamp::MIN];
    answered(transaction.execute(NEW, &new)).await?;
    let row = answered(transaction.query_one(OF, &[])).await?;
    let theirs = StreamId::new(row.try_get(0)?, row.try_get(1)?);
    if let Some(error) = other_stream(url, &theirs, taking.stream) {
        return Err(error.into());
    }
    let watermark = row.try_get(2)?;
    fleet_terms::check_lateness(&transaction, url, &ALERTS, taking.lateness).await?;
    check_playbooks(&transaction, url, terms).await?;
    keep_definitions(&transaction, taking.playbooks).await?;
    answered(transaction.execute(OWN, &[&owner, &&*terms.playbooks])).await?;
    OF_ALERTS.enter(&transaction, taking.lineage).await?;
    let row = OF_ALERTS.take(&transaction, taking.shard_id, owner).await?;
    let taken = read(&transaction, watermark, row, taking.shard_id, taking.lineage).await?;
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
) -> Result<TakenShard<SavedDetection>, DatabaseFault> {
    let (transaction, _) = session.begin().await?;
    let row = OF_ALERTS.read(&transaction, url, claim).await?;
    let sql = "SELECT watermark FROM alert_progress";
    let watermark = answered(transaction.query_one(sql, &[])).await?.try_get(0)?;
    let taken = read(&transaction, watermark, row, &claim.shard_id, lineage).await?;
    answered(transaction.rollback()).await?;
    Ok(taken)
}

/// Two workers with different playbooks would drop each other's counts, in turn.
async fn check_playbooks(
    transaction: &Transaction<'_>,
    url: &PostgresUrl,
    terms: &AlertTerms,
) -> Result<(), DatabaseFault> {
    let row = answered(transaction.query_one(PLAYBOOKS, &[])).await?;
    let theirs: Option<String> = row.try_get(0)?;
    if theirs.is_none_or(|theirs| *theirs == *terms.playbooks) {
        return Ok(());
    }
    match answered(transaction.query_one(LIVES, &[])).await?.try_get(0)? {
        false => Ok(()),
        true => Err(DatabaseFault::Said(Error::new(
            ErrorKind::StoreUnavailable,
            format!(
                "workers with other playbooks write their alerts into {url}: all of a fleet have the same; this one \
                 waits until 15 s after their end"
            ),
        ))),
    }
}

/// Of this shard alone, but for the watermark; and for origins, those of the shards that it came from. What playbooks
/// have counted is asked for batch by batch.
async fn read(
    transaction: &Transaction<'_>,
    watermark: Timestamp,
    row: FleetRow,
    shard_id: &str,
    lineage: &[ShardLineage],
) -> Result<TakenShard<SavedDetection>, DatabaseFault> {
    let sql = "SELECT name, count FROM alert_totals WHERE shard = $1";
    let totals = totals(&answered(transaction.query(sql, &[&shard_id])).await?)?;
    let mut beyond_memory = Vec::new();
    let sql = "SELECT playbook, count FROM beyond_memory WHERE shard = $1";
    for row in answered(transaction.query(sql, &[&shard_id])).await? {
        beyond_memory.push((texts::read(row.try_get(0)?), unsigned(row.try_get(1)?)));
    }
    let mut known = ancestors(shard_id, lineage);
    known.insert(shard_id.to_owned());
    let mut origins = origins::OF_ALERTS.read(transaction.client()).await?;
    origins.retain(|origin| known.contains(&origin.shard_id));
    let saved = SavedDetection {
        checkpoints: Vec::new(),
        shard_times: row.newest_event.map(|time| (shard_id.to_owned(), time)).into_iter().collect(),
        watermark,
        totals,
        tallies: Vec::new(),
        fired: Vec::new(),
        undelivered: Vec::new(),
        more_undelivered: 0,
        beyond_memory,
        ids: Vec::new(),
        origins,
    };
    Ok(row.place.with(saved))
}
