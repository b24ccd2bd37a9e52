//! The dependencies against `deny.toml`: licences, sources, duplicates, known vulnerabilities (cargo-deny).

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{Place, setup};

/// Pinned like the kernel: a newer one finds other things on the same state.
const VERSION: &str = "0.20.2";
const RUNS_NOT: &str = "cargo does not run";

/// False when something is against the rules. The rules about advisories need the network each time, and are
/// skipped, visibly, without one; the others never are once cargo-deny is there.
pub(crate) fn run(place: &Place) -> Result<bool> {
    let Some(program) = program(place)? else {
        println!(
            "SKIPPED: cargo-deny could not be compiled; see above. It needs the network once: cargo install \
             --locked cargo-deny@{VERSION}"
        );
        return Ok(true);
    };
    let deny = |arguments: &[&str]| {
        println!("$ cargo deny {}", arguments.join(" "));
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(&place.checkout).stdin(Stdio::null());
        // A network that takes everything and answers nothing is none.
        command.env("GIT_HTTP_LOW_SPEED_LIMIT", "1000").env("GIT_HTTP_LOW_SPEED_TIME", "20");
        command.status().context(RUNS_NOT).map(|status| status.success())
    };
    // Offline: what is locked is on this machine, or nothing could have been compiled.
    let mut passed = deny(&["--workspace", "--offline", "check", "licenses", "bans", "sources"])?;
    if deny(&["fetch", "db"])? {
        passed &= deny(&["--workspace", "check", "advisories"])?;
    } else {
        println!("SKIPPED: advisories; their database (RustSec's) can't be fetched from here");
    }
    Ok(passed)
}

/// Ours, compiled once a machine: in the cache, beside the kernel.
fn program(place: &Place) -> Result<Option<PathBuf>> {
    let root = place.cache.join(format!("cargo-deny-{VERSION}"));
    let program = root.join("bin/cargo-deny");
    if program.is_file() {
        return Ok(Some(program));
    }
    fs::create_dir_all(&root).with_context(|| root.display().to_string())?;
    println!("compiling cargo-deny, once a machine: 3 to 6 minutes …");
    let build = root.join("build");
    let mut command = setup::cargo(place);
    command
        .args(["install", "--locked", "--quiet", "--root"])
        .arg(&root)
        .arg(format!("cargo-deny@{VERSION}"))
        // It runs for seconds: what matters is how soon it is compiled.
        .args(["--config", "profile.release.opt-level=1", "--config", "profile.release.lto=\"off\""])
        // Kept when interrupted: the next try goes on from there.
        .env("CARGO_TARGET_DIR", &build)
        .stdin(Stdio::null());
    if !command.status().context(RUNS_NOT)?.success() {
        return Ok(None);
    }
    let _ = fs::remove_dir_all(build);
    Ok(Some(program))
}
