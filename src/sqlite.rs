//! [`Sqlite`]: windows and checkpoints in a database file that any SQL tool can read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::error::{Error, ErrorKind, Result};
use crate::processor::Checkpoint;
use crate::store::{Change, Fingerprint, SavedState, Store, Totals};
use crate::text::printable;
use crate::timestamp::Timestamp;
use crate::window::SavedPane;

mod lock;

use lock::Lock;

/// `PRAGMA application_id`: these are our tables ("KLAB").
pub(crate) const APPLICATION: i32 = 0x4b4c_4142;
/// `PRAGMA user_version`: and in this layout.
pub(crate) const LAYOUT: i32 = 1;
/// How long to wait for another program's transaction.
pub(crate) const BUSY: Duration = Duration::from_secs(5);

/// A [`Store`] in an SQLite file, which one process at a time writes and any number read.
///
/// | table | columns |
/// | --- | --- |
/// | `windows` | `start`, `"end"`, `key`, `count`: the completed windows |
/// | `late` | `start`, `"end"`, `key`, `count`: what came too late for them |
/// | `overflow` | `start`, `"end"`, `count`: events of keys that there was no room for |
/// | `checkpoints` | `shard`, `sequence_number`, `arrival`, `newest_event`, `ended` |
///
/// Times are ISO-8601 text in UTC, so that they sort as text. What the open windows consist of is in
/// tables whose name begins with `open_`.
///
/// A commit is one transaction, in write-ahead mode with `synchronous = NORMAL`: a process that is killed
/// loses nothing that was committed; a power cut may take the last commits, counts and checkpoints alike,
/// and they are then counted again from the stream.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    database: Connection,
    /// Microseconds of a window, for the `end` of a late one.
    size: Duration,
    decimals: bool,
    // Until this is dropped, or the process ends in whatever way.
    _lock: Lock,
}

impl Sqlite {
    /// Opens a database file, or makes it. While another process has it, waits for that process's end
    /// (it is the operating system that says so, so a crash counts), and says on stderr that it waits.
    ///
    /// # Errors
    /// [`ErrorKind::Store`] when the file can't be opened, is no database of this crate, or is open in
    /// this very process.
    pub fn open(path: impl AsRef<Path>) -> Result<Sqlite> {
        Sqlite::open_path(path.as_ref())
    }

    // Not generic: a notebook cell would compile it, and SQLite's C functions are not to be had there.
    fn open_path(path: &Path) -> Result<Sqlite> {
        let lock = Lock::take(path)?;
        let prepare = || {
            let database = Connection::open(path)?;
            database.busy_timeout(BUSY)?;
            database.pragma_update(None, "journal_mode", "WAL")?;
            database.pragma_update(None, "synchronous", "NORMAL")?;
            Ok(database)
        };
        let database = prepare().map_err(|error| explain(path, error))?;
        let mut store =
            Sqlite { path: path.to_owned(), database, size: Duration::ZERO, decimals: false, _lock: lock };
        store.make_tables()?;
        Ok(store)
    }

    fn make_tables(&mut self) -> Result<()> {
        let whose = check_layout(&self.path, &self.database)?;
        if whose == Whose::Ours {
            return Ok(());
        }
        let make = |database: &mut Connection| {
            let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(include_str!("sqlite/tables.sql"))?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", LAYOUT)?;
            transaction.commit()
        };
        make(&mut self.database).map_err(|error| explain(&self.path, error))
    }

