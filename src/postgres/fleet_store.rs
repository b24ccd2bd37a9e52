//! [`PostgresFleet`]: the tables of a counter, shared by the workers of a fleet.

use std::sync::Arc;

use super::explain::DatabaseFault;
use super::fleet_terms::WindowTerms;
use super::layout::{self, COUNTS};
use super::link::{Link, Session};
use super::url::PostgresUrl;
use super::{fleet_complete, fleet_lock, fleet_take, fleet_write};
use crate::count::SavedState;
use crate::error::{Error, ErrorKind, Result};
use crate::fleet::{Claim, FleetStore, ShardChange, ShardLineage, TakenShard, Taking, WindowSpan};
use crate::timestamp::Timestamp;

/// A worker's connection. One shard a connection: its transactions come one after the other.
pub(crate) struct PostgresFleet {
    link: Link,
    /// Which no other worker has; in the tables, it is who has taken a shard.
    owner: Arc<str>,
    made: bool,
    shape: Option<WindowTerms>,
}

impl PostgresFleet {
    /// Not connected yet: a database that is away at first is waited for, as later.
    pub(crate) fn new(url: &PostgresUrl) -> Result<PostgresFleet> {
        let owner = format!("kinesis-lab worker {} {:016x}", std::process::id(), fastrand::u64(..));
        let link = Link::new(url, &owner)?;
        Ok(PostgresFleet { link, owner: owner.into(), made: false, shape: None })
    }

    fn shape(&self) -> Result<WindowTerms> {
        self.shape.ok_or_else(|| Error::new(ErrorKind::Store, "counts of a shard that was not taken"))
    }
}

/// The connection, while no single process counts into the tables.
async fn shared(link: &mut Link) -> Result<&mut Session, DatabaseFault> {
    let url = link.url.clone();
    let session = link.session().await?;
    fleet_lock::share(session, &url, &COUNTS).await?;
    Ok(session)
}

impl FleetStore for PostgresFleet {
    fn take(&mut self, taking: &Taking<'_>) -> Result<TakenShard<SavedState>> {
        let (owner, made) = (self.owner.clone(), self.made);
        let taken = self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            if !made {
                layout::make(link.session().await?, &url, &COUNTS).await?;
            }
            fleet_take::take(shared(link).await?, &url, &owner, taking).await
        })?;
        let (size, slide) = (taking.fingerprint.size, taking.fingerprint.slide);
        let span = WindowSpan::new(size, slide);
        self.made = true;
        self.shape = Some(WindowTerms { size, lateness: taking.lateness, keep: taking.keep, span });
        Ok(taken)
    }

    fn reload(&mut self, claim: &Claim, lineage: &[ShardLineage]) -> Result<TakenShard<SavedState>> {
        self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            fleet_take::reload(shared(link).await?, &url, claim, lineage).await
        })
    }

    fn write(&mut self, claim: &Claim, count: &mut dyn FnMut(Timestamp) -> ShardChange) -> Result<()> {
        let size = self.shape()?.size;
        self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            fleet_write::write(shared(link).await?, &url, claim, size, count).await
        })
    }

    fn end(&mut self, claim: &Claim, lineage: &[ShardLineage]) -> Result<()> {
        self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            fleet_write::end(shared(link).await?, &url, claim, lineage).await
        })
    }

    fn advance(&mut self) -> Result<()> {
        let (shape, owner) = (self.shape()?, self.owner.clone());
        self.link
            .with(async |link: &mut Link| fleet_complete::advance(shared(link).await?, &owner, shape).await)
    }

    fn move_windows(&mut self) -> Result<()> {
        let shape = self.shape()?;
        self.link.with(async |link: &mut Link| fleet_complete::move_windows(shared(link).await?, shape).await)
    }

    fn place(&self) -> String {
        self.link.url.to_string()
    }
}
