//! Enhanced fan-out: what a consumer is told of it.

use super::super::registration::FanOut;
use super::Consumer;
use crate::error::{Error, Result};
use crate::runtime::{hosted, wait_here};

impl Consumer {
    /// Reads by enhanced fan-out, registered under this name: the service pushes the records of each shard as they
    /// come, 2 MB a second and shard for this consumer alone, and no reads are taken from others. Default: polling.
    ///
    /// A run registers the consumer and waits until it is ACTIVE, or takes the registration that is there; it
    /// stays when the run ends, for the next one, and costs money on AWS for each shard and hour until it is taken
    /// back ([`deregister`](Self::deregister)). A stream takes 20 (API reference, RegisterStreamConsumer). One name
    /// is for one run at a time: of two that subscribe by it, each takes the shards from the other.
    ///
    /// Everything else is as with polling: processors, reports, checkpoints, unpacked aggregates, children after
    /// their parents. A subscription is renewed before its five minutes are over; one that breaks is made again, 5 s
    /// after it was made at the earliest, which is what the service allows, and goes on where it was. A processor
    /// that is slow has two events of a shard waiting for it, and the rest stays at the service. `tick` comes
    /// once a [`poll_every`](Self::poll_every); [`limit`](Self::limit) means nothing here.
    ///
    /// Where it may not (no permission, no registration left, a service that does not know it, the registration taken
    /// back by somebody), the run polls, and says so in one sentence;
    /// [`polls_because`](crate::ConsumerReport::polls_because) in the report has it. It needs the permissions
    /// `kinesis:DescribeStreamConsumer`, `kinesis:RegisterStreamConsumer` and `kinesis:SubscribeToShard`.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("visits", 2)?;
    /// stream.put("192.0.2.10", "2018-09-06T08:04:56Z")?;
    /// let consumer = stream.consumer().fan_out("dashboard").trim_horizon();
    /// let mut counter = Counter::per_minute();
    /// let report = consumer.run_until_caught_up(&mut counter)?;
    /// assert_eq!((counter.total(), report.polls_because), (1, None));
    /// assert!(consumer.deregister()?); // it costs money until then
    /// # Ok::<(), Error>(())
    /// ```
    pub fn fan_out(mut self, name: &str) -> Consumer {
        self.options.fan_out = Some(FanOut::new(name));
        self
    }

    /// Takes back the registration that a run of this consumer, or of its clones, has made, and waits until it is
    /// gone. False where it made none: one that was there before is somebody's, and stays; to take that back, see
    /// [`Stream::deregister_consumer`](crate::Stream::deregister_consumer).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a consumer without
    /// [`fan_out`](Self::fan_out); those of [`Stream::deregister_consumer`](crate::Stream::deregister_consumer).
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("visits", 1)?;
    /// let first = stream.consumer().fan_out("dashboard");
    /// let second = stream.consumer().fan_out("dashboard");
    /// first.run_for(secs(1), &mut Echo::new())?;
    /// second.run_for(secs(1), &mut Echo::new())?; // finds it
    /// assert!(!second.deregister()? && first.deregister()?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn deregister(&self) -> Result<bool> {
        wait_here(self.deregister_async())
    }

    /// [`deregister`](Self::deregister) for async code.
    ///
    /// # Errors
    /// As `deregister`.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # block_on(async {
    /// let stream = Kinesis::local_async().await?.create_stream_async("visits", 1).await?;
    /// let consumer = stream.consumer().fan_out("dashboard").until_caught_up();
    /// consumer.start_async(Echo::new()).await?.await.1?;
    /// assert!(consumer.deregister_async().await?);
    /// # Ok::<(), Error>(())
    /// # })?;
    /// # Ok::<(), Error>(())
    /// ```
    pub async fn deregister_async(&self) -> Result<bool> {
        let Some(fan_out) = self.options.fan_out.clone() else {
            return Err(Error::invalid(
                "this consumer polls, and registers nothing: .fan_out(\"name\") does",
            ));
        };
        let stream = self.options.stream.clone();
        hosted(async move { fan_out.deregister(&stream).await }).await
    }
}
