//! [`SqliteAlerts`]: what a detection has written into a file, read while it goes on.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use super::alert_book::{ALERTS, select};
use super::explain::explain;
use super::file::{open_for_reading, read_checkpoints, unsigned};
use crate::detect::{Alert, SavedAlerts};
use crate::error::Result;
use crate::read::Checkpoint;

/// A connection through which nothing can be written.
pub(crate) struct SqliteAlerts {
    path: PathBuf,
    database: Connection,
}

impl SqliteAlerts {
    pub(crate) fn open(path: &Path) -> Result<SqliteAlerts> {
        let database = open_for_reading(path, &ALERTS, "alerts yet: run a detection that is stored in it")?;
        Ok(SqliteAlerts { path: path.to_owned(), database })
    }

    fn select(&self, condition: &str, limit: usize) -> Result<Vec<Alert>> {
        select(&self.database, condition, limit).map_err(|error| explain(&self.path, error))
    }

    /// A number of the one row in which the detection says where it is.
    fn progress(&self, sql: &str) -> Result<u64> {
        let found = self.database.query_row(sql, [], |row| unsigned(row, 0)).optional();
        Ok(found.map_err(|error| explain(&self.path, error))?.unwrap_or(0))
    }
}

impl SavedAlerts for SqliteAlerts {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn all(&self) -> Result<Vec<Alert>> {
        self.select("ORDER BY time, id", 0)
    }

    fn recent(&self, limit: usize) -> Result<Vec<Alert>> {
        match limit {
            0 => Ok(Vec::new()),
            limit => self.select("ORDER BY time DESC, id", limit),
        }
    }

    fn count(&self) -> Result<u64> {
        let count = self.database.query_row("SELECT count(*) FROM alerts", [], |row| unsigned(row, 0));
        count.map_err(|error| explain(&self.path, error))
    }

    fn written(&self) -> Result<u64> {
        self.progress("SELECT alerts FROM open_progress")
    }

    fn late(&self) -> Result<u64> {
        self.progress("SELECT late FROM open_progress")
    }

    fn positions(&self) -> Result<Vec<Checkpoint>> {
        let read = read_checkpoints(&self.database);
        Ok(read.map_err(|error| explain(&self.path, error))?.0)
    }
}
