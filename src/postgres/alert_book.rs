//! [`PostgresAlerts`]: alerts, and what a detection goes on from, in a database.

use super::alert_change;
use super::alert_load;
use super::alert_rows::undelivered;
use super::layout::{self, ALERTS};
use super::link::{Link, answered};
use super::lock::{self, WriterName};
use super::turn::Turn;
use super::url::PostgresUrl;
use crate::detect::{Alert, Playbooks};
use crate::detect::{AlertChange, AlertStore, SavedDetection, Undelivered};
use crate::error::{Error, ErrorKind, Result};
use crate::read::StreamId;

pub(super) const DELIVERED: &str = "UPDATE alerts SET delivered = true WHERE id = ANY($1)";

pub(crate) struct PostgresAlerts {
    link: Link,
    name: WriterName,
    loaded: Option<Turn>,
}

impl PostgresAlerts {
    /// Connects, makes the tables where there are none, and waits while another process writes them.
    pub(crate) fn open(url: &PostgresUrl) -> Result<PostgresAlerts> {
        let name = WriterName::new(&ALERTS);
        let mut link = Link::new(url, name.as_str())?;
        link.with(async |link: &mut Link| {
            let url = link.url.clone();
            layout::make(link.session().await?, &url, &ALERTS).await?;
            lock::lock(link, &ALERTS).await
        })?;
        Ok(PostgresAlerts { link, name, loaded: None })
    }
}

impl AlertStore for PostgresAlerts {
    fn load(&mut self, stream: &StreamId, playbooks: &Playbooks) -> Result<SavedDetection> {
        let name = &self.name;
        self.loaded = None;
        let (turn, saved) = self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            let session = lock::connected(link, &ALERTS, true).await?;
            alert_load::load(session, &url, name, stream, playbooks).await
        })?;
        self.loaded = Some(turn);
        Ok(saved)
    }

    fn commit(&mut self, change: &AlertChange) -> Result<()> {
        let Some(turn) = &mut self.loaded else {
            return Err(Error::new(
                ErrorKind::Store,
                "alerts of a detection that has not loaded: run it with a consumer",
            ));
        };
        let name = &self.name;
        self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            let session = lock::connected(link, &ALERTS, false).await?;
            alert_change::commit(session, &url, name, turn, change).await
        })
    }
}

impl Undelivered for PostgresAlerts {
    // Without asking whether another has taken over: they were delivered, by whomever.
    fn delivered(&mut self, alerts: &[Alert]) -> Result<()> {
        let ids: Vec<&str> = alerts.iter().map(|alert| alert.id.raw()).collect();
        self.link.with(async |link: &mut Link| {
            let client = link.session().await?.client();
            answered(client.execute(DELIVERED, &[&ids])).await.map(drop)
        })
    }

    fn undelivered(&mut self, limit: usize) -> Result<Vec<Alert>> {
        self.link.with(async |link: &mut Link| undelivered(link.session().await?.client(), limit).await)
    }
}
