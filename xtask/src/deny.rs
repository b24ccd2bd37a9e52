//! The dependencies against `deny.toml`: licences, sources, duplicates, known vulnerabilities (cargo-deny).

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::Place;
use crate::tool::Tool;

/// Pinned like the kernel: a newer one finds other things on the same state.
const VERSION: &str = "0.20.2";

/// False when something is against the rules. The rules about advisories need the network each time, and are
/// skipped, visibly, without one; the others never are once cargo-deny is there.
pub(crate) fn run(place: &Place) -> Result<bool> {
    let tool = Tool { name: "cargo-deny", version: VERSION, minutes: "3 to 6 minutes" };
    let Some(program) = tool.made(place)? else { return Ok(true) };
    let deny = |arguments: &[&str]| {
        println!("$ cargo deny {}", arguments.join(" "));
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(&place.checkout).stdin(Stdio::null());
        // A network that takes everything and answers nothing is none.
        command.env("GIT_HTTP_LOW_SPEED_LIMIT", "1000").env("GIT_HTTP_LOW_SPEED_TIME", "20");
        command.status().context("cargo-deny does not run").map(|status| status.success())
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
