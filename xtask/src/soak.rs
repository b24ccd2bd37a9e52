//! `cargo xtask soak`: the programs of `examples/` for a while, as `examples/soak/` plays them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{Place, setup};

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
    let program = build(place, options.release)?;
    let folder = program.ancestors().nth(3).context("cargo builds into a folder")?.join("soak");
    let mut command = match apart() {
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

/// A full disk is a small file system, which must go with the programs, however they end; and who is not root
/// may mount one in a namespace of their own. In one of processes, none of the programs outlives the soak, not even
/// one that is killed.
pub(crate) fn apart() -> Option<Command> {
    let wrapped = |options: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(options);
        command
    };
    const PROCESSES: [&str; 4] = ["--mount", "--mount-proc", "--pid", "--kill-child"];
    let as_root = [&PROCESSES[..], &["--map-root-user"]].concat();
    let ways: [&[&str]; 4] = [&PROCESSES, &as_root, &["--mount"], &["--mount", "--map-root-user"]];
    ways.into_iter()
        .find(|options| {
            let output = wrapped(options).arg("true").stdin(Stdio::null()).output();
            output.is_ok_and(|output| output.status.success())
        })
        .map(wrapped)
}

/// With the same features as the tests, which have compiled most of it: those of the workspace.
fn build(place: &Place, release: bool) -> Result<PathBuf> {
    let mut command = setup::cargo_of_the_caller(place);
    command.args(["build", "--locked", "--workspace", "--examples"]);
    command.arg("--message-format=json-render-diagnostics").stdin(Stdio::null()).stderr(Stdio::inherit());
    if release {
        command.arg("--release");
    }
    let output = command.output().context("cargo does not run")?;
    anyhow::ensure!(output.status.success(), "the programs could not be built; cargo says why, above");
    let artifacts = output.stdout.split(|byte| *byte == b'\n');
    let found = artifacts.filter_map(|line| serde_json::from_slice(line).ok()).find_map(executable);
    found.map(PathBuf::from).context("cargo has built no example `soak`")
}

fn executable(artifact: Value) -> Option<OsString> {
    let is_it = artifact["target"]["name"] == "soak" && artifact["target"]["kind"][0] == "example";
    is_it.then(|| artifact["executable"].as_str().map(OsString::from)).flatten()
}
