//! The library with each of its features alone, and with none: that it and its tests build without a warning, that
//! its own tests pass, and how many crates each brings. With all of them it is what the steps `clippy` and `unit` look
//! at.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::{Place, setup};

/// Every feature of the library but `full`, which is all of them.
const FEATURES: [&str; 10] =
    ["agent", "archive", "archive-s3", "chart", "kcl", "live", "local", "playbooks", "postgres", "sqlite"];

/// Builds the combinations that matter, and prints a line each. What a feature leaves out, its absence shows: so the
/// tests run with none, and only when `whole` with each. (They take a minute each time, and a feature alone has not
/// failed yet where none and all passed.)
pub(crate) fn run(place: &Place, whole: bool) -> Result<bool> {
    let declared = declared(&std::fs::read_to_string(place.checkout.join("Cargo.toml"))?);
    if declared != FEATURES {
        bail!("Cargo.toml declares the features {declared:?}, and this step knows {FEATURES:?}");
    }
    let none = crates(place, &[])?.len();
    let mut passed = true;
    let mut lines = vec![format!("{:<10} {none:>6} crates", "(none)")];
    for features in [&[][..]].into_iter().chain(FEATURES.chunks(1)) {
        let list = features.join(",");
        // Its examples, tests and benches too, as far as they want no other feature.
        let lints: &[&str] =
            &["clippy", "--locked", "--all-targets", "--features", &list, "--", "-Dwarnings"];
        let tests: &[&str] = &["test", "--locked", "--quiet", "--lib", "--features", &list];
        let tested = whole || features.is_empty();
        for arguments in [lints].into_iter().chain(tested.then_some(tests)) {
            println!("$ cargo {}", arguments.join(" "));
            let mut command = setup::cargo_of_the_caller(place);
            passed &= command
                .args(arguments)
                .stdin(Stdio::null())
                .status()
                .context("cargo does not run")?
                .success();
        }
        if !features.is_empty() {
            let all = crates(place, features)?.len();
            lines.push(format!("{list:<10} {all:>6} crates, {} more", all - none));
        }
    }
    let all = crates(place, &["full"])?.len();
    lines.push(format!("{:<10} {all:>6} crates, {} more", "full", all - none));
    println!("\n{}", lines.join("\n"));
    Ok(passed)
}

/// Those that a service compiles: not what tests need, not the library itself.
fn crates(place: &Place, features: &[&str]) -> Result<BTreeSet<String>> {
    let mut command = setup::cargo_of_the_caller(place);
    command.args([
        "tree",
        "--locked",
        "--package",
        "kinesis-lab",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
    ]);
    // The versions too: two of a crate are two to compile.
    command.args(["--format", "{p}", "--features", &features.join(",")]);
    let output =
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cargo does not run")?;
    if !output.status.success() {
        bail!("cargo tree failed");
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    let name = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    Ok(listed
        .lines()
        .map(name)
        .filter(|name| !name.is_empty() && !name.starts_with("kinesis-lab "))
        .collect())
}

/// The names in `[features]`, without the two that are lists of others.
fn declared(manifest: &str) -> Vec<String> {
    let section = manifest.split_once("\n[features]\n").map_or("", |(_, rest)| rest);
    let section = section.split_once("\n[").map_or(section, |(section, _)| section);
    let names =
        section.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    let mut names: Vec<String> = names
        .map(|(name, _)| name.to_owned())
        .filter(|name| !["default", "full"].contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    #[test]
    fn features_are_read_from_the_manifest() {
        let text = "[package]\nname = 1\n\n[features]\ndefault = []\n# x = 2\nb = [\"dep:c\"]\na = []\n\n[dependencies]\nd = 1\n";
        assert_eq!(super::declared(text), ["a", "b"]);
    }
}
