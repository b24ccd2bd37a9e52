//! Makes sure that the engine is built: the library with all that it needs in one shared object.
//!
//! With the files beside it, the one implementation, for the face's build script and for `cargo xtask lab`. It uses std alone,
//! because every kernel compiles it when it starts, and it says nothing when the engine is there.
//!
//! In the cache (see `cache.rs`):
//! ```text
//! engine/target/          cargo's, shared by all checkouts: dependencies compile once a machine
//! engine/<fingerprint>/   a finished engine: the shared object, the metadata that rustc reads, and the
//!                         programs that notebooks start
//! engine/lock             held while one is built; a second kernel waits for it
//! ```
//! A finished engine never changes. So a running kernel keeps its own while the library is edited, and
//! kernels and checkouts don't disturb each other.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::cache::{cache_root, check_trusted, create_private, unusable};
use super::compile::{Tools, artifacts, json_string, library_name, run, rustc_version};
use super::fingerprint::fingerprint;
use super::progress::{Progress, Show};

/// Defined in the workspace's Cargo.toml.
const PROFILE: &str = "engine";
/// Finished engines that are kept although nothing used them for a day.
const KEPT: usize = 3;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder to put on rustc's search path; builds the engine when there is none yet for these
/// sources and this rustc. The error is a sentence (or some) for the reader of a notebook.
pub fn ensure(checkout: &Path, tools: &Tools, show: Show) -> Result<PathBuf, String> {
    let version = rustc_version(tools)?;
    let name = fingerprint(checkout, &version)?;
    let home = cache_root()?.join("engine");
    let dir = home.join(&name);
    check_trusted(&dir)?;
    if !touch(&dir) {
        let unchanged = || Ok(fingerprint(checkout, &version)? == name);
        build(checkout, tools, &home, &dir, unchanged, &mut Progress::new(show))?;
    }
    Ok(dir)
}

/// Whether [`ensure`] would find the engine and build nothing.
#[allow(dead_code, reason = "for the set-up's report alone")]
pub fn is_built(checkout: &Path, tools: &Tools) -> bool {
    let built = || -> Result<PathBuf, String> {
        Ok(cache_root()?.join("engine").join(fingerprint(checkout, &rustc_version(tools)?)?))
    };
    built().is_ok_and(|dir| dir.join("used").is_file())
}

/// Marks a finished engine as used; false when there is none.
fn touch(dir: &Path) -> bool {
    // A cache that cannot be written to can still be read from: only the file's presence counts.
    fs::write(dir.join("used"), "").is_ok() || dir.join("used").is_file()
}

fn build(
    checkout: &Path,
    tools: &Tools,
    home: &Path,
    dir: &Path,
    unchanged: impl Fn() -> Result<bool, String>,
    progress: &mut Progress,
) -> Result<(), String> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |e: std::io::Error| unusable(&path, &e)
    };
    create_private(home).map_err(at(home))?;
    let lock = File::create(home.join("lock")).map_err(at(home))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress.say("another kernel or terminal is building the engine: waiting for it");
            lock.lock().map_err(at(home))?;
        }
        Err(TryLockError::Error(e)) => return Err(at(home)(e)),
    }
    // Somebody may have finished it between the caller's look and the lock.
    if touch(dir) {
        return Ok(());
    }
    progress.say(match finished(home).is_empty() {
        true => "building the engine, once: 2 to 6 minutes",
        false => "the library or the compiler has changed: building the engine again",
    });

    let target = home.join("target");
    let mut artifacts = compile(checkout, tools, &target, &dir.join(library_name()), progress)?;
    artifacts.extend(compile_programs(checkout, tools, &target, progress)?);
    if !unchanged()? {
        return Err("kinesis-lab: the library was edited while the engine was built: run this again.".into());
    }

    // Assembled beside its place and renamed, so that a finished engine is always a whole one.
    let unfinished = home.join("unfinished");
    let _ = fs::remove_dir_all(&unfinished);
    create_private(&unfinished).map_err(at(&unfinished))?;
    for file in artifacts {
        let link = unfinished.join(file.file_name().unwrap_or_default());
        // Links cost no disk, and cargo never writes into a file that it has finished.
        if fs::hard_link(&file, &link).is_err() {
            fs::copy(&file, &link).map_err(at(&file))?;
        }
    }
    fs::write(unfinished.join("used"), "").map_err(at(&unfinished))?;
    let _ = fs::remove_dir_all(dir);
    fs::rename(&unfinished, dir).map_err(at(dir))?;
    prune(home);
    progress.say("the engine is built");
    Ok(())
}

