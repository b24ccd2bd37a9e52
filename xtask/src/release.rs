//! `cargo xtask release`: a version, its changelog, its tag, and what goes to crates.io, in order.
//!
//! Nothing leaves this machine without `--publish`, and with `--dry-run` no file is changed either.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::packages::{self, CRATES};
use crate::{Place, semver, setup};

/// Each names the version once: the workspace, and the face, which is a workspace of its own.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "notebooks/face/Cargo.toml"];

const CHANGELOG: &str = "CHANGELOG.md";

/// Which version, and how far to go.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Without it: the one that Cargo.toml names, when it has no tag yet
    pub version: Option<String>,
    /// Say what would be done; change no file
    #[arg(long)]
    pub dry_run: bool,
    /// Send the crates to crates.io; cargo asks for its token there
    #[arg(long, conflicts_with = "dry_run")]
    pub publish: bool,
}

/// Looks at everything first; what fails, fails before anything is changed.
pub fn run(place: &Place, options: &Options) -> Result<bool> {
    let manifest = read(place, MANIFESTS[0])?;
    let present = version_of(&manifest)?;
    let version = options.version.as_deref().unwrap_or(present);
    let tag = format!("v{version}");
    if options.publish {
        check_address(&manifest)?;
    }
    let changed = git(place, &["status", "--porcelain"])?;
    ensure!(options.dry_run || changed.is_empty(), "commit this first, or put it away:\n{changed}");
    if git(place, &["tag", "--list", &tag])?.is_empty() {
        ensure!(
            numbers(version)? >= numbers(present)?,
            "{version} is older than {present}, which Cargo.toml names: name a newer one"
        );
        ensure!(
            semver::check(place, version, !options.dry_run)?,
            "{version} would break who uses the last release; what it breaks stands above"
        );
        let today = output("date", &["-u", "+%Y-%m-%d"], &place.checkout)?;
        let files = files(version, &today, |name| read(place, name))?;
        println!("{present} → {version}, {tag}, {today}");
        for (name, text) in &files {
            println!("  {name}: {}", difference(&read(place, name)?, text));
        }
        if options.dry_run {
            println!(
                "  then: a commit, the tag {tag}, and the packages of: {}",
                CRATES.map(|(name, _)| name).join(", ")
            );
            if !changed.is_empty() {
                println!("  not as it is: it would ask for a commit of what was changed");
            }
        } else {
            prepare(place, version, &tag, files)?;
        }
    } else {
        // Prepared before, and looked at meanwhile.
        let (tagged, here) = (format!("{tag}^{{commit}}"), "HEAD^{commit}");
        ensure!(
            git(place, &["rev-parse", &tagged])? == git(place, &["rev-parse", here])?,
            "{tag} is there, on another commit. To send it: git switch --detach {tag}; for a new release: \
             cargo xtask release {}",
            next(version)?
        );
    }
    if !pack(place, version, options.dry_run)? {
        bail!("cargo says above why it can't be packed; nothing was sent");
    }
    match options.publish {
        true => send(place, version),
        false => {
            println!("nothing was sent; when all is well: cargo xtask release {version} --publish");
            Ok(true)
        }
    }
}

/// Where the sources are, a page of crates.io has to say; badges in the README need it, too (CONTRIBUTING.md).
fn check_address(manifest: &str) -> Result<()> {
    ensure!(
        manifest.lines().any(|line| line.starts_with("repository = \"https://")),
        "Cargo.toml names no `repository`, and a crate of crates.io can't do without: set it there and in the \
         face's Cargo.toml, and put the badges into README.md (CONTRIBUTING.md has them); nothing was sent"
    );
    Ok(())
}

