//! `Counter::shared_in` and `Detection::shared_in`: where the workers of a fleet keep what they count.

use crate::count::Counter;
use crate::detect::Detection;
use crate::error::Result;
use crate::fleet::{SharedCounter, SharedDetection};
use crate::postgres::{PostgresFleet, PostgresFleetAlerts, PostgresUrl};
use crate::read::StreamId;
use crate::stream::Stream;

impl Counter {
    /// The same counter, for a worker of the Kinesis Client Library (feature `kcl`): of each shard one worker counts, and
    /// all of them into one PostgreSQL database, whose address is as [`Postgres`](crate::Postgres) reads it. Its counts are
    /// exact over all shards, and read as those of one process ([`Counts`](crate::Counts)). Without a
    /// [`lateness`](Counter::lateness), that is 30 s.
    ///
    /// ```no_run
    /// use kinesis_lab::{StreamId, kcl::Child, prelude::*};
    ///
    /// // A child of the KCL's daemon, which starts this program for each shard that the worker has.
    /// fn main() -> Result<(), Error> {
    ///     let stream = Kinesis::aws().connect()?.stream("visits")?;
    ///     let mut counter = Counter::per_minute().shared_in("postgres://ann@db.example/shop", &stream)?;
    ///     Child::new().stream(&StreamId::new(stream.name(), stream.created())).run(&mut counter)?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the address does not read as one. Nothing is asked
    /// of the database before a shard is taken; it is waited for where it does not answer.
    pub fn shared_in(self, url: &str, stream: &Stream) -> Result<SharedCounter> {
        let store = PostgresFleet::new(&PostgresUrl::parse(url)?)?;
        let (id, of) = (StreamId::new(stream.name(), stream.created()), stream.clone());
        Ok(SharedCounter::new(self, Box::new(store), id, Box::new(move || of.shards())))
    }
}

impl Detection {
    /// The same detection, for a worker of the Kinesis Client Library (feature `kcl`): of each shard one worker sees the
    /// events, and all of them count into one PostgreSQL database, whose address is as [`Postgres`](crate::Postgres) reads
    /// it. Each alert comes once, also of keys whose events are in several shards; [`Alerts`](crate::Alerts) reads them
    /// as it does those of one process. Lateness, format, callbacks and the stream of alerts are said before this.
    ///
    /// ```no_run
    /// use kinesis_lab::{Detection, Playbook, Playbooks, StreamId, kcl::Child, prelude::*};
    ///
    /// // A child of the KCL's daemon, which starts this program for each shard that the worker has.
    /// fn main() -> Result<(), Error> {
    ///     let kinesis = Kinesis::aws().connect()?;
    ///     let (log, alerts) = (kinesis.stream("log")?, kinesis.stream("alerts")?);
    ///     let playbooks = Playbooks::new(vec![Playbook::new("busy", 300).block_for(secs(600))])?;
    ///     let detection = Detection::new(&playbooks).lateness(secs(30)).alerts_to(&alerts);
    ///     let mut detection = detection.shared_in("postgres://ann@db.example/shop", &log)?;
    ///     Child::new().stream(&StreamId::new(log.name(), log.created())).run(&mut detection)?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the address does not read as one. Nothing is asked
    /// of the database before a shard is taken; it is waited for where it does not answer.
    pub fn shared_in(self, url: &str, stream: &Stream) -> Result<SharedDetection> {
        let store = PostgresFleetAlerts::new(&PostgresUrl::parse(url)?)?;
        let (id, of) = (StreamId::new(stream.name(), stream.created()), stream.clone());
        Ok(SharedDetection::new(self, Box::new(store), id, Box::new(move || of.shards())))
    }
}
