//! [`PostgresAlertReader`]: what a detection has written into a database, read while it goes on.

use std::sync::{Mutex, PoisonError};

use tokio_postgres::Client;

use super::alert_load::read_totals;
use super::alert_rows::{COLUMNS, alert};
use super::explain::DatabaseFault;
use super::layout::{self, ALERTS};
use super::link::{Link, answered};
use super::places;
use super::sql_types::unsigned;
use super::url::PostgresUrl;
use crate::detect::{Alert, DetectionTotals, SavedAlerts};
use crate::error::{Error, ErrorKind, Result};
use crate::read::Checkpoint;

/// A connection through which nothing is written.
pub(crate) struct PostgresAlertReader {
    // KeysAndIds by one at a time, and made again after it broke.
    link: Mutex<Link>,
    place: String,
}

impl PostgresAlertReader {
    pub(crate) fn open(url: &PostgresUrl) -> Result<PostgresAlertReader> {
        let mut link = Link::new(url, "kinesis-lab reader")?;
        link.with(async |link: &mut Link| {
            let url = link.url.clone();
            match layout::layout(link.session().await?.client(), &url, &ALERTS).await? {
                Some(_) => Ok(()),
                None => {
                    let message = format!("{url} has no alerts yet: run a detection that is stored in it");
                    Err(DatabaseFault::Said(Error::new(ErrorKind::Store, message)))
                }
            }
        })?;
        Ok(PostgresAlertReader { link: Mutex::new(link), place: url.to_string() })
    }

    fn read<T>(&self, read: impl AsyncFnOnce(&Client) -> Result<T, DatabaseFault>) -> Result<T> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.with(async |link: &mut Link| read(link.session().await?.client()).await)
    }

    fn select(&self, order: &str, limit: i64) -> Result<Vec<Alert>> {
        let sql = format!("SELECT {COLUMNS} FROM alerts ORDER BY {order} LIMIT $1");
        self.read(async |client: &Client| {
            let rows = answered(client.query(&sql, &[&limit])).await?;
            rows.iter().map(alert).collect()
        })
    }

    fn totals(&self) -> Result<DetectionTotals> {
        self.read(async |client: &Client| read_totals(client).await)
    }
}

impl SavedAlerts for PostgresAlertReader {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn all(&self) -> Result<Vec<Alert>> {
        self.select("time, id", i64::MAX)
    }

    fn recent(&self, limit: usize) -> Result<Vec<Alert>> {
        self.select("time DESC, id", i64::try_from(limit).unwrap_or(i64::MAX))
    }

    fn count(&self) -> Result<u64> {
        self.read(async |client: &Client| {
            let row = answered(client.query_one("SELECT count(*) FROM alerts", &[])).await?;
            Ok(unsigned(row.try_get(0)?))
        })
    }

    fn written(&self) -> Result<u64> {
        Ok(self.totals()?.alerts)
    }

    fn late(&self) -> Result<u64> {
        Ok(self.totals()?.late)
    }

    fn positions(&self) -> Result<Vec<Checkpoint>> {
        self.read(async |client: &Client| Ok(places::OF_ALERTS.read(client).await?.0))
    }
}
