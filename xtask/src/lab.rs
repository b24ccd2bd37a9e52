//! JupyterLab on the notebooks.

use std::net::IpAddr;

use anyhow::{Context, Result};

use crate::{Place, jupyter, notebooks, working_copy};

/// What to open, and where it listens.
#[derive(clap::Args, Debug, Default)]
pub struct Options {
    /// Print the address, don't open a browser; nor a page to read while the set-up compiles
    #[arg(long)]
    pub no_browser: bool,
    /// Default: 8888, or the next one that is free
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Listen there, behind the token of the printed address: 0.0.0.0 in a container. Default: 127.0.0.1
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<IpAddr>,
    /// Open the notebooks that git has, outputs and answers in sight, instead of copies in my-notebooks/
    #[arg(long)]
    pub originals: bool,
    /// Make what is absent, and stop there
    #[arg(long, conflicts_with_all = ["port", "ip", "originals"])]
    pub setup_only: bool,
    /// Compile the kernel and the engine at the same time. Default: with 4 cores and 8 GB of memory
    #[arg(long, value_name = "BOOL")]
    pub side_by_side: Option<bool>,
}

/// Opens JupyterLab and ends with it.
pub fn open(place: &Place, options: &Options) -> Result<()> {
    let folder = match options.originals {
        true => place.notebooks(),
        false => {
            working_copy::refresh(place)?;
            place.working_copy()
        }
    };
    let mut command = jupyter::python(place);
    command.current_dir(&folder);
    // Not .venv/bin/jupyter-lab: such scripts name their interpreter in a line that a path with a space
    // in it, or a checkout that was moved, breaks.
    command.arg(place.checkout.join("xtask/src/lab.py")).arg("--ServerApp.root_dir=.");
    // In the list of files alone: cells and texts find them.
    command.arg("--ContentsManager.hide_globs=['face', 'figures', 'engine', 'programs', '__pycache__', '*.pyc', '*~']");
    // Ctrl-C ends it at once, without a question: notebooks are saved as they are edited.
    command.arg("--ServerApp.answer_yes=True");
    // In a container one often is root; it listens on the loopback address alone, behind a token.
    command.arg("--ServerApp.allow_root=True");
    command.arg("--MultiKernelManager.default_kernel_name=rust");
    // The address is printed even so; a page of notes about extensions would push it out of sight.
    command.arg("--log-level=WARN");
    if let Some(first) = notebooks::all(place)?.first().and_then(|path| path.file_name()) {
        command.arg(format!("--LabApp.default_url=/lab/tree/{}", first.display()));
    }
    if options.no_browser {
        command.arg("--no-browser");
    }
    if let Some(ip) = options.ip {
        command.arg(format!("--ServerApp.ip={ip}"));
    }
    if let Some(port) = options.port {
        // This port or an error: whoever names one has made a tunnel or a bookmark for it.
        command.arg(format!("--port={port}")).arg("--ServerApp.port_retries=0");
    }
    eprintln!("opening JupyterLab on {} (Ctrl-C ends it)", folder.display());
    jupyter::replace(command).context("JupyterLab does not start: remove .venv and run this again")
}
