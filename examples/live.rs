//! Shows the counts and alerts in a folder on a page of this machine, while other programs write them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use kinesis_lab::Live;
use kinesis_lab::prelude::*;
use signal_hook::consts::{SIGINT, SIGTERM};

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
    /// The database of a counter (`cargo run --features full --example count` makes one)
    #[arg(long, value_name = "FILE")]
    counts: PathBuf,
    /// The database of a detection
    #[arg(long, value_name = "FILE")]
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
    match show(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show(arguments: Arguments) -> Result<(), Error> {
    let mut live =
        Live::of(&arguments.counts).title(&arguments.title).windows(arguments.windows).port(arguments.port);
    if let Some(alerts) = &arguments.alerts {
        live = live.alerts(alerts);
    }
    let view = live.start()?;
    println!("{}", view.url());
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, asked.clone())?;
    }
    while !asked.load(Ordering::Relaxed) {
        std::thread::sleep(millis(100));
    }
    view.stop();
    Ok(())
}
