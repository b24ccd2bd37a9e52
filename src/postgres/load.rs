//! What a counter goes on from; whoever loads it has taken it over.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Transaction};

use super::explain::DatabaseFault;
use super::link::{Session, answered};
use super::lock::WriterName;
use super::sql_types::{Length, unsigned};
use super::turn::{ALL_SHARDS, Turn};
use super::url::PostgresUrl;
use super::{origins, places, texts};
use crate::count::{Fingerprint, SavedPane, SavedState, Totals};
use crate::error::{Error, ErrorKind};
use crate::harmless::Text;
use crate::read::StreamId;
use crate::text::printable;
use crate::timestamp::Timestamp;

const NEW: &str = "INSERT INTO progress (stream, created, size, slide, key, watermark, owner, epoch) \
    VALUES ($1, $2, $3, $4, $5, $6, '', 0) ON CONFLICT DO NOTHING";
const OF: &str = "SELECT stream, created, size, slide, key, coalesce(moved, watermark), epoch, commits FROM progress FOR UPDATE";
/// A worker of a fleet that still writes finds another name in its shard.
const TAKE: [&str; 2] = [
    "UPDATE progress SET owner = $1, epoch = epoch + 1, watermark = coalesce(moved, watermark), moved = NULL",
    "UPDATE shards SET owner = $1, epoch = epoch + 1",
];
/// What a fleet has counted by shard, this process has in one sum, which it writes again when it changes.
const FOLD: [&str; 5] = [
    "WITH theirs AS (DELETE FROM open_counts WHERE shard <> $1 RETURNING pane, key, rest, count) \
     INSERT INTO open_counts SELECT pane, $1, key, min(rest), sum(count) FROM theirs GROUP BY pane, key \
     ON CONFLICT (pane, shard, key) DO UPDATE SET count = open_counts.count + excluded.count",
    "WITH theirs AS (DELETE FROM open_overflow WHERE shard <> $1 RETURNING pane, count) \
     INSERT INTO open_overflow SELECT pane, $1, sum(count) FROM theirs GROUP BY pane \
     ON CONFLICT (pane, shard) DO UPDATE SET count = open_overflow.count + excluded.count",
    "WITH theirs AS (DELETE FROM open_ids WHERE shard <> $1 RETURNING pane, id) \
     INSERT INTO open_ids SELECT DISTINCT pane, $1, id FROM theirs ON CONFLICT DO NOTHING",
    "WITH theirs AS (DELETE FROM shard_late WHERE shard <> $1 RETURNING *) \
     INSERT INTO shard_late SELECT start, \"end\", key, min(rest), $1, sum(count) FROM theirs GROUP BY start, \"end\", key \
     ON CONFLICT (start, \"end\", key, shard) DO UPDATE SET count = shard_late.count + excluded.count",
    "WITH theirs AS (DELETE FROM shard_totals WHERE shard <> $1 RETURNING name, count) \
     INSERT INTO shard_totals SELECT $1, name, sum(count) FROM theirs GROUP BY name \
     ON CONFLICT (shard, name) DO UPDATE SET count = shard_totals.count + excluded.count",
];

/// Takes the counts over, if they are of this stream and these windows.
pub(super) async fn load(
    session: &mut Session,
    url: &PostgresUrl,
    owner: &WriterName,
    ours: &Fingerprint,
) -> Result<(Turn, SavedState), DatabaseFault> {
    let (transaction, _) = session.begin().await?;
    let row = check_in(&transaction, url, ours).await?;
    let (epoch, commits): (i64, i64) = (row.try_get(6)?, row.try_get(7)?);
    for sql in TAKE {
        answered(transaction.execute(sql, &[&owner.as_str()])).await?;
    }
    for sql in FOLD {
        answered(transaction.execute(sql, &[&ALL_SHARDS])).await?;
    }
    let saved = read(transaction.client(), row.try_get(5)?).await?;
    answered(transaction.commit()).await?;
    Ok((Turn { epoch: epoch + 1, commits, in_doubt: false }, saved))
}

/// The row of the tables' progress, locked, if they are of this stream and these windows; made where they are new. Its
/// watermark is the one up to which windows were moved: a fleet may have ended between the two.
pub(super) async fn check_in(
    transaction: &Transaction<'_>,
    url: &PostgresUrl,
    ours: &Fingerprint,
) -> Result<Row, DatabaseFault> {
    let (name, created) = (&*ours.stream.name, ours.stream.created);
    let (size, slide) = (Length(ours.size), Length(ours.slide));
    let new: [&(dyn ToSql + Sync); 6] = [&name, &created, &size, &slide, &ours.key, &Timestamp::MIN];
    answered(transaction.execute(NEW, &new)).await?;
    let row = answered(transaction.query_one(OF, &[])).await?;
    check(url, &fingerprint(&row)?, ours)?;
    Ok(row)
}

