//! A shop, its agent, its pipeline, the live page and its visitors, while things go wrong as a seed says; and
//! at the end each count must be right. `cargo xtask soak` builds all of it and starts this.

mod check;
#[path = "../common/mod.rs"]
mod common;
mod disk;
mod faults;
mod hold;
mod ledger;
#[path = "../visitors/plan.rs"]
#[allow(dead_code)]
mod plan;
mod program;
mod reader;
mod scene;
mod second;
#[path = "../visitors/send.rs"]
mod send;
mod site_runs;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::common::say::say;

/// Runs a shop with its pipeline and visitors while parts are killed, disks fill, databases lock and clocks step.
///
/// It is exact: each request that was answered is an event, each event is counted once, each alert is that of a
/// pipeline that nobody disturbed. Ends with status 1, and what differs, when anything is not.
#[derive(Parser)]
#[command(name = "cargo xtask soak", bin_name = "cargo xtask soak")]
pub(crate) struct Arguments {
    /// How long there are visitors; 2 is enough for each kind of fault to come once
    #[arg(long, value_name = "N", default_value_t = 15.0)]
    minutes: f64,
    /// Another seed, other visitors and other faults at other times
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 100.0)]
    rate: f64,
    /// Where databases and logs go; what is there of an earlier run is deleted
    #[arg(long, value_name = "FOLDER", default_value = "target/soak")]
    folder: PathBuf,
}

impl Arguments {
    fn time(&self) -> Result<Duration, String> {
        let long_enough = 0.5..=600.0;
        match long_enough.contains(&self.minutes) && (1.0..=10_000.0).contains(&self.rate) {
            true => Ok(Duration::from_secs_f64(self.minutes * 60.0)),
            false => Err("--minutes takes 0.5 to 600, --rate 1 to 10,000".into()),
        }
    }
}

fn main() -> ExitCode {
    match scene::play(&Arguments::parse()) {
        Ok(wrong) if wrong.is_empty() => {
            say("soak: passed");
            ExitCode::SUCCESS
        }
        Ok(wrong) => {
            say(format_args!("soak: FAILED\n  - {}", wrong.join("\n  - ")));
            ExitCode::FAILURE
        }
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}
