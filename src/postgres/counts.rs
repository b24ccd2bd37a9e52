//! [`PostgresCounts`]: what a stored counter has written into a database, read while it goes on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, IsolationLevel, SimpleQueryMessage, Transaction};

use super::explain::DatabaseFault;
use super::layout::{self, COUNTS};
use super::link::{Link, answered};
use super::load;
use super::sql_types::{Length, unsigned};
use super::texts;
use super::url::PostgresUrl;
use crate::count::{CountReader, LateRows, SavedState, Totals, Window};
use crate::error::{Error, ErrorKind, Result};
use crate::harmless::Text;
use crate::rows::{ROWS, Rows};
use crate::timestamp::Timestamp;

const WINDOWS: &str =
    "SELECT start, \"end\", key, count FROM windows WHERE start >= $1 ORDER BY start, \"end\", key";
const OVERFLOW: &str = "SELECT start, count FROM overflow WHERE start >= $1";
const LATE: &str = "SELECT start, key, count FROM late WHERE start >= $1 ORDER BY start, key";
/// Along the index, backwards: the other windows are not looked at.
#[cfg_attr(not(feature = "live"), allow(dead_code, reason = "for a page that shows them"))]
const FIRST_OF_LATEST: &str =
    "SELECT min(start) FROM (SELECT DISTINCT start FROM windows ORDER BY start DESC LIMIT $1) AS latest";

/// Up to where windows are in their table; tables of layout 1 have no such column.
const MOVED: &str = "SELECT coalesce((to_jsonb(progress)->>'moved')::timestamptz, watermark) FROM progress";

/// A connection through which nothing is written.
pub(crate) struct PostgresCounts {
    // KeysAndIds by one at a time, and made again after it broke.
    link: Mutex<Link>,
    place: String,
    size: Duration,
    slide: Duration,
}

impl PostgresCounts {
    pub(crate) fn open(url: &PostgresUrl) -> Result<PostgresCounts> {
        let mut link = Link::new(url, "kinesis-lab reader")?;
        let (size, slide) = link.with(async |link: &mut Link| {
            let url = link.url.clone();
            let client = link.session().await?.client();
            if layout::layout(client, &url, &COUNTS).await?.is_none() {
                let message = format!("{url} has no counts yet: run a counter that is stored in it");
                return Err(DatabaseFault::Said(Error::new(ErrorKind::Store, message)));
            }
            shape(client).await
        })?;
        Ok(PostgresCounts { link: Mutex::new(link), place: url.to_string(), size, slide })
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads, all of it from one state.
    fn read<T>(&self, read: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, DatabaseFault>) -> Result<T> {
        self.link().with(async |link: &mut Link| {
            let session = link.session().await?;
            let transaction = answered(
                session
                    .client_mut()
                    .build_transaction()
                    .isolation_level(IsolationLevel::RepeatableRead)
                    .read_only(true)
                    .start(),
            )
            .await?;
            let found = read(&transaction).await?;
            answered(transaction.rollback()).await?;
            Ok(found)
        })
    }
}

/// Size and slide of the windows; zero before a counter has run.
async fn shape(client: &Client) -> Result<(Duration, Duration), DatabaseFault> {
    let row = answered(client.query_opt("SELECT size, slide FROM progress", &[])).await?;
    let Some(row) = row else { return Ok((Duration::ZERO, Duration::ZERO)) };
    let (size, slide): (Length, Length) = (row.try_get(0)?, row.try_get(1)?);
    Ok((size.0, slide.0))
}

async fn windows(client: &Client, since: Timestamp, size: Duration) -> Result<Vec<Window>, DatabaseFault> {
    let mut windows: BTreeMap<Timestamp, Window> = BTreeMap::new();
    for row in answered(client.query(WINDOWS, &[&since])).await? {
        let (start, end, key): (Timestamp, Timestamp, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let new = || Window { start, end, size, counts: Vec::new(), overflow: 0 };
        let count = (Text::from(texts::read(key)), unsigned(row.try_get(3)?));
        windows.entry(start).or_insert_with(new).counts.push(count);
    }
    for row in answered(client.query(OVERFLOW, &[&since])).await? {
        if let Some(window) = windows.get_mut(&row.try_get(0)?) {
            window.overflow = unsigned(row.try_get(1)?);
        }
    }
    let mut windows: Vec<Window> = windows.into_values().collect();
    // Nearly always in order already: the order of a column differs only where a key has a NUL.
    windows.iter_mut().for_each(|window| window.counts.sort_unstable());
    Ok(windows)
}

async fn late(client: &Client, since: Timestamp) -> Result<LateRows, DatabaseFault> {
    let rows = answered(client.query(LATE, &[&since])).await?;
    rows.iter()
        .map(|row| {
            let key: String = row.try_get(1)?;
            Ok((row.try_get(0)?, Text::from(texts::read(key)), unsigned(row.try_get(2)?)))
        })
        .collect()
}

impl CountReader for PostgresCounts {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn shape(&self) -> (Duration, Duration) {
        (self.size, self.slide)
    }

    fn windows(&self) -> Result<Vec<Window>> {
        let size = self.size;
        self.read(async |transaction: &Transaction<'_>| {
            windows(transaction.client(), Timestamp::MIN, size).await
        })
    }

    fn late(&self) -> Result<LateRows> {
        self.read(async |transaction: &Transaction<'_>| late(transaction.client(), Timestamp::MIN).await)
    }

    fn latest(&self, count: usize) -> Result<(Vec<Window>, LateRows)> {
        let size = self.size;
        let limit = i64::try_from(count).unwrap_or(i64::MAX);
        self.read(async |transaction: &Transaction<'_>| {
            let client = transaction.client();
            let first = answered(client.query_one(FIRST_OF_LATEST, &[&limit])).await?;
            let first = first.try_get::<_, Option<Timestamp>>(0)?.unwrap_or(Timestamp::MIN);
            Ok((windows(client, first, size).await?, late(client, first).await?))
        })
    }

    fn pairs(&self) -> Result<u64> {
        self.read(async |transaction: &Transaction<'_>| {
            let row = transaction.query_opt("SELECT count FROM totals WHERE name = 'pairs'", &[]);
            let row = answered(row).await?;
            Ok(row.map(|row| row.try_get(0)).transpose()?.map_or(0, unsigned))
        })
    }