/// The stream that the counts are of; `None` in a new database.
pub(super) async fn stream(client: &Client) -> Result<Option<StreamId>, DatabaseFault> {
    let row = answered(client.query_opt("SELECT stream, created FROM progress", &[])).await?;
    row.map(|row| Ok(StreamId::new(row.try_get(0)?, row.try_get(1)?))).transpose()
}

fn fingerprint(row: &Row) -> Result<Fingerprint, DatabaseFault> {
    let (size, slide): (Length, Length) = (row.try_get(2)?, row.try_get(3)?);
    let theirs = Fingerprint::new(StreamId::new(row.try_get(0)?, row.try_get(1)?), size.0, slide.0);
    Ok(Fingerprint { key: row.try_get(4)?, ..theirs })
}

fn check(url: &PostgresUrl, theirs: &Fingerprint, ours: &Fingerprint) -> Result<(), Error> {
    if let Some(error) = other_stream(url, &theirs.stream, &ours.stream) {
        return Err(error);
    }
    let length = |time: Duration| format!("{} s", time.as_secs_f64());
    if theirs.size != ours.size {
        return Err(other(url, "window size", &length(theirs.size), &length(ours.size)));
    }
    if theirs.slide != ours.slide {
        return Err(other(url, "window slide", &length(theirs.slide), &length(ours.slide)));
    }
    match theirs.key == ours.key {
        true => Ok(()),
        false => Err(other(url, "key", &theirs.key, &ours.key)),
    }
}

/// What is wrong with the stream, if it is another.
pub(super) fn other_stream(url: &PostgresUrl, theirs: &StreamId, ours: &StreamId) -> Option<Error> {
    if theirs.name != ours.name {
        return Some(other(url, "stream", &theirs.name, &ours.name));
    }
    let what = "stream of that name, created at another time";
    (theirs.created != ours.created)
        .then(|| other(url, what, &theirs.created.to_string(), &ours.created.to_string()))
}

fn other(url: &PostgresUrl, what: &str, found: &str, value: &str) -> Error {
    let message = format!(
        "{url} is of another {what} ({}; this one's is {}): give this one a database of its own, or a schema \
         (…?options=-csearch_path%3Dname)",
        printable(found.as_bytes()),
        printable(value.as_bytes()),
    );
    Error::new(ErrorKind::Store, message)
}

/// All but the completed windows and the late events, which nobody needs to go on.
pub(super) async fn read(client: &Client, watermark: Timestamp) -> Result<SavedState, DatabaseFault> {
    let mut state = SavedState { watermark, totals: read_totals(client).await?, ..SavedState::default() };
    (state.checkpoints, state.shard_times) = places::OF_COUNTS.read(client).await?;
    let mut panes: BTreeMap<Timestamp, SavedPane> = BTreeMap::new();
    let sql = "SELECT pane, coalesce(rest, key), sum(count)::int8 FROM open_counts GROUP BY 1, 2";
    // One after the other: a million of them are there once, not twice.
    let rows = answered(client.query_raw(sql, std::iter::empty::<i64>())).await?;
    let mut rows = std::pin::pin!(rows);
    while let Some(row) = answered(rows.try_next()).await? {
        let key: String = row.try_get(1)?;
        let count = (Text::from(texts::read(key)), unsigned(row.try_get(2)?));
        panes.entry(row.try_get(0)?).or_default().counts.push(count);
    }
    let sql = "SELECT pane, sum(count)::int8 FROM open_overflow GROUP BY pane";
    for row in answered(client.query(sql, &[])).await? {
        panes.entry(row.try_get(0)?).or_default().overflow = unsigned(row.try_get(1)?);
    }
    for row in answered(client.query("SELECT pane, id FROM open_ids", &[])).await? {
        let id: &[u8] = row.try_get(1)?;
        if let Ok(id) = id.try_into() {
            panes.entry(row.try_get(0)?).or_default().ids.push(u128::from_be_bytes(id));
        }
    }
    state.panes = panes.into_iter().collect();
    state.origins = origins::OF_COUNTS.read(client).await?;
    Ok(state)
}

/// What is in no window.
pub(super) async fn read_totals(client: &Client) -> Result<Totals, DatabaseFault> {
    totals(&answered(client.query("SELECT name, count FROM totals", &[])).await?)
}

/// Of rows with a name and a count.
pub(super) fn totals(rows: &[Row]) -> Result<Totals, DatabaseFault> {
    let mut totals = Totals::default();
    for row in rows {
        let (name, count): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
        match name {
            "late" => totals.late = unsigned(count),
            "refused" => totals.refused = unsigned(count),
            "duplicates" => totals.duplicates = unsigned(count),
            "unparsed" => totals.unparsed = unsigned(count),
            "unplaced" => totals.unplaced = unsigned(count),
            _ => {}
        }
    }
    Ok(totals)
}
