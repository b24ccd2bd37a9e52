//! What a worker has counted of its shard, written by whoever took the shard last; and its end.

use std::time::Duration;

use super::commit::{self, Write};
use super::explain::DatabaseFault;
use super::fleet_lock;
use super::fleet_rows::{FleetPlace, OF_COUNTS, emptied};
use super::layout::COUNTS;
use super::link::{Session, answered};
use super::origins;
use super::url::PostgresUrl;
use crate::fleet::{Claim, ShardChange, ShardLineage};
use crate::timestamp::Timestamp;

const WATERMARK: &str = "SELECT watermark FROM progress";
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
    session.prepare(&[WATERMARK]).await?;
    session.prepare(&OF_COUNTS.statements()).await?;
    let (transaction, prepared) = session.begin().await?;
    // From here on the watermark stands still; read before, it could be another.
    fleet_lock::batch(&transaction, &COUNTS).await?;
    let row = answered(transaction.query_opt(prepared.get(WATERMARK)?, &[])).await?;
    let watermark = row.ok_or_else(|| emptied(url))?.try_get(0)?;
    // Whoever takes the shard waits for this row; who has taken it, has changed its epoch.
    OF_COUNTS.check(&transaction, prepared, url, claim).await?;
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
    let place = FleetPlace {
        position: counted.position.as_ref(),
        arrival: counted.arrival,
        newest_event: counted.newest_event,
        tip: counted.tip,
    };
    OF_COUNTS.write(&transaction, prepared, claim, &place).await?;
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
    fleet_lock::batch(&transaction, &COUNTS).await?;
    OF_COUNTS.end(&transaction, url, claim, lineage).await?;
    answered(transaction.commit()).await
}
