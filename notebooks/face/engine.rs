//! Makes sure that the engine is built: the library with all that it needs in one shared object.
//!
//! The one implementation, for the face's build script and for `cargo xtask lab`. It uses std alone,
//! because every kernel compiles it when it starts, and it says nothing when the engine is there.
//!
//! In the cache (see [`cache_root`]):
//! ```text
//! engine/target/          cargo's, shared by all checkouts: dependencies compile once a machine
//! engine/<fingerprint>/   a finished engine: the shared object, the metadata that rustc reads, and the
//!                         programs that notebooks start
//! engine/lock             held while one is built; a second kernel waits for it
//! ```
//! A finished engine never changes. So a running kernel keeps its own while the library is edited, and
//! kernels and checkouts don't disturb each other.

use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// Hashed with the sources: raise it when this file builds or lays out the engine differently.
const RECIPE: &str = "3";
/// Defined in the workspace's Cargo.toml.
const PROFILE: &str = "engine";
/// Marks a workspace that was made from the packed face, in place of a checkout.
pub const PACKED: &str = "from-the-packed-face";
/// Finished engines that are kept although nothing used them for a day.
const KEPT: usize = 3;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The toolchain to build with: the one that will compile the cells.
pub struct Tools {
    pub cargo: PathBuf,
    pub rustc: PathBuf,
}

/// Where the progress of a build is shown.
#[derive(Clone, Copy, PartialEq)]
#[allow(dead_code, reason = "each of the two users of this file takes one")]
pub enum Show {
    /// cargo's own progress, on stderr.
    Cargo,
    /// Some lines on the terminal, if there is one: cargo swallows what a build script prints.
    Terminal,
}

/// Where everything that is built once a machine lies.
pub fn cache_root() -> Result<PathBuf, String> {
    let path = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let root = path("KINESIS_LAB_CACHE")
        .or_else(|| path("XDG_CACHE_HOME").map(|dir| dir.join("kinesis-lab")))
        .or_else(|| path("HOME").map(|dir| dir.join(".cache/kinesis-lab")))
        .ok_or("no home directory: set KINESIS_LAB_CACHE to a folder that may take 2 GB")?;
    let root = std::path::absolute(&root).map_err(|e| format!("{}: {e}", root.display()))?;
    // What lies in it is run as this user.
    for folder in [&root, &root.join("engine")] {
        check_trusted(folder)?;
    }
    Ok(root)
}

/// Refuses a folder that another user could have made or filled, or can write to. One that is absent is nobody's.
pub fn check_trusted(folder: &Path) -> Result<(), String> {
    check_owned(folder)?;
    #[cfg(unix)]
    if fs::metadata(folder).is_ok_and(|found| std::os::unix::fs::MetadataExt::mode(&found) & 0o022 != 0) {
        return Err(format!(
            "Others can write to {0}, and so run anything in your name: `chmod go-w {0}`, if you know that nobody has, \
             or set KINESIS_LAB_CACHE to a folder of your own.",
            folder.display()
        ));
    }
    Ok(())
}

/// Refuses a folder of another user's, and one with a file of another's in it. Root can do anything anyway.
pub fn check_owned(folder: &Path) -> Result<(), String> {
    #[cfg(unix)]
    if folder.exists() {
        let user = user()?;
        let of_others = |path: &PathBuf| {
            let owner = fs::metadata(path).map(|found| std::os::unix::fs::MetadataExt::uid(&found));
            owner.is_ok_and(|owner| owner != user && owner != 0)
        };
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
        if let Some(path) = std::iter::once(folder.to_owned()).chain(files).find(of_others) {
            return Err(format!(
                "{} belongs to another user, who could run anything in your name through it: set KINESIS_LAB_CACHE to \
                 a folder of your own.",
                path.display()
            ));
        }
    }
    Ok(())
}

/// Std doesn't say who runs this.
#[cfg(unix)]
fn user() -> Result<u32, String> {
    use std::os::unix::fs::MetadataExt;
    if let Ok(own) = fs::metadata("/proc/self") {
        return Ok(own.uid());
    }
    let id = Command::new("id").arg("-u").output().map_err(|e| format!("cannot run `id -u`: {e}"))?;
    String::from_utf8_lossy(&id.stdout).trim().parse().map_err(|_| "`id -u` gives no number".to_owned())
}

/// For this user alone, whatever the umask is; one that is there stays as it is.
pub fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

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

fn rustc_version(tools: &Tools) -> Result<String, String> {
    let output = Command::new(&tools.rustc).arg("-vV").output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        _ => Err(format!("cannot run {} -vV: install Rust from https://rustup.rs", tools.rustc.display())),
    }
}

/// Marks a finished engine as used; false when there is none.
fn touch(dir: &Path) -> bool {
    // A cache that cannot be written to can still be read from: only the file's presence counts.
    fs::write(dir.join("used"), "").is_ok() || dir.join("used").is_file()
}

