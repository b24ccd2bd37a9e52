//! What a worker has counted of its shard, written by whoever took the shard last; and its end.

use std::time::Duration;

use tokio_postgres::types::ToSql;

use super::commit::{self, Write};
use super::explain::DatabaseFault;
use super::fleet_lock;
use super::fleet_take::{emptied, enter, position};
use super::link::{Session, answered};
use super::origins;
use super::sql_types::signed;
use super::url::PostgresUrl;
use crate::fleet::{Claim, ShardChange, ShardLineage};
use crate::timestamp::Timestamp;

const WATERMARK: &str = "SELECT watermark FROM progress";
const ROW: &str = "SELECT epoch, sequence, sub_sequence FROM shards WHERE shard = $1 FOR UPDATE";
const PLACE: &str = "UPDATE shards SET sequence = $2, sub_sequence = $3, arrival = $4, \
    newest_event = greatest(newest_event, $5), idle = $6, reported = clock_timestamp() WHERE shard = $1";
/// Empty until then, it has no arrival; without one, it would pass for one that nobody has read.
const END: &str = "UPDATE shards SET ended = true, idle = false, reported = clock_timestamp(), \
    arrival = coalesce(arrival, clock_timestamp()) WHERE shard = $1";

/// One batch, or word that there was none: counts, position and epoch in one transaction.
pub(super) async fn write(
    session: &mut Session,
    url: &PostgresUrl,
    claim: &Claim,
    size: Duration,
    count: &mut dyn FnMut(Timestamp) -> ShardChange,
) -> Result<(), DatabaseFault> {
    session.prepare(&commit::STATEMENTS).await?;
    session.prepare(&origins::OF_COUNTS.statements()).await?;
    session.prepare(&[WATERMARK, ROW, PLACE]).await?;
    let (transaction, prepared) = session.begin().await?;
    // From here on the watermark stands still; read before, it could be another.
    fleet_lock::batch(&transaction).await?;
    let row = answered(transaction.query_opt(prepared.get(WATERMARK)?, &[])).await?;
    let watermark = row.ok_or_else(|| emptied(url))?.try_get(0)?;
    // Whoever takes the shard waits for this row; who has taken it, has changed its epoch.
    let row = answered(transaction.query_opt(prepared.get(ROW)?, &[&claim.shard_id])).await?;
    let row = row.ok_or_else(|| emptied(url))?;
    let at = position(row.try_get(1)?, row.try_get(2)?);
    claim.check(row.try_get(0)?, at.as_ref(), &url.to_string())?;
    let counted = count(watermark);
    let change = &counted.change;
    if counted.position != claim.position {
        let write = Write { transaction: &transaction, prepared, change, shard: &claim.shard_id };
        write.open(size).await?;
        write.late(size).await?;
        write.totals().await?;
        let origins = origins::OF_COUNTS.write(&transaction, prepared, &change.gone_origins, &change.origins);
        origins.await?;
    }
    let (number, sub) = match &counted.position {
        Some(at) => (Some(&at.sequence_number), at.sub_sequence_number.map(signed)),
        None => (None, None),
    };
    let place: [&(dyn ToSql + Sync); 6] =
        [&claim.shard_id, &number, &sub, &counted.arrival, &counted.newest_event, &counted.idle];
    answered(transaction.execute(prepared.get(PLACE)?, &place)).await?;
    answered(transaction.commit()).await
}

/// The children are entered in the transaction in which their parent ends: no window passes between the two.
pub(super) async fn end(
    session: &mut Session,
    url: &PostgresUrl,
    claim: &Claim,
    lineage: &[ShardLineage],
) -> Result<(), DatabaseFault> {
    let (transaction, _) = session.begin().await?;
    fleet_lock::batch(&transaction).await?;
    enter(&transaction, lineage).await?;
    let row = answered(transaction.query_opt(ROW, &[&claim.shard_id])).await?;
    claim.check_epoch(row.ok_or_else(|| emptied(url))?.try_get(0)?, &url.to_string())?;
    answered(transaction.execute(END, &[&claim.shard_id])).await?;
    answered(transaction.commit()).await
}
