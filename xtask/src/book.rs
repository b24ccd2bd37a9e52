//! `cargo xtask book`: what a teacher hands out, from the notebooks; `book.py` says what.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{Place, jupyter};

/// What to make, and where.
#[derive(clap::Args, Debug, Default)]
pub struct Options {
    /// Where to. Default: target/book
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Talks as well, one file a notebook
    #[arg(long)]
    pub slides: bool,
}

/// The book and the students' copy; it runs no notebook and needs no network.
pub fn make(place: &Place, options: &Options, here: &Path) -> Result<bool> {
    let out = match &options.out {
        Some(folder) => here.join(folder),
        None => place.checkout.join("target/book"),
    };
    let mut command = jupyter::python(place);
    command.arg(place.checkout.join("xtask/src/book.py")).arg(place.notebooks()).arg(out);
    command.args(options.slides.then_some("--slides"));
    Ok(command.status().context("the Python in .venv does not run")?.success())
}
