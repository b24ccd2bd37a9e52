//! Programs of `examples/` that a command builds and plays.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{Place, setup};

/// With the same features as the tests, which have compiled most of it: those of the workspace. `which` is cargo's
/// choice of targets; of what is built, the path of the example `name` is returned.
pub(crate) fn build(place: &Place, which: &[&str], name: &str, release: bool) -> Result<PathBuf> {
    let mut command = setup::cargo_of_the_caller(place);
    command.args(["build", "--locked", "--workspace"]).args(which);
    command.arg("--message-format=json-render-diagnostics").stdin(Stdio::null()).stderr(Stdio::inherit());
    if release {
        command.arg("--release");
    }
    let output = command.output().context("cargo does not run")?;
    anyhow::ensure!(output.status.success(), "the programs could not be built; cargo says why, above");
    let artifacts = output.stdout.split(|byte| *byte == b'\n');
    let artifacts = artifacts.filter_map(|line| serde_json::from_slice(line).ok());
    let found = artifacts.filter_map(|artifact: Value| executable(&artifact, name)).next();
    found.map(PathBuf::from).with_context(|| format!("cargo has built no example `{name}`"))
}

fn executable(artifact: &Value, name: &str) -> Option<OsString> {
    let is_it = artifact["target"]["name"] == name && artifact["target"]["kind"][0] == "example";
    is_it.then(|| artifact["executable"].as_str().map(OsString::from)).flatten()
}

/// A way to start a program in namespaces of its own, where there is one. In one of processes, none of those that it
/// starts outlives it, not even if it is killed. A full disk is a small file system, which must go with the programs,
/// however they end; and who is not root may mount one in a namespace of their own.
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
