//! A worker takes a shard, and what it goes on from.

use std::collections::BTreeMap;

use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::explain::DatabaseFault;
use super::link::{Session, answered};
use super::load;
use super::origins;
use super::sql_types::{Length, unsigned};
use super::texts;
use super::turn::ALL_SHARDS;
use super::url::PostgresUrl;
use crate::count::{SavedPane, SavedState};
use crate::error::{Error, ErrorKind};
use crate::fleet::{Claim, CountedPosition, ShardLineage, TakenShard, Taking, ancestors};
use crate::harmless::Text;
use crate::timestamp::Timestamp;

const LATENESS: &str = "SELECT lateness FROM progress";
const SET_LATENESS: &str = "UPDATE progress SET lateness = $1 WHERE lateness IS NULL";
/// A single process that still writes finds another name than its own.
const OWN: &str = "UPDATE progress SET owner = $1, epoch = epoch + 1";
/// In the order of their names, so that two workers who enter the same do not wait for each other.
const ENTER: &str = "INSERT INTO shards (shard, parents) \
    SELECT shard, array_remove(ARRAY[parent, adjacent], NULL) \
    FROM unnest($1::text[], $2::text[], $3::text[]) AS s (shard, parent, adjacent) ORDER BY shard ON CONFLICT DO NOTHING";
/// A single process does not enter them.
const ENTER_PARENTS: &str = "UPDATE shards AS s SET parents = array_remove(ARRAY[n.parent, n.adjacent], NULL) \
    FROM unnest($1::text[], $2::text[], $3::text[]) AS n (shard, parent, adjacent) \
    WHERE s.shard = n.shard AND s.parents = '{}' AND n.parent IS NOT NULL";
const TAKE: &str = "UPDATE shards SET epoch = epoch + 1, owner = $2, idle = false, reported = clock_timestamp() \
    WHERE shard = $1 RETURNING epoch, sequence, sub_sequence, arrival, newest_event, ended";
const READ: &str = "SELECT epoch, sequence, sub_sequence, arrival, newest_event, ended FROM shards WHERE shard = $1 FOR UPDATE";

/// Makes this worker the one that writes for a shard; whoever was it before is refused from now on.
pub(super) async fn take(
    session: &mut Session,
    url: &PostgresUrl,
    owner: &str,
    taking: &Taking<'_>,
) -> Result<TakenShard, DatabaseFault> {
    let (transaction, _) = session.begin().await?;
    load::check_in(&transaction, url, taking.fingerprint).await?;
    answered(transaction.execute(SET_LATENESS, &[&Length(taking.lateness)])).await?;
    let lateness: Length = answered(transaction.query_one(LATENESS, &[])).await?.try_get(0)?;
    if lateness.0 != taking.lateness {
        let seconds = |length: std::time::Duration| length.as_secs_f64();
        return Err(DatabaseFault::Said(Error::new(
            ErrorKind::Store,
            format!(
                "the workers that count into {url} wait {} s for late events, and this one {} s: all of a fleet have the \
                 same lateness",
                seconds(lateness.0),
                seconds(taking.lateness)
            ),
        )));
    }
    answered(transaction.execute(OWN, &[&owner])).await?;
    enter(&transaction, taking.lineage).await?;
    let row = answered(transaction.query_one(TAKE, &[&taking.shard_id, &owner])).await?;
    let taken = read(&transaction, &row, taking.shard_id, taking.lineage).await?;
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
) -> Result<TakenShard, DatabaseFault> {
    let (transaction, _) = session.begin().await?;
    let row = answered(transaction.query_opt(READ, &[&claim.shard_id])).await?;
    let row = row.ok_or_else(|| emptied(url))?;
    claim.check_epoch(row.try_get(0)?, &url.to_string())?;
    let taken = read(&transaction, &row, &claim.shard_id, lineage).await?;
    answered(transaction.rollback()).await?;
    Ok(taken)
}

pub(super) fn emptied(url: &PostgresUrl) -> Error {
    let sentence = format!("the tables in {url} were emptied while this worker ran: start it again");
    Error::new(ErrorKind::Store, sentence)
}

/// Enters shards that are not known yet.
pub(super) async fn enter(
    transaction: &Transaction<'_>,
    lineage: &[ShardLineage],
) -> Result<(), DatabaseFault> {
    let shards: Vec<&str> = lineage.iter().map(|shard| &*shard.shard_id).collect();
    let parent = |n: usize| -> Vec<Option<&str>> {
        lineage.iter().map(|shard| shard.parents.get(n).map(String::as_str)).collect()
    };
    let values: [&(dyn ToSql + Sync); 3] = [&shards, &parent(0), &parent(1)];
    for sql in [ENTER, ENTER_PARENTS] {
        answered(transaction.execute(sql, &values)).await?;
    }
    Ok(())
}

/// A position as the table has it.
pub(super) fn position(number: Option<String>, sub: Option<i64>) -> Option<CountedPosition> {
    number.map(|sequence_number| CountedPosition { sequence_number, sub_sequence_number: sub.map(unsigned) })
}

/// Of this shard alone, but for the watermark; and for ids and origins, those of the shards that it came from, and of a
/// single process.
async fn read(
    transaction: &Transaction<'_>,
    row: &tokio_postgres::Row,
    shard_id: &str,
    lineage: &[ShardLineage],
) -> Result<TakenShard, DatabaseFault> {
    let watermark: Timestamp =
        answered(transaction.query_one("SELECT watermark FROM progress", &[])).await?.try_get(0)?;
    let mut saved = SavedState { watermark, ..SavedState::default() };
    let newest: Option<Timestamp> = row.try_get(4)?;
    saved.shard_times = newest.map(|time| (shard_id.to_owned(), time)).into_iter().collect();
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
    Ok(TakenShard {
        epoch: row.try_get(0)?,
        position: position(row.try_get(1)?, row.try_get(2)?),
        arrival: row.try_get(3)?,
        ended: row.try_get(5)?,
        saved,
    })
}
