//! Archives a stream in files, in a folder or in S3, and puts an archive back into a stream.
//!
//! Kill it whenever you like: the next one goes on behind what is written, and each record is there once.

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
use kinesis_lab::Archive;
use kinesis_lab::prelude::*;

mod common;

use common::ending::asked_to_end;
use common::say::{ended, say};
use common::{connect, duration};

/// Archives a stream's records in gzipped files of JSON lines, or puts what is archived into a stream.
///
/// Region and credentials come from where the AWS CLI takes them; an endpoint on this machine needs none.
#[derive(Parser)]
#[command(
    name = "archive",
    after_help = "\
Examples:
  cargo run --release --features full --example archive -- --stream web-requests --to archive
  cargo run --release --features full --example archive -- --stream web-requests --to s3://my-bucket/visits --every 5m
  cargo run --release --features full --example archive -- --stream again --from archive

Ends with status 0; 1 when something failed; 2 when it was called in another way than this. Ctrl-C ends it after it
has written what it has."
)]
struct Arguments {
    /// The service's address [default: AWS, in the region of the environment]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The stream's name
    #[arg(long, value_name = "NAME")]
    stream: String,
    /// Archive into this folder, or s3://bucket/prefix
    #[arg(long, value_name = "PLACE", required_unless_present = "from", conflicts_with = "from")]
    to: Option<String>,
    /// Put what is archived there into the stream, which is made when it is not there, with one shard
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Of which stream, where the archive holds more than one
    #[arg(long, value_name = "NAME", requires = "from")]
    of: Option<String>,
    /// How many bytes of lines, before gzip, are a file
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    bytes: usize,
    /// How long a record waits for its file: 500ms, 60s, 5m, 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    every: Duration,
    /// Begin with what arrives from now on, not with the oldest record; later runs go on from the archive
    #[arg(long)]
    latest: bool,
    /// End when every shard is read to its tip
    #[arg(long)]
    until_caught_up: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ended(match (&arguments.to, &arguments.from) {
        (Some(to), _) => archive(&arguments, to),
        (None, Some(from)) => replay(&arguments, from),
        (None, None) => Ok(()), // clap asks for one of them
    })
}

fn archive(arguments: &Arguments, to: &str) -> Result<(), Error> {
    let archive = Archive::to(to)?.object_bytes(arguments.bytes).object_every(arguments.every);
    let stream = connect(arguments.endpoint.as_deref())?.stream(&arguments.stream)?;
    let mut consumer = match arguments.latest {
        true => stream.consumer().latest(),
        false => stream.consumer().trim_horizon(),
    };
    if arguments.until_caught_up {
        consumer = consumer.until_caught_up();
    }
    let running = consumer.start(archive)?;
    let asked = asked_to_end();
    while running.is_running() && !asked.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let (mut archive, outcome) = running.stop();
    // What was read is in memory: it is written whatever ended the run, as far as it can be.
    let flushed = archive.flush();
    say(format_args!("{archive:?}"));
    let report = outcome?;
    flushed?;
    for lost in &report.lost {
        say(format_args!("{lost}"));
    }
    Ok(())
}

fn replay(arguments: &Arguments, from: &str) -> Result<(), Error> {
    let archive = Archive::to(from)?;
    let stream = connect(arguments.endpoint.as_deref())?.create_stream(&arguments.stream, 1)?;
    let report = match &arguments.of {
        Some(name) => archive.replay_of(name, &stream)?,
        None => archive.replay(&stream)?,
    };
    say(format_args!("{} records put, {} of them perhaps twice", report.sent, report.ambiguous));
    Ok(())
}
