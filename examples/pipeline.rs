//! The security-automation pipeline over a stream of events: filter, counter and detection, in one process
//! or each in one.
//!
//! Kill it whenever you like: the next one goes on where it was, and each event counts once.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use kinesis_lab::prelude::*;
use kinesis_lab::{ClockAhead, Part, PartStatus, Pipeline, PipelineStatus, Playbooks, RunningPipeline};

mod common;
#[path = "common/formats.rs"]
mod formats;
#[path = "common/pages.rs"]
mod pages;

use common::ending::asked_to_end;
use common::say::{ended, say, tell};
use common::{connect, duration};
use formats::FormatArguments;
use pages::is_page;

/// Filters, counts and watches a stream of events with playbooks.
///
/// Alerts are printed on stdout as they come, the state once a second on stderr. Region and credentials
/// come from where the AWS CLI takes them; an endpoint on this machine needs none.
#[derive(Parser)]
#[command(
    name = "pipeline",
    after_help = "\
Examples:
  cargo run --release --features full --example pipeline -- --stream shop
  cargo run --release --features full --example pipeline -- --endpoint http://127.0.0.1:4567 --stream shop \\
      --folder state --playbooks data/playbooks.toml --drop-page '/static/*'
  cargo run --release --features full --example pipeline -- --stream shop --only detection

Streams: NAME is read, NAME-log and NAME-alerts are made when they are not there. Files in the folder:
filter.db, counts.db, alerts.db; each part has its place in its own. Ctrl-C ends it after a commit; a
second one with the same part and folder waits until the first has ended, in whatever way, and takes over.
Nobody need read stdout: alerts are in the file and in the stream, too. Ends with status 1 when a part failed."
)]
struct Arguments {
    /// The service's address [default: AWS, in the region of the environment]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The stream of events
    #[arg(long, value_name = "NAME")]
    stream: String,
    /// Where its files are [default: NAME-state]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// What is too much, and what is done about it [default: the shipped playbooks]
    #[arg(long, value_name = "FILE")]
    playbooks: Option<PathBuf>,
    /// Only this part (more than one: repeat it)
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<PartName>,
    /// Do not send on events of this page; `*` at its end stands for anything (more than one: repeat it)
    #[arg(long, value_name = "PAGE")]
    drop_page: Vec<String>,
    /// How long the counter's windows are: 500ms, 60s, 5m, 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    window: Duration,
    /// How much later than the newest event of its shard an event still counts
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    lateness: Duration,
    /// The time between two polls, at least 200ms
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = duration)]
    poll: Duration,
    /// Shards of streams that have to be made
    #[arg(long, value_name = "N", default_value_t = 1)]
    shards: u32,
    /// How often a part that fails is started again within an hour before all of it ends, with a status of 1
    #[arg(long, value_name = "N", default_value_t = 20)]
    max_restarts: u32,
    #[command(flatten)]
    format: FormatArguments,
    /// One part after the other, each until its stream is read to the tip; then end
    #[arg(long)]
    until_caught_up: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum PartName {
    Filter,
    Counter,
    Detection,
}

fn main() -> ExitCode {
    ended(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    // What is wrong with the playbooks is said before anything is opened.
    let playbooks = match &arguments.playbooks {
        Some(file) => Playbooks::read(file)?,
        None => Playbooks::shipped(),
    };
    let format = arguments.format.format()?;
    let kinesis = connect(arguments.endpoint.as_deref())?;
    let dropped = arguments.drop_page.clone();
    let mut pipeline = Pipeline::over(&kinesis.stream(&arguments.stream)?)
        .playbooks(&playbooks)
        .reading(format)
        .keep(move |event| !dropped.iter().any(|page| is_page(event, page)))
        .on_alert(|alert| tell(alert))
        .window(arguments.window)
        .lateness(arguments.lateness)
        .poll_every(arguments.poll)
        .shards(arguments.shards)
        .max_restarts(arguments.max_restarts);
    if let Some(folder) = &arguments.folder {
        pipeline = pipeline.folder(folder);
    }
    if !arguments.only.is_empty() {
        let parts: Vec<Part> = arguments.only.iter().map(|name| part(*name)).collect();
        pipeline = pipeline.only(&parts);
    }
    if arguments.until_caught_up {
        say(pipeline.run_until_caught_up()?);
        return Ok(());
    }
    // Waits here while another process has one of the files.
    let mut running = pipeline.start()?;
    watch(&mut running);
    let failed = running.error();
    let status = running.stop();
    say(&status);
    // A last commit that failed is a failure, too, though nothing is lost by it.
    let parts: Vec<String> = status.parts.iter().filter_map(failure).collect();
    match failed {
        _ if !parts.is_empty() => Err(Error::new(ErrorKind::Processor, parts.join("; "))),
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// `the counter failed: …`
fn failure(part: &PartStatus) -> Option<String> {
    part.error.as_ref().map(|error| format!("the {} failed: {error}", part.part))
}

fn part(name: PartName) -> Part {
    match name {
        PartName::Filter => Part::Filter,
        PartName::Counter => Part::Counter,
        PartName::Detection => Part::Detection,
    }
}

/// A line a second on stderr, until somebody wants it to end, or no part is left: because the streams were
/// deleted, or because one has failed too often. One that fails now and then is started again.
fn watch(running: &mut RunningPipeline) {
    let asked = asked_to_end();
    let mut last = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(50));
        if asked.load(Ordering::Relaxed) {
            say("ending, after a commit");
            return;
        }
        if last.elapsed() < Duration::from_secs(1) {
            continue;
        }
        last = Instant::now();
        let status = running.status();
        say(line(&status));
        if status.parts.iter().all(|part| !part.running) {
            return;
        }
    }
}

/// `filter 1200 records, lag 0.0 s · counter …`
fn line(status: &PipelineStatus) -> String {
    let parts: Vec<String> = status
        .parts
        .iter()
        .map(|part| {
            let lag = match part.millis_behind_latest {
                Some(millis) => format!("lag {:.1} s", millis as f64 / 1_000.0),
                None if part.running => "lag unknown".to_owned(),
                None => "ended".to_owned(),
            };
            let restarts = match part.restarts {
                0 => String::new(),
                n => format!(", started again {n} times"),
            };
            let late = match part.late {
                0 => String::new(),
                n => format!(", {n} late"),
            };
            format!("{} {} records, {lag}{late}{restarts}", part.part, part.records)
        })
        .collect();
    // Of the same events in two streams, the first part to see them says how far ahead they really are.
    let ahead = status.parts.iter().find(|part| !part.clocks_ahead.is_empty());
    let ahead = ahead.map(|part| {
        let clocks: Vec<String> = part.clocks_ahead.iter().take(3).map(ClockAhead::to_string).collect();
        format!(" · clocks ahead: {}", clocks.join(", "))
    });
    format!("{} · {} alerts{}", parts.join(" · "), status.alerts, ahead.unwrap_or_default())
}
