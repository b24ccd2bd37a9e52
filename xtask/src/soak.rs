//! `cargo xtask soak`: the programs of `examples/` for a while, as `examples/soak/` plays them.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{Place, example};

/// How long, and which faults.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// How long there are visitors; 2 is enough for each kind of fault to come once
    #[arg(long, value_name = "N", default_value_t = 15.0)]
    pub minutes: f64,
    /// Another seed, other visitors and other faults at other times
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 100.0)]
    pub rate: f64,
    /// Compiled as for production, which takes some minutes more the first time
    #[arg(long)]
    pub release: bool,
}

/// False when something was not as it must be; what, has been printed.
pub fn run(place: &Place, options: &Options) -> Result<bool> {
    let program = example::build(place, &["--examples"], "soak", options.release)?;
    let folder = program.ancestors().nth(3).context("cargo builds into a folder")?.join("soak");
    let mut command = match example::apart() {
        Some(wrapped) => wrapped,
        None => Command::new("env"),
    };
    command
        .arg(&program)
        .args(["--minutes", &options.minutes.to_string(), "--seed", &options.seed.to_string()])
        .args(["--rate", &options.rate.to_string()])
        .arg("--folder")
        .arg(&folder)
        .current_dir(&place.checkout)
        .stdin(Stdio::null());
    println!("logs and databases: {}", folder.display());
    Ok(command.status().context("the soak does not run")?.success())
}
