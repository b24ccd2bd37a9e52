//! What a worker's batch has set off, written by whoever took the shard last, and one batch after another.

use std::collections::BTreeMap;

use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::alert_change::{self, Statements};
use super::explain::DatabaseFault;
use super::fleet_rows::{FleetPlace, OF_ALERTS, emptied};
use super::fleet_terms::AlertTerms;
use super::layout::ALERTS;
use super::link::{Prepared, Session, answered};
use super::sql_types::{Length, unsigned};
use super::texts::{self, stored};
use super::url::PostgresUrl;
use super::{fleet_lock, origins};
use crate::detect::{Alert, KeysAndIds, KnownState, SavedTally};
use crate::error::{Error, ErrorKind};
use crate::fleet::{Claim, ShardAlerts, Tip, WatchedBatch, event_time};
use crate::timestamp::Timestamp;

const PROGRESS: &str = "SELECT watermark, playbooks FROM alert_progress";
const ADVANCE: &str = "UPDATE alert_progress SET watermark = $1, committed = clock_timestamp()";
/// Of a shard on which nothing came.
const REPORT: &str =
    "UPDATE alert_shards SET idle = $2, reported = clock_timestamp() - $3::interval WHERE shard = $1";
const TALLIES: &str = "SELECT t.playbook, t.pane, t.key, sum(t.count)::int8 \
    FROM unnest($1::text[], $2::text[]) AS a (playbook, key) \
    JOIN open_tallies AS t ON t.playbook = a.playbook AND t.key = a.key GROUP BY 1, 2, 3";
const ITEMS: &str = "SELECT i.playbook, i.pane, i.key, i.item FROM unnest($1::text[], $2::text[]) AS a (playbook, key) \
    JOIN open_items AS i ON i.playbook = a.playbook AND i.key = a.key";
/// The last alert of each key, along the index.
const FIRED: &str = "SELECT a.playbook, a.key, l.time FROM unnest($1::text[], $2::text[]) AS a (playbook, key), \
    LATERAL (SELECT time FROM alerts WHERE alerts.playbook = a.playbook AND alerts.key = a.key \
    ORDER BY time DESC LIMIT 1) AS l";
const IDS: &str = "SELECT i.minute, i.id FROM unnest($1::timestamptz[], $2::bytea[]) AS a (minute, id) \
    JOIN alert_ids AS i ON i.minute = a.minute AND i.shard = '' AND i.id = a.id";

const STATEMENTS: [&str; 6] = [PROGRESS, ADVANCE, TALLIES, ITEMS, FIRED, IDS];

/// One batch: its counts, alerts and position in one transaction, in which no other batch is written.
pub(super) async fn write(
    session: &mut Session,
    url: &PostgresUrl,
    claim: &Claim,
    terms: &AlertTerms,
    batch: &WatchedBatch<'_>,
    decide: &mut dyn FnMut(KnownState) -> ShardAlerts,
) -> Result<Vec<Alert>, DatabaseFault> {
    session.prepare(&alert_change::STATEMENTS).await?;
    session.prepare(&origins::OF_ALERTS.statements()).await?;
    session.prepare(&OF_ALERTS.statements()).await?;
    session.prepare(&STATEMENTS).await?;
    let (transaction, prepared) = session.begin().await?;
    // From here on nobody else counts: read before, any number could be another by now.
    fleet_lock::turn(&transaction, &ALERTS).await?;
    let before = progress(&transaction, prepared, url, terms).await?;
    OF_ALERTS.check(&transaction, prepared, url, claim).await?;
    let watermark = match batch.looks {
        true => next_watermark(&transaction, claim, terms, before).await?,
        false => before,
    };
    let decided = decide(known(&transaction, prepared, terms, batch.asked, watermark).await?);
    let change = decided.change;
    let write = Statements { transaction: &transaction, prepared };
    write.alerts(&change).await?;
    write.totals(&claim.shard_id, &change).await?;
    write.forget(&change).await?;
    write.open(&change).await?;
    write.ids(&change).await?;
    let origins = origins::OF_ALERTS.write(&transaction, prepared, &change.gone_origins, &change.origins);
    origins.await?;
    let (position, arrival) = (batch.position.as_ref(), batch.arrival);
    let place = FleetPlace { position, arrival, newest_event: decided.newest_event, tip: Tip::default() };
    OF_ALERTS.write(&transaction, prepared, claim, &place).await?;
    if watermark > before {
        answered(transaction.execute(prepared.get(ADVANCE)?, &[&watermark])).await?;
    }
    answered(transaction.commit()).await?;
    Ok(change.alerts)
}

