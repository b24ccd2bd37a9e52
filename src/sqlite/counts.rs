//! [`Counts`]: what a stored counter has written, to be looked at while it goes on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::explain::explain;
use super::file::{open_for_reading, unsigned as count};
use super::rows::{ROWS, Rows};
use super::store::{self, COUNTS};
use crate::count::{Totals, Window, Windows};
use crate::error::{Error, Result};
use crate::harmless::Text;
use crate::text::printable;
use crate::timestamp::Timestamp;

#[cfg(feature = "live")]
mod latest;

/// The database of a [`StoredCounter`](crate::StoredCounter), read by anybody at any time: its writer is
/// not disturbed, and what is seen is always a whole commit.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-counts-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("counts.db");
/// let stream = Kinesis::local()?.create_stream("stored", 2)?;
/// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(12).start().join();
/// let mut counter = Counter::per_minute().lateness(secs(30)).stored_in(&file)?;
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
///
/// let counts = Counts::open(&file)?;
/// assert_eq!(counts.windows()?[0].to_string(), "2018-09-06 08:00:00 : [('192.0.2.10', 6)]");
/// assert_eq!(counts.sql("SELECT key, sum(count) FROM windows GROUP BY key")?.to_string(), "\
/// key         sum(count)
/// 192.0.2.10           6");
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Counts {
    path: PathBuf,
    database: Connection,
    size: Duration,
    slide: Duration,
}

