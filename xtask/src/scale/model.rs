//! [`Fleet`]: what workers of the Kinesis Client Library ask of DynamoDB, Kinesis and PostgreSQL. Pure arithmetic.

use super::measured::Measured;

/// A fleet, with the defaults of the KCL 3.1.3 and of a child of `kinesis_lab::kcl`.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    pub(crate) shards: u64,
    pub(crate) workers: u64,
    /// Of a shard, a second.
    pub(crate) records: f64,
    /// Different keys of a shard in a window; each key has one shard, as where the partition key is what is counted.
    pub(crate) keys: f64,
    pub(crate) window_seconds: f64,
    pub(crate) lateness_seconds: f64,
    /// `failoverTimeMillis`: 10,000 (LeaseManagementConfig).
    pub(crate) failover_ms: f64,
    /// `idleTimeBetweenReadsInMillis`: 1,500 (PollingConfig).
    pub(crate) poll_ms: f64,
    /// `Child::checkpoint_every`: 5 s.
    pub(crate) checkpoint_seconds: f64,
    /// Each has the shards of a range of hashes, and a watermark of its own.
    pub(crate) databases: u64,
    /// How many times the machine of measured.json a database's is.
    pub(crate) faster: f64,
    /// What a window has counted is dropped as a partition, not deleted row by row.
    pub(crate) by_pane: bool,
}

impl Default for Fleet {
    fn default() -> Fleet {
        Fleet {
            shards: 10_000,
            workers: 1_000,
            records: 100.0,
            keys: 100.0,
            window_seconds: 60.0,
            lateness_seconds: 30.0,
            failover_ms: 10_000.0,
            poll_ms: 1_500.0,
            checkpoint_seconds: 5.0,
            databases: 1,
            faster: 1.0,
            by_pane: false,
        }
    }
}

/// `epsilonMillis`, by which a lease is renewed earlier than a third of its time (LeaseManagementConfig).
const EPSILON_MS: f64 = 25.0;
/// `workerMetricsReporterFreqInMillis`, and the heartbeat of the leader's lock (DynamoDBLockBasedLeaderDecider).
const WORKER_SECONDS: f64 = 30.0;
/// `leasesRecoveryAuditorExecutionFrequencyMillis`: the leader looks for holes in the leases.
const AUDIT_SECONDS: f64 = 120.0;
/// Assumed: a lease takes so much of DynamoDB. Up to 1 KB is one write unit.
const LEASE_BYTES: f64 = 500.0;
/// Of an eventually consistent read, which is what the KCL does (`consistentReads`: false): a unit is 2 × 4 KB.
const READ_UNIT_BYTES: f64 = 8_192.0;
/// A page of ListShards (API reference, `MaxResults`).
const PAGE: u64 = 1_000;
/// How often a child looks whether a window is complete.
const LOOK_SECONDS: f64 = 1.0;

impl Fleet {
    /// Of the lease table and its two neighbours, a second.
    pub(crate) fn dynamodb_writes(&self) -> f64 {
        let renewals = self.shards as f64 * 1000.0 / (self.failover_ms / 3.0 - EPSILON_MS);
        // No checkpoint without a batch.
        let checkpoints = self.shards as f64 / self.checkpoint_seconds.max(self.poll_ms / 1000.0);
        renewals + checkpoints + self.workers as f64 / WORKER_SECONDS
    }

    /// In read units, a second: the leader's scans, each worker's query for new leases of its own, its look who leads.
    pub(crate) fn dynamodb_reads(&self) -> f64 {
        let assignment_seconds = 2.0 * self.failover_ms / 1000.0;
        let scan = self.shards as f64 * LEASE_BYTES / READ_UNIT_BYTES;
        let scans = scan / assignment_seconds + scan / AUDIT_SECONDS;
        // A query takes half a unit at least.
        let queries = self.workers as f64 * 0.5 / (assignment_seconds / 2.0 - EPSILON_MS / 1000.0);
        scans + queries + self.workers as f64 / WORKER_SECONDS
    }

    /// When all children start at once: each asks once for the whole stream.
    pub(crate) fn list_shards_at_start(&self) -> u64 {
        self.shards * self.shards.div_ceil(PAGE)
    }

