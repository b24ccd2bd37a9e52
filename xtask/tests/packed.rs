//! The packed face: what it makes a workspace of, from what this checkout would pack; and both crates as they would
//! be sent, verified and unpacked outside of any checkout, where cargo's own patching stands in for the registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use xtask::face::packed;
use xtask::{Place, notebooks, packages, repl};

fn read(name: &str) -> String {
    let path = Place::find().unwrap().notebooks().join("face").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_workspace_keeps_how_the_engine_is_compiled_and_names_two_members() {
    let text = packed::root(&read("packed/workspace.toml"));
    for kept in [
        "members = [\"notebooks/engine\", \"notebooks/programs\"]",
        "[workspace.package]",
        "version = ",
        "rust-version = ",
        "[profile.engine]",
        "[profile.engine.package]",
        "ferrokinesis.opt-level = 3",
    ] {
        assert!(text.contains(kept), "lost: {kept}\n{text}");
    }
    for gone in ["[package]", "[dependencies]", "[features]", "[[example]]", "xtask", "path ="] {
        assert!(!text.contains(gone), "still there: {gone}");
    }
}

#[test]
fn engine_and_programs_take_the_library_of_the_faces_version_alone() {
    for name in ["packed/engine.toml", "packed/programs.toml"] {
        let text = packed::member(&read(name), "1.2.3").unwrap();
        assert!(text.contains("kinesis-lab = { version = \"=1.2.3\", features = [\"full\"] }"), "{text}");
        assert!(!text.contains("path = \"../..\""), "{text}");
    }
    assert!(packed::member("[package]\n", "1.2.3").is_err());
}

#[test]
fn the_library_is_found_in_what_cargo_tells() {
    let metadata = r#"{"packages":[{"name":"kinesis-lab-engine","version":"0.1.0","manifest_path":"/no"},{"name":"kinesis-lab","version":"0.1.0","id":"registry+x","dependencies":[{"name":"png"}],"manifest_path":"/c/a \"b\"/Cargo.toml","metadata":null},{"name":"png","manifest_path":"/no"}]}"#;
    assert_eq!(packed::manifest_path(metadata, "0.1.0"), Some(PathBuf::from("/c/a \"b\"/Cargo.toml")));
    assert_eq!(packed::manifest_path(metadata, "0.2.0"), None);
}

fn succeeds(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}

fn cargo(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    xtask::face::compile::scrub(&mut command);
    command.current_dir(folder);
    command
}

/// Cells that name the face by its version, in the real kernel and in the REPL, with nothing of this checkout; and a
/// service with the library alone.
#[test]
#[ignore = "compiles for minutes: cargo xtask test --only packed --full"]
fn notebook_1_and_a_service_run_from_the_packed_crates() {
    let place = Place::find().unwrap();
    let outside = std::env::temp_dir().join(format!("kinesis-lab-packed-{}", std::process::id()));
    let cache = outside.join("cache");
    fs::create_dir_all(outside.join("tmp")).unwrap();
    // The face's verification makes the engine that the cells will find.
    packages::verify(&place, &outside, true).unwrap();
    assert!(!outside.join("notebooks").exists());
    assert!(cache.join("packed").is_dir(), "the engine is of the checkout's sources");

    let name = "01-streams-producers-consumers-counters.ipynb";
    let text = fs::read_to_string(place.notebooks().join(name)).unwrap();
    let (here, there) = ("{ path = \\\"face\\\" }", format!("\\\"{}\\\"", env!("CARGO_PKG_VERSION")));
    assert!(text.contains(here), "{name} names the face otherwise");
    let copy = outside.join(name);
    fs::write(&copy, text.replace(here, &there)).unwrap();
    let mut command = notebooks::runner(&place, &copy).unwrap();
    command.current_dir(&outside).env("KINESIS_LAB_CACHE", &cache).env("TMPDIR", outside.join("tmp"));
    succeeds(command.args(["--check", "--timeout", "1800", "--cwd"]).arg(&outside));

    let program = repl::program(&place).unwrap();
    let mut command = repl::paster(&place, &program, &copy);
    succeeds(
        command.current_dir(&outside).env("KINESIS_LAB_CACHE", &cache).env("TMPDIR", outside.join("tmp")),
    );

    let service = outside.join("service");
    fs::create_dir_all(service.join("src")).unwrap();
    let manifest = concat!(
        "[package]\nname = \"service\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n",
        "kinesis-lab = { version = \"",
        env!("CARGO_PKG_VERSION"),
        "\", default-features = false }\n",
    );
    fs::write(service.join("Cargo.toml"), manifest).unwrap();
    let main = "fn main() {\n    println!(\"{:032x}\", kinesis_lab::hash_key(\"192.0.2.10\"));\n}\n";
    fs::write(service.join("src/main.rs"), main).unwrap();
    succeeds(cargo(&service).args(["run", "--quiet"]));

    // The library's own tests, those that its package has, from where a user would have unpacked it.
    let library = outside.join(concat!("kinesis-lab-", env!("CARGO_PKG_VERSION")));
    for tests in ["--lib", "--doc"] {
        let mut command = cargo(&library);
        command.args(["test", "--quiet", "--features", "full", tests, "--target-dir"]).arg(place.target());
        succeeds(&mut command);
    }
    fs::remove_dir_all(&outside).unwrap();
}
