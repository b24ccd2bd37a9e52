//! JupyterLab on the notebooks.

use std::net::IpAddr;

use anyhow::{Context, Result};

use crate::{Place, jupyter, notebooks};

/// Opens JupyterLab and ends with it.
pub fn open(place: &Place, no_browser: bool, port: Option<u16>, ip: Option<IpAddr>) -> Result<()> {
    let mut command = jupyter::python(place);
    // Not .venv/bin/jupyter-lab: such scripts name their interpreter in a line that a path with a space
    // in it, or a checkout that was moved, breaks.
    command.arg(place.checkout.join("xtask/src/lab.py")).arg("--ServerApp.root_dir=.");
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
    if no_browser {
        command.arg("--no-browser");
    }
    if let Some(ip) = ip {
        command.arg(format!("--ServerApp.ip={ip}"));
    }
    if let Some(port) = port {
        // This port or an error: whoever names one has made a tunnel or a bookmark for it.
        command.arg(format!("--port={port}")).arg("--ServerApp.port_retries=0");
    }
    eprintln!("opening JupyterLab on {} (Ctrl-C ends it)", place.notebooks().display());
    replace(command).context("JupyterLab does not start: remove .venv and run this again")
}

/// In place of this process, so that Ctrl-C and signals reach JupyterLab alone.
#[cfg(unix)]
fn replace(mut command: std::process::Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec().into())
}

#[cfg(not(unix))]
fn replace(mut command: std::process::Command) -> Result<()> {
    command.status()?;
    Ok(())
}
