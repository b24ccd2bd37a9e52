//! [`Watched`]: a database that is asked, cheaply, whether anybody has written to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::Result;
use crate::sqlite::explain;

/// How long to wait for a lock that somebody holds. There is another look soon.
const BUSY: Duration = Duration::from_secs(1);

/// A database file, whether it is there yet or not.
pub(super) struct Watched {
    path: PathBuf,
    held: Option<Held>,
}

struct Held {
    file: Identity,
    connection: Connection,
    version: i64,
}

/// What there is to see, compared to the last look.
pub(super) enum Look {
    Missing,
    Same,
    Changed,
}

impl Watched {
    pub(super) fn new(path: PathBuf) -> Watched {
        Watched { path, held: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it held could not be read: look at it anew the next time, changed or not.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }

    pub(super) fn look(&mut self) -> Result<Look> {
        let Some(file) = identity(&self.path) else {
            self.held = None;
            return Ok(Look::Missing);
        };
        let looked = match self.held.take() {
            // A commit by any other connection makes it another number; no row is read for that.
            Some(held) if held.file == file => version(&held.connection).map(|now| {
                let look = if now == held.version { Look::Same } else { Look::Changed };
                (Held { version: now, ..held }, look)
            }),
            // Not seen before, or another file under the same name: a folder that was cleared.
            _ => open(&self.path).and_then(|connection| {
                let version = version(&connection)?;
                Ok((Held { file, connection, version }, Look::Changed))
            }),
        };
        let (held, look) = looked.map_err(|error| explain(&self.path, error))?;
        self.held = Some(held);
        Ok(look)
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
type Identity = Option<std::time::SystemTime>;

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|file| file.created().ok())
}
