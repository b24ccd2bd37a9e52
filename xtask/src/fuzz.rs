//! The parsers of what strangers write, fed with bytes that a fuzzer breeds (`fuzz/`).
//!
//! By libFuzzer, as cargo-fuzz has it built, but with the toolchain of everything else: what counts the branches is a
//! pass of LLVM's that any rustc has, and only sanitizers need a nightly one. They find what unsafe code does, and
//! these parsers have none.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::machine::host;
use crate::{Place, setup};

/// One parser each.
const TARGETS: [&str; 7] =
    ["access_log_line", "aggregate", "event", "gzip", "json_format", "log_format", "timestamp"];

/// What cargo-fuzz gives rustc.
const COVERAGE: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Ccodegen-units=1",
];

/// How long each is fed.
#[derive(Clone, Copy)]
pub(crate) enum Length {
    /// The same inputs each time: what fails today has failed yesterday.
    Inputs(u32),
    /// Others each time, and what was worth keeping of the last time before them.
    Seconds(u32),
}

/// Runs each target, where the tools are there.
pub(crate) fn run(place: &Place, length: Length) -> Result<bool> {
    let compiler = Command::new("c++").arg("--version").stdin(Stdio::null()).output();
    if !compiler.is_ok_and(|output| output.status.success()) {
        println!(
            "SKIPPED: fuzzing needs a C++ compiler, for libFuzzer (Debian, Ubuntu: sudo apt install g++)"
        );
        return Ok(true);
    }
    let (folder, manifest) = (place.checkout.join("fuzz"), "fuzz/Cargo.toml");
    // The versions that everything else was tested with: cargo drops what is not needed.
    std::fs::copy(place.checkout.join("Cargo.lock"), folder.join("Cargo.lock")).context("fuzz/Cargo.lock")?;
    let mut fetch = setup::cargo_of_the_caller(place);
    fetch.args(["fetch", "--quiet", "--manifest-path", manifest]).stdin(Stdio::null());
    if !fetch.status().context("cargo does not run")?.success() {
        println!(
            "SKIPPED: fuzzing needs libfuzzer-sys, which could not be downloaded; cargo says why, above"
        );
        return Ok(true);
    }
    let (target_folder, host) = (target_folder(&folder), host(place)?);
    println!("$ cargo build --release --manifest-path {manifest} --target {host}, counting branches");
    let mut build = setup::cargo_of_the_caller(place);
    build.args(["build", "--release", "--manifest-path", manifest, "--target", &host, "--target-dir"]);
    // Without a target named, build scripts would count, too.
    build.arg(&target_folder).env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}")).stdin(Stdio::null());
    if !build.status().context("cargo does not run")?.success() {
        return Ok(false);
    }
    let mut passed = true;
    for target in TARGETS {
        passed &= feed(place, target, &target_folder.join(&host).join("release").join(target), length)?;
    }
    Ok(passed)
}

/// Whether the target has taken all that it was fed with.
fn feed(place: &Place, target: &str, program: &Path, length: Length) -> Result<bool> {
    // What is found worth keeping goes to the first folder, which is not kept in git; the second is.
    let folder = place.checkout.join("fuzz");
    let (mut corpus, seeds) = (folder.join("corpus").join(target), folder.join("seeds").join(target));
    let artifacts = folder.join("artifacts").join(target);
    let mut command = Command::new(program);
    match length {
        Length::Inputs(inputs) => {
            corpus = program.with_extension("corpus");
            let _ = std::fs::remove_dir_all(&corpus);
            println!("{target}, {inputs} inputs");
            command.args([format!("-runs={inputs}"), "-seed=1".to_owned()]);
        }
        Length::Seconds(seconds) => {
            println!("{target}, for {seconds} s");
            command.arg(format!("-max_total_time={seconds}"));
        }
    }
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    command.args([&corpus, &seeds]).arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args(["-max_len=4096", "-timeout=10", "-print_final_stats=1"]).stdin(Stdio::null());
    let output = command.output().with_context(|| program.display().to_string())?;
    // Hundreds of lines, of which one matters unless something was found.
    let said = String::from_utf8_lossy(&output.stderr);
    match said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")) {
        Some(inputs) if output.status.success() => {
            let covered =
                said.lines().rev().find_map(|line| line.split_once(" cov: ")?.1.split_whitespace().next());
            println!("  {} inputs, {} branches met", inputs.trim(), covered.unwrap_or("no"));
            Ok(covered.is_some())
        }
        _ => {
            println!("{said}");
            println!(
                "The input that did it is in {}; run it again: {} FILE",
                artifacts.display(),
                program.display()
            );
            Ok(false)
        }
    }
}

/// Its own: with other flags, everything is compiled anew.
fn target_folder(folder: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target).join("fuzz"),
        None => folder.join("target"),
    }
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
}
