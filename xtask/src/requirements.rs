//! What pip installs: JupyterLab into .venv, and beside it what tests, a browser's driver and the book need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::setup::{STEPS, run_or};
use crate::steps::{Done, Steps};
use crate::{Place, jupyter, needs};

const REQUIREMENTS: &str = include_str!("../requirements.txt");
const FOR_TESTS: &str = include_str!("../requirements-test.txt");
const FOR_BROWSER: &str = include_str!("../requirements-browser.txt");
const FOR_BOOK: &str = include_str!("../requirements-book.txt");
const FOR_WORDS: &str = include_str!("../requirements-words.txt");
const FOR_SLIDES: &str = include_str!("../requirements-slides.txt");

/// What reads notebooks and runs none: for a book, neither the kernel nor the engine is compiled.
pub fn jupyter_alone(place: &Place) -> Result<()> {
    if !venv_is_current(place) {
        install_jupyter(place, &needs::python().map_err(anyhow::Error::msg)?)?;
    }
    Ok(())
}

fn stamp(place: &Place) -> PathBuf {
    place.venv().join("installed-requirements.txt")
}

pub(crate) fn venv_is_current(place: &Place) -> bool {
    // The interpreter too: the system's Python can be upgraded away beneath a virtual environment.
    fs::read_to_string(stamp(place)).is_ok_and(|text| text == REQUIREMENTS) && place.python().exists()
}

pub(crate) fn install_jupyter(place: &Place, python: &Path) -> Result<Done> {
    Steps::begin(1, STEPS, "installing JupyterLab into .venv: a minute or two");
    let pip = || {
        let mut command = jupyter::python(place);
        command.args(["-m", "pip"]);
        command
    };
    let _ = fs::remove_file(stamp(place));
    let works = pip().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !works.is_ok_and(|status| status.success()) {
        let mut command = Command::new(python);
        command.args(["-m", "venv", "--clear", "--prompt", "kinesis-lab"]).arg(place.venv());
        run_or(command, "the virtual environment could not be made; see above")?;
    }
    let mut command = pip();
    command
        .args(["install", "--disable-pip-version-check", "--no-input", "--prefer-binary", "--quiet"])
        // What was pinned, to the byte, or nothing.
        .arg("--require-hashes")
        .args(["--progress-bar", "off", "--requirement"])
        .arg(place.checkout.join("xtask/requirements.txt"));
    run_or(
        command,
        "JupyterLab could not be installed; see above. It needs the network once: run this again",
    )?;
    // Last: an interrupted installation has no stamp and is gone on with.
    fs::write(stamp(place), REQUIREMENTS)?;
    Ok(Done::Now)
}

/// What the tests of other clients need.
pub(crate) fn install_for_tests(place: &Place) -> Result<PathBuf> {
    install_beside(place, "for-tests", "requirements-test.txt", FOR_TESTS)
        .context("what other clients' tests need could not be installed")
}

/// What drives a browser.
pub(crate) fn install_for_browser(place: &Place) -> Result<PathBuf> {
    install_beside(place, "for-browser", "requirements-browser.txt", FOR_BROWSER)
        .context("what the browser test needs could not be installed")
}

/// What makes the book: Sphinx, its reader of notebooks and its theme.
pub(crate) fn install_for_book(place: &Place) -> Result<PathBuf> {
    let had = place.venv().join("for-book/installed-requirements.txt").exists();
    if !had {
        eprintln!("installing what makes the book, once a checkout (80 MB) …");
    }
    install_beside(place, "for-book", "requirements-book.txt", FOR_BOOK)
        .context("what makes the book could not be installed; it needs the network once")
}

/// What looks for typing errors.
pub(crate) fn install_for_words(place: &Place) -> Result<PathBuf> {
    install_beside(place, "for-words", "requirements-words.txt", FOR_WORDS)
        .context("it could not be installed")
}

/// What carries reveal.js.
pub(crate) fn install_for_slides(place: &Place) -> Result<PathBuf> {
    install_beside(place, "for-slides", "requirements-slides.txt", FOR_SLIDES)
        .context("what shows slides could not be installed; it needs the network once")
}

/// Beside .venv's own packages, and not among them: a reader of notebooks needs none of these.
fn install_beside(place: &Place, name: &str, file: &str, requirements: &str) -> Result<PathBuf> {
    let folder = place.venv().join(name);
    let stamp = folder.join("installed-requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == requirements) {
        return Ok(folder);
    }
    let mut command = jupyter::python(place);
    command.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]);
    // The files name all that is needed; what .venv has is not wanted a second time.
    command
        .args(["--no-deps", "--require-hashes", "--upgrade", "--target"])
        .arg(&folder)
        .arg("--requirement");
    command.arg(place.checkout.join("xtask").join(file));
    run_or(command, "pip says why, above")?;
    fs::write(stamp, requirements)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_pip_installs_is_pinned_to_the_byte() {
        for requirements in [REQUIREMENTS, FOR_TESTS, FOR_BROWSER, FOR_BOOK, FOR_WORDS, FOR_SLIDES] {
            let lines = requirements.lines().filter(|line| !line.starts_with('#') && !line.starts_with(' '));
            for line in lines {
                assert!(line.contains("==") && line.ends_with('\\'), "`{line}` has no version, or no hash");
            }
            assert!(requirements.contains("    --hash=sha256:"));
        }
    }
}
