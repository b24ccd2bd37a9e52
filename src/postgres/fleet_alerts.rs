//! [`PostgresFleetAlerts`]: the tables of a detection, shared by the workers of a fleet.

use std::sync::Arc;

use super::alert_book::DELIVERED;
use super::alert_rows::{COLUMNS, alert};
use super::explain::DatabaseFault;
use super::fleet_rows::OF_ALERTS;
use super::fleet_terms::AlertTerms;
use super::layout::{self, ALERTS};
use super::link::{Link, Session, answered};
use super::url::PostgresUrl;
use super::{fleet_alert_take, fleet_alert_write, fleet_lock};
use crate::detect::{Alert, KnownState, SavedDetection, Undelivered};
use crate::error::{Error, ErrorKind, Result};
use crate::fleet::{
    AlertFleetStore, Claim, ShardAlerts, ShardLineage, TakenShard, TakingAlerts, Tip, WatchedBatch,
};

/// A worker's connection. One shard a connection: its transactions come one after the other.
pub(crate) struct PostgresFleetAlerts {
    link: Link,
    /// Which no other worker has; in the tables, it is who has taken a shard.
    owner: Arc<str>,
    made: bool,
    terms: Option<AlertTerms>,
}

impl PostgresFleetAlerts {
    /// Not connected yet: a database that is away at first is waited for, as later.
    pub(crate) fn new(url: &PostgresUrl) -> Result<PostgresFleetAlerts> {
        let owner = format!("kinesis-lab worker {} {:016x}", std::process::id(), fastrand::u64(..));
        let link = Link::new(url, &owner)?;
        Ok(PostgresFleetAlerts { link, owner: owner.into(), made: false, terms: None })
    }
}

/// The connection, while no single process writes the tables.
async fn shared(link: &mut Link) -> Result<&mut Session, DatabaseFault> {
    let url = link.url.clone();
    let session = link.session().await?;
    fleet_lock::share(session, &url, &ALERTS).await?;
    Ok(session)
}

impl AlertFleetStore for PostgresFleetAlerts {
    fn take(&mut self, taking: &TakingAlerts<'_>) -> Result<TakenShard<SavedDetection>> {
        let (owner, made) = (self.owner.clone(), self.made);
        let terms = AlertTerms::new(taking.playbooks, taking.lateness);
        let taken = self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            if !made {
                layout::make(link.session().await?, &url, &ALERTS).await?;
            }
            fleet_alert_take::take(shared(link).await?, &url, &owner, taking, &terms).await
        })?;
        (self.made, self.terms) = (true, Some(terms));
        Ok(taken)
    }

    fn reload(&mut self, claim: &Claim, lineage: &[ShardLineage]) -> Result<TakenShard<SavedDetection>> {
        self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            fleet_alert_take::reload(shared(link).await?, &url, claim, lineage).await
        })
    }

    fn write(
        &mut self,
        claim: &Claim,
        batch: &WatchedBatch<'_>,
        decide: &mut dyn FnMut(KnownState) -> ShardAlerts,
    ) -> Result<Vec<Alert>> {
        let Some(terms) = self.terms.clone() else {
            return Err(Error::new(ErrorKind::Store, "alerts of a shard that was not taken"));
        };
        self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            fleet_alert_write::write(shared(link).await?, &url, claim, &terms, batch, decide).await
        })
    }

    fn report(&mut self, claim: &Claim, tip: Tip) -> Result<()> {
        self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            fleet_alert_write::report(shared(link).await?, &url, claim, tip).await
        })
    }

    fn end(&mut self, claim: &Claim, lineage: &[ShardLineage]) -> Result<()> {
        self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            let (transaction, _) = shared(link).await?.begin().await?;
            OF_ALERTS.end(&transaction, &url, claim, lineage).await?;
            answered(transaction.commit()).await
        })
    }

    fn place(&self) -> String {
        self.link.url.to_string()
    }
}

impl Undelivered for PostgresFleetAlerts {
    fn delivered(&mut self, alerts: &[Alert]) -> Result<()> {
        let ids: Vec<&str> = alerts.iter().map(|alert| alert.id.raw()).collect();
        self.link.with(async |link: &mut Link| {
            let client = link.session().await?.client();
            answered(client.execute(DELIVERED, &[&ids])).await.map(drop)
        })
    }

    /// The oldest that no other worker has to deliver; they are this one's for 30 s. Who is killed meanwhile, or can't
    /// deliver them, leaves them to another.
    fn undelivered(&mut self, limit: usize) -> Result<Vec<Alert>> {
        // The index `alerts_undelivered` has them in this order. Those that another worker is claiming are passed over.
        let sql = format!(
            "WITH these AS MATERIALIZED (SELECT id AS this FROM alerts \
             WHERE NOT delivered AND (claimed IS NULL OR claimed < clock_timestamp()) \
             ORDER BY time, id LIMIT $1 FOR UPDATE SKIP LOCKED) \
             UPDATE alerts SET claimed = clock_timestamp() + interval '30 s' FROM these WHERE id = this \
             RETURNING {COLUMNS}"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.link.with(async |link: &mut Link| {
            let client = link.session().await?.client();
            let rows = answered(client.query(&sql, &[&limit])).await?;
            let mut alerts: Vec<Alert> = rows.iter().map(alert).collect::<Result<_, DatabaseFault>>()?;
            alerts.sort_by(|a, b| (a.time, a.id.raw()).cmp(&(b.time, b.id.raw())));
            Ok(alerts)
        })
    }
}
