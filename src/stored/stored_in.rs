//! `Counter::stored_in` and `Detection::stored_in`: where they keep what must survive them.

use std::path::Path;

use super::place::DatabasePlace;
use crate::count::{Counter, Store, StoredCounter};
use crate::detect::{AlertStore, Detection};
use crate::error::Result;

impl Counter {
    /// The same counter, keeping its windows and its place in the stream in a database. Without a
    /// [`lateness`](Counter::lateness), that is 30 s.
    ///
    /// A path is that of an SQLite file ([`Sqlite`](crate::Sqlite) has its tables), with the feature `sqlite`; what
    /// begins with `postgres://` is the address of a PostgreSQL database ([`Postgres`](crate::Postgres) has what can be
    /// in one), with the feature `postgres`.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) when the database can't be used,
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable) when its server does not answer.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-stored-in-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let file = folder.join("counts.db");
    /// let stream = Kinesis::local()?.create_stream("visits", 1)?;
    /// for second in [10, 20] {
    ///     stream.put("192.0.2.10", format!("2018-09-06T08:00:{second}Z"))?;
    ///     // A program that is started again, after a crash say: it goes on behind the first record.
    ///     let mut counter = Counter::per_minute().lateness(secs(30)).stored_in(&file)?;
    ///     stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
    ///     assert_eq!(counter.total(), second / 10);
    /// }
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stored_in(self, path: impl AsRef<Path>) -> Result<StoredCounter> {
        Ok(self.stored(open(path.as_ref())?))
    }
}

// Not generic: a notebook cell would compile it, and SQLite's C functions are not to be had there.
fn open(path: &Path) -> Result<Box<dyn Store>> {
    DatabasePlace::of(path)?.store()
}

impl Detection {
    /// Keeps alerts, open counts and its place in the stream in a database, an SQLite file or that of a PostgreSQL
    /// address (`postgres://user@host/database`); [`Alerts`](crate::Alerts) reads it.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) when the database can't be used,
    /// [`ErrorKind::StoreUnavailable`](crate::ErrorKind::StoreUnavailable) when its server does not answer.
    pub fn stored_in(self, path: impl AsRef<Path>) -> Result<Detection> {
        Ok(self.stored(open_alerts(path.as_ref())?))
    }
}

fn open_alerts(path: &Path) -> Result<Box<dyn AlertStore>> {
    DatabasePlace::of(path)?.alert_store()
}
