//! [`DatabasePlace`]: a file, or a database elsewhere.

use std::path::Path;

use crate::count::{CountReader, Store};
#[cfg(not(all(feature = "postgres", feature = "sqlite")))]
use crate::error::Error;
use crate::error::Result;
#[cfg(feature = "postgres")]
use crate::postgres::{Postgres, PostgresCounts, PostgresUrl};
#[cfg(feature = "sqlite")]
use crate::sqlite::{Sqlite, SqliteCounts};

/// What a name leads to, of what this program was built for.
#[derive(Debug)]
pub(crate) enum DatabasePlace<'a> {
    #[cfg(feature = "sqlite")]
    File(&'a Path),
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresUrl>),
    #[allow(dead_code, reason = "where there is only PostgreSQL, nothing borrows")]
    Nowhere(std::convert::Infallible, std::marker::PhantomData<&'a ()>),
}

/// No file is called so by anybody; of those that are, `./postgres:` leads to it.
fn is_postgres(name: &Path) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("postgres://") || name.starts_with("postgresql://")
}

impl<'a> DatabasePlace<'a> {
    pub(crate) fn of(name: &'a Path) -> Result<DatabasePlace<'a>> {
        match is_postgres(name) {
            #[cfg(feature = "postgres")]
            true => Ok(DatabasePlace::Postgres(Box::new(PostgresUrl::parse(&name.to_string_lossy())?))),
            #[cfg(not(feature = "postgres"))]
            true => Err(without("PostgreSQL", "postgres")),
            #[cfg(feature = "sqlite")]
            false => Ok(DatabasePlace::File(name)),
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
            DatabasePlace::Nowhere(never, _) => match *never {},
        }
    }

    /// For whoever reads.
    pub(crate) fn counts(&self) -> Result<Box<dyn CountReader>> {
        match self {
            #[cfg(feature = "sqlite")]
            DatabasePlace::File(path) => Ok(Box::new(SqliteCounts::open(path)?)),
            #[cfg(feature = "postgres")]
            DatabasePlace::Postgres(url) => Ok(Box::new(PostgresCounts::open(url)?)),
            DatabasePlace::Nowhere(never, _) => match *never {},
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
