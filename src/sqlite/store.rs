//! [`Sqlite`]: windows and checkpoints in a database file that any SQL tool can read.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::count::SavedPane;
use crate::count::{Change, Fingerprint, SavedState, Store, Totals};
use crate::error::Result;
use crate::read::StreamId;
use crate::timestamp::Timestamp;

use super::file::{DatabaseFile, Kind, iso, signed, unsigned};
use super::{file, origins};

/// "KLAB".
pub(crate) const COUNTS: Kind = Kind {
    application: 0x4b4c_4142,
    layout: 1,
    tables: concat!(include_str!("counts.sql"), include_str!("common.sql")),
    what: "the counts",
};

/// A [`Store`] in an SQLite file, which one process at a time writes and any number read.
///
/// | table | columns |
/// | --- | --- |
/// | `windows` | `start`, `"end"`, `key`, `count`: the completed windows |
/// | `late` | `start`, `"end"`, `key`, `count`: what came too late for them |
/// | `overflow` | `start`, `"end"`, `count`: events of keys that there was no room for |
/// | `totals` | `name`, `count`: `pairs`, the rows of `windows`; `unplaced`, events in no window |
/// | `checkpoints` | `shard`, `sequence_number`, `arrival`, `newest_event`, `ended` |
///
/// Times are ISO-8601 text in UTC, so that they sort as text. What the open windows consist of is in
/// tables whose name begins with `open_`.
///
/// A commit is one transaction, in write-ahead mode with `synchronous = NORMAL`: a process that is killed
/// loses nothing that was committed; a power cut may take the last commits, counts and checkpoints alike,
/// and they are then counted again from the stream.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// use kinesis_lab::Sqlite;
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-sqlite-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("counts.db");
/// // What `stored_in` does.
/// let mut counter = Counter::per_minute().stored(Box::new(Sqlite::open(&file)?));
/// # let stream = Kinesis::local()?.create_stream("visits", 1)?;
/// stream.put("192.0.2.10", "2018-09-06T08:00:00Z")?;
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// # drop(counter);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sqlite {
    pub(super) file: DatabaseFile,
    /// Of a window, for the `end` of a late one.
    size: Duration,
    decimals: bool,
}

impl Sqlite {
    /// Opens a database file, or makes it. While another process has it, waits for that process's end
    /// (it is the operating system that says so, so a crash counts), and says on stderr that it waits.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) when the file can't be opened, is no database of this
    /// crate, or is open in this very process.
    pub fn open(path: impl AsRef<Path>) -> Result<Sqlite> {
        Sqlite::open_path(path.as_ref())
    }

    // Not generic: a notebook cell would compile it, and SQLite's C functions are not to be had there.
    pub(crate) fn open_path(path: &Path) -> Result<Sqlite> {
        let file = DatabaseFile::open(path, &COUNTS)?;
        Ok(Sqlite { file, size: Duration::ZERO, decimals: false })
    }
}

impl Store for Sqlite {
    fn load(&mut self, fingerprint: &Fingerprint) -> Result<SavedState> {
        let (size, slide) = (fingerprint.size, fingerprint.slide);
        let ours = [
            ("window_size_micros", size.as_micros().to_string()),
            ("window_slide_micros", slide.as_micros().to_string()),
            ("key", fingerprint.key.clone()),
        ];
        self.file.check_meta(&fingerprint.stream, &ours, |name| match name {
            "window_size_micros" => "window size in microseconds".to_owned(),
            "key" => "key".to_owned(),
            _ => "window slide in microseconds".to_owned(),
        })?;
        self.size = size;
        self.decimals = [size, slide].iter().any(|time| time.subsec_nanos() > 0);
        self.file.read(read)
    }

    fn commit(&mut self, change: &Change) -> Result<()> {
        let (size, decimals) = (self.size, self.decimals);
        self.file.write(|transaction| write(transaction, change, size, decimals))
    }

    fn stream(&mut self) -> Result<Option<StreamId>> {
        self.file.stream()
    }
}

/// All but the completed windows and the late events, which nobody needs to go on.
pub(crate) fn read(database: &Connection) -> rusqlite::Result<SavedState> {
    let mut state = SavedState::default();
    let progress = "SELECT watermark FROM open_progress";
    let found = database.query_row(progress, [], |row| Ok(Timestamp::from_micros(row.get(0)?)));
    if let Some(watermark) = found.optional()? {
        state.watermark = watermark;
    }
    state.totals = read_totals(database)?;
    (state.checkpoints, state.shard_times) = file::read_checkpoints(database)?;
    let mut panes: BTreeMap<i64, SavedPane> = BTreeMap::new();
    let mut statement = database.prepare("SELECT pane, key, count FROM open_counts")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        panes.entry(row.get(0)?).or_default().counts.push((row.get(1)?, unsigned(row, 2)?));
    }
    let mut statement = database.prepare("SELECT pane, count FROM open_overflow")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        panes.entry(row.get(0)?).or_default().overflow = unsigned(row, 1)?;
    }
    let mut statement = database.prepare("SELECT pane, id FROM open_ids")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        panes.entry(row.get(0)?).or_default().ids.push(u128::from_be_bytes(row.get(1)?));
    }
    state.panes = panes.into_iter().map(|(pane, saved)| (Timestamp::from_micros(pane), saved)).collect();
    state.origins = origins::read(database)?;
    Ok(state)
}

