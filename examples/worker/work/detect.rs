//! Watches events with playbooks, and tells of what is too much.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kinesis_lab::prelude::*;
use kinesis_lab::{Detection, Playbooks, SharedDetection};

use crate::common;
use crate::formats::FormatArguments;

#[derive(Args)]
pub(crate) struct Detect {
    /// What is too much, and what is done about it: the same on each machine [default: the shipped playbooks]
    #[arg(long, value_name = "FILE")]
    playbooks: Option<PathBuf>,
    /// The stream that alerts are put into, which has to be there [default: they are in the database alone]
    #[arg(long, value_name = "STREAM")]
    alerts: Option<String>,
    /// How much later than the newest event of its shard an event still counts
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = common::duration)]
    lateness: Duration,
    #[command(flatten)]
    format: FormatArguments,
}

impl Detect {
    pub(super) fn detection(
        &self,
        database: &str,
        stream: &Stream,
        kinesis: &Kinesis,
    ) -> Result<SharedDetection, Error> {
        let playbooks = match &self.playbooks {
            Some(file) => Playbooks::read(file)?,
            None => Playbooks::shipped(),
        };
        let detection = Detection::new(&playbooks).lateness(self.lateness).reading(self.format.format()?);
        match self.alerts.as_deref() {
            Some(name) if name == stream.name() => Err(Error::new(
                ErrorKind::InvalidInput,
                "--alerts is the stream that is read: alerts would be watched for alerts",
            )),
            Some(name) => detection.alerts_to(&kinesis.stream(name)?).shared_in(database, stream),
            None => detection.shared_in(database, stream),
        }
    }
}