/// Writes the files, commits and tags: all of it here, and to be undone by git.
fn prepare(place: &Place, version: &str, tag: &str, files: Vec<(&str, String)>) -> Result<()> {
    for (name, text) in files {
        fs::write(place.checkout.join(name), text).with_context(|| format!("{name} can't be written"))?;
    }
    // Cargo.lock names the workspace's own versions.
    ensure!(cargo(place, &["update", "--workspace", "--offline"])?, "cargo could not renew Cargo.lock");
    git(place, &["add", "--update"])?;
    // For a version that Cargo.toml named already, in a changelog that was dated: nothing may have changed.
    git(place, &["commit", "--quiet", "--allow-empty", "--message", &format!("Release {version}")])?;
    git(place, &["tag", "--annotate", tag, "--message", &format!("kinesis-lab {version}")])?;
    println!("committed and tagged, here alone; to undo it: git tag -d {tag} && git reset --hard HEAD~1");
    Ok(())
}

fn send(place: &Place, version: &str) -> Result<bool> {
    for (name, manifest) in CRATES {
        ensure!(
            cargo(place, &["publish", "--manifest-path", manifest])?,
            "{name} {version} was not sent; those before it are: mend this, and run the same again"
        );
    }
    println!("sent; the tag goes to others by: git push --follow-tags");
    Ok(true)
}

/// Each crate as it would be sent; compiled from its package, outside of this checkout, before anything is.
fn pack(place: &Place, version: &str, dry_run: bool) -> Result<bool> {
    if dry_run {
        return packages::pack(place, true);
    }
    let outside = std::env::temp_dir().join(format!("kinesis-lab-{version}-{}", std::process::id()));
    let verified = packages::verify(place, &outside, false);
    let _ = fs::remove_dir_all(&outside);
    verified.map(|()| true)
}

/// The files of a release, changed: the changelog and the manifests.
fn files<'a>(
    version: &str,
    today: &str,
    read: impl Fn(&str) -> Result<String>,
) -> Result<Vec<(&'a str, String)>> {
    let mut files = vec![(CHANGELOG, changelog(&read(CHANGELOG)?, version, today)?)];
    for name in MANIFESTS {
        files.push((name, with_version(&read(name)?, version)?));
    }
    Ok(files)
}

/// What is unreleased becomes this version's, of this day; above it, an empty heading for what comes.
fn changelog(text: &str, version: &str, today: &str) -> Result<String> {
    const UNRELEASED: &str = "## Unreleased\n";
    let (before, after) = text.split_once(UNRELEASED).context("CHANGELOG.md has no `## Unreleased`")?;
    let unreleased = after.split("\n## ").next().unwrap_or_default();
    ensure!(
        unreleased.lines().any(|line| line.starts_with("- ")),
        "CHANGELOG.md says of nothing that it has changed: write a line under `## Unreleased`"
    );
    ensure!(
        !after.lines().any(|line| line.starts_with(&format!("## {version} "))),
        "CHANGELOG.md has {version} already"
    );
    Ok(format!("{before}{UNRELEASED}\n## {version} - {today}\n{after}"))
}

/// The version that a manifest gives itself, or its workspace.
pub(crate) fn version_of(manifest: &str) -> Result<&str> {
    let mut versions =
        manifest.lines().filter_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    let first = versions.next().context("the manifest names no version")?;
    ensure!(versions.next().is_none(), "the manifest names more than one version");
    Ok(first)
}

fn with_version(manifest: &str, version: &str) -> Result<String> {
    let line = |version: &str| format!("\nversion = \"{version}\"\n");
    numbers(version)?;
    Ok(manifest.replacen(&line(version_of(manifest)?), &line(version), 1))
}

/// `1.2.3`, and nothing else: no release of ours has a suffix.
pub(crate) fn numbers(version: &str) -> Result<[u64; 3]> {
    let digits = |part: &str| {
        let plain = part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
        part.parse().ok().filter(|_| plain)
    };
    let parts: Option<Vec<u64>> = version.split('.').map(digits).collect();
    parts
        .and_then(|parts| parts.try_into().ok())
        .with_context(|| format!("`{version}` is no version: three numbers, as in 0.2.0"))
}

/// The smallest that comes after it, for an example.
fn next(version: &str) -> Result<String> {
    let [major, minor, patch] = numbers(version)?;
    Ok(format!("{major}.{minor}.{}", patch + 1))
}

