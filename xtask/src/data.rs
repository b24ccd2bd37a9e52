//! The sample data, from its seeded generator.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::{Place, setup};

/// Writes `data/access.log`; false when the generator failed and said why.
pub fn write(place: &Place) -> Result<bool> {
    let mut command = setup::cargo(place);
    command.args(["run", "--locked", "--quiet", "--example", "make_access_log"]).stderr(Stdio::inherit());
    let output = command.output().context("cargo does not run")?;
    if !output.status.success() {
        return Ok(false);
    }
    let file = place.checkout.join("data/access.log");
    let same = fs::read(&file).is_ok_and(|old| old == output.stdout);
    if !same {
        fs::write(&file, &output.stdout).with_context(|| file.display().to_string())?;
    }
    println!("{}: {}", file.display(), if same { "as it was" } else { "written" });
    Ok(true)
}