    fn check_fingerprint(&mut self, fingerprint: &Fingerprint) -> Result<()> {
        let ours = [
            ("stream", fingerprint.stream.name.to_string()),
            ("stream_created", fingerprint.stream.created.to_string()),
            ("window_size_micros", fingerprint.size.as_micros().to_string()),
            ("window_slide_micros", fingerprint.slide.as_micros().to_string()),
        ];
        let theirs = self.names().map_err(|error| explain(&self.path, error))?;
        if theirs.is_empty() {
            let write = |database: &mut Connection| {
                let transaction = database.transaction()?;
                for (name, value) in &ours {
                    transaction.execute("INSERT INTO meta VALUES (?1, ?2)", params![name, value])?;
                }
                transaction.commit()
            };
            return write(&mut self.database).map_err(|error| explain(&self.path, error));
        }
        for (name, value) in &ours {
            let found = theirs.get(*name).map(String::as_str).unwrap_or_default();
            if found != value {
                return Err(Error::new(
                    ErrorKind::Store,
                    format!(
                        "{} is of another {} ({}; this counter's is {}): give this one a file of its own",
                        self.path.display(),
                        match *name {
                            "stream" => "stream",
                            "stream_created" => "stream of that name, created at another time",
                            "window_size_micros" => "window size in microseconds",
                            _ => "window slide in microseconds",
                        },
                        printable(found.as_bytes()),
                        printable(value.as_bytes()),
                    ),
                ));
            }
        }
        Ok(())
    }

    fn names(&self) -> rusqlite::Result<BTreeMap<String, String>> {
        let mut statement = self.database.prepare("SELECT name, value FROM meta")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    fn read(&self) -> rusqlite::Result<SavedState> {
        let mut state = SavedState::default();
        let progress = "SELECT watermark, late, refused, duplicates, unparsed FROM open_progress";
        let found = self.database.query_row(progress, [], |row| {
            let count = |at| row.get(at).map(|n: i64| n.max(0).unsigned_abs());
            let totals =
                Totals { late: count(1)?, refused: count(2)?, duplicates: count(3)?, unparsed: count(4)? };
            Ok((Timestamp::from_micros(row.get(0)?), totals))
        });
        if let Some((watermark, totals)) = found.optional()? {
            (state.watermark, state.totals) = (watermark, totals);
        }
        let mut statement = self
            .database
            .prepare("SELECT shard, sequence_number, arrival, newest_event, ended FROM checkpoints")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let shard_id: String = row.get(0)?;
            if let Some(newest) = row.get::<_, Option<String>>(3)? {
                state.shard_times.push((shard_id.clone(), time(&newest)));
            }
            let (sequence_number, arrival) = (row.get(1)?, time(&row.get::<_, String>(2)?));
            state.checkpoints.push(Checkpoint { shard_id, sequence_number, arrival, ended: row.get(4)? });
        }
        let mut panes: BTreeMap<i64, SavedPane> = BTreeMap::new();
        let mut statement = self.database.prepare("SELECT pane, key, count FROM open_counts")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let count: i64 = row.get(2)?;
            panes.entry(row.get(0)?).or_default().counts.push((row.get(1)?, count.unsigned_abs()));
        }
        let mut statement = self.database.prepare("SELECT pane, count FROM open_overflow")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            panes.entry(row.get(0)?).or_default().overflow = row.get::<_, i64>(1)?.unsigned_abs();
        }
        let mut statement = self.database.prepare("SELECT pane, id FROM open_ids")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            panes.entry(row.get(0)?).or_default().ids.push(u128::from_be_bytes(row.get(1)?));
        }
        state.panes = panes.into_iter().map(|(pane, saved)| (Timestamp::from_micros(pane), saved)).collect();
        Ok(state)
    }

    fn write(&mut self, change: &Change) -> rusqlite::Result<()> {
        let (size, decimals) = (self.size, self.decimals);
        let iso = |time: Timestamp| iso(time, decimals);
        let transaction = self.database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write_progress(&transaction, change)?;
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
        let mut late = transaction.prepare_cached(
            "INSERT INTO late VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        for ((start, key), count) in &change.late {
            late.execute(params![iso(*start), iso(*start + size), key, signed(*count)])?;
        }
        drop((insert, overflow, late));
        write_open(&transaction, change)?;
        transaction.commit()
    }
}

