//! Something to read while the set-up compiles: the book, made of the notebooks, opened from this disk.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{Place, book, jupyter};

/// Whether somebody sits there who could read it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader {
    /// They don't want a browser opened.
    pub(crate) no_browser: bool,
    /// stdout is a terminal.
    pub(crate) terminal: bool,
    /// A screen to show a page on.
    pub(crate) display: bool,
    /// A machine runs this, not a person.
    pub(crate) ci: bool,
}

impl Reader {
    pub(crate) fn here(no_browser: bool) -> Reader {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        Reader {
            no_browser,
            terminal: std::io::stdout().is_terminal(),
            // macOS has one always; over SSH it would open where nobody sits.
            display: set("DISPLAY")
                || set("WAYLAND_DISPLAY")
                || (cfg!(target_os = "macos") && !set("SSH_CONNECTION")),
            ci: env::var_os("CI").is_some_and(|value| value != *OsStr::new("false") && !value.is_empty()),
        }
    }

    /// Whether a page is opened for them.
    pub(crate) fn wants_a_page(self) -> bool {
        self.terminal && self.display && !self.no_browser && !self.ci
    }
}

/// Says what there is to read, and opens it once it is made: beside the compiling, and never in its way. What goes
/// wrong with it is no fault of the set-up's.
pub(crate) fn offer(place: &Place, reader: Reader) {
    if !reader.terminal || reader.ci {
        return;
    }
    if !reader.wants_a_page() {
        eprintln!("meanwhile, to read: README.md; notebooks/README.md says what is in the notebooks");
        return;
    }
    let place = place.clone();
    std::thread::spawn(move || {
        if open(&place).is_err() {
            eprintln!(
                "meanwhile, to read: README.md (the book could not be made or opened: cargo xtask book)"
            );
        }
    });
}

/// The book's first page in the browser; the book is made when there is none.
fn open(place: &Place) -> Result<()> {
    let folder = place.checkout.join("target/to-read");
    let first = folder.join("index.html");
    if !first.is_file() {
        eprintln!(
            "meanwhile the book is made, to read, and opens in the browser (--no-browser leaves it out) …"
        );
        // Moved to its place when it is whole: this can be interrupted.
        let unfinished = folder.with_extension("unfinished");
        let mut command = book::quietly(place, &place.notebooks(), &unfinished)?;
        ensure!(command.status().context("the Python in .venv does not run")?.success(), "no book");
        fs::rename(&unfinished, &folder)?;
    }
    eprintln!("meanwhile, to read: {}", first.display());
    let mut browser = jupyter::python(place);
    // The browser that JupyterLab will take, too. A path may hold a space.
    let script =
        "import pathlib, sys, webbrowser; sys.exit(not webbrowser.open(pathlib.Path(sys.argv[1]).as_uri()))";
    browser.args(["-c", script]).arg(&first);
    let quiet: &mut Command = browser.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    ensure!(quiet.status().context("the Python in .venv does not run")?.success(), "no browser");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_opens_only_for_somebody_who_sits_there() {
        let reader = Reader { no_browser: false, terminal: true, display: true, ci: false };
        assert!(reader.wants_a_page());
        for away in [
            Reader { no_browser: true, ..reader },
            Reader { terminal: false, ..reader },
            Reader { display: false, ..reader },
            Reader { ci: true, ..reader },
        ] {
            assert!(!away.wants_a_page(), "{away:?}");
        }
    }
}