/// What a line-by-line comparison would begin with.
fn difference(old: &str, new: &str) -> String {
    let has = |text: &str, line: &str| text.lines().any(|other| other == line);
    let added: Vec<&str> = new.lines().filter(|line| !has(old, line)).collect();
    match added.as_slice() {
        [] => "as it is".to_owned(),
        lines => lines.join("; "),
    }
}

fn read(place: &Place, name: &str) -> Result<String> {
    fs::read_to_string(place.checkout.join(name)).with_context(|| format!("{name} can't be read"))
}

fn git(place: &Place, arguments: &[&str]) -> Result<String> {
    output("git", arguments, &place.checkout)
}

pub(crate) fn output(program: &str, arguments: &[&str], folder: &Path) -> Result<String> {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = output.output().with_context(|| format!("`{program}` does not run"))?;
    ensure!(output.status.success(), "`{program} {}` failed; it says why, above", arguments.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn cargo(place: &Place, arguments: &[&str]) -> Result<bool> {
    println!("$ cargo {}", arguments.join(" "));
    let mut command = setup::cargo_of_the_caller(place);
    Ok(command.args(arguments).stdin(Stdio::null()).status().context("cargo does not run")?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str =
        "# Changelog\n\n## Unreleased\n\n### Added\n- A thing.\n\n## 0.1.0 - 2026-11-01\n- All.\n";

    #[test]
    fn what_was_unreleased_is_the_versions_and_a_new_heading_waits() {
        let text = changelog(LOG, "0.2.0", "2026-11-26").unwrap();
        assert_eq!(
            text,
            "# Changelog\n\n## Unreleased\n\n## 0.2.0 - 2026-11-26\n\n### Added\n- A thing.\n\n\
             ## 0.1.0 - 2026-11-01\n- All.\n"
        );
        for (log, version, wrong) in [
            (text.as_str(), "0.3.0", "nothing that it has changed"),
            (LOG, "0.1.0", "has 0.1.0 already"),
            ("# Changelog\n", "0.2.0", "no `## Unreleased`"),
        ] {
            let error = changelog(log, version, "2026-11-26").unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn versions_are_three_numbers_and_compared_as_such() {
        assert!(numbers("0.10.0").unwrap() > numbers("0.9.12").unwrap());
        assert_eq!(next("0.9.9").unwrap(), "0.9.10");
        for wrong in ["1.0", "1.0.0.0", "v1.0.0", "1.0.0-rc.1", "1..0", "01.0.0", "+1.0.0", ""] {
            assert!(numbers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_manifests_of_this_checkout_take_a_version_and_the_changelog_too() {
        let place = Place::find().unwrap();
        let changed = files("9.8.7", "2030-01-02", |name| read(&place, name)).unwrap();
        assert_eq!(changed.len(), 1 + MANIFESTS.len());
        for (name, text) in &changed[1..] {
            assert_eq!(version_of(text).unwrap(), "9.8.7", "{name}");
            assert_eq!(difference(&read(&place, name).unwrap(), text), "version = \"9.8.7\"", "{name}");
        }
        assert_eq!(difference(&read(&place, CHANGELOG).unwrap(), &changed[0].1), "## 9.8.7 - 2030-01-02");
    }

    #[test]
    fn nothing_is_sent_that_names_no_repository() {
        let manifest = "[package]\nname = \"kinesis-lab\"\n# repository = \"https://later\"\n";
        let sentence = check_address(manifest).unwrap_err().to_string();
        assert!(sentence.contains("names no `repository`") && sentence.contains("badges"), "{sentence}");
        check_address(&format!("{manifest}repository = \"https://example.com/kinesis-lab\"\n")).unwrap();
    }

    #[test]
    fn a_dependency_is_no_version_of_ones_own() {
        let manifest = "[package]\nversion = \"0.1.0\"\n\n[dependencies]\nfastrand = \"2\"\n\
                        png = { version = \"0.17\" }\n";
        assert_eq!(with_version(manifest, "0.2.0").unwrap(), manifest.replace("0.1.0", "0.2.0"));
        assert!(version_of("[package]\nversion.workspace = true\n").is_err());
        assert!(version_of("version = \"1.0.0\"\nversion = \"2.0.0\"\n").is_err());
    }
}
