//! The rows of a fleet's shards, of counts and of alerts alike: who has each, and how far it is.

use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Transaction};

use super::explain::DatabaseFault;
use super::link::{Prepared, answered};
use super::sql_types::{Length, signed, unsigned};
use super::url::PostgresUrl;
use crate::error::{Error, ErrorKind};
use crate::fleet::{Claim, CountedPosition, ShardLineage, ShardRow, TakenShard, Tip};
use crate::timestamp::Timestamp;

/// How long a shard is believed to be at its tip, after whoever reads it has said so: not longer than late events are
/// waited for, and some polls at least.
const BELIEVED: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(10));

/// The statements for one table of shards.
pub(super) struct FleetTable {
    enter: &'static str,
    enter_parents: &'static str,
    take: &'static str,
    read: &'static str,
    check: &'static str,
    write: &'static str,
    end: &'static str,
    all: &'static str,
}

macro_rules! fleet_table {
    ($table:literal) => {
        FleetTable {
            // In the order of their names, so that two workers who enter the same do not wait for each other.
            enter: concat!(
                "INSERT INTO ",
                $table,
                " (shard, parents) SELECT shard, array_remove(ARRAY[parent, adjacent], NULL) \
                 FROM unnest($1::text[], $2::text[], $3::text[]) AS s (shard, parent, adjacent) \
                 ORDER BY shard ON CONFLICT DO NOTHING"
            ),
            // A single process does not enter them.
            enter_parents: concat!(
                "UPDATE ",
                $table,
                " AS s SET parents = array_remove(ARRAY[n.parent, n.adjacent], NULL) \
                 FROM unnest($1::text[], $2::text[], $3::text[]) AS n (shard, parent, adjacent) \
                 WHERE s.shard = n.shard AND s.parents = '{}' AND n.parent IS NOT NULL"
            ),
            take: concat!(
                "UPDATE ",
                $table,
                " SET epoch = epoch + 1, owner = $2, idle = false, reported = clock_timestamp() WHERE shard = $1 \
                 RETURNING epoch, sequence, sub_sequence, arrival, newest_event, ended"
            ),
            read: concat!(
                "SELECT epoch, sequence, sub_sequence, arrival, newest_event, ended FROM ",
                $table,
                " WHERE shard = $1 FOR UPDATE"
            ),
            check: concat!(
                "SELECT epoch, sequence, sub_sequence FROM ",
                $table,
                " WHERE shard = $1 FOR UPDATE"
            ),
            write: concat!(
                "UPDATE ",
                $table,
                " SET sequence = $2, sub_sequence = $3, arrival = $4, newest_event = greatest(newest_event, $5), \
                 idle = $6, reported = clock_timestamp() - $7::interval WHERE shard = $1"
            ),
            // Empty until then, it has no arrival; without one, it would pass for one that nobody has read.
            end: concat!(
                "UPDATE ",
                $table,
                " SET ended = true, idle = false, reported = clock_timestamp(), \
                 arrival = coalesce(arrival, clock_timestamp()) WHERE shard = $1"
            ),
            all: concat!(
                "SELECT shard, parents, epoch > 0, newest_event, \
                 idle AND reported > clock_timestamp() - $1::interval, ended FROM ",
                $table
            ),
        }
    };
}

pub(super) const OF_COUNTS: FleetTable = fleet_table!("shards");
pub(super) const OF_ALERTS: FleetTable = fleet_table!("alert_shards");

/// A shard as its row has it.
pub(super) struct FleetRow {
    pub(super) place: TakenShard<()>,
    pub(super) newest_event: Option<Timestamp>,
}

impl FleetRow {
    fn of(row: &Row) -> Result<FleetRow, DatabaseFault> {
        let place = TakenShard {
            epoch: row.try_get(0)?,
            position: position(row.try_get(1)?, row.try_get(2)?),
            arrival: row.try_get(3)?,
            ended: row.try_get(5)?,
            saved: (),
        };
        Ok(FleetRow { place, newest_event: row.try_get(4)? })
    }
}

/// How far a worker has come.
pub(super) struct FleetPlace<'a> {
    pub(super) position: Option<&'a CountedPosition>,
    pub(super) arrival: Option<Timestamp>,
    pub(super) newest_event: Option<Timestamp>,
    pub(super) tip: Tip,
}

fn position(number: Option<String>, sub: Option<i64>) -> Option<CountedPosition> {
    number.map(|sequence_number| CountedPosition { sequence_number, sub_sequence_number: sub.map(unsigned) })
}

pub(super) fn emptied(url: &PostgresUrl) -> Error {
    let sentence = format!("the tables in {url} were emptied while this worker ran: start it again");
    Error::new(ErrorKind::Store, sentence)
}

