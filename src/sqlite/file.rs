//! A database file of ours: opened by one writer, with our tables or none, and with sentences for what
//! goes wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::explain::explain;
use super::lock::Lock;
use crate::error::{Error, ErrorKind, Result};
use crate::folder::{is_postgres_address, private_file};
use crate::harmless::Text;
use crate::read::{Checkpoint, StreamId};
use crate::text::printable;
use crate::timestamp::Timestamp;

/// How long to wait for another program's transaction, of those who open a file or read it.
const BUSY: Duration = Duration::from_secs(5);
/// The same of a writer at work: a run waits on, and meanwhile hears that it is to stop.
const BUSY_AT_WORK: Duration = Duration::from_secs(1);

/// What is in a file.
pub(crate) struct Kind {
    /// `PRAGMA application_id`: these are our tables.
    pub(crate) application: i32,
    /// `PRAGMA user_version`: and in this layout.
    pub(crate) layout: i32,
    pub(crate) tables: &'static str,
    /// What needs a file of its own: "the counts".
    pub(crate) what: &'static str,
}

/// Open for writing, by nobody else.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    database: Connection,
    // Until this is dropped, or the process ends in whatever way.
    _lock: Lock,
}

impl DatabaseFile {
    /// Opens a file, or makes it; waits while another process has it.
    pub(crate) fn open(path: &Path, kind: &Kind) -> Result<DatabaseFile> {
        refuse_address(path, kind)?;
        let lock = Lock::take(path)?;
        let prepare = || {
            // For this user alone, as what SQLite writes beside it then is too. Never one that is there: to close it
            // would let go of the locks that other connections of this program hold. What fails here fails below.
            let _ = private_file().write(true).create_new(true).open(path);
            let database = Connection::open(path)?;
            database.busy_timeout(BUSY)?;
            database.pragma_update(None, "journal_mode", "WAL")?;
            database.pragma_update(None, "synchronous", "NORMAL")?;
            Ok(database)
        };
        let database = prepare().map_err(|error| explain(path, error))?;
        let mut file = DatabaseFile { path: path.to_owned(), database, _lock: lock };
        file.make_tables(kind)?;
        file.database.busy_timeout(BUSY_AT_WORK).map_err(|error| explain(path, error))?;
        Ok(file)
    }

    fn make_tables(&mut self, kind: &Kind) -> Result<()> {
        // Those of one that is ours, too: a table that a later version of this crate added.
        check_layout(&self.path, &self.database, kind)?;
        self.write(|transaction| {
            transaction.execute_batch(kind.tables)?;
            transaction.pragma_update(None, "application_id", kind.application)?;
            transaction.pragma_update(None, "user_version", kind.layout)
        })
    }

