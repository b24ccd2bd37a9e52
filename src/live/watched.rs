//! [`Watched`]: a database that is asked, cheaply, whether anybody has written to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::Result;
use crate::sqlite::explain;

/// How long to wait for a lock that somebody holds. It is tried again soon.
const BUSY: Duration = Duration::from_secs(1);

/// A database file, whether it is there yet or not.
pub(super) struct Watched {
    path: PathBuf,
    held: Option<Opened>,
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
    pub(super) fn new(path: PathBuf) -> Watched {
        Watched { path, held: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it held could not be read: read it anew the next time, changed or not.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }

    pub(super) fn check(&mut self) -> Result<FileState> {
        let Some(file) = file_id(&self.path) else {
            self.held = None;
            return Ok(FileState::Missing);
        };
        let checked = match self.held.take() {
            // A commit by any other connection makes it another number; no row is read for that.
            Some(held) if held.file == file => version(&held.connection).map(|now| {
                let state = if now == held.version { FileState::Unchanged } else { FileState::Changed };
                (Opened { version: now, ..held }, state)
            }),
            // Not seen before, or another file under the same name: a folder that was cleared.
            _ => open(&self.path).and_then(|connection| {
                let version = version(&connection)?;
                Ok((Opened { file, connection, version }, FileState::Changed))
            }),
        };
        let (held, state) = checked.map_err(|error| explain(&self.path, error))?;
        self.held = Some(held);
        Ok(state)
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
