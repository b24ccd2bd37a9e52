//! [`Child`]: a processor as a child of the KCL's daemon.

use std::time::Duration;

use super::driver::Driver;
use super::stdio::PipedDaemon;
use crate::error::Result;
use crate::read::{ConsumerReport, RecordProcessor, StreamId};
use crate::runtime::wait_here;
use crate::stop::Stop;
use crate::timestamp::Timestamp;

/// Once in so long, the lease table hears of what was processed.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// A processor as a child of the KCL's daemon: [`run`](super::run) with options.
///
/// ```no_run
/// use kinesis_lab::{StreamId, kcl::Child, prelude::*};
///
/// let stream = Kinesis::aws().connect()?.stream("web-requests")?;
/// let child = Child::new()
///     .stream(&StreamId::new(stream.name(), stream.created()))
///     .checkpoint_every(secs(30));
/// let report = child.run(&mut Echo::new())?; // on stderr
/// assert_eq!(report.ended, Some(Ended::LeaseLost)); // another worker has the shard
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Child {
    stream: StreamId,
    checkpoint_every: Duration,
}

impl Default for Child {
    fn default() -> Child {
        Child::new()
    }
}

impl Child {
    /// The defaults.
    pub fn new() -> Child {
        Child { stream: StreamId::new("", Timestamp::MIN), checkpoint_every: CHECKPOINT_EVERY }
    }

    /// Which stream the application reads, for [`Batch::stream`](crate::Batch::stream) and
    /// [`RecordProcessor::checkpoints`]: the daemon does not say it. A [`Filter`](crate::Filter) writes its name
    /// into what it sends on. Default: one without a name.
    pub fn stream(mut self, stream: &StreamId) -> Child {
        self.stream = stream.clone();
        self
    }

    /// How often the lease table is told what was processed: a write to DynamoDB for each shard. After a crash, what
    /// came since is processed again. Default: 5 s; zero: after each batch.
    pub fn checkpoint_every(mut self, interval: Duration) -> Child {
        self.checkpoint_every = interval;
        self
    }

    /// Takes stdin and stdout, and processes a shard until the daemon lets go of this child. It blocks; the processor
    /// runs on this thread.
    ///
    /// # Errors
    /// As [`run`](super::run).
    pub fn run(&self, processor: &mut dyn RecordProcessor) -> Result<ConsumerReport> {
        let stop = Stop::default();
        let daemon = PipedDaemon::take(&stop)?;
        wait_here(Driver::new(daemon, &self.stream, self.checkpoint_every, processor, &stop).run())
    }
}
