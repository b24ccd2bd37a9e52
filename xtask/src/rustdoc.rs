//! rustdoc on the library, into a folder of the caller's: as pages, or as JSON, a format of the nightly compiler's, which
//! a stable one writes too when it is told to be one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::{Place, setup};

/// Set where cargo starts this program in place of rustdoc: the folder to write to.
const AS_RUSTDOC: &str = "KINESIS_LAB_AS_RUSTDOC";
/// What rustdoc is told for JSON.
pub(crate) const JSON: [&str; 4] = ["-Z", "unstable-options", "--output-format", "json"];

/// What this program does when cargo takes it for rustdoc: calls rustdoc as one that may write JSON. Set for cargo
/// itself, the variable would have dozens of crates compiled anew: their build scripts look at it.
pub fn as_rustdoc() -> Option<ExitCode> {
    let out = std::env::var_os(AS_RUSTDOC)?;
    let mut rustdoc = bootstrapped();
    rustdoc.args(into_folder(std::env::args_os().skip(1), &out)).env_remove(AS_RUSTDOC);
    let success = rustdoc.status().is_ok_and(|status| status.success());
    Some(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// cargo's arguments, with another folder: rustdoc takes one, and cargo has named its own.
fn into_folder(arguments: impl Iterator<Item = OsString>, out: &OsString) -> Vec<OsString> {
    let mut named = false;
    let folder = |argument: OsString| match std::mem::replace(&mut named, argument == "-o") {
        true => out.clone(),
        false => argument,
    };
    arguments.map(folder).collect()
}

fn bootstrapped() -> Command {
    let mut rustdoc = Command::new("rustdoc");
    rustdoc.env("RUSTC_BOOTSTRAP", "1");
    rustdoc
}

/// Of the library in `checkout`, with all its features, into `out`. `told` is what rustdoc is told.
pub(crate) fn of_library(place: &Place, checkout: &Path, out: &Path, told: &[&str]) -> Result<()> {
    let mut command = setup::cargo_of_the_caller(place);
    command.current_dir(checkout);
    command.args([
        "rustdoc",
        "--locked",
        "--quiet",
        "--package",
        "kinesis-lab",
        "--lib",
        "--features",
        "full",
    ]);
    // What is compiled of other crates serves every checkout.
    command.arg("--target-dir").arg(place.target()).arg("--").args(told);
    // Told so each time: cargo does not know of this folder, and would find nothing to do.
    command.args(["--cfg", &format!("run_{}", std::process::id())]);
    command.env("RUSTDOC", std::env::current_exe()?).env(AS_RUSTDOC, out);
    succeed(command)
}

/// Of one file, as JSON of the crate `name` of version 0.1.0.
pub(crate) fn of_file(file: &Path, name: &str, out: &Path, more: &[&str]) -> Result<PathBuf> {
    let mut rustdoc = bootstrapped();
    rustdoc.args([
        "--edition",
        "2024",
        "--crate-type",
        "lib",
        "--crate-version",
        "0.1.0",
        "--crate-name",
        name,
    ]);
    rustdoc.args(JSON).args(more).arg("-o").arg(out).arg(file);
    succeed(rustdoc)?;
    Ok(out.join(format!("{name}.json")))
}

fn succeed(mut command: Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{} does not run", command.get_program().display()))?;
    if !output.status.success() {
        bail!("rustdoc failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_named_once() {
        let cargos = ["--crate-name", "a", "src/lib.rs", "-o", "/target/doc", "-L", "x"].map(OsString::from);
        let ours = into_folder(cargos.into_iter(), &"/elsewhere".into());
        assert_eq!(ours, ["--crate-name", "a", "src/lib.rs", "-o", "/elsewhere", "-L", "x"]);
    }
}
