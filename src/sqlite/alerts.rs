//! [`Alerts`]: what a detection has written, to be looked at while it goes on.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};

use super::alert_book::{ALERTS, select};
use super::explain::explain;
use super::file::{open_for_reading, unsigned};
use crate::detect::Alert;
use crate::error::Result;

/// The database of a [`Detection`](crate::Detection), read by anybody at any time: its writer is not
/// disturbed.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::{Alerts, Detection, Playbook, Playbooks};
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-alerts-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("alerts.db");
/// let log = Kinesis::local()?.create_stream("log", 1)?;
/// log.producer("192.0.2.66").interval(secs(1)).at_once().limit(100).start().join();
/// log.producer("192.0.2.77").interval(secs(2)).at_once().limit(100).start().join(); // fires later: it is slower
/// let playbooks = Playbooks::new(vec![Playbook::new("too many requests", 25)])?;
/// let mut detection = Detection::new(&playbooks).stored_in(&file)?;
/// log.consumer().trim_horizon().run_until_caught_up(&mut detection)?;
///
/// let alerts = Alerts::open(&file)?;
/// let all = alerts.all()?;
/// assert_eq!((all[0].key.raw(), alerts.count()?), ("192.0.2.66", all.len() as u64));
/// let newest = alerts.recent(1)?; // for a page that shows what is new
/// assert_eq!((newest.len(), newest[0].time), (1, all[all.len() - 1].time));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Alerts {
    path: PathBuf,
    database: Connection,
}

impl Alerts {
    /// Opens the database of a detection; nothing can be written through this.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) when there is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Alerts> {
        Alerts::open_path(path.as_ref())
    }

    // Not generic: a notebook cell would compile it, and SQLite's C functions are not to be had there.
    fn open_path(path: &Path) -> Result<Alerts> {
        let database = open_for_reading(path, &ALERTS, "alerts yet: run a detection that is stored in it")?;
        Ok(Alerts { path: path.to_owned(), database })
    }

    /// All alerts, the oldest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn all(&self) -> Result<Vec<Alert>> {
        self.select("ORDER BY time, id", 0)
    }

    /// The newest alerts, at most so many, the newest first.
    ///
    /// # Errors
    /// As [`all`](Alerts::all).
    pub fn recent(&self, limit: usize) -> Result<Vec<Alert>> {
        match limit {
            0 => Ok(Vec::new()),
            limit => self.select("ORDER BY time DESC, id", limit),
        }
    }

    /// How many there are.
    ///
    /// # Errors
    /// As [`all`](Alerts::all).
    pub fn count(&self) -> Result<u64> {
        let count = self.database.query_row("SELECT count(*) FROM alerts", [], |row| unsigned(row, 0));
        count.map_err(|error| explain(&self.path, error))
    }

    /// How many the detection says that it has written, at once whatever is in the file: for a status.
    pub(crate) fn written(&self) -> Result<u64> {
        let written = self.database.query_row("SELECT alerts FROM open_progress", [], |row| unsigned(row, 0));
        Ok(written.optional().map_err(|error| explain(&self.path, error))?.unwrap_or(0))
    }

    /// How many (playbook, window) pairs an event came too late for, as the detection says.
    #[cfg(feature = "live")]
    pub(crate) fn late(&self) -> Result<u64> {
        let late = self.database.query_row("SELECT late FROM open_progress", [], |row| unsigned(row, 0));
        Ok(late.optional().map_err(|error| explain(&self.path, error))?.unwrap_or(0))
    }

    /// Where the detection is: for each shard, the last record that it has committed.
    ///
    /// # Errors
    /// As [`all`](Alerts::all).
    pub fn positions(&self) -> Result<Vec<crate::read::Checkpoint>> {
        let read = super::file::read_checkpoints(&self.database);
        Ok(read.map_err(|error| explain(&self.path, error))?.0)
    }

    fn select(&self, condition: &str, limit: usize) -> Result<Vec<Alert>> {
        select(&self.database, condition, limit).map_err(|error| explain(&self.path, error))
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alerts in {}", self.path.display())
    }
}
