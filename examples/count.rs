//! Counts a stream's requests per key in windows of event time, into a database that survives it.
//!
//! Kill it whenever you like: the next one goes on where it was, and each record counts once.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use kinesis_lab::prelude::*;
use kinesis_lab::{ConsumerHandle, StoredCounter};

mod common;
#[path = "common/formats.rs"]
mod formats;

use common::ending::asked_to_end;
use common::say::{ended, say};
use common::{connect, duration};
use formats::FormatArguments;

/// Counts the requests per key of a stream, in windows of event time, into an SQLite file or a PostgreSQL database.
///
/// Records: partition key = IP address, data = ISO-8601 timestamp (JSON and access-log lines are read
/// too), or what the options say. Region and credentials come from where the AWS CLI takes them; an
/// endpoint on this machine needs none.
#[derive(Parser)]
#[command(
    name = "count",
    after_help = "\
Examples:
  cargo run --release --features full --example count -- --stream web-requests --db counts.db
  cargo run --release --features full --example count -- --endpoint http://127.0.0.1:4567 --stream web-requests \\
      --db counts.db --window 60s --slide 10s --lateness 30s --until-caught-up
  cargo run --release --features full --example count -- --stream shop --db counts.db \\
      --key client.addr --time @timestamp --id requestId

Ends with status 0, also when there was nothing to read; 1 when something failed, or when nothing of what was
read could be counted; 2 when it was called in another way than this.

Tables: windows(start, \"end\", key, count), late(…), checkpoints(…). Ctrl-C ends it after a commit; a
second one on the same file waits until the first has ended, in whatever way, and takes over."
)]
struct Arguments {
    /// The service's address [default: AWS, in the region of the environment]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The stream's name
    #[arg(long, value_name = "NAME")]
    stream: String,
    /// The database: an SQLite file, made when it is not there, or postgres://user@host/database (with PGPASSWORD)
    #[arg(long, value_name = "FILE|URL")]
    db: PathBuf,
    /// How long a window is: 500ms, 60s, 5m, 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    window: Duration,
    /// From the start of one window to the next [default: the window's length]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    slide: Option<Duration>,
    /// How much later than the newest event of its shard an event is still waited for
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    lateness: Duration,
    /// Drop completed windows that ended so long before the watermark: 720h [default: all are kept]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    keep: Option<Duration>,
    /// Where the first run begins; later ones go on from the database
    #[arg(long, value_enum, default_value_t = Begin::TrimHorizon)]
    from: Begin,
    /// End when every shard is read to its tip
    #[arg(long)]
    until_caught_up: bool,
    /// At the end, complete the windows that are still open
    #[arg(long)]
    flush: bool,
    /// Count clients by their networks: 64 bits of IPv6, or 24/64 bits of IPv4 and IPv6
    #[arg(long, value_name = "BITS", value_parser = network)]
    network: Option<(u8, u8)>,
    #[command(flatten)]
    format: FormatArguments,
}

#[derive(Clone, Copy, ValueEnum)]
enum Begin {
    /// The oldest record that the stream keeps
    TrimHorizon,
    /// What arrives from now on
    Latest,
}

fn main() -> ExitCode {
    ended(count(&Arguments::parse()))
}

fn count(arguments: &Arguments) -> Result<(), Error> {
    // What is wrong with the format is said before anything is opened.
    let format = arguments.format.format()?;
    let kinesis = connect(arguments.endpoint.as_deref())?;
    let stream = kinesis.stream(&arguments.stream)?;
    let slide = arguments.slide.unwrap_or(arguments.window);
    if slide > arguments.window {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "--slide is longer than --window: events between two windows would be in none",
        ));
    }
    // Waits here while another process has the database.
    let mut counter = Counter::sliding(arguments.window, slide).lateness(arguments.lateness).reading(format);
    if let Some((v4, v6)) = arguments.network {
        counter = counter.network(v4, v6);
    }
    let mut counter = counter.stored_in(&arguments.db)?;
    if let Some(time) = arguments.keep {
        counter = counter.keep_for(time);
    }
    let before = Counts::open(&arguments.db)?.totals()?;
    let mut consumer = match arguments.from {
        Begin::TrimHorizon => stream.consumer().trim_horizon(),
        Begin::Latest => stream.consumer().latest(),
    };
    if arguments.until_caught_up {
        consumer = consumer.until_caught_up();
    }
    let running = consumer.start(counter)?;
    watch(&running);
    // Ended by itself or asked to: either way the last poll is committed when this returns.
    let (mut counter, outcome) = running.stop();
    let report = outcome?;
    // One that was interrupted goes on later, and its open windows with it.
    if arguments.flush && report.ended != Some(Ended::Stopped) {
        counter.flush()?;
    }
    say(format_args!(
        "{} records read and committed; watermark {}; {} late, {} from the future, {} unparsed, {} duplicates",
        report.records,
        counter.watermark(),
        counter.late().count(),
        counter.refused().count(),
        counter.unparsed(),
        counter.duplicates(),
    ));
    if let Some(first) = counter.unparsed_samples().first() {
        say(format_args!("the first record that did not parse: {first}"));
    }
    // Of this run alone.
    let refused = counter.unparsed() + counter.refused().count() - before.unparsed - before.refused;
    if report.records > 0 && refused >= report.records {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "nothing was counted: no record is an event of a time up to now; is this the right stream?",
        ));
    }
    Ok(())
}

/// A line a second on stderr, until the run ends or somebody wants it to.
fn watch(running: &ConsumerHandle<StoredCounter>) {
    let asked = asked_to_end();
    let (mut last, mut before) = (Instant::now(), 0);
    while running.is_running() {
        std::thread::sleep(Duration::from_millis(50));
        if asked.load(Ordering::Relaxed) {
            say("ending, after a commit");
            return;
        }
        if last.elapsed() < Duration::from_secs(1) {
            continue;
        }
        let report = running.report();
        let rate = (report.records - before) as f64 / last.elapsed().as_secs_f64();
        let lag =
            report.millis_behind_latest.map_or("unknown".into(), |millis| format!("{} s", millis / 1_000));
        let said = running.with(|counter| {
            let (watermark, late) = (counter.watermark(), counter.late().count());
            let late = if late == 0 { String::new() } else { format!(", {late} late") };
            let ahead = counter.clocks_ahead();
            let ahead = if ahead.is_empty() { String::new() } else { format!(", {ahead}") };
            format!("watermark {watermark}{late}{ahead}")
        });
        let records = report.records;
        say(format_args!("{rate:.0} records/s, {records} in all, lag {lag}, {said}"));
        (last, before) = (Instant::now(), report.records);
    }
}

/// `64`, `24/64`.
fn network(text: &str) -> Result<(u8, u8), String> {
    let bits = |text: &str, most: u8| text.parse().ok().filter(|bits| (1..=most).contains(bits));
    let read = match text.split_once('/') {
        Some((v4, v6)) => bits(v4, 32).zip(bits(v6, 128)),
        None => bits(text, 128).map(|v6| (32, v6)),
    };
    read.ok_or_else(|| "write bits of IPv6, or of IPv4 and IPv6: 64, 24/64".into())
}
