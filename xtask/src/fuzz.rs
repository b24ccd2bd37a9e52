//! The parsers of what strangers write, fed with bytes that a fuzzer breeds (`fuzz/`).

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{Place, setup};

/// One parser each.
const TARGETS: [&str; 7] =
    ["access_log_line", "aggregate", "event", "gzip", "json_format", "log_format", "timestamp"];

/// Sanitizers find what unsafe code does, and these parsers have none.
const NO_SANITIZER: &str = "--sanitizer=none";
const RUNS_NOT: &str = "cargo does not run";

/// Runs each target for so many seconds, where the tools are there; skipping needs no network.
pub(crate) fn run(place: &Place, seconds: u32) -> Result<bool> {
    let missing = missing(place);
    if !missing.is_empty() {
        println!("SKIPPED: fuzzing needs {}", missing.join(" and "));
        return Ok(true);
    }
    let folder = place.checkout.join("fuzz");
    // The versions that everything else was tested with: cargo drops what is not needed.
    std::fs::copy(place.checkout.join("Cargo.lock"), folder.join("Cargo.lock")).context("fuzz/Cargo.lock")?;
    println!("$ cargo +nightly fuzz build");
    if !nightly_cargo(place).args(["fuzz", "build", NO_SANITIZER]).status().context(RUNS_NOT)?.success() {
        return Ok(false);
    }
    let mut passed = true;
    for target in TARGETS {
        // What it finds worth keeping goes to the first folder, which is not kept in git; the second is.
        let (corpus, seeds) = (folder.join("corpus").join(target), folder.join("seeds").join(target));
        std::fs::create_dir_all(&corpus).with_context(|| corpus.display().to_string())?;
        println!("$ cargo +nightly fuzz run {target}, for {seconds} s");
        let mut command = nightly_cargo(place);
        command.args(["fuzz", "run", NO_SANITIZER, target]).args([corpus, seeds]);
        command.args(["--", &format!("-max_total_time={seconds}"), "-max_len=4096", "-print_final_stats=1"]);
        let output = command.output().context(RUNS_NOT)?;
        // Hundreds of lines, of which one matters unless something was found.
        let said = String::from_utf8_lossy(&output.stderr);
        match said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")) {
            Some(inputs) if output.status.success() => println!("  {} inputs", inputs.trim()),
            _ => {
                println!("{said}");
                passed = false;
            }
        }
    }
    Ok(passed)
}

/// What is not installed, each with the command that gets it.
fn missing(place: &Place) -> Vec<&'static str> {
    let toolchains = Command::new("rustup").args(["toolchain", "list"]).stdin(Stdio::null()).output();
    let nightly = toolchains.is_ok_and(|list| has_nightly(&String::from_utf8_lossy(&list.stdout)));
    let mut fuzz = setup::cargo(place);
    let fuzz = fuzz.args(["fuzz", "--version"]).stdin(Stdio::null()).output();
    let fuzz = fuzz.is_ok_and(|output| output.status.success());
    [
        (nightly, "a nightly toolchain (rustup toolchain install nightly --profile minimal)"),
        (fuzz, "cargo-fuzz (cargo install cargo-fuzz --locked)"),
    ]
    .into_iter()
    .filter_map(|(there, how)| (!there).then_some(how))
    .collect()
}

fn has_nightly(toolchains: &str) -> bool {
    let host =
        |line: &str| line.strip_prefix("nightly-").is_some_and(|rest| !rest.starts_with(char::is_numeric));
    toolchains.lines().any(host)
}

fn nightly_cargo(place: &Place) -> Command {
    let mut command = setup::cargo(place);
    // As the first argument, rustup's `cargo` takes it.
    command.arg("+nightly").stdin(Stdio::null());
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        command.env("CARGO_TARGET_DIR", folder);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two were compiled, and never run.
    #[test]
    fn each_target_is_run() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let files = std::fs::read_dir(folder.join("fuzz_targets")).unwrap();
        let mut names: Vec<String> = files
            .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert_eq!(names, TARGETS);
        for name in names {
            assert!(folder.join("seeds").join(&name).is_dir(), "{name} has no seeds");
        }
    }

    #[test]
    fn a_nightly_of_a_date_is_not_the_one_that_is_called() {
        assert!(has_nightly("stable-x86_64-unknown-linux-gnu (default)\nnightly-x86_64-unknown-linux-gnu\n"));
        assert!(!has_nightly("stable-x86_64-unknown-linux-gnu\n1.95.0-x86_64-unknown-linux-gnu\n"));
        assert!(!has_nightly("nightly-2026-01-02-x86_64-unknown-linux-gnu\n"));
        assert!(!has_nightly(""));
    }
}
