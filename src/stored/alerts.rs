//! [`Alerts`]: what a detection has written, to be looked at while it goes on.

use std::fmt;
use std::path::Path;

use super::place::DatabasePlace;
use crate::detect::{Alert, SavedAlerts};
use crate::error::Result;
use crate::read::Checkpoint;

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
pub struct Alerts(Box<dyn SavedAlerts>);

impl Alerts {
    /// Opens the database of a detection, a file or `postgres://user@host/database`; nothing can be written through this.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) when there is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Alerts> {
        Alerts::open_path(path.as_ref())
    }

    // Not generic: a notebook cell would compile it, and SQLite's C functions are not to be had there.
    fn open_path(path: &Path) -> Result<Alerts> {
        Alerts::at(&DatabasePlace::of(path)?)
    }

    pub(crate) fn at(place: &DatabasePlace) -> Result<Alerts> {
        place.alerts().map(Alerts)
    }

    /// All alerts, the oldest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn all(&self) -> Result<Vec<Alert>> {
        self.0.all()
    }

    /// The newest alerts, at most so many, the newest first.
    ///
    /// # Errors
    /// As [`all`](Alerts::all).
    pub fn recent(&self, limit: usize) -> Result<Vec<Alert>> {
        self.0.recent(limit)
    }

    /// How many there are.
    ///
    /// # Errors
    /// As [`all`](Alerts::all).
    pub fn count(&self) -> Result<u64> {
        self.0.count()
    }

    /// How many the detection says that it has written, at once whatever is in the database: for a status.
    #[cfg(feature = "sqlite")]
    pub(crate) fn written(&self) -> Result<u64> {
        self.0.written()
    }

    /// How many (playbook, window) pairs an event came too late for, as the detection says.
    #[cfg(feature = "live")]
    pub(crate) fn late(&self) -> Result<u64> {
        self.0.late()
    }

    /// Where the detection is: for each shard, the last record that it has committed.
    ///
    /// # Errors
    /// As [`all`](Alerts::all).
    pub fn positions(&self) -> Result<Vec<Checkpoint>> {
        self.0.positions()
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alerts in {}", self.0.place())
    }
}
