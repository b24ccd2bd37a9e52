//! `.github/workflows` as GitHub will read them: actionlint, compiled by Go.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::Place;

/// Pinned like the kernel: a newer one finds other things on the same state.
const VERSION: &str = "v1.7.12";
/// With a key that there is not, and a job that runs nowhere.
const WRONG: &str = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    step: []\n";

/// False when a workflow is wrong. Without Go, or without the network the first time, it says SKIPPED.
pub(crate) fn run(place: &Place) -> Result<bool> {
    let Some(program) = program(place)? else { return Ok(true) };
    let folder = place.checkout.join(".github/workflows");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    let lint = |files: &[PathBuf], shown: bool| {
        let mut command = Command::new(&program);
        // shellcheck is on some machines and not on others.
        command.args(["-shellcheck=", "-pyflakes="]).args(files).stdin(Stdio::null());
        if !shown {
            command.stdout(Stdio::null());
        }
        command.status().context("actionlint does not run").map(|status| status.success())
    };
    // One that finds nothing wrong here would find nothing anywhere.
    let wrong = place.target().join("wrong-workflow.yml");
    fs::write(&wrong, WRONG).with_context(|| wrong.display().to_string())?;
    if lint(&[wrong], false)? {
        bail!("actionlint {VERSION} finds nothing wrong in a workflow that is");
    }
    println!("actionlint {VERSION}: {} workflows", files.len());
    Ok(!files.is_empty() && lint(&files, true)?)
}

/// Ours, compiled once a machine: in the cache, beside the kernel.
fn program(place: &Place) -> Result<Option<PathBuf>> {
    let root = place.cache.join(format!("actionlint-{VERSION}"));
    let program = root.join("actionlint");
    if program.is_file() {
        return Ok(Some(program));
    }
    let mut command = Command::new("go");
    command
        .args(["install", &format!("github.com/rhysd/actionlint/cmd/actionlint@{VERSION}")])
        .env("GOBIN", &root)
        // Go's own, which is here: no other one is fetched for this.
        .env("GOTOOLCHAIN", "local")
        .current_dir(&place.checkout)
        .stdin(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(Some(program)),
        Ok(_) => {
            println!("SKIPPED: actionlint could not be compiled; see above. It needs the network once");
            Ok(None)
        }
        Err(_) => {
            println!("SKIPPED: no Go, which compiles actionlint (Debian, Ubuntu: sudo apt install golang)");
            Ok(None)
        }
    }
}