/// Names the engine that belongs to the library in `checkout` and to this rustc.
///
/// The path of the checkout is not in it: two clones of the same state share an engine.
pub fn fingerprint(checkout: &Path, rustc_version: &str) -> Result<String, String> {
    let mut files = Vec::new();
    // `packed.rs` makes a workspace without the library, whose version is in Cargo.lock.
    let packed: &[&str] = &["Cargo.toml", "Cargo.lock", "examples", "notebooks/engine", "notebooks/programs"];
    let whole: &[&str] = &[
        "Cargo.toml",
        "Cargo.lock",
        "src",
        // What `Playbooks::shipped` has in it.
        "data/playbooks.toml",
        "examples/common",
        "examples/count.rs",
        "examples/pipeline.rs",
        "examples/visitors",
        "examples/visitors.rs",
        "examples/website.rs",
        "notebooks/engine",
        "notebooks/programs",
    ];
    for path in if checkout.join(PACKED).is_file() { packed } else { whole } {
        collect(&checkout.join(path), &mut files).map_err(|e| {
            format!(
                "{}: {e}\nThe engine is built from a whole checkout of kinesis-lab: clone it again.",
                checkout.join(path).display()
            )
        })?;
    }
    files.sort();
    let mut hash = Hash::new();
    hash.add(RECIPE.as_bytes());
    hash.add(rustc_version.as_bytes());
    for file in files {
        let content = fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let name = file.strip_prefix(checkout).unwrap_or(&file);
        hash.add(name.as_os_str().as_encoded_bytes());
        hash.add(&content);
    }
    Ok(format!("{:032x}", hash.0))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        fs::metadata(path)?;
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        // What editors leave behind is no reason to rebuild; nor is a target folder of the engine's.
        if !name.as_encoded_bytes().starts_with(b".") && name != "target" {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

/// FNV-1a, 128 bits: std's hashers promise no stable result, and a name needs no cryptography.
struct Hash(u128);

impl Hash {
    fn new() -> Hash {
        Hash(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// With its length, so that two fields cannot run into each other.
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.len().to_le_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
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
        let path = path.display().to_string();
        move |e: std::io::Error| format!("{path}: {e}")
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

fn library_name() -> String {
    format!("{DLL_PREFIX}kinesis_lab_engine{DLL_SUFFIX}")
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

/// Runs cargo, showing how far it is; gives its messages.
fn run(mut command: Command, tools: &Tools, progress: &mut Progress) -> Result<String, String> {
    scrub(&mut command);
    command.env("RUSTC", &tools.rustc).stdin(Stdio::null()).stdout(Stdio::piped());
    if progress.show == Show::Terminal {
        command.stderr(Stdio::piped());
    }
    let mut child = command.spawn().map_err(|e| format!("cannot run {}: {e}", tools.cargo.display()))?;

    let messages = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        messages.map(|mut pipe| pipe.read_to_string(&mut text));
        text
    });
    let complaints = child.stderr.take().map(|pipe| progress.follow(pipe)).unwrap_or_default();
    let status = child.wait().map_err(|e| e.to_string())?;
    let messages = reader.join().unwrap_or_default();
    if !status.success() {
        return Err(match progress.show {
            Show::Terminal => explain(&complaints),
            Show::Cargo => {
                "the engine could not be built: cargo says why, above. What was compiled is kept; \
                            run this again to go on from there"
                    .into()
            }
        });
    }
    Ok(messages)
}

/// Takes away what the caller's cargo (or evcxr) set for its own build and the engine's must not
/// see; keeps what the user set: proxies, registries, offline mode, the toolchain.
pub fn scrub(command: &mut Command) {
    const USERS: [&str; 8] = [
        "CARGO_HOME",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
        "CARGO_HOST_",
        "RUSTUP_",
    ];
    const BUILDS: [&str; 11] = [
        "CARGO",
        "RUST",
        "EVCXR_",
        "DEP_",
        "OUT_DIR",
        "TARGET",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "DEBUG",
        "PROFILE",
    ];
    for (name, _) in env::vars_os() {
        let bytes = name.as_encoded_bytes();
        let any = |prefixes: &[&str]| prefixes.iter().any(|prefix| bytes.starts_with(prefix.as_bytes()));
        if any(&BUILDS) && !any(&USERS) {
            command.env_remove(&name);
        }
    }
}

/// The files of cargo's `compiler-artifact` messages that rustc's crate loader reads. Metadata is
/// enough: the code of every crate is in the engine's shared object.
fn artifacts(messages: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with(r#"{"reason":"compiler-artifact""#)) {
        let Some((_, list)) = line.split_once(r#""filenames":["#) else { continue };
        let (mut of_crate, mut rest) = (Vec::new(), list);
        while let Some((file, after)) = rest.strip_prefix('"').and_then(json_string) {
            of_crate.push(file);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        // Of a crate that is a library for C, too, cargo makes no metadata of their own, and a shared object that
        // is none of Rust's: rustc would take it for the crate, and find no metadata in it.
        let has = |ending: &str| of_crate.iter().any(|file| file.ends_with(ending));
        let (rmeta, rlib) = (has(".rmeta"), has(".rlib"));
        files.extend(of_crate.into_iter().map(PathBuf::from).filter(|file| {
            let is = |ending: &str| file.as_os_str().as_encoded_bytes().ends_with(ending.as_bytes());
            is(".rmeta")
                || (is(".rlib") && !rmeta)
                || (is(DLL_SUFFIX) && (!(rmeta || rlib) || file.ends_with(library_name())))
        }));
    }
    files
}

/// The JSON string that starts after an opening quote, and what follows its closing one.
pub fn json_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (end, '"') => return Some((value, &text[end + 1..])),
            // In a path, only the quote and the backslash come escaped.
            (_, '\\') => value.push(chars.next()?.1),
            (_, c) => value.push(c),
        }
    }
}

/// Tells whoever waits what goes on.
#[allow(dead_code, reason = "for the packed face alone")]
pub fn tell(show: Show, what: &str) {
    Progress::new(show).say(what);
}

/// What to do about a build that failed, from what cargo wrote.
pub fn explain(complaints: &[String]) -> String {
    let text = complaints.join("\n");
    let hit = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let advice = if hit(&["failed to select a version for the requirement `kinesis-lab "]) {
        "The registry that cargo asks has no kinesis-lab of the face's version: name the newest kinesis-lab-face, \
         and run the cell again."
    } else if hit(&[
        "Could not resolve",
        "failed to download",
        "spurious network error",
        "--offline",
        "no matching package",
    ]) {
        "It needs the network once, to fetch crates: connect (or set a proxy) and run the cell again."
    } else if hit(&["linker `cc` not found", "failed to find tool", "is `cc` installed"]) {
        "It needs a C compiler: install one (Debian, Ubuntu: sudo apt install build-essential; \
         Fedora: sudo dnf install gcc; macOS: xcode-select --install) and run the cell again."
    } else if hit(&["No space left", "os error 28"]) {
        "The disk is full: the engine needs 2 GB in the cache (set KINESIS_LAB_CACHE to put it elsewhere)."
    } else if hit(&["requires rustc", "rustc 1."]) {
        "This Rust is too old: run `rustup update` and restart the kernel."
    } else if hit(&["lock file", "--locked"]) {
        "Cargo.lock does not fit Cargo.toml: run `cargo build` in the checkout and the cell again."
    } else {
        "Run `cargo xtask lab --setup-only` in the checkout to see all of it; \
         what was compiled is kept, the next try goes on from there."
    };
    let tail = &complaints[complaints.len().saturating_sub(12)..];
    let said =
        if tail.is_empty() { String::new() } else { format!("\ncargo's last words:\n{}", tail.join("\n")) };
    format!("kinesis-lab: the engine could not be built. {advice}{said}")
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

struct Progress {
    show: Show,
    terminal: Option<File>,
}

impl Progress {
    fn new(show: Show) -> Progress {
        let terminal = match show {
            Show::Cargo => None,
            Show::Terminal => File::options().write(true).open("/dev/tty").ok(),
        };
        Progress { show, terminal }
    }

    fn say(&mut self, what: &str) {
        match (&mut self.terminal, self.show) {
            // A terminal that went away is no reason to fail.
            (Some(terminal), _) => drop(writeln!(terminal, "kinesis-lab: {what}")),
            (None, Show::Cargo) => eprintln!("kinesis-lab: {what}"),
            (None, Show::Terminal) => {}
        }
    }

    /// Reads cargo's stderr to its end, counting crates on the terminal; gives all but those lines.
    fn follow(&mut self, cargo: impl Read) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut crates = 0;
        for line in BufReader::new(cargo).lines().map_while(Result::ok) {
            match line.trim_start().strip_prefix("Compiling ") {
                Some(name) => {
                    crates += 1;
                    if crates % 20 == 0 || name.starts_with("kinesis-lab") {
                        self.say(&format!("{crates} crates compiled or on the way, now {name}"));
                    }
                }
                None => complaints.push(line),
            }
        }
        complaints
    }
}

// Run by xtask's tests, which has this file as a module.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_for_c_too_is_taken_by_its_metadata() {
        let message = |files: &[&str]| {
            let files: Vec<String> = files.iter().map(|file| format!("\"/t/{file}\"")).collect();
            format!(r#"{{"reason":"compiler-artifact","filenames":[{}],"fresh":true}}"#, files.join(","))
        };
        let shared = |name: &str| format!("{DLL_PREFIX}{name}{DLL_SUFFIX}");
        let messages = [
            message(&["libserde-1.rlib", "libserde-1.rmeta"]),
            message(&[&shared("derive-1")]),
            message(&["libcrc_fast-1.rlib", &shared("crc_fast-1"), "libcrc_fast-1.a"]),
            message(&[&library_name(), "libkinesis_lab_engine.rmeta"]),
            r#"{"reason":"build-script-executed"}"#.to_owned(),
        ];
        let found = artifacts(&messages.join("\n"));
        let names: Vec<_> = found.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        let engine = [library_name(), "libkinesis_lab_engine.rmeta".to_owned()];
        let want = ["libserde-1.rmeta".to_owned(), shared("derive-1"), "libcrc_fast-1.rlib".to_owned()];
        assert_eq!(names, [&want[..], &engine].concat());
    }
}
