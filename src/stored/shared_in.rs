//! `Counter::shared_in`: where the workers of a fleet keep what they count.

use crate::count::Counter;
use crate::error::Result;
use crate::fleet::SharedCounter;
use crate::postgres::{PostgresFleet, PostgresUrl};
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
