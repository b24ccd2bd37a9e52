//! `cargo xtask book`: what a teacher hands out, from the notebooks; `book.py` says what.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{Place, jupyter, requirements, rustdoc};

/// What to make, and where.
#[derive(clap::Args, Debug, Default)]
pub struct Options {
    /// Where to. Default: target/book
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The library's documentation beside it, made by `cargo doc`
    #[arg(long)]
    pub api: bool,
    /// Talks as well, one file a notebook
    #[arg(long)]
    pub slides: bool,
}

/// The book and the students' copy; it runs no notebook, and needs the network once, for Sphinx.
pub fn make(place: &Place, options: &Options, here: &Path) -> Result<bool> {
    let out = match &options.out {
        Some(folder) => here.join(folder),
        None => place.checkout.join("target/book"),
    };
    let mut command = command(place, &place.notebooks(), &out)?;
    if options.slides {
        let packages = [requirements::install_for_book(place)?, requirements::install_for_slides(place)?];
        command.arg("--slides").env("PYTHONPATH", std::env::join_paths(packages)?);
    }
    if options.api {
        command.arg("--api").arg(document(place)?);
    }
    Ok(command.status().context("the Python in .venv does not run")?.success())
}

/// Makes a book of the notebooks in `folder`.
pub fn command(place: &Place, folder: &Path, out: &Path) -> Result<Command> {
    let packages = requirements::install_for_book(place)?;
    let mut command = jupyter::python(place);
    command.arg(place.checkout.join("xtask/src/book.py")).arg(folder).arg(out);
    command.env("PYTHONPATH", packages).stdin(Stdio::null());
    Ok(command)
}

/// The same, behind whatever else this machine does, and without a word.
pub(crate) fn quietly(place: &Place, folder: &Path, out: &Path) -> Result<Command> {
    let command = command(place, folder, out)?;
    let mut nice = Command::new("nice");
    nice.args(["-n", "15"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => nice.env(name, value),
            None => nice.env_remove(name),
        };
    }
    nice.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        nice.current_dir(folder);
    }
    Ok(nice)
}

/// The library's documentation, and nothing else, in a folder of its own.
fn document(place: &Place) -> Result<PathBuf> {
    let out = place.target().join("book-api");
    rustdoc::of_library(place, &place.checkout, &out, &[])?;
    Ok(out)
}
