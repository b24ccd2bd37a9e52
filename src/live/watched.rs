//! [`Watched`]: a database that is asked, cheaply, whether anybody has written to it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::Result;
#[cfg(feature = "postgres")]
use crate::postgres::PostgresVersion;
use crate::sqlite::explain;
use crate::stored::DatabasePlace;

/// How long to wait for a lock that somebody holds. It is tried again soon.
const BUSY: Duration = Duration::from_secs(1);

/// A database, whether it is there yet or not.
pub(super) struct Watched {
    place: DatabasePlace,
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "a file has either"))]
    tables: WatchedTables,
    held: AskedDatabase,
}

/// What is in it: a server has both in one database, and of each it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum WatchedTables {
    Counts,
    Alerts,
}

/// How it is asked.
enum AskedDatabase {
    File(Option<Opened>),
    /// With what it said last.
    #[cfg(feature = "postgres")]
    Server(Option<Box<PostgresVersion>>, Option<String>),
}

struct Opened {
    file: FileId,
    connection: Connection,
    version: i64,
}

/// What became of it since it was last checked.
pub(super) enum FileState {
    Missing,
    Unchanged,
    Changed,
}

impl Watched {
    pub(super) fn new(place: DatabasePlace, tables: WatchedTables) -> Watched {
        let held = match &place {
            DatabasePlace::File(_) => AskedDatabase::File(None),
            #[cfg(feature = "postgres")]
            DatabasePlace::Postgres(_) => AskedDatabase::Server(None, None),
        };
        Watched { place, tables, held }
    }

    pub(super) fn place(&self) -> &DatabasePlace {
        &self.place
    }

    /// What it held could not be read: read it anew the next time, changed or not.
    pub(super) fn forget(&mut self) {
        match &mut self.held {
            AskedDatabase::File(held) => *held = None,
            #[cfg(feature = "postgres")]
            AskedDatabase::Server(_, seen) => *seen = None,
        }
    }

    pub(super) fn check(&mut self) -> Result<FileState> {
        match (&self.place, &mut self.held) {
            (DatabasePlace::File(path), AskedDatabase::File(held)) => check_file(path, held),
            #[cfg(feature = "postgres")]
            (DatabasePlace::Postgres(url), AskedDatabase::Server(connection, seen)) => {
                let asked = match connection {
                    Some(connection) => connection,
                    None => connection.insert(Box::new(match self.tables {
                        WatchedTables::Counts => PostgresVersion::of_counts(url)?,
                        WatchedTables::Alerts => PostgresVersion::of_alerts(url)?,
                    })),
                };
                let (now, before) = (asked.ask()?, seen.take());
                seen.clone_from(&now);
                Ok(match now {
                    None => FileState::Missing,
                    now if now == before => FileState::Unchanged,
                    _ => FileState::Changed,
                })
            }
            #[cfg(feature = "postgres")]
            _ => Ok(FileState::Missing), // they were made for each other
        }
    }
}

fn check_file(path: &Path, opened: &mut Option<Opened>) -> Result<FileState> {
    let Some(file) = file_id(path) else {
        *opened = None;
        return Ok(FileState::Missing);
    };
    let checked = match opened.take() {
        // A commit by any other connection makes it another number; no row is read for that.
        Some(held) if held.file == file => version(&held.connection).map(|now| {
            let state = if now == held.version { FileState::Unchanged } else { FileState::Changed };
            (Opened { version: now, ..held }, state)
        }),
        // Not seen before, or another file under the same name: a folder that was cleared.
        _ => open(path).and_then(|connection| {
            let version = version(&connection)?;
            Ok((Opened { file, connection, version }, FileState::Changed))
        }),
    };
    let (held, state) = checked.map_err(|error| explain(path, error))?;
    *opened = Some(held);
    Ok(state)
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

/// Which file bears the name: the one that was opened, or another since.
#[derive(PartialEq, Eq)]
struct FileId {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
    #[cfg(not(unix))]
    created: Option<std::time::SystemTime>,
}

fn file_id(path: &Path) -> Option<FileId> {
    let file = std::fs::metadata(path).ok()?;
    Some(FileId {
        #[cfg(unix)]
        device_and_inode: {
            use std::os::unix::fs::MetadataExt;
            (file.dev(), file.ino())
        },
        #[cfg(not(unix))]
        created: file.created().ok(),
    })
}
