//! [`SqliteCounts`]: what a stored counter has written into a file, read while it goes on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Transaction};

use super::explain::explain;
use super::file::{open_for_reading, unsigned as count};
use super::store::{self, COUNTS};
use crate::count::{CountReader, LateRows, SavedState, Totals, Window};
use crate::error::{Error, Result};
use crate::harmless::Text;
use crate::rows::{ROWS, Rows};
use crate::text::printable;
use crate::timestamp::Timestamp;

/// A connection through which nothing can be written.
pub(crate) struct SqliteCounts {
    path: PathBuf,
    database: Connection,
    size: Duration,
    slide: Duration,
}

impl SqliteCounts {
    pub(crate) fn open(path: &Path) -> Result<SqliteCounts> {
        let database = open_for_reading(path, &COUNTS, "counts yet: run a counter that is stored in it")?;
        let meta = |name: &str| {
            let found =
                database.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0));
            let micros = found.ok().and_then(|text: String| text.parse().ok());
            Duration::from_micros(micros.unwrap_or(0))
        };
        let (size, slide) = (meta("window_size_micros"), meta("window_slide_micros"));
        Ok(SqliteCounts { path: path.to_owned(), database, size, slide })
    }

    /// Reads, all of it from one state.
    fn read<T>(&self, read: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let whole = || read(&self.database.unchecked_transaction()?);
        whole().map_err(|error| explain(&self.path, error))
    }

    /// Those that begin at this time or later, which is text as it is in the database; all do at "".
    fn read_windows(&self, transaction: &Transaction<'_>, since: &str) -> rusqlite::Result<Vec<Window>> {
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

impl CountReader for SqliteCounts {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn shape(&self) -> (Duration, Duration) {
        (self.size, self.slide)
    }

    fn windows(&self) -> Result<Vec<Window>> {
        self.read(|transaction| self.read_windows(transaction, ""))
    }

    fn late(&self) -> Result<LateRows> {
        self.read(|transaction| read_late(transaction, ""))
    }

    fn latest(&self, count: usize) -> Result<(Vec<Window>, LateRows)> {
        self.read(|transaction| {
            // Along the primary key, backwards: the other windows are not looked at.
            let text =
                "SELECT min(start) FROM (SELECT DISTINCT start FROM windows ORDER BY start DESC LIMIT ?1)";
            let first: Option<String> = transaction.query_row(text, [count as i64], |row| row.get(0))?;
            let first = first.unwrap_or_default();
            Ok((self.read_windows(transaction, &first)?, read_late(transaction, &first)?))
        })
    }

    fn pairs(&self) -> Result<u64> {
        self.read(|transaction| match store::read_total(transaction, "pairs")? {
            Some(pairs) => Ok(pairs),
            None => transaction.query_row("SELECT count(*) FROM windows", [], |row| count(row, 0)),
        })
    }

    fn bytes(&self) -> Result<u64> {
        let sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        self.read(|transaction| transaction.query_row(sql, [], |row| count(row, 0)))
    }

    fn totals(&self) -> Result<Totals> {
        self.read(|transaction| store::read_totals(transaction))
    }

    fn saved(&self) -> Result<SavedState> {
        self.read(|transaction| store::read(transaction))
    }

    fn sql(&self, query: &str) -> Result<Rows> {
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
}

fn read_late(transaction: &Transaction<'_>, since: &str) -> rusqlite::Result<LateRows> {
    let text = "SELECT start, key, count FROM late WHERE start >= ?1 ORDER BY start, key";
    let mut statement = transaction.prepare_cached(text)?;
    let rows = statement.query_map([since], |row| Ok((time(row, 0)?, row.get(1)?, count(row, 2)?)))?;
    rows.collect()
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
