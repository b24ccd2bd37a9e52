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

const CSS: &str = include_str!("lab.css");

/// Where JupyterLab looks for it. Each time, so that it is this version's.
fn write_css(place: &Place) -> Result<()> {
    let folder = jupyter::config(place).join("custom");
    let file = folder.join("custom.css");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&file, CSS))
        .with_context(|| format!("cannot write {}", file.display()))
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
    command.arg("--ContentsManager.hide_globs=['face', 'figures', 'engine', 'programs', 'rise.css', '__pycache__', '*.pyc', '*~']");
    // Ctrl-C ends it at once, without a question: notebooks are saved as they are edited.
    command.arg("--ServerApp.answer_yes=True");
    // In a container one often is root; it listens on the loopback address alone, behind a token.
    command.arg("--ServerApp.allow_root=True");
    command.arg("--MultiKernelManager.default_kernel_name=rust");
    write_css(place)?;
    command.arg("--LabApp.custom_css=True");
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

#[cfg(test)]
mod tests {
    use super::*;

    /// JupyterLab's `--jp-rendermime-error-background`, over its ground: #fdd, and rgba(244, 67, 54, 0.28) on #111.
    const LIGHT: u32 = 0xff_dd_dd;
    const DARK: u32 = 0x51_1f_1b;

    /// The contrast of two colours, 1 to 21, as the Web Content Accessibility Guidelines reckon it.
    fn contrast(a: u32, b: u32) -> f64 {
        let linear = |shift: u32, color: u32| match f64::from(color >> shift & 0xff) / 255.0 {
            c if c <= 0.04045 => c / 12.92,
            c => ((c + 0.055) / 1.055).powf(2.4),
        };
        let luminance = |c| 0.2126 * linear(16, c) + 0.7152 * linear(8, c) + 0.0722 * linear(0, c) + 0.05;
        let (a, b) = (luminance(a), luminance(b));
        a.max(b) / a.min(b)
    }

    #[test]
    fn errors_can_be_read_in_both_themes() {
        assert!((contrast(0, 0xff_ff_ff) - 21.0).abs() < 0.01);
        let mut measured = [0, 0];
        for rule in CSS.lines() {
            let Some((_, color)) = rule.split_once("{ color: #") else { continue };
            let color = u32::from_str_radix(&color[..6], 16).unwrap();
            let dark = rule.contains("data-jp-theme-light=\"false\"");
            assert!(dark || rule.contains("data-jp-theme-light=\"true\""), "in either theme? {rule}");
            let contrast = contrast(color, if dark { DARK } else { LIGHT });
            assert!(contrast >= 4.5, "{contrast:.1}: {rule}");
            measured[usize::from(dark)] += 1;
        }
        // Whatever the kernel's parts do with a colour in one theme, they do in the other.
        assert_eq!(measured, [8, 8]);
    }
}