/// Has cargo build the engine and gives the files that rustc needs to link against it: the shared
/// object, the metadata of every crate inside it, and proc macros.
fn compile(
    checkout: &Path,
    tools: &Tools,
    target: &Path,
    finished: &Path,
    progress: &mut Progress,
) -> Result<Vec<PathBuf>, String> {
    // To cargo, the library of one checkout is that of another: it goes by paths within the workspace,
    // and by times, which a clone made yesterday can have older than what was built here today. So
    // what it remembers of our own two crates is forgotten first; the dependencies stay.
    let own = fs::read_dir(target.join(PROFILE).join(".fingerprint")).into_iter().flatten().flatten();
    for entry in own.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"kinesis-lab-")) {
        let _ = fs::remove_dir_all(entry.path());
    }
    let mut command = Command::new(&tools.cargo);
    command
        .current_dir(checkout)
        .args(["rustc", "--locked", "--package", "kinesis-lab-engine", "--profile", PROFILE])
        .args(["--message-format", "json-render-diagnostics", "--target-dir"])
        .arg(target)
        // One copy of std, shared with the cells.
        .args(["--", "-Cprefer-dynamic"]);
    // The shared object carries the path at which it will lie, so that the loader finds it there
    // from any cell, without an rpath or LD_LIBRARY_PATH. Argument by argument: a path may hold a
    // comma, at which -Wl would cut it.
    let name_option = if cfg!(target_os = "macos") { "-install_name" } else { "-soname" };
    for argument in
        ["-Xlinker".into(), name_option.into(), "-Xlinker".into(), finished.as_os_str().to_owned()]
    {
        let mut option = OsString::from("-Clink-arg=");
        option.push(argument);
        command.arg(option);
    }
    let messages = run(command, tools, progress)?;
    let mut files = artifacts(&messages);
    // cargo reports a dylib twice, with and without `deps`; one of them will do.
    files.sort_by_key(|file| file.file_name().map(ToOwned::to_owned));
    files.dedup_by_key(|file| file.file_name().map(ToOwned::to_owned));
    if !files.iter().any(|file| file.ends_with(library_name())) {
        return Err(format!("cargo built no {}: please report this, with your system.", library_name()));
    }
    Ok(files)
}

/// The programs that notebooks start. After the engine: all that they need is compiled by then.
fn compile_programs(
    checkout: &Path,
    tools: &Tools,
    target: &Path,
    progress: &mut Progress,
) -> Result<Vec<PathBuf>, String> {
    let mut command = Command::new(&tools.cargo);
    command
        .current_dir(checkout)
        .args(["build", "--locked", "--package", "kinesis-lab-programs", "--profile", PROFILE])
        .args(["--message-format", "json-render-diagnostics", "--target-dir"])
        .arg(target);
    let messages = run(command, tools, progress)?;
    let programs: Vec<PathBuf> = messages
        .lines()
        .filter_map(|line| json_string(line.split_once(r#""executable":""#)?.1))
        .map(|(file, _)| PathBuf::from(file))
        .collect();
    if programs.is_empty() {
        return Err(
            "cargo built none of the notebooks' programs: please report this, with your system.".into()
        );
    }
    Ok(programs)
}

/// Removes engines that nothing has used for a day, but for the last few.
fn prune(home: &Path) {
    let mut engines = finished(home);
    engines.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
    for (dir, used) in engines.into_iter().skip(KEPT) {
        if used.elapsed().is_ok_and(|age| age > DAY) {
            let _ = fs::remove_dir_all(dir);
        }
    }
}

/// The finished engines and when each was last used.
fn finished(home: &Path) -> Vec<(PathBuf, SystemTime)> {
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let used = fs::metadata(entry.path().join("used")).ok()?.modified().ok()?;
            Some((entry.path(), used))
        })
        .collect()
}
