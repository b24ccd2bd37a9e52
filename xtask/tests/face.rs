//! The face without a checkout around it, on machines where it can't work: its build script says why, in a sentence
//! that names what to do. Each is a run of the real script by cargo, with what its user would have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use xtask::Place;
use xtask::face::compile::scrub;
use xtask::face::sentences::explain;

/// A copy of the face, as a registry would have unpacked it, and a machine of its own around it.
struct Machine {
    folder: PathBuf,
    /// What cargo is given.
    arguments: Vec<&'static str>,
    /// What the user has set.
    set: Vec<(&'static str, PathBuf)>,
}

impl Machine {
    fn new(name: &str) -> Machine {
        let folder = std::env::temp_dir().join(format!("kinesis-lab-face-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let face = Place::find().unwrap().notebooks().join("face");
        // Links become files, as in a package.
        let copied = Command::new("cp").arg("-RL").arg(&face).arg(folder.join("face")).status().unwrap();
        assert!(copied.success());
        // Not every machine that runs this has the sources of std.
        let sources = folder.join("std");
        fs::create_dir_all(sources.join("core")).unwrap();
        let set = vec![
            ("KINESIS_LAB_CACHE", folder.join("cache")),
            ("CARGO_HOME", folder.join("cargo")),
            ("RUST_SRC_PATH", sources),
        ];
        Machine { folder, arguments: vec!["check", "--offline"], set }
    }

    fn with(mut self, name: &'static str, value: impl Into<PathBuf>) -> Machine {
        self.set.push((name, value.into()));
        self
    }

    /// A registry that has one kinesis-lab at most, of this version, and nothing else.
    fn registry(self, library: Option<&str>) -> Machine {
        let registry = self.folder.join("registry");
        fs::create_dir_all(&registry).unwrap();
        if let Some(version) = library {
            let package = registry.join("kinesis-lab");
            write(
                &package.join("Cargo.toml"),
                &format!(
                    "[package]\nname = \"kinesis-lab\"\nversion = \"{version}\"\n[features]\nfull = []\n"
                ),
            );
            write(&package.join("src/lib.rs"), "");
            write(&package.join(".cargo-checksum.json"), r#"{"files":{}}"#);
        }
        write(
            &self.folder.join(".cargo/config.toml"),
            &format!(
                "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = {registry:?}\n"
            ),
        );
        self
    }

    /// What a cell that names the face would show.
    fn fails(self) -> String {
        let mut command = Command::new("cargo");
        scrub(&mut command);
        command.args(&self.arguments).arg("--manifest-path").arg(self.folder.join("face/Cargo.toml"));
        command.arg("--target-dir").arg(self.folder.join("target")).current_dir(&self.folder);
        command.envs(self.set.iter().map(|(name, value)| (name, value)));
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "nothing failed: {text}");
        fs::remove_dir_all(&self.folder).unwrap();
        // evcxr shows a line that reads like a message of rustc's, and no other.
        let shown = text.lines().find_map(|line| line.trim().strip_prefix("{\"message\":"));
        assert!(shown.is_some(), "evcxr would show all of this:\n{text}");
        shown.unwrap().to_owned()
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn says(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "`{part}` is not in: {sentence}");
    }
}

#[test]
fn a_registry_that_lacks_the_library_of_the_faces_version() {
    for library in [None, Some("99.0.0")] {
        let sentence = Machine::new("version").registry(library).fails_online();
        says(&sentence, &["no kinesis-lab of the face's version", "name the newest kinesis-lab-face"]);
    }
}

#[test]
fn a_face_without_its_features() {
    let mut machine = Machine::new("none");
    machine.arguments.push("--no-default-features");
    says(&machine.fails(), &["without its default features", "Leave `default-features = false` out"]);
}

#[test]
fn a_first_time_without_a_network() {
    let machine = Machine::new("network").with("CARGO_NET_OFFLINE", "true");
    says(&machine.fails(), &["needs the network once", "run the cell again"]);
}

#[test]
fn a_toolchain_without_the_sources_of_std() {
    let sentence = Machine::new("sources").with("RUST_SRC_PATH", "/nowhere").fails();
    says(&sentence, &["sources of Rust's standard library", "rustup component add rust-src"]);
}

/// Nobody is kept from writing by rights alone where root runs this; by a file in the folder's place, everybody is.
#[test]
fn a_home_that_can_not_be_written_to() {
    let machine = Machine::new("home");
    let file = machine.folder.join("a file");
    write(&file, "");
    let sentence = machine.with("KINESIS_LAB_CACHE", file.join("cache")).fails();
    says(&sentence, &["Set KINESIS_LAB_CACHE to a folder that can be written to", "2 GB"]);
}

impl Machine {
    /// Without being told that there is no network; what it asks is on this machine.
    fn fails_online(mut self) -> String {
        self.arguments.retain(|argument| *argument != "--offline");
        self.fails()
    }
}

/// As cargo 1.95 says it.
#[test]
fn what_cargo_says_leads_to_what_to_do() {
    let offline = "As a reminder, you're using offline mode (--offline) which can sometimes cause surprising \
                   resolution failures";
    for (said, advice) in [
        (
            vec!["error: no matching package named `kinesis-lab` found"],
            "no kinesis-lab of the face's version",
        ),
        (vec!["error: no matching package named `kinesis-lab` found", offline], "needs the network once"),
        (
            vec!["error: failed to select a version for the requirement `kinesis-lab = \"=0.1.0\"`"],
            "of the face's version",
        ),
        (
            vec!["error: failed to select a version for the requirement `kinesis-lab = \"=0.1.0\"`", offline],
            "the network",
        ),
        (
            vec![
                "package `kinesis-lab-engine` depends on `kinesis-lab` with feature `full` but `kinesis-lab` does not have that feature.",
            ],
            "other features",
        ),
        (
            vec!["warning: spurious network error (3 tries remaining): [6] Could not resolve hostname"],
            "the network once",
        ),
        (
            vec![
                "error: failed to create directory `/h/.cargo/registry/cache`",
                "  Read-only file system (os error 30)",
            ],
            "set CARGO_HOME",
        ),
        (vec!["error: linker `cc` not found"], "needs a C compiler"),
        (vec!["error: failed to write: No space left on device (os error 28)"], "disk is full"),
        (vec!["error: rustc 1.80.0 is not supported by the following package:"], "rustup update"),
        (vec!["error: something else"], "--setup-only"),
    ] {
        let said: Vec<String> = said.into_iter().map(str::to_owned).collect();
        let sentence = explain(&said);
        says(&sentence, &["the engine could not be built", advice, &said[0]]);
    }
}
