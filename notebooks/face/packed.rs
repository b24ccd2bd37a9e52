//! The sources of an engine where there is no checkout: of the packed face, from the registry.
//!
//! The face packs the manifests of the engine and of the notebooks' programs, and the Cargo.lock that all was tested
//! with (`packed/`, links in the checkout). From them this makes a small workspace in the cache, which has the
//! library from the registry, in the face's own version. To `engine.rs` it looks like a checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cache::{check_trusted, create_private, unusable};
use super::compile::{self, Tools};
use super::fingerprint;
use super::progress::{self, Show};
use super::sentences::explain;

/// What the face packs, and where the workspace has it.
const PACKED: [(&str, &str); 4] = [
    ("packed/workspace.toml", "Cargo.toml"),
    ("packed/workspace.lock", "Cargo.lock"),
    ("packed/engine.toml", "notebooks/engine/Cargo.toml"),
    ("packed/programs.toml", "notebooks/programs/Cargo.toml"),
];
/// As the two manifests name the library of the checkout.
const LIBRARY: &str = r#"kinesis-lab = { path = "../..", "#;
const ENGINE: &str = "pub use kinesis_lab::*;\n";

/// The workspace for this version, made when there is none. The error is a sentence for the reader of a notebook.
pub fn workspace(face: &Path, version: &str, cache: &Path, tools: &Tools) -> Result<PathBuf, String> {
    let home = cache.join("packed");
    check_trusted(&home)?;
    let folder = home.join(version);
    if folder.is_dir() {
        return Ok(folder);
    }
    let read =
        |name: &str| fs::read_to_string(face.join(name)).map_err(|e| format!("kinesis-lab: {name}: {e}"));
    let at = |e: std::io::Error| unusable(&home, &e);
    progress::tell(Show::Terminal, "fetching what the engine is made of, once");
    // Assembled beside its place and renamed, so that what is there is whole. Of this process alone: two kernels may
    // be at it.
    let unfinished = home.join(format!("unfinished-{}", std::process::id()));
    create_private(&unfinished.join("notebooks/engine/src")).map_err(at)?;
    create_private(&unfinished.join("notebooks/programs")).map_err(at)?;
    for (name, to) in PACKED {
        let text = match to {
            "Cargo.toml" => root(&read(name)?),
            "Cargo.lock" => read(name)?,
            _ => member(&read(name)?, version)?,
        };
        fs::write(unfinished.join(to), text).map_err(at)?;
    }
    fs::write(unfinished.join("notebooks/engine/src/lib.rs"), ENGINE).map_err(at)?;
    // The programs are the library's examples; cargo can't look at their package before they are there.
    let programs = unfinished.join("notebooks/programs/Cargo.toml");
    let text = fs::read_to_string(&programs).map_err(at)?;
    fs::write(&programs, without_programs(&text)).map_err(at)?;
    let library = library(&unfinished, version, tools)?;
    copy(&library.join("examples"), &unfinished.join("examples")).map_err(at)?;
    fs::write(&programs, text).map_err(at)?;
    fs::write(unfinished.join(fingerprint::PACKED), "").map_err(at)?;
    if fs::rename(&unfinished, &folder).is_err() && !folder.is_dir() {
        return Err(format!("kinesis-lab: {} can't be made", folder.display()));
    }
    let _ = fs::remove_dir_all(&unfinished);
    Ok(folder)
}

/// Of the checkout's manifest, what holds for the engine and the programs: versions, lints, how it is compiled.
pub fn root(manifest: &str) -> String {
    let mut text = String::from(
        "[workspace]\nmembers = [\"notebooks/engine\", \"notebooks/programs\"]\nresolver = \"3\"\n",
    );
    let mut kept = false;
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            kept = ["workspace.", "profile."].iter().any(|section| name.starts_with(section));
        }
        if kept {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// The manifest of the engine or the programs, with the library from the registry: this version and no other.
pub fn member(manifest: &str, version: &str) -> Result<String, String> {
    match manifest.matches(LIBRARY).count() {
        1 => Ok(manifest.replace(LIBRARY, &format!(r#"kinesis-lab = {{ version = "={version}", "#))),
        _ => Err("kinesis-lab: the packed face is damaged: please report this".into()),
    }
}

fn without_programs(manifest: &str) -> String {
    let mut text = String::new();
    for part in manifest.split("\n\n").filter(|part| !part.contains("[[bin]]\n")) {
        text.push_str(part);
        text.push_str("\n\n");
    }
    // A package has something to compile.
    text + "[lib]\npath = \"../engine/src/lib.rs\"\n"
}

/// Where cargo has put the library's sources; it fetches everything at that, and fits Cargo.lock to the workspace.
fn library(workspace: &Path, version: &str, tools: &Tools) -> Result<PathBuf, String> {
    let mut command = Command::new(&tools.cargo);
    command.current_dir(workspace).args(["metadata", "--format-version", "1"]);
    compile::scrub(&mut command);
    let output = command.env("RUSTC", &tools.rustc).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("cannot run {}: {e}", tools.cargo.display()))?;
    if !output.status.success() {
        let complaints: Vec<String> =
            String::from_utf8_lossy(&output.stderr).lines().map(ToOwned::to_owned).collect();
        return Err(explain(&complaints));
    }
    let metadata = String::from_utf8_lossy(&output.stdout);
    manifest_path(&metadata, version)
        .and_then(|path| Some(path.parent()?.to_owned()))
        .ok_or_else(|| "kinesis-lab: cargo tells no place of the library: please report this".into())
}

/// Of the package kinesis-lab in what `cargo metadata` prints.
pub fn manifest_path(metadata: &str, version: &str) -> Option<PathBuf> {
    let (_, package) = metadata.split_once(&format!(r#"{{"name":"kinesis-lab","version":"{version}","#))?;
    let (_, path) = package.split_once(r#""manifest_path":""#)?;
    Some(PathBuf::from(compile::json_string(path)?.0))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    create_private(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name()))?,
            false => drop(fs::copy(entry.path(), to.join(entry.file_name()))?),
        }
    }
    Ok(())
}
