//! `cargo xtask slides`: a talk of each notebook, in one file, and as a PDF; `slides.py` says how.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::{Place, browser, jupyter, notebooks, requirements};

/// Which talks, and where they go.
#[derive(clap::Args, Debug, Default)]
pub struct Options {
    /// And a PDF of each, a page a slide, by the Chromium of this machine
    #[arg(long)]
    pub pdf: bool,
    /// Where to. Default: target/slides
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Notebooks: the beginning of a name, or a path. Default: all in notebooks/
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Writes them; runs no notebook: a talk shows the stored outputs.
pub fn make(place: &Place, options: &Options, here: &Path) -> Result<bool> {
    let chosen = notebooks::choose(place, &options.names, here)?;
    let out = match &options.out {
        Some(folder) => here.join(folder),
        None => place.checkout.join("target/slides"),
    };
    let mut packages = vec![requirements::install_for_slides(place)?];
    let mut command = jupyter::python(place);
    command.arg(place.checkout.join("xtask/src/slides.py")).arg(out).args(chosen).stdin(Stdio::null());
    if options.pdf {
        let Some(chromium) = browser::chromium() else {
            bail!("a PDF is printed by Chromium. {}", browser::INSTALL)
        };
        command.arg("--pdf").arg(chromium);
        packages.push(requirements::install_for_browser(place)?);
    }
    command.env("PYTHONPATH", std::env::join_paths(packages)?);
    Ok(command.status().context("the Python in .venv does not run")?.success())
}
