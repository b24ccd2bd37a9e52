//! [`explain`]: an error of SQLite as a sentence, and whether it goes by.

use std::path::Path;

use rusqlite::{ErrorCode, ffi};

use crate::error::{Error, ErrorKind};

/// A sentence that says what to do; of what goes by without anybody touching the file, with
/// [`ErrorKind::StoreUnavailable`].
pub(crate) fn explain(path: &Path, error: rusqlite::Error) -> Error {
    use ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, PermissionDenied,
        ReadOnly, SystemIoFailure,
    };
    let file = path.display();
    let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
    let message = match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => {
            format!(
                "another program holds a lock on {file}: end its transaction; nothing that was committed is lost"
            )
        }
        Some(DiskFull) => {
            format!("no room on the disk of {file}: make some; nothing that was committed is lost")
        }
        Some(SystemIoFailure) => {
            format!(
                "the disk of {file} failed: look at it (a quota, a network, the system's log); nothing that was \
                 committed is lost"
            )
        }
        Some(DatabaseCorrupt) => {
            format!("{file} is damaged: restore a copy, or move it away and read the stream again")
        }
        Some(NotADatabase) => format!("{file} is no SQLite database: give the counts a file of their own"),
        Some(CannotOpen) => format!("{file} can't be opened: is its folder there?"),
        Some(ReadOnly) if extended == ffi::SQLITE_READONLY_DBMOVED => {
            format!("{file} was moved or deleted while it was open: put it back, and start again")
        }
        Some(PermissionDenied | ReadOnly) => format!("{file} can't be written: look at its permissions"),
        _ => format!("{file}: the database failed"),
    };
    let kind = match error.sqlite_error_code() {
        Some(code) if goes_by(code, extended) => ErrorKind::StoreUnavailable,
        _ => ErrorKind::Store,
    };
    Error::with_source(kind, format!("{message} ({error})"), error)
}

/// A lock is released, room is made, a quota raised, a network disk comes back: the same transaction, which was
/// rolled back as a whole, can be written then. What the file itself says (its contents, its permissions, its
/// absence) stays as it is until somebody mends it.
fn goes_by(code: ErrorCode, extended: i32) -> bool {
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull => true,
        // Two that begin to write in the same moment, too often: "locking protocol" (SQLite's result codes, 15).
        ErrorCode::FileLockingProtocolFailed => true,
        // Not what says that the file holds something else than was written: after a failed fsync, nobody knows.
        ErrorCode::SystemIoFailure => ![
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_DIR_FSYNC,
            ffi::SQLITE_IOERR_SHORT_READ,
            ffi::SQLITE_IOERR_CORRUPTFS,
            ffi::SQLITE_IOERR_DATA,
        ]
        .contains(&extended),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_by_and_what_does_not() {
        let kind = |code: i32| {
            explain(Path::new("counts.db"), rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
                .kind()
        };
        for code in [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_BUSY_SNAPSHOT,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_FULL,
            ffi::SQLITE_PROTOCOL,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_SHMSIZE,
        ] {
            assert_eq!(kind(code), ErrorKind::StoreUnavailable, "{code}");
        }
        for code in [
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_READONLY_DBMOVED,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_SCHEMA,
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
            ffi::SQLITE_ERROR,
            ffi::SQLITE_IOERR_CORRUPTFS,
            ffi::SQLITE_IOERR_SHORT_READ,
            ffi::SQLITE_IOERR_FSYNC,
        ] {
            assert_eq!(kind(code), ErrorKind::Store, "{code}");
        }
    }
}
