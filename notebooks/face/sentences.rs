//! What to say to the reader of a notebook whose engine can't be made, or wouldn't serve. One sentence a cause, and what
//! to do about it.

use std::path::Path;

/// Refuses a face without its features: the engine has them all, but what stands behind one that is off,
/// rust-analyzer does not see.
pub fn check_features(default: bool) -> Result<(), String> {
    if default {
        return Ok(());
    }
    Err("kinesis-lab-face was named without its default features, so that the kernel could tell no types of what is \
         behind them; the engine has them in any case. Leave `default-features = false` out, and run the cell again."
        .into())
}

/// Refuses a toolchain without the sources of std, which the kernel reads for the types of variables. `told` is what
/// the user says of their place (RUST_SRC_PATH).
pub fn check_rust_sources(sysroot: &Path, told: Option<&Path>) -> Result<(), String> {
    let usual = sysroot.join("lib/rustlib/src/rust/library");
    if told.unwrap_or(&usual).join("core").is_dir() {
        return Ok(());
    }
    Err("The kernel needs the sources of Rust's standard library, to tell the types of variables: run `rustup \
         component add rust-src`, or install your distribution's package of that name, and run the cell again."
        .into())
}

/// What to do about a build that failed, from what cargo wrote.
pub fn explain(complaints: &[String]) -> String {
    let text = complaints.join("\n");
    let hit = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let offline = hit(&["--offline"]);
    let advice = if !offline
        && hit(&[
            "failed to select a version for the requirement `kinesis-lab ",
            "no matching package named `kinesis-lab` found",
        ]) {
        "The registry that cargo asks has no kinesis-lab of the face's version: name the newest kinesis-lab-face, \
         and run the cell again."
    } else if hit(&["on `kinesis-lab` with feature"]) {
        "The registry's kinesis-lab has other features than the face was made for: name the newest \
         kinesis-lab-face, and run the cell again."
    } else if offline
        || hit(&["Could not resolve", "failed to download", "spurious network error", "no matching package"])
    {
        "It needs the network once, to fetch crates: connect (or set a proxy) and run the cell again."
    } else if hit(&["Read-only file system", "Permission denied", "failed to acquire package cache lock"]) {
        "cargo can't write where it keeps crates: set CARGO_HOME to a folder that can be written to, and restart \
         the kernel."
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
