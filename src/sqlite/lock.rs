//! One writer a database: a lock file that the operating system frees when its holder ends.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::folder::private_file;
use crate::notice::notice;

/// Waiting for oneself would be for ever: the databases that this process has open.
static OPEN_HERE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Held by whoever writes the database. Not a lease with a time in it: a process that is dead has lost
/// it at once, and one that is merely slow never does, so there are never two writers.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    pub(crate) fn take(database: &Path) -> Result<Lock> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let fails = |error: std::io::Error| {
            Error::with_source(
                ErrorKind::Store,
                format!(
                    "{} can't be opened ({error}): is its folder there, and may you write in it?",
                    path.display()
                ),
                error,
            )
        };
        let file = private_file().create(true).truncate(false).write(true).open(&path).map_err(fails)?;
        let path = path.canonicalize().map_err(fails)?;
        if !OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone()) {
            return Err(Error::new(
                ErrorKind::Store,
                format!(
                    "{} is open in this program already: use that one, or drop it first",
                    database.display()
                ),
            ));
        }
        // From here on, dropping takes it out again.
        let lock = Lock { path, _file: file };
        match lock._file.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => {
                notice(&format!("another process counts into {}; waiting for its end", database.display()));
                lock._file.lock().map_err(fails)?;
                notice(&format!("it has ended: going on with {}", database.display()));
                Ok(lock)
            }
            Err(TryLockError::Error(error)) => Err(fails(error)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}
