//! The evcxr REPL with the notebooks' engine, and the proof that their cells work in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::face::compile;
use crate::steps::elapsed;
use crate::{Place, jupyter, notebooks, setup};

/// Opens the REPL in the notebooks' folder, where their first cell finds the face.
pub fn open(place: &Place) -> Result<()> {
    let mut command = Command::new(program(place)?);
    compile::scrub(&mut command);
    command.current_dir(place.notebooks());
    eprintln!("paste the cells of a notebook in order; the first one is");
    eprintln!("  :dep kinesis-lab-face = {{ path = \"face\" }}");
    eprintln!("  use kinesis_lab::prelude::*;");
    eprintln!(
        "Ctrl-C ends a cell that runs, and all variables with it: paste the cells again from the first one"
    );
    // In place of this process: Ctrl-C reaches all that is in the terminal, and would end this one.
    jupyter::replace(command).context("the REPL does not start")
}

/// Pastes every code cell of the first so many notebooks into the REPL on a pseudo-terminal; false when
/// one failed.
pub fn paste_notebooks(place: &Place, first: usize) -> Result<bool> {
    let program = program(place)?;
    let all = notebooks::all(place)?;
    let (mut pasted, mut failed) = (0, 0);
    for notebook in all.iter().take(first) {
        pasted += 1;
        failed += usize::from(!paste(place, &program, notebook)?);
    }
    println!("pasted into the REPL: {pasted} of {} notebooks, {failed} failed", all.len());
    Ok(failed == 0)
}

/// evcxr's program, installed when it is asked for the first time.
pub fn program(place: &Place) -> Result<PathBuf> {
    setup::repl(place)
}

/// The command that pastes one notebook; the outcome is its exit status.
pub fn paster(place: &Place, program: &Path, notebook: &Path) -> Command {
    let mut command = jupyter::python(place);
    command.arg(place.checkout.join("xtask/src/paste_notebook.py")).arg(program).arg(notebook);
    // The user's own settings for evcxr would make a run theirs alone.
    command.env("EVCXR_CONFIG_DIR", place.venv().join("var/none")).env("PYTHONUNBUFFERED", "1");
    command
}

fn paste(place: &Place, program: &Path, notebook: &Path) -> Result<bool> {
    let began = Instant::now();
    println!("{}", notebook.file_name().unwrap_or_default().display());
    let passed =
        paster(place, program, notebook).status().context("the Python in .venv does not run")?.success();
    println!("  {} in {}", if passed { "passed" } else { "FAILED" }, elapsed(began.elapsed()));
    Ok(passed)
}