impl Counts {
    /// Opens the database of a counter; nothing can be written through this.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) when there is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Counts> {
        Counts::open_path(path.as_ref())
    }

    // Not generic: a notebook cell would compile it, and SQLite's C functions are not to be had there.
    fn open_path(path: &Path) -> Result<Counts> {
        let database = open_for_reading(path, &COUNTS, "counts yet: run a counter that is stored in it")?;
        let meta = |name: &str| {
            let found =
                database.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0));
            let micros = found.ok().and_then(|text: String| text.parse().ok());
            Duration::from_micros(micros.unwrap_or(0))
        };
        let (size, slide) = (meta("window_size_micros"), meta("window_slide_micros"));
        Ok(Counts { path: path.to_owned(), database, size, slide })
    }

    /// The completed windows, by time.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn windows(&self) -> Result<Vec<Window>> {
        self.read_windows("").map_err(|error| explain(&self.path, error))
    }

    /// Those that begin at this time or later, which is text as it is in the database; all do at "".
    fn read_windows(&self, since: &str) -> rusqlite::Result<Vec<Window>> {
        // Of one state, though it takes two queries.
        let transaction = self.database.unchecked_transaction()?;
        let mut windows: Vec<Window> = Vec::new();
        let text =
            "SELECT start, \"end\", key, count FROM windows WHERE start >= ?1 ORDER BY start, \"end\", key";
        let mut statement = transaction.prepare_cached(text)?;
        let mut rows = statement.query([since])?;
        while let Some(row) = rows.next()? {
            let (start, end) = (time(row, 0)?, time(row, 1)?);
            if windows.last().is_none_or(|last| last.start != start) {
                windows.push(Window { start, end, size: self.size, counts: Vec::new(), overflow: 0 });
            }
            if let Some(window) = windows.last_mut() {
                window.counts.push((row.get(2)?, count(row, 3)?));
            }
        }
        let mut statement =
            transaction.prepare_cached("SELECT start, count FROM overflow WHERE start >= ?1")?;
        let mut rows = statement.query([since])?;
        while let Some(row) = rows.next()? {
            let start = time(row, 0)?;
            if let Ok(at) = windows.binary_search_by_key(&start, |window| window.start) {
                windows[at].overflow = count(row, 1)?;
            }
        }
        Ok(windows)
    }

    /// How many rows `windows` has: a row a (window, key) pair. At once, whatever is in the file.
    ///
    /// # Errors
    /// When the database can't be read.
    ///
    /// ```no_run
    /// # use kinesis_lab::prelude::*;
    /// let counts = Counts::open("counts.db")?;
    /// println!("{} rows, {} late", counts.pairs()?, counts.totals()?.late);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn pairs(&self) -> Result<u64> {
        let read = || match store::read_total(&self.database, "pairs")? {
            Some(pairs) => Ok(pairs),
            None => self.database.query_row("SELECT count(*) FROM windows", [], |row| count(row, 0)),
        };
        read().map_err(|error| explain(&self.path, error))
    }

    /// What was counted that is in no window.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn totals(&self) -> Result<Totals> {
        store::read_totals(&self.database).map_err(|error| explain(&self.path, error))
    }

    /// How long a window is.
    #[cfg(feature = "chart")]
    pub(crate) fn window_size(&self) -> Duration {
        self.size
    }

    /// The windows still open, by time, as they were at the last commit: early results, which may grow.
    ///
    /// ```no_run
    /// # use kinesis_lab::prelude::*;
    /// let counts = Counts::open("counts.db")?;
    /// for window in counts.windows()?.into_iter().chain(counts.early()?) {
    ///     println!("{window}");
    /// }
    /// for (start, key, count) in counts.late()? {
    ///     println!("{count} of {} came too late for {}", key, start.plain(0));
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn early(&self) -> Result<Vec<Window>> {
        let read = || {
            // Of one state, though it takes several queries.
            let transaction = self.database.unchecked_transaction()?;
            store::read(&transaction)
        };
        let saved = read().map_err(|error| explain(&self.path, error))?;
        let mut windows = Windows::sliding(self.size, self.slide);
        windows.restore(saved.watermark, saved.panes);
        Ok(windows.iter().collect())
    }

    /// What came too late: the window's start, the key, how many.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn late(&self) -> Result<Vec<(Timestamp, Text, u64)>> {
        self.read_late("").map_err(|error| explain(&self.path, error))
    }

    fn read_late(&self, since: &str) -> rusqlite::Result<Vec<(Timestamp, Text, u64)>> {
        let text = "SELECT start, key, count FROM late WHERE start >= ?1 ORDER BY start, key";
        let mut statement = self.database.prepare_cached(text)?;
        let rows = statement.query_map([since], |row| Ok((time(row, 0)?, row.get(1)?, count(row, 2)?)))?;
        rows.collect()
    }

    /// The rows of a query, as text: at most 1,000 of them. [`Rows`] says how they are shown.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) with SQLite's own words when the query is wrong, or wants to write.
    pub fn sql(&self, query: &str) -> Result<Rows> {
        self.rows(query).map_err(|error| match error {
            // A query of its own that wants to write says nothing of the file's permissions.
            rusqlite::Error::SqliteFailure(code, _)
                if ![rusqlite::ErrorCode::Unknown, rusqlite::ErrorCode::ReadOnly].contains(&code.code) =>
            {
                explain(&self.path, error)
            }
            other => Error::invalid(format!("SQLite does not take the query: {other}")),
        })
    }

    fn rows(&self, query: &str) -> rusqlite::Result<Rows> {
        let mut statement = self.database.prepare(query)?;
        // The file can't be written through this; others could, by VACUUM INTO.
        if !statement.readonly() {
            return Err(rusqlite::Error::InvalidQuery);
        }
        let columns: Vec<Text> = statement.column_names().map(Text::from).collect();
        let (mut found, mut more) = (Vec::new(), false);
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            more = found.len() == ROWS;
            if more {
                break;
            }
            let cells = (0..columns.len()).map(|at| Ok(Text::from(cell(row.get_ref(at)?))));
            found.push(cells.collect::<rusqlite::Result<_>>()?);
        }
        Ok(Rows { columns, rows: found, more })
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "counts in {}", self.path.display())
    }
}

fn time(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Timestamp> {
    Ok(row.get::<_, String>(at)?.parse().unwrap_or_default())
}

fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(n) => n.to_string(),
        ValueRef::Real(x) => x.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => printable(bytes).into_owned(),
    }
}