impl Store for Sqlite {
    fn load(&mut self, fingerprint: &Fingerprint) -> Result<SavedState> {
        self.check_fingerprint(fingerprint)?;
        self.size = fingerprint.size;
        self.decimals = [fingerprint.size, fingerprint.slide].iter().any(|time| time.subsec_nanos() > 0);
        self.read().map_err(|error| explain(&self.path, error))
    }

    fn commit(&mut self, change: &Change) -> Result<()> {
        self.write(change).map_err(|error| explain(&self.path, error))
    }
}

fn write_progress(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO checkpoints VALUES (?1, ?2, ?3, NULL, ?4) ON CONFLICT DO UPDATE SET \
         sequence_number = excluded.sequence_number, arrival = excluded.arrival, ended = excluded.ended",
    )?;
    for checkpoint in &change.checkpoints {
        let (number, arrival) = (&checkpoint.sequence_number, checkpoint.arrival.to_string());
        upsert.execute(params![checkpoint.shard_id, number, arrival, checkpoint.ended])?;
    }
    let mut newest =
        transaction.prepare_cached("UPDATE checkpoints SET newest_event = ?2 WHERE shard = ?1")?;
    for (shard, time) in &change.shard_times {
        newest.execute(params![shard, time.to_string()])?;
    }
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

#[derive(PartialEq, Eq)]
pub(crate) enum Whose {
    Nobodys,
    Ours,
}

/// Whether the file has our tables; another program's, or a later layout, is an error.
pub(crate) fn check_layout(path: &Path, database: &Connection) -> Result<Whose> {
    let ask = |pragma: &str| database.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let asked = (|| {
        let tables: i64 = database.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        Ok((ask("application_id")?, ask("user_version")?, tables))
    })();
    match asked.map_err(|error| explain(path, error))? {
        (APPLICATION, LAYOUT, _) => Ok(Whose::Ours),
        (APPLICATION, layout, _) => Err(Error::new(
            ErrorKind::Store,
            format!(
                "{} has tables of layout {layout}, and this version of kinesis-lab writes layout {LAYOUT}: use the \
                 version that made it, or another file",
                path.display()
            ),
        )),
        (0, 0, 0) => Ok(Whose::Nobodys),
        _ => Err(Error::new(
            ErrorKind::Store,
            format!("{} is another program's database: give the counts a file of their own", path.display()),
        )),
    }
}

/// A sentence that says what to do.
pub(crate) fn explain(path: &Path, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, PermissionDenied,
        ReadOnly,
    };
    let file = path.display();
    let message = match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => {
            format!(
                "another program holds a lock on {file}: end its transaction; nothing that was committed is lost"
            )
        }
        Some(DiskFull) => {
            format!(
                "no room on the disk of {file}: make some and run again; nothing that was committed is lost"
            )
        }
        Some(DatabaseCorrupt) => {
            format!("{file} is damaged: restore a copy, or move it away and count the stream again")
        }
        Some(NotADatabase) => format!("{file} is no SQLite database: give the counts a file of their own"),
        Some(CannotOpen) => format!("{file} can't be opened: is its folder there?"),
        Some(PermissionDenied | ReadOnly) => format!("{file} can't be written: look at its permissions"),
        _ => format!("{file}: the database failed"),
    };
    Error::with_source(ErrorKind::Store, format!("{message} ({error})"), error)
}

/// `2018-09-06T08:04:00Z`; with six decimals in every row where windows don't begin on whole seconds, so
/// that the column sorts as text.
fn iso(time: Timestamp, decimals: bool) -> String {
    let text = time.to_string();
    if decimals { text } else { format!("{}Z", &text[..19]) }
}

/// What this crate wrote parses; a hand that changed it gets the epoch, not a panic.
fn time(text: &str) -> Timestamp {
    text.parse().unwrap_or_default()
}

/// SQLite's integers are signed.
fn signed(count: u64) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
