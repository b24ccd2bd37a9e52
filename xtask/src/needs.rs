//! What must be on the machine before anything is made; one sentence for each thing that is not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::Place;

/// JupyterLab 4 runs on it.
const PYTHON: (u32, u32) = (3, 9);
/// Measured: engine 0.6 GB at first, .venv 0.25 GB, kernel 55 MB; the rest for the kernel's build folder,
/// which goes when it is done, and for the engines of later states.
const DISK_MB: u64 = 2_500;

/// The Python to make the virtual environment with; an error names all that is missing, not only the first.
pub fn check(place: &Place) -> Result<PathBuf> {
    let mut missing = Vec::new();
    let python = python().map_err(|sentence| missing.push(sentence)).unwrap_or_default();
    missing.extend(compiler().err());
    missing.extend(rustc().err());
    missing.extend(rust_sources().err());
    missing.extend(disk(&place.cache).err());
    if !missing.is_empty() {
        bail!("something is missing on this machine:\n  - {}", missing.join("\n  - "));
    }
    Ok(python)
}

/// The Python to make the virtual environment with.
pub(crate) fn python() -> Result<PathBuf, String> {
    let advice = format!(
        "Python {}.{} or later with venv: install it (Debian, Ubuntu: sudo apt install python3-venv; \
         Fedora: sudo dnf install python3; macOS: xcode-select --install)",
        PYTHON.0, PYTHON.1
    );
    let mut found = Vec::new();
    for name in ["python3", "python"] {
        // Debian ships venv without ensurepip, and then it fails half-way.
        let script = "import sys, venv; print(*sys.version_info[:2]); import ensurepip";
        let Ok(output) = Command::new(name).args(["-c", script]).output() else { continue };
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match numbers(&version.replace(' ', ".")) {
            Some(v) if v >= PYTHON && output.status.success() => return Ok(PathBuf::from(name)),
            Some(v) if v >= PYTHON => found.push(format!("{name} {}.{} lacks venv or ensurepip", v.0, v.1)),
            Some(v) => found.push(format!("{name} is {}.{}", v.0, v.1)),
            None => found.push(format!("{name} lacks venv")),
        }
    }
    Err(if found.is_empty() { advice } else { format!("{advice}; found: {}", found.join(", ")) })
}

fn compiler() -> Result<(), String> {
    let name = std::env::var_os("CC").unwrap_or("cc".into());
    match Command::new(&name).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!(
            "a C compiler (`{}` does not run), which the TLS library needs: install one (Debian, Ubuntu: \
             sudo apt install build-essential; Fedora: sudo dnf install gcc; macOS: xcode-select --install)",
            name.display()
        )),
    }
}

fn rustc() -> Result<(), String> {
    let needed = env!("CARGO_PKG_RUST_VERSION");
    // From the folder of the notebooks' kernels' point of view: the `rustc` of the PATH, not the one
    // that happened to compile this.
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let version = text.split_whitespace().nth(1).unwrap_or_default();
    match (numbers(version), numbers(needed)) {
        (Some(found), Some(least)) if found >= least => Ok(()),
        (None, _) => Err(format!("Rust {needed} or later: install it from https://rustup.rs")),
        _ => Err(format!("Rust {needed} or later (found {version}): run `rustup update`")),
    }
}

/// evcxr asks rust-analyzer for the types of variables, which reads std's sources. Where rustup made the
/// toolchain, it is asked for them: nobody should have to know of them.
fn rust_sources() -> Result<(), String> {
    if has_rust_sources() {
        return Ok(());
    }
    eprintln!("adding the sources of Rust's standard library, which the kernel reads (rust-src) …");
    let added = Command::new("rustup").args(["component", "add", "rust-src"]).stdin(Stdio::null()).status();
    if added.is_ok_and(|status| status.success()) && has_rust_sources() {
        return Ok(());
    }
    Err("the sources of Rust's standard library, which the kernel reads: run `rustup component add rust-src`, \
         or install your distribution's package of that name"
        .into())
}

fn has_rust_sources() -> bool {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
    Path::new(&sysroot).join("lib/rustlib/src/rust/library/core").is_dir()
}

/// By `df`, because std cannot ask; where `df` does not answer, nothing is claimed.
fn disk(cache: &Path) -> Result<(), String> {
    let folder = cache.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let Ok(output) = Command::new("df").arg("-Pk").arg(folder).output() else { return Ok(()) };
    match free_mb(&String::from_utf8_lossy(&output.stdout)) {
        Some(free) if free < DISK_MB => Err(format!(
            "{:.1} GB of disk for {} (free: {:.1}): make room, or set KINESIS_LAB_CACHE to a folder on another disk",
            DISK_MB as f64 / 1000.0,
            cache.display(),
            free as f64 / 1000.0
        )),
        _ => Ok(()),
    }
}

/// The fourth column of the second line of `df -Pk`.
fn free_mb(df: &str) -> Option<u64> {
    df.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok().map(|kb| kb / 1024)
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(numbers("1.95.0"), Some((1, 95)));
        assert!(numbers("3.10") > numbers("3.9"));
        assert_eq!(numbers("nightly"), None);
    }

    #[test]
    fn df_is_read() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 263112772 14 81920000 16% /\n";
        assert_eq!(free_mb(text), Some(80_000));
        assert_eq!(free_mb(""), None);
    }
}
