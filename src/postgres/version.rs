//! [`PostgresVersion`]: whether anybody has written, for who asks often.

use super::explain::DatabaseFault;
use super::layout::{self, COUNTS};
use super::link::{Link, answered};
use super::url::PostgresUrl;
use crate::error::Result;

/// One process counts its commits; of a fleet, each batch says when it was.
const VERSION: &str = "SELECT concat_ws(' ', owner, epoch, commits, watermark, (SELECT max(reported) FROM shards)) FROM progress";

/// A connection of its own, made again after it broke.
pub(crate) struct PostgresVersion {
    link: Link,
    there: bool,
}

impl PostgresVersion {
    pub(crate) fn new(url: &PostgresUrl) -> Result<PostgresVersion> {
        Ok(PostgresVersion { link: Link::new(url, "kinesis-lab reader")?, there: false })
    }

    /// Another text after each commit; none while there are no counts.
    pub(crate) fn ask(&mut self) -> Result<Option<String>> {
        let there = &mut self.there;
        self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            let client = link.session().await?.client();
            // Tables do not come and go: one query a time.
            if !*there && layout::layout(client, &url, &COUNTS).await?.is_none() {
                return Ok(None);
            }
            *there = false;
            let row = answered(client.query_opt(VERSION, &[])).await?;
            *there = true;
            let version =
                row.map(|row| row.try_get::<_, String>(0)).transpose().map_err(DatabaseFault::from)?;
            Ok(Some(version.unwrap_or_default()))
        })
    }
}
