//! The set-up from nothing, step by step, beside what one would type without it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Options;
use crate::place::EVCXR;
use crate::steps::elapsed;
use crate::{Place, setup};

/// Empty cargo home, empty cache, a fresh clone: all that a new machine lacks but the toolchain.
pub(super) fn measure(place: &Place, _: &Options) -> Result<String> {
    // Not below the checkout: cargo would take the clone for a part of its workspace.
    let folder = std::env::temp_dir().join(format!("kinesis-lab-cold-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let measured = in_folder(place, &folder);
    let _ = fs::remove_dir_all(&folder);
    measured
}

fn in_folder(place: &Place, folder: &Path) -> Result<String> {
    let clone = folder.join("a clone");
    succeed(Command::new("git").args(["clone", "--quiet"]).arg(&place.checkout).arg(&clone))?;
    fresh_cargo_home(folder)?;

    println!("the set-up, from nothing …");
    let began = Instant::now();
    let mut command = cargo(place, folder);
    command
        .args(["xtask", "lab", "--setup-only"])
        .current_dir(&clone)
        .env("KINESIS_LAB_CACHE", folder.join("cache"));
    let output = command.stderr(Stdio::piped()).output().context("cargo does not run")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("the set-up failed:\n{said}");
    }
    let whole = began.elapsed();

    println!("the kernel as `cargo install` builds it …");
    let began = Instant::now();
    let mut plain = cargo(place, folder);
    plain.args(["install", "--quiet", "--locked", "--root"]).arg(folder.join("plain"));
    plain.arg(format!("evcxr_jupyter@{EVCXR}")).env("CARGO_TARGET_DIR", folder.join("plain build"));
    succeed(&mut plain)?;
    let plain = began.elapsed();

    let steps: Vec<(&str, f64)> = said.lines().filter_map(step).collect();
    let slowest = steps.iter().map(|step| step.1).fold(f64::NAN, f64::max);
    let mut text = "## The set-up, from nothing\n\n\
         `cargo xtask lab --setup-only` in a fresh clone, with an empty cargo home and cache, downloads \
         included; and the slowest step as one would do it without: `cargo install --locked evcxr_jupyter` \
         (its crates downloaded already).\n\n| step | seconds |\n| --- | --- |\n"
        .to_owned();
    for (title, seconds) in &steps {
        let _ = writeln!(text, "| {title} | {seconds:.0} |");
    }
    let rest = whole.as_secs_f64() - steps.iter().map(|step| step.1).sum::<f64>();
    let _ = write!(
        text,
        "| compiling xtask itself | {rest:.0} |\n| **all** | **{}** |\n| `cargo install` of the kernel | {:.0} |\n\n\
         The slowest step takes {:.2} of the plain way's time (aim: half).",
        elapsed(whole),
        plain.as_secs_f64(),
        slowest / plain.as_secs_f64()
    );
    Ok(text)
}

/// Where the crates come from stays as the user has set it.
fn fresh_cargo_home(folder: &Path) -> Result<()> {
    let home = folder.join("cargo home");
    fs::create_dir_all(&home)?;
    let users =
        std::env::var_os("CARGO_HOME").map(Into::into).or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    if let Some(config) =
        users.map(|home: std::path::PathBuf| home.join("config.toml")).filter(|file| file.is_file())
    {
        fs::copy(config, home.join("config.toml"))?;
    }
    Ok(())
}

fn cargo(place: &Place, folder: &Path) -> Command {
    let mut command = setup::cargo(place);
    command.env("CARGO_HOME", folder.join("cargo home")).env_remove("CARGO_TARGET_DIR").stdin(Stdio::null());
    command
}

/// A line `[1/4] the Rust kernel (evcxr 0.22.0): done in 4 min 05 s`.
fn step(line: &str) -> Option<(&str, f64)> {
    let (title, time) = line.strip_prefix('[')?.split_once("] ")?.1.split_once(": done in ")?;
    Some((title, seconds(time)?))
}

fn seconds(time: &str) -> Option<f64> {
    let time = time.trim().strip_suffix(" s")?;
    match time.split_once(" min ") {
        Some((minutes, seconds)) => Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?),
        None => time.parse().ok(),
    }
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("{program} does not run"))?;
    anyhow::ensure!(status.success(), "{program} failed; see above");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for millis in [400, 9_900, 12_000, 185_000] {
            let time = Duration::from_millis(millis);
            let line = format!("[2/4] JupyterLab (.venv): done in {}", elapsed(time));
            assert_eq!(step(&line), Some(("JupyterLab (.venv)", time.as_secs_f64())));
        }
        assert_eq!(step("[1/4] compiling …"), None);
        assert_eq!(step("[1/4] the Rust kernel: there"), None);
    }
}
