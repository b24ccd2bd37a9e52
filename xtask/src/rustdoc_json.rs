//! The library's documentation as JSON: a format of the nightly compiler's, which a stable one writes too when it is
//! told to be one.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::{Place, setup};

/// Set where cargo starts this program in place of rustdoc.
const AS_RUSTDOC: &str = "KINESIS_LAB_AS_RUSTDOC";
/// What rustdoc is told for it.
const JSON: [&str; 4] = ["-Z", "unstable-options", "--output-format", "json"];

/// What this program does when cargo takes it for rustdoc: calls rustdoc as one that may write JSON. Set for cargo
/// itself, the variable would have dozens of crates compiled anew: their build scripts look at it.
pub fn as_rustdoc() -> Option<ExitCode> {
    std::env::var_os(AS_RUSTDOC)?;
    let mut rustdoc = bootstrapped();
    rustdoc.args(std::env::args_os().skip(1)).env_remove(AS_RUSTDOC);
    let success = rustdoc.status().is_ok_and(|status| status.success());
    Some(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn bootstrapped() -> Command {
    let mut rustdoc = Command::new("rustdoc");
    rustdoc.env("RUSTC_BOOTSTRAP", "1");
    rustdoc
}

/// Of the library in `checkout`, with all its features: the file, in `out`. `more` is what else rustdoc is told.
///
/// A folder for each state: cargo would take what it has written of one for the other's.
pub(crate) fn of_library(place: &Place, checkout: &Path, out: &Path, more: &[&str]) -> Result<PathBuf> {
    let mut command = setup::cargo_of_the_caller(place);
    command.current_dir(checkout);
    command.args([
        "rustdoc",
        "--locked",
        "--quiet",
        "--package",
        "kinesis-lab",
        "--lib",
        "--features",
        "full",
    ]);
    // What is compiled of other crates serves both states.
    command.arg("--target-dir").arg(place.target()).arg("--").args(JSON).args(more).arg("--out-dir").arg(out);
    command.env("RUSTDOC", std::env::current_exe()?).env(AS_RUSTDOC, "1");
    let output = command.stdin(Stdio::null()).output().context("cargo does not run")?;
    if !output.status.success() {
        bail!("rustdoc failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(out.join("kinesis_lab.json"))
}

/// Of one file, as the crate `name` of version 0.1.0.
pub(crate) fn of_file(file: &Path, name: &str, out: &Path, more: &[&str]) -> Result<PathBuf> {
    let mut rustdoc = bootstrapped();
    rustdoc.args([
        "--edition",
        "2024",
        "--crate-type",
        "lib",
        "--crate-version",
        "0.1.0",
        "--crate-name",
        name,
    ]);
    rustdoc.args(JSON).args(more).arg("--out-dir").arg(out).arg(file).stdin(Stdio::null());
    let output = rustdoc.output().context("rustdoc does not run")?;
    if !output.status.success() {
        bail!("rustdoc failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(out.join(format!("{name}.json")))
}