/// What is in no window.
pub(crate) fn read_totals(database: &Connection) -> rusqlite::Result<Totals> {
    let found =
        database.query_row("SELECT late, refused, duplicates, unparsed FROM open_progress", [], |row| {
            let count = |at| unsigned(row, at);
            let (late, refused, duplicates, unparsed) = (count(0)?, count(1)?, count(2)?, count(3)?);
            Ok(Totals { late, refused, duplicates, unparsed, unplaced: 0 })
        });
    let unplaced = read_total(database, "unplaced")?.unwrap_or(0);
    Ok(Totals { unplaced, ..found.optional()?.unwrap_or_default() })
}

/// A number that is kept beside the tables. `None` also in a file that was written before there were such.
pub(crate) fn read_total(database: &Connection, name: &str) -> rusqlite::Result<Option<u64>> {
    let there = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'totals'";
    if database.query_row(there, [], |row| unsigned(row, 0))? == 0 {
        return Ok(None);
    }
    let number = "SELECT count FROM totals WHERE name = ?1";
    database.query_row(number, [name], |row| unsigned(row, 0)).optional()
}

fn write(
    transaction: &Transaction<'_>,
    change: &Change,
    size: Duration,
    decimals: bool,
) -> rusqlite::Result<()> {
    let iso = |time: Timestamp| iso(time, decimals);
    file::write_checkpoints(transaction, &change.checkpoints, &change.shard_times)?;
    write_progress(transaction, change)?;
    let mut insert = transaction.prepare_cached("INSERT INTO windows VALUES (?1, ?2, ?3, ?4)")?;
    let mut overflow = transaction.prepare_cached("INSERT INTO overflow VALUES (?1, ?2, ?3)")?;
    for window in &change.completed {
        let (start, end) = (iso(window.start), iso(window.end));
        for (key, count) in &window.counts {
            insert.execute(params![start, end, key, signed(*count)])?;
        }
        if window.overflow > 0 {
            overflow.execute(params![start, end, signed(window.overflow)])?;
        }
    }
    let pairs: usize = change.completed.iter().map(|window| window.counts.len()).sum();
    transaction
        .prepare_cached("UPDATE totals SET count = count + ?1 WHERE name = 'pairs'")?
        .execute([signed(pairs as u64)])?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO totals VALUES ('unplaced', ?1)")?
        .execute([signed(change.totals.unplaced)])?;
    let mut late = transaction.prepare_cached(
        "INSERT INTO late VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET count = count + excluded.count",
    )?;
    for ((start, key), count) in &change.late {
        late.execute(params![iso(*start), iso(*start + size), key, signed(*count)])?;
    }
    if let Some(before) = change.drop_before {
        drop_windows(transaction, &iso(before))?;
    }
    write_open(transaction, change)?;
    origins::write(transaction, &change.gone_origins, &change.origins)
}

/// Those that start before this time, which is text as it is in the tables.
fn drop_windows(transaction: &Transaction<'_>, before: &str) -> rusqlite::Result<()> {
    let dropped = transaction.prepare_cached("DELETE FROM windows WHERE start < ?1")?.execute([before])?;
    for table in ["overflow", "late"] {
        transaction.prepare_cached(&format!("DELETE FROM {table} WHERE start < ?1"))?.execute([before])?;
    }
    transaction
        .prepare_cached("UPDATE totals SET count = count - ?1 WHERE name = 'pairs'")?
        .execute([signed(dropped as u64)])
        .map(drop)
}

fn write_progress(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    let totals = change.totals;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO open_progress VALUES (0, ?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            change.watermark.as_micros(),
            signed(totals.late),
            signed(totals.refused),
            signed(totals.duplicates),
            signed(totals.unparsed)
        ])
        .map(drop)
}

/// What the open windows consist of.
fn write_open(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    for table in ["open_counts", "open_overflow", "open_ids"] {
        let sql = format!("DELETE FROM {table} WHERE pane < ?1");
        transaction.prepare_cached(&sql)?.execute([change.oldest_pane.as_micros()])?;
    }
    let mut counts = transaction.prepare_cached("INSERT OR REPLACE INTO open_counts VALUES (?1, ?2, ?3)")?;
    let mut overflow = transaction.prepare_cached("INSERT OR REPLACE INTO open_overflow VALUES (?1, ?2)")?;
    let mut ids = transaction.prepare_cached("INSERT OR IGNORE INTO open_ids VALUES (?1, ?2)")?;
    for (pane, saved) in &change.panes {
        let pane = pane.as_micros();
        for (key, count) in &saved.counts {
            counts.execute(params![pane, key, signed(*count)])?;
        }
        if saved.overflow > 0 {
            overflow.execute(params![pane, signed(saved.overflow)])?;
        }
        for id in &saved.ids {
            ids.execute(params![pane, id.to_be_bytes()])?;
        }
    }
    Ok(())
}
