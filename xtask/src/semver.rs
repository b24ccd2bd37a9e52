//! What the last release promised: the library's API and features beside those of the newest tag, by
//! cargo-semver-checks, which reads rustdoc's JSON of both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::release::{numbers, version_of};
use crate::tool::Tool;
use crate::{Place, rustdoc};

const TOOL: Tool = Tool { name: "cargo-semver-checks", version: "0.51.0", minutes: "4 to 8 minutes" };
/// As it has rustdoc write what it reads: what is hidden tells it why something is gone.
const ALL: [&str; 3] = ["--document-private-items", "--document-hidden-items", "--cap-lints=allow"];

/// The step of `cargo xtask test`: what Cargo.toml names may come after the newest tag.
pub(crate) fn run(place: &Place, full: bool) -> Result<bool> {
    let manifest = fs::read_to_string(place.checkout.join("Cargo.toml")).context("Cargo.toml")?;
    check(place, version_of(&manifest)?, full)
}

/// Whether this state may be released as `version`; says what it breaks, or why it was not looked at.
pub(crate) fn check(place: &Place, version: &str, compile: bool) -> Result<bool> {
    let tags = git(place, &["tag", "--list", "v*", "--merged", "HEAD"])?;
    let Some(tag) = newest(&tags) else {
        println!("SKIPPED: no release is tagged yet, so nothing has been promised");
        return Ok(true);
    };
    let before = &tag[1..];
    let update = update(numbers(before)?, numbers(version)?);
    if update == "major" {
        println!("{before} → {version} may break what {before} promised");
        return Ok(true);
    }
    let program = if compile { TOOL.made(place)? } else { TOOL.there(place) };
    let Some(program) = program else {
        if !compile {
            println!("SKIPPED: {} is not in the cache; --full compiles it: {}", TOOL.name, TOOL.minutes);
        }
        return Ok(true);
    };
    let folder = place.target().join("semver");
    prove(&program, &folder.join("proof"))?;
    let checkout = folder.join(tag);
    export(place, tag, &checkout)?;
    let (old, new) = (features(place, &checkout)?, features(place, &place.checkout)?);
    let gone = missing(&old, &new);
    for feature in &gone {
        println!("- the feature `{feature}` is gone");
    }
    println!("rustdoc of {tag}, and of what is here …");
    let json = |checkout: &Path, name: &str| -> Result<PathBuf> {
        let (out, told) = (folder.join(name), [&rustdoc::JSON[..], &ALL].concat());
        rustdoc::of_library(place, checkout, &out, &told)?;
        Ok(out.join("kinesis_lab.json"))
    };
    let (old, new) = (json(&checkout, "before")?, json(&place.checkout, "now")?);
    let kept = passes(&program, &old, &new, update, true)?;
    if !kept || !gone.is_empty() {
        println!(
            "{tag} promised what {version} does not keep: keep it, or name {} in Cargo.toml and in the face's, and \
             run `cargo update --workspace`",
            breaking(numbers(before)?)
        );
    }
    Ok(kept && gone.is_empty())
}

/// One that finds nothing wrong where something is would find nothing anywhere.
fn prove(program: &Path, folder: &Path) -> Result<()> {
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)?;
        let file = folder.join("lib.rs");
        fs::write(&file, text)?;
        rustdoc::of_file(&file, "tiny", &folder, &ALL)
    };
    let (one, two) = ("//! .\n/// .\npub fn one() {}\n", "//! .\n/// .\npub fn two() {}\n");
    let (old, same) = (write("old", one)?, write("same", &format!("{one}{}", &two[6..]))?);
    let broken = write("broken", two)?;
    ensure!(passes(program, &old, &same, "minor", false)?, "{} refuses what only adds", TOOL.name);
    if passes(program, &old, &broken, "minor", false)? {
        bail!("{} {} does not miss a function that is gone", TOOL.name, TOOL.version);
    }
    Ok(())
}

fn passes(program: &Path, old: &Path, new: &Path, update: &str, shown: bool) -> Result<bool> {
    let mut command = Command::new(program);
    command.args(["semver-checks", "check-release", "--color", "never", "--release-type", update]);
    command.arg("--baseline-rustdoc").arg(old).arg("--current-rustdoc").arg(new).stdin(Stdio::null());
    if !shown {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    }
    Ok(command.status().with_context(|| format!("{} does not run", TOOL.name))?.success())
}

