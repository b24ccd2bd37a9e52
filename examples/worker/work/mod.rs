//! What a worker does with the records of its shards.

mod count;
mod detect;
mod filter;

use clap::Subcommand;
use kinesis_lab::StreamId;
use kinesis_lab::kcl::Child;
use kinesis_lab::prelude::*;

use crate::{Arguments, common};

/// What is done with the records.
#[derive(Subcommand)]
pub(crate) enum Work {
    /// Requests per key, in windows of event time
    Count(count::Count),
    /// Sends on what is to be kept, into another stream
    Filter(filter::SendOn),
    /// Watches for too much of something, and tells of it
    Detect(detect::Detect),
}

/// As a child: one shard, until the daemon lets go of it.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let stream = stream(arguments)?;
    let mut processor = processor(arguments, &stream)?;
    Child::new().stream(&StreamId::new(stream.name(), stream.created())).run(&mut *processor)?;
    Ok(())
}

/// What a child would find wrong, before there is one: a daemon whose children end at once is started in vain.
pub(crate) fn check(arguments: &Arguments) -> Result<(), Error> {
    processor(arguments, &stream(arguments)?).map(drop)
}

fn stream(arguments: &Arguments) -> Result<Stream, Error> {
    common::connect(arguments.endpoint.as_deref())?.stream(&arguments.stream)
}

fn processor(arguments: &Arguments, stream: &Stream) -> Result<Box<dyn RecordProcessor>, Error> {
    Ok(match &arguments.work {
        Work::Count(count) => Box::new(count.counter(&arguments.postgres, stream)?),
        Work::Filter(filter) => {
            let kinesis = common::connect(arguments.endpoint.as_deref())?;
            Box::new(filter.filter(&arguments.postgres, stream, &kinesis)?)
        }
        Work::Detect(detect) => {
            let kinesis = common::connect(arguments.endpoint.as_deref())?;
            Box::new(detect.detection(&arguments.postgres, stream, &kinesis)?)
        }
    })
}
