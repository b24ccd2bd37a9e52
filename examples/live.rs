//! Shows the counts and alerts in a folder on a page of this machine, while other programs write them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::Parser;
use kinesis_lab::Live;
use kinesis_lab::prelude::*;

mod common;

use common::ending::asked_to_end;
use common::say::{ended, tell};

/// Shows what a counter has counted, and a detection's alerts, on a page that changes as they do.
///
/// The page is for browsers on this machine alone, and for who knows its address, which is printed.
#[derive(Parser)]
#[command(
    name = "live",
    after_help = "\
Examples:
  cargo run --release --features full --example live -- --counts counts.db
  cargo run --release --features full --example live -- --counts shop-state/counts.db --alerts shop-state/alerts.db

The files may come later. Ctrl-C ends it; who writes them does not notice."
)]
struct Arguments {
    /// The database of a counter, a file or postgres://user@host/database (`cargo run --features full --example count` makes one)
    #[arg(long, value_name = "FILE|URL")]
    counts: PathBuf,
    /// The database of a detection, a file or postgres://user@host/database
    #[arg(long, value_name = "FILE|URL")]
    alerts: Option<PathBuf>,
    /// What stands above it all
    #[arg(long, value_name = "TEXT", default_value = "Live view")]
    title: String,
    /// How many windows are shown, the latest
    #[arg(long, value_name = "N", default_value_t = 30)]
    windows: usize,
    /// The port of 127.0.0.1 to listen on [default: any free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
}

fn main() -> ExitCode {
    ended(show(Arguments::parse()))
}

fn show(arguments: Arguments) -> Result<(), Error> {
    let mut live =
        Live::of(&arguments.counts).title(&arguments.title).windows(arguments.windows).port(arguments.port);
    if let Some(alerts) = &arguments.alerts {
        live = live.alerts(alerts);
    }
    // Before anybody can know that it is there, and send a signal.
    let asked = asked_to_end();
    let view = live.start()?;
    tell(view.url());
    while !asked.load(Ordering::Relaxed) {
        std::thread::sleep(millis(100));
    }
    view.stop();
    Ok(())
}