    /// Of a shard, a second; AWS allows 5.
    pub(crate) fn reads_a_shard(&self) -> f64 {
        1000.0 / self.poll_ms
    }

    pub(crate) fn shards_a_database(&self) -> f64 {
        self.shards as f64 / self.databases as f64
    }

    /// Of one database, a second, as far as it keeps up: each poll of each shard is a batch.
    pub(crate) fn transactions(&self) -> f64 {
        self.shards_a_database() * 1000.0 / self.poll_ms
    }

    /// How many different keys a batch of so many records has, where all keys are as frequent.
    pub(crate) fn keys_of_a_batch(&self, records: f64) -> f64 {
        self.keys * (1.0 - (1.0 - 1.0 / self.keys.max(1.0)).powf(records))
    }

    /// Seconds of a database for one batch.
    pub(crate) fn batch_cost(&self, measured: &Measured, records: f64) -> f64 {
        measured.batch_seconds(self.keys_of_a_batch(records)) / self.faster
    }

    /// Seconds of a database a second, for batches.
    pub(crate) fn batches_load(&self, measured: &Measured) -> f64 {
        self.transactions() * self.batch_cost(measured, self.records * self.poll_ms / 1000.0)
    }

    /// Seconds of a database a second, while all shards but one wait for a window's end: each reads the rows of all.
    pub(crate) fn looks_load(&self, measured: &Measured) -> f64 {
        let shards = self.shards_a_database();
        shards / LOOK_SECONDS * shards * measured.seconds_a_row_looked_at() / self.faster
    }

    /// Rows of open counts, in one database.
    pub(crate) fn open_rows(&self) -> f64 {
        self.rows_of_a_window() * (1.0 + (self.lateness_seconds / self.window_seconds).ceil())
    }

    /// Keys of one window, in one database.
    pub(crate) fn rows_of_a_window(&self) -> f64 {
        self.shards_a_database() * self.keys
    }

    /// Of all databases, a day.
    pub(crate) fn rows_a_day(&self) -> f64 {
        self.rows_of_a_window() * self.databases as f64 * 86_400.0 / self.window_seconds
    }

    /// Seconds that one window takes to complete, in one database.
    pub(crate) fn completion_seconds(&self, measured: &Measured) -> f64 {
        measured.completion_seconds(self.rows_of_a_window(), self.by_pane) / self.faster
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Fleet {
        Fleet { shards: 4, workers: 3, records: 2.0, keys: 10.0, ..Fleet::default() }
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn leases_of_a_small_fleet_by_hand() {
        // 4 leases, each renewed every 10,000/3 − 25 = 3,308.33 ms; 4 checkpoints in 5 s; 3 workers in 30 s.
        near(small().dynamodb_writes(), 4.0 / 3.308_333_333_333 + 0.8 + 0.1);
        // 4 × 500 bytes are 0.244 units, every 20 s and every 120 s; 3 queries of half a unit in 9.975 s; 3 looks in 30 s.
        let scan = 2_000.0 / 8_192.0;
        near(small().dynamodb_reads(), scan / 20.0 + scan / 120.0 + 1.5 / 9.975 + 0.1);
        // A checkpoint at most with each batch.
        let often = Fleet { checkpoint_seconds: 0.0, ..small() };
        near(often.dynamodb_writes() - small().dynamodb_writes(), 4.0 / 1.5 - 0.8);
    }

    #[test]
    fn shards_are_listed_by_pages() {
        assert_eq!(small().list_shards_at_start(), 4);
        assert_eq!(Fleet { shards: 1_001, ..small() }.list_shards_at_start(), 2_002);
    }

    #[test]
    fn keys_of_a_batch_are_no_more_than_there_are() {
        near(small().keys_of_a_batch(1.0), 1.0);
        near(small().keys_of_a_batch(2.0), 1.9);
        near(small().keys_of_a_batch(1e9), 10.0);
    }

    #[test]
    fn rows_by_hand() {
        // 4 shards × 10 keys; this window, and the one before it while late events are waited for.
        near(small().open_rows(), 80.0);
        near(small().rows_a_day(), 40.0 * 1_440.0);
        near(Fleet { databases: 2, ..small() }.open_rows(), 40.0);
    }
}