/// The files of a tag, in `folder`.
fn export(place: &Place, tag: &str, folder: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let archive = folder.with_extension("tar");
    git(place, &["archive", "--output", archive.to_str().context("a path that is UTF-8")?, tag])?;
    let status = Command::new("tar").arg("xf").arg(&archive).arg("-C").arg(folder).status();
    ensure!(status.context("tar does not run")?.success(), "tar could not unpack {}", archive.display());
    Ok(fs::remove_file(archive)?)
}

/// Those of the library in a checkout.
fn features(place: &Place, checkout: &Path) -> Result<Vec<String>> {
    let mut command = crate::setup::cargo(place);
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(checkout);
    let output =
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cargo does not run")?;
    ensure!(output.status.success(), "cargo says why, above");
    features_of(&serde_json::from_slice(&output.stdout)?).context("cargo tells nothing of kinesis-lab")
}

fn features_of(metadata: &Value) -> Option<Vec<String>> {
    let library = metadata["packages"].as_array()?.iter().find(|package| package["name"] == "kinesis-lab")?;
    Some(library["features"].as_object()?.keys().cloned().collect())
}

fn missing<'a>(old: &'a [String], new: &[String]) -> Vec<&'a String> {
    old.iter().filter(|feature| !new.contains(feature)).collect()
}

/// `v1.2.3`, the greatest of the lines; what is no version of ours is none.
fn newest(tags: &str) -> Option<&str> {
    let number = |tag: &&str| numbers(tag.strip_prefix('v')?).ok();
    tags.lines().filter(|tag| number(tag).is_some()).max_by_key(number)
}

/// What may change from one version to the other, in cargo's reading: before 1.0 the second number is the first.
/// Where both are the same, the next one is not named yet, and may add.
fn update(from: [u64; 3], to: [u64; 3]) -> &'static str {
    let first = from.iter().position(|number| *number > 0).unwrap_or(2);
    match (from == to, from[..=first] == to[..=first], first) {
        (true, ..) => "minor",
        (_, false, _) => "major",
        // What is left to 0.x is one number, for whatever breaks nothing.
        (_, true, 1) => "minor",
        _ if from[1] == to[1] => "patch",
        _ => "minor",
    }
}

/// The next version that may break what this one promised.
fn breaking(from: [u64; 3]) -> String {
    match from {
        [0, 0, patch] => format!("0.0.{}", patch + 1),
        [0, minor, _] => format!("0.{}.0", minor + 1),
        [major, ..] => format!("{}.0.0", major + 1),
    }
}

fn git(place: &Place, arguments: &[&str]) -> Result<String> {
    crate::release::output("git", arguments, &place.checkout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_tag_is_the_greatest_number() {
        assert_eq!(newest("v0.9.0\nv0.10.0\nv0.2.1\nvocabulary\nv1.0\nv2.0.0-rc.1\n"), Some("v0.10.0"));
        assert_eq!(newest("vocabulary\n"), None);
        assert_eq!(newest(""), None);
    }

    #[test]
    fn what_may_change_is_cargos_reading_of_versions() {
        for (from, to, may) in [
            ("0.1.0", "0.1.0", "minor"),
            ("0.1.0", "0.1.1", "minor"),
            ("0.1.9", "0.2.0", "major"),
            ("0.0.1", "0.0.2", "major"),
            ("0.9.0", "1.0.0", "major"),
            ("1.0.0", "1.0.1", "patch"),
            ("1.0.0", "1.1.0", "minor"),
            ("1.2.3", "1.2.3", "minor"),
            ("1.2.3", "2.0.0", "major"),
        ] {
            assert_eq!(update(numbers(from).unwrap(), numbers(to).unwrap()), may, "{from} → {to}");
        }
    }

    /// It is what `update` calls major, and the smallest such.
    #[test]
    fn the_version_that_is_asked_for_may_break() {
        for (from, to) in [("0.1.7", "0.2.0"), ("0.0.3", "0.0.4"), ("2.3.4", "3.0.0")] {
            let from = numbers(from).unwrap();
            assert_eq!(breaking(from), to);
            assert_eq!(update(from, numbers(to).unwrap()), "major");
        }
    }

    #[test]
    fn a_feature_that_is_gone_is_named() {
        let metadata = |features: &str| {
            let text = format!(
                r#"{{"packages":[{{"name":"xtask","features":{{}}}},{{"name":"kinesis-lab","features":{features}}}]}}"#
            );
            features_of(&serde_json::from_str(&text).unwrap()).unwrap()
        };
        let (old, new) = (metadata(r#"{"local":[],"kcl":[]}"#), metadata(r#"{"local":[],"chart":[]}"#));
        assert_eq!(missing(&old, &new), ["kcl"]);
        assert!(features_of(&Value::Null).is_none());
    }
}
