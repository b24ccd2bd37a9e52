//! How far each shard is, of counts and of alerts alike.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};

use super::explain::DatabaseFault;
use super::link::{Prepared, answered};
use super::lock::WriterName;
use crate::read::Checkpoint;
use crate::timestamp::Timestamp;

/// The statements for one table of shards.
pub(super) struct ShardTable {
    write: &'static str,
    times: &'static str,
    read: &'static str,
}

macro_rules! shard_table {
    ($table:literal) => {
        ShardTable {
            write: concat!(
                "INSERT INTO ",
                $table,
                " (shard, epoch, owner, sequence, arrival, ended, reported) \
                 SELECT c.shard, 1, $1, c.sequence, c.arrival, c.ended, clock_timestamp() \
                 FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::bool[]) \
                 AS c (shard, sequence, arrival, ended) \
                 ON CONFLICT (shard) DO UPDATE SET sequence = excluded.sequence, sub_sequence = NULL, \
                 arrival = excluded.arrival, ended = excluded.ended, reported = excluded.reported"
            ),
            times: concat!(
                "UPDATE ",
                $table,
                " AS s SET newest_event = t.newest \
                 FROM unnest($1::text[], $2::timestamptz[]) AS t (shard, newest) \
                 WHERE s.shard = t.shard AND s.newest_event IS DISTINCT FROM t.newest"
            ),
            // A shard that nobody has read yet is known to a fleet by its name alone.
            read: concat!(
                "SELECT shard, sequence, arrival, newest_event, ended FROM ",
                $table,
                " WHERE arrival IS NOT NULL ORDER BY shard"
            ),
        }
    };
}

pub(super) const OF_COUNTS: ShardTable = shard_table!("shards");
pub(super) const OF_ALERTS: ShardTable = shard_table!("alert_shards");

impl ShardTable {
    pub(super) const fn statements(&self) -> [&'static str; 2] {
        [self.write, self.times]
    }

    pub(super) async fn write(
        &self,
        transaction: &Transaction<'_>,
        prepared: Prepared<'_>,
        owner: &WriterName,
        checkpoints: &[Checkpoint],
        newest_events: &[(String, Timestamp)],
    ) -> Result<(), DatabaseFault> {
        if !checkpoints.is_empty() {
            let shards: Vec<&str> = checkpoints.iter().map(|place| place.shard_id.as_str()).collect();
            let numbers: Vec<Option<&str>> =
                checkpoints.iter().map(|place| place.sequence_number.as_deref()).collect();
            let arrivals: Vec<Timestamp> = checkpoints.iter().map(|place| place.arrival).collect();
            let ended: Vec<bool> = checkpoints.iter().map(|place| place.ended).collect();
            let values: [&(dyn ToSql + Sync); 5] = [&owner.as_str(), &shards, &numbers, &arrivals, &ended];
            answered(transaction.execute(prepared.get(self.write)?, &values)).await?;
        }
        if !newest_events.is_empty() {
            let (shards, times): (Vec<&str>, Vec<Timestamp>) =
                newest_events.iter().map(|(shard, time)| (shard.as_str(), *time)).unzip();
            answered(transaction.execute(prepared.get(self.times)?, &[&shards, &times])).await?;
        }
        Ok(())
    }

    /// The checkpoint of each shard, and its newest event.
    pub(super) async fn read(
        &self,
        client: &Client,
    ) -> Result<(Vec<Checkpoint>, Vec<(String, Timestamp)>), DatabaseFault> {
        let (mut checkpoints, mut newest_events) = (Vec::new(), Vec::new());
        for row in answered(client.query(self.read, &[])).await? {
            let shard_id: String = row.try_get(0)?;
            if let Some(newest) = row.try_get(3)? {
                newest_events.push((shard_id.clone(), newest));
            }
            let (sequence_number, arrival, ended) = (row.try_get(1)?, row.try_get(2)?, row.try_get(4)?);
            checkpoints.push(Checkpoint { shard_id, sequence_number, arrival, ended });
        }
        Ok((checkpoints, newest_events))
    }
}
