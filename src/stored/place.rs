//! [`DatabasePlace`]: a file, or a database elsewhere.

use std::fmt;
use std::path::Path;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;

use crate::count::{CountReader, Store};
use crate::detect::{AlertStore, SavedAlerts};
#[cfg(not(all(feature = "postgres", feature = "sqlite")))]
use crate::error::Error;
use crate::error::Result;
use crate::folder::is_postgres_address;
#[cfg(feature = "postgres")]
use crate::postgres::{Postgres, PostgresAlertReader, PostgresAlerts, PostgresCounts, PostgresUrl};
#[cfg(feature = "sqlite")]
use crate::sqlite::{AlertBook, Sqlite, SqliteAlerts, SqliteCounts};

/// What a name leads to, of what this program was built for. Shown, it has no password in it.
#[derive(Clone)]
pub(crate) enum DatabasePlace {
    #[cfg(feature = "sqlite")]
    File(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresUrl>),
}

impl DatabasePlace {
    pub(crate) fn of(name: &Path) -> Result<DatabasePlace> {
        match is_postgres_address(name) {
            #[cfg(feature = "postgres")]
            true => Ok(DatabasePlace::Postgres(Box::new(PostgresUrl::parse(&name.to_string_lossy())?))),
            #[cfg(not(feature = "postgres"))]
            true => Err(without("PostgreSQL", "postgres")),
            #[cfg(feature = "sqlite")]
            false => Ok(DatabasePlace::File(name.to_owned())),
            #[cfg(not(feature = "sqlite"))]
            false => Err(without("SQLite files", "sqlite")),
        }
    }

    /// For a counter that writes.
    pub(crate) fn store(&self) -> Result<Box<dyn Store>> {
        match self {
            #[cfg(feature = "sqlite")]
            DatabasePlace::File(path) => Ok(Box::new(Sqlite::open_path(path)?)),
            #[cfg(feature = "postgres")]
            DatabasePlace::Postgres(url) => Ok(Box::new(Postgres::open_url(url)?)),
        }
    }

    /// For whoever reads.
    pub(crate) fn counts(&self) -> Result<Box<dyn CountReader>> {
        match self {
            #[cfg(feature = "sqlite")]
            DatabasePlace::File(path) => Ok(Box::new(SqliteCounts::open(path)?)),
            #[cfg(feature = "postgres")]
            DatabasePlace::Postgres(url) => Ok(Box::new(PostgresCounts::open(url)?)),
        }
    }
}

impl DatabasePlace {
    /// For a detection that writes.
    pub(crate) fn alert_store(&self) -> Result<Box<dyn AlertStore>> {
        match self {
            #[cfg(feature = "sqlite")]
            DatabasePlace::File(path) => Ok(Box::new(AlertBook::open(path)?)),
            #[cfg(feature = "postgres")]
            DatabasePlace::Postgres(url) => Ok(Box::new(PostgresAlerts::open(url)?)),
        }
    }

    /// For whoever reads alerts.
    pub(crate) fn alerts(&self) -> Result<Box<dyn SavedAlerts>> {
        match self {
            #[cfg(feature = "sqlite")]
            DatabasePlace::File(path) => Ok(Box::new(SqliteAlerts::open(path)?)),
            #[cfg(feature = "postgres")]
            DatabasePlace::Postgres(url) => Ok(Box::new(PostgresAlertReader::open(url)?)),
        }
    }
}

/// Without quoting the name: in an address stands a password.
#[cfg(not(all(feature = "postgres", feature = "sqlite")))]
fn without(what: &str, feature: &str) -> Error {
    Error::invalid(format!(
        "this program was built without {what}: build it with the feature `{feature}` of kinesis-lab"
    ))
}

impl fmt::Display for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "sqlite")]
            DatabasePlace::File(path) => fmt::Display::fmt(&path.display(), f),
            #[cfg(feature = "postgres")]
            DatabasePlace::Postgres(url) => fmt::Display::fmt(url, f),
        }
    }
}

impl fmt::Debug for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
