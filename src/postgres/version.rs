//! [`PostgresVersion`]: whether anybody has written, for who asks often.

use super::explain::DatabaseFault;
use super::layout::{self, ALERTS, COUNTS, TableSet};
use super::link::{Link, answered};
use super::url::PostgresUrl;
use crate::error::Result;

// One process counts its commits; of a fleet, each batch says when it was. What was delivered is not in it.
const OF_COUNTS: &str = "SELECT concat_ws(' ', owner, epoch, commits, watermark, to_jsonb(progress)->'moved', (SELECT max(reported) FROM shards)) \
    FROM progress";
const OF_ALERTS: &str = "SELECT concat_ws(' ', owner, epoch, commits, watermark, (SELECT max(reported) FROM alert_shards)) \
    FROM alert_progress";

/// A connection of its own, made again after it broke.
pub(crate) struct PostgresVersion {
    link: Link,
    tables: &'static TableSet,
    sql: &'static str,
    there: bool,
}

impl PostgresVersion {
    pub(crate) fn of_counts(url: &PostgresUrl) -> Result<PostgresVersion> {
        PostgresVersion::new(url, &COUNTS, OF_COUNTS)
    }

    pub(crate) fn of_alerts(url: &PostgresUrl) -> Result<PostgresVersion> {
        PostgresVersion::new(url, &ALERTS, OF_ALERTS)
    }

    fn new(url: &PostgresUrl, tables: &'static TableSet, sql: &'static str) -> Result<PostgresVersion> {
        Ok(PostgresVersion { link: Link::new(url, "kinesis-lab reader")?, tables, sql, there: false })
    }

    /// Another text after each commit; none while there are no tables.
    pub(crate) fn ask(&mut self) -> Result<Option<String>> {
        let (there, tables, sql) = (&mut self.there, self.tables, self.sql);
        self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            let client = link.session().await?.client();
            // Tables do not come and go: one query a time.
            if !*there && layout::layout(client, &url, tables).await?.is_none() {
                return Ok(None);
            }
            *there = false;
            let row = answered(client.query_opt(sql, &[])).await?;
            *there = true;
            let version =
                row.map(|row| row.try_get::<_, String>(0)).transpose().map_err(DatabaseFault::from)?;
            Ok(Some(version.unwrap_or_default()))
        })
    }
}