    /// Reads, with errors that name the file.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        read(&self.database).map_err(|error| explain(&self.path, error))
    }

    /// Writes whole or not at all.
    pub(crate) fn write<T>(
        &mut self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let whole = || {
            let transaction = self.database.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let written = write(&transaction)?;
            transaction.commit().map(|()| written)
        };
        whole().map_err(|error| explain(&self.path, error))
    }

    /// The stream that the file is of; `None` in a new one.
    pub(crate) fn stream(&self) -> Result<Option<StreamId>> {
        let text = |name: &str| {
            self.read(|database| {
                let value = "SELECT value FROM meta WHERE name = ?1";
                database.query_row(value, [name], |row| row.get::<_, String>(0)).optional()
            })
        };
        let (name, created) = (text("stream")?, text("stream_created")?);
        Ok(name.zip(created).map(|(name, created)| StreamId::new(&name, time(&created))))
    }

    /// Makes sure that the file is of this stream, and of what else is named; writes it down in a new one.
    /// `other` says how a name reads in a sentence.
    pub(crate) fn check_meta(
        &mut self,
        stream: &StreamId,
        more: &[(&str, String)],
        other: impl Fn(&str) -> String,
    ) -> Result<()> {
        let mut ours =
            vec![("stream", stream.name.to_string()), ("stream_created", stream.created.to_string())];
        ours.extend(more.iter().cloned());
        let theirs: BTreeMap<String, String> = self.read(|database| {
            let mut statement = database.prepare("SELECT name, value FROM meta")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        if theirs.is_empty() {
            return self.write(|transaction| {
                for (name, value) in &ours {
                    transaction.execute("INSERT INTO meta VALUES (?1, ?2)", params![name, value])?;
                }
                Ok(())
            });
        }
        for (name, value) in &ours {
            // Before there were formats, it was not written down.
            let unwritten = if *name == "key" { "client" } else { "" };
            let found = theirs.get(*name).map_or(unwritten, String::as_str);
            if found != value {
                return Err(Error::new(
                    ErrorKind::Store,
                    format!(
                        "{} is of another {} ({}; this one's is {}): give this one a file of its own{}",
                        self.path.display(),
                        match *name {
                            "stream" => "stream".to_owned(),
                            "stream_created" => "stream of that name, created at another time".to_owned(),
                            name => other(name),
                        },
                        printable(found.as_bytes()),
                        printable(value.as_bytes()),
                        match *name {
                            "stream_created" =>
                                ", or delete that file if the earlier stream is gone for good",
                            _ => "",
                        },
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Opens a file of ours for reading, beside whoever writes it.
pub(crate) fn open_for_reading(path: &Path, kind: &Kind, nothing_yet: &str) -> Result<Connection> {
    refuse_address(path, kind)?;
    let open = || {
        let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        database.busy_timeout(BUSY)?;
        Ok(database)
    };
    let database = open().map_err(|error| explain(path, error))?;
    match check_layout(path, &database, kind)? {
        Whose::Ours => Ok(database),
        Whose::Nobodys => {
            Err(Error::new(ErrorKind::Store, format!("{} has no {nothing_yet}", path.display())))
        }
    }
}

/// What would be said of it as of a file would have its password in it.
fn refuse_address(path: &Path, kind: &Kind) -> Result<()> {
    match is_postgres_address(path) {
        false => Ok(()),
        true => Err(Error::invalid(format!(
            "{} are in an SQLite file here: name one (PostgreSQL is for a counter's `stored_in`, `Counts` and the live view)",
            kind.what
        ))),
    }
}

#[derive(PartialEq, Eq)]
enum Whose {
    Nobodys,
    Ours,
}

/// Whether the file has our tables; another program's, or a later layout, is an error.
fn check_layout(path: &Path, database: &Connection, kind: &Kind) -> Result<Whose> {
    let ask = |pragma: &str| database.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let asked = (|| {
        let tables: i64 = database.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        Ok((ask("application_id")?, ask("user_version")?, tables))
    })();
    match asked.map_err(|error| explain(path, error))? {
        (application, layout, _) if (application, layout) == (kind.application, kind.layout) => {
            Ok(Whose::Ours)
        }
        (application, layout, _) if application == kind.application => Err(Error::new(
            ErrorKind::Store,
            format!(
                "{} has tables of layout {layout}, and this version of kinesis-lab writes layout {}: use the \
                 version that made it, or another file",
                path.display(),
                kind.layout
            ),
        )),
        (0, 0, 0) => Ok(Whose::Nobodys),
        _ => Err(Error::new(
            ErrorKind::Store,
            format!(
                "{} is another program's database, or holds something else: give {} a file of their own",
                path.display(),
                kind.what
            ),
        )),
    }
}

/// The checkpoint of each shard, and its newest event.
pub(crate) type SavedPlaces = (Vec<Checkpoint>, Vec<(String, Timestamp)>);

pub(crate) fn read_checkpoints(database: &Connection) -> rusqlite::Result<SavedPlaces> {
    let (mut checkpoints, mut newest_events) = (Vec::new(), Vec::new());
    let mut statement =
        database.prepare("SELECT shard, sequence_number, arrival, newest_event, ended FROM checkpoints")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let shard_id: String = row.get(0)?;
        if let Some(newest) = row.get::<_, Option<String>>(3)? {
            newest_events.push((shard_id.clone(), time(&newest)));
        }
        let (sequence_number, arrival) = (row.get(1)?, time(&row.get::<_, String>(2)?));
        checkpoints.push(Checkpoint { shard_id, sequence_number, arrival, ended: row.get(4)? });
    }
    Ok((checkpoints, newest_events))
}

pub(crate) fn write_checkpoints(
    transaction: &Transaction<'_>,
    checkpoints: &[Checkpoint],
    newest_events: &[(String, Timestamp)],
) -> rusqlite::Result<()> {
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO checkpoints VALUES (?1, ?2, ?3, NULL, ?4) ON CONFLICT DO UPDATE SET \
         sequence_number = excluded.sequence_number, arrival = excluded.arrival, ended = excluded.ended",
    )?;
    for checkpoint in checkpoints {
        let (number, arrival) = (&checkpoint.sequence_number, checkpoint.arrival.to_string());
        upsert.execute(params![checkpoint.shard_id, number, arrival, checkpoint.ended])?;
    }
    let mut newest =
        transaction.prepare_cached("UPDATE checkpoints SET newest_event = ?2 WHERE shard = ?1")?;
    for (shard, time) in newest_events {
        newest.execute(params![shard, time.to_string()])?;
    }
    Ok(())
}

/// `2018-09-06T08:04:00Z`; with six decimals in every row where windows don't begin on whole seconds, so
/// that the column sorts as text.
pub(crate) fn iso(time: Timestamp, decimals: bool) -> String {
    let text = time.to_string();
    if decimals { text } else { format!("{}Z", &text[..19]) }
}

/// What this crate wrote parses; a hand that changed it gets the epoch, not a panic.
pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap_or_default()
}

/// SQLite's integers are signed.
pub(crate) fn signed(count: u64) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// And back.
pub(crate) fn unsigned(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(at)?.max(0).unsigned_abs())
}

/// As the text itself: the database is not shown, it is read.
impl rusqlite::ToSql for Text {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        self.raw().to_sql()
    }
}

impl rusqlite::types::FromSql for Text {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Text> {
        value.as_str().map(Text::from)
    }
}