impl FleetTable {
    /// What [`check`](FleetTable::check) and [`write`](FleetTable::write) take.
    pub(super) const fn statements(&self) -> [&'static str; 2] {
        [self.check, self.write]
    }

    /// Enters shards that are not known yet.
    pub(super) async fn enter(
        &self,
        transaction: &Transaction<'_>,
        lineage: &[ShardLineage],
    ) -> Result<(), DatabaseFault> {
        let shards: Vec<&str> = lineage.iter().map(|shard| &*shard.shard_id).collect();
        let parent = |n: usize| -> Vec<Option<&str>> {
            lineage.iter().map(|shard| shard.parents.get(n).map(String::as_str)).collect()
        };
        let values: [&(dyn ToSql + Sync); 3] = [&shards, &parent(0), &parent(1)];
        for sql in [self.enter, self.enter_parents] {
            answered(transaction.execute(sql, &values)).await?;
        }
        Ok(())
    }

    /// The next epoch of a shard: whoever had the one before writes nothing more.
    pub(super) async fn take(
        &self,
        transaction: &Transaction<'_>,
        shard_id: &str,
        owner: &str,
    ) -> Result<FleetRow, DatabaseFault> {
        FleetRow::of(&answered(transaction.query_one(self.take, &[&shard_id, &owner])).await?)
    }

    /// A shard that this worker has taken, and no other since.
    pub(super) async fn read(
        &self,
        transaction: &Transaction<'_>,
        url: &PostgresUrl,
        claim: &Claim,
    ) -> Result<FleetRow, DatabaseFault> {
        let row = answered(transaction.query_opt(self.read, &[&claim.shard_id])).await?;
        let row = FleetRow::of(&row.ok_or_else(|| emptied(url))?)?;
        claim.check_epoch(row.place.epoch, &url.to_string())?;
        Ok(row)
    }

    /// Locks the row, which must be as this worker left it. Whoever takes the shard waits for it; who has taken it, has
    /// changed its epoch.
    pub(super) async fn check(
        &self,
        transaction: &Transaction<'_>,
        prepared: Prepared<'_>,
        url: &PostgresUrl,
        claim: &Claim,
    ) -> Result<(), DatabaseFault> {
        let row = answered(transaction.query_opt(prepared.get(self.check)?, &[&claim.shard_id])).await?;
        let row = row.ok_or_else(|| emptied(url))?;
        let at = position(row.try_get(1)?, row.try_get(2)?);
        claim.check(row.try_get(0)?, at.as_ref(), &url.to_string())?;
        Ok(())
    }

    /// In a row that was checked.
    pub(super) async fn write(
        &self,
        transaction: &Transaction<'_>,
        prepared: Prepared<'_>,
        claim: &Claim,
        place: &FleetPlace<'_>,
    ) -> Result<(), DatabaseFault> {
        let number = place.position.map(|at| &at.sequence_number);
        let sub = place.position.and_then(|at| at.sub_sequence_number).map(signed);
        let (idle, age) = (place.tip.reached, Length(place.tip.age()));
        let values: [&(dyn ToSql + Sync); 7] =
            [&claim.shard_id, &number, &sub, &place.arrival, &place.newest_event, &idle, &age];
        answered(transaction.execute(prepared.get(self.write)?, &values)).await.map(drop)
    }

    /// The children are entered in the transaction in which their parent ends: no window passes between the two.
    pub(super) async fn end(
        &self,
        transaction: &Transaction<'_>,
        url: &PostgresUrl,
        claim: &Claim,
        lineage: &[ShardLineage],
    ) -> Result<(), DatabaseFault> {
        self.enter(transaction, lineage).await?;
        self.read(transaction, url, claim).await?;
        answered(transaction.execute(self.end, &[&claim.shard_id])).await.map(drop)
    }

    /// How far each shard is, from which the watermark is found.
    pub(super) async fn all(
        &self,
        client: &Client,
        lateness: Duration,
    ) -> Result<Vec<ShardRow>, DatabaseFault> {
        let believed = Length(lateness.clamp(BELIEVED.0, BELIEVED.1));
        let rows = answered(client.query(self.all, &[&believed])).await?;
        let row = |row: &Row| {
            Ok(ShardRow {
                id: row.try_get(0)?,
                parents: row.try_get(1)?,
                opened: row.try_get(2)?,
                newest_event: row.try_get(3)?,
                idle: row.try_get::<_, Option<bool>>(4)?.unwrap_or(false),
                ended: row.try_get(5)?,
            })
        };
        rows.iter().map(row).collect()
    }
}