/// Without waiting for a turn: it changes nothing that a batch decides by.
pub(super) async fn report(
    session: &mut Session,
    url: &PostgresUrl,
    claim: &Claim,
    tip: Tip,
) -> Result<(), DatabaseFault> {
    session.prepare(&OF_ALERTS.statements()).await?;
    session.prepare(&[REPORT]).await?;
    let (transaction, prepared) = session.begin().await?;
    OF_ALERTS.check(&transaction, prepared, url, claim).await?;
    answered(
        transaction.execute(prepared.get(REPORT)?, &[&claim.shard_id, &tip.reached, &Length(tip.age())]),
    )
    .await?;
    answered(transaction.commit()).await
}

/// The watermark, where all watch by the same playbooks.
async fn progress(
    transaction: &Transaction<'_>,
    prepared: Prepared<'_>,
    url: &PostgresUrl,
    terms: &AlertTerms,
) -> Result<Timestamp, DatabaseFault> {
    let row = answered(transaction.query_opt(prepared.get(PROGRESS)?, &[])).await?;
    let row = row.ok_or_else(|| emptied(url))?;
    let playbooks: Option<String> = row.try_get(1)?;
    if playbooks.is_some_and(|theirs| *theirs != *terms.playbooks) {
        let sentence =
            format!("the alerts in {url} are of other playbooks by now: start this worker with those");
        return Err(DatabaseFault::Said(Error::new(ErrorKind::Store, sentence)));
    }
    Ok(row.try_get(0)?)
}

/// How far event time has advanced over all shards; this one is not at its tip, whatever it said before.
async fn next_watermark(
    transaction: &Transaction<'_>,
    claim: &Claim,
    terms: &AlertTerms,
    before: Timestamp,
) -> Result<Timestamp, DatabaseFault> {
    let mut shards = OF_ALERTS.all(transaction.client(), terms.lateness).await?;
    shards.iter_mut().filter(|shard| shard.id == claim.shard_id).for_each(|shard| shard.idle = false);
    Ok(event_time(&shards).map_or(before, |time| before.max(time - terms.lateness)))
}

/// What all workers have come to, of what a batch asks for.
async fn known(
    transaction: &Transaction<'_>,
    prepared: Prepared<'_>,
    terms: &AlertTerms,
    asked: &KeysAndIds,
    watermark: Timestamp,
) -> Result<KnownState, DatabaseFault> {
    let mut known = KnownState { watermark, tallies: Vec::new(), fired: Vec::new(), ids: Vec::new() };
    let playbooks: Vec<_> = asked.keys.iter().map(|(playbook, _)| stored(playbook)).collect();
    let keys: Vec<_> = asked.keys.iter().map(|(_, key)| stored(key)).collect();
    let of: [&(dyn ToSql + Sync); 2] = [&playbooks, &keys];
    if !asked.keys.is_empty() {
        let mut tallies: BTreeMap<(String, Timestamp, String), SavedTally> = BTreeMap::new();
        for row in answered(transaction.query(prepared.get(TALLIES)?, &of)).await? {
            let at: (String, Timestamp, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let (playbook, key) = (texts::read(at.0.clone()), texts::read(at.2.clone()));
            let n = unsigned(row.try_get(3)?);
            let tally = SavedTally { playbook, pane: at.1, key, n, items: Vec::new() };
            tallies.insert(at, tally);
        }
        if terms.distinct {
            for row in answered(transaction.query(prepared.get(ITEMS)?, &of)).await? {
                if let Some(tally) = tallies.get_mut(&(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)) {
                    tally.items.push(row.try_get::<_, i64>(3)?.cast_unsigned());
                }
            }
        }
        known.tallies = tallies.into_values().collect();
        for row in answered(transaction.query(prepared.get(FIRED)?, &of)).await? {
            known.fired.push((texts::read(row.try_get(0)?), texts::read(row.try_get(1)?), row.try_get(2)?));
        }
    }
    if !asked.ids.is_empty() {
        let (minutes, ids): (Vec<Timestamp>, Vec<Vec<u8>>) =
            asked.ids.iter().map(|(minute, id)| (*minute, id.to_be_bytes().to_vec())).unzip();
        for row in answered(transaction.query(prepared.get(IDS)?, &[&minutes, &ids])).await? {
            if let Ok(id) = row.try_get::<_, &[u8]>(1)?.try_into() {
                known.ids.push((row.try_get(0)?, u128::from_be_bytes(id)));
            }
        }
    }
    Ok(known)
}