    fn bytes(&self) -> Result<u64> {
        let tables: Vec<&str> = COUNTS.tables().collect();
        let sql = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::int8 FROM pg_class \
            WHERE relnamespace = current_schema()::regnamespace AND relname = ANY($1)";
        self.read(async |transaction: &Transaction<'_>| {
            Ok(unsigned(answered(transaction.query_one(sql, &[&tables])).await?.try_get(0)?))
        })
    }

    fn totals(&self) -> Result<Totals> {
        self.read(async |transaction: &Transaction<'_>| load::read_totals(transaction.client()).await)
    }

    fn saved(&self) -> Result<SavedState> {
        self.read(async |transaction: &Transaction<'_>| {
            let client = transaction.client();
            let row = answered(client.query_opt(MOVED, &[])).await?;
            let watermark = row.map(|row| row.try_get(0)).transpose()?.unwrap_or(Timestamp::MIN);
            load::read(client, watermark).await
        })
    }

    fn sql(&self, query: &str) -> Result<Rows> {
        // Server's words of a query that is wrong are for who wrote it.
        let wrong = |error: &tokio_postgres::Error| {
            let server = error.as_db_error()?;
            let class = server.code().code().get(..2)?;
            let of_query = ["0A", "21", "22", "23", "25", "26", "2F", "34", "42"].contains(&class);
            of_query
                .then(|| Error::invalid(format!("PostgreSQL does not take the query: {}", server.message())))
        };
        self.read(async |transaction: &Transaction<'_>| match rows(transaction, query).await {
            Err(DatabaseFault::Driver(error)) => {
                Err(wrong(&error).map_or(DatabaseFault::Driver(error), DatabaseFault::Said))
            }
            found => found,
        })
    }
}

async fn rows(transaction: &Transaction<'_>, query: &str) -> Result<Rows, DatabaseFault> {
    // One statement, and no more: after a `COMMIT;` the next could write.
    let statement = answered(transaction.prepare(query)).await?;
    let columns = statement.columns().iter().map(|column| Text::from(column.name())).collect();
    // So that the server gives 1,001 rows and not a million. What is no query (SHOW, EXPLAIN) has few anyway.
    let cursor =
        format!("DECLARE found NO SCROLL CURSOR FOR {}", query.trim_end_matches([';', ' ', '\n', '\t']));
    answered(transaction.batch_execute("SAVEPOINT before")).await?;
    let messages = match answered(transaction.batch_execute(&cursor)).await {
        Ok(()) => answered(transaction.simple_query(&format!("FETCH {} FROM found", ROWS + 1))).await?,
        Err(DatabaseFault::Driver(error)) if error.code() == Some(&SqlState::SYNTAX_ERROR) => {
            answered(transaction.batch_execute("ROLLBACK TO before")).await?;
            answered(transaction.simple_query(query)).await?
        }
        Err(failure) => return Err(failure),
    };
    let mut rows = Vec::new();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            let cells = (0..row.len()).map(|at| Text::from(row.get(at).unwrap_or_default()));
            rows.push(cells.collect::<Vec<Text>>());
        }
    }
    let more = rows.len() > ROWS;
    rows.truncate(ROWS);
    Ok(Rows { columns, rows, more })
}
