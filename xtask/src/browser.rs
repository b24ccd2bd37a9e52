//! The notebooks as a reader meets them: `cargo xtask lab` in a real browser, without a network.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::offline::Away;
use crate::{Place, book, jupyter, requirements, setup, slides};

/// Names under which distributions and vendors install it, the freest first.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// Where macOS keeps it, which is not on the PATH.
const APPLICATIONS: [&str; 2] = [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// What to do where there is none.
pub(crate) const INSTALL: &str = "Install it (Debian, Ubuntu: sudo apt install chromium; Fedora: sudo dnf install \
                                  chromium; macOS: brew install --cask chromium) and run this again";

/// False when something failed; `browser.py` says what is looked at. True also without a browser.
pub fn check(place: &Place) -> Result<bool> {
    let Some(chromium) = chromium_or_say() else { return Ok(true) };
    let packages = requirements::install_for_browser(place)?;
    let away = Away::best(place);
    println!("{away}");
    let folder = place.target().join("browser");
    let run = || run(place, away, &chromium, &packages, &folder);
    // What a page does when is not in our hands; a fault of ours shows twice.
    let passed = run()? || {
        println!("once more, from the beginning");
        run()?
    };
    println!("pictures of what it saw: {}", folder.display());
    Ok(passed)
}

/// A page of another site at a local Kinesis (`browser_origin.py`): half a minute, without JupyterLab.
pub fn check_origin(place: &Place) -> Result<bool> {
    let Some(chromium) = chromium_or_say() else { return Ok(true) };
    let packages = requirements::install_for_browser(place)?;
    let mut build = setup::cargo_of_the_caller(place);
    build.args(["build", "--locked", "--features", "full", "--example", "local_kinesis"]);
    if !build.status().context("cargo does not run")?.success() {
        return Ok(false);
    }
    let mut command = jupyter::python(place);
    command
        .arg(place.checkout.join("xtask/src/browser_origin.py"))
        .arg("--chromium")
        .arg(chromium)
        .arg("--service")
        .arg(place.target().join("debug/examples/local_kinesis"))
        .env("PYTHONPATH", packages)
        .env("PYTHONUNBUFFERED", "1")
        .stdin(Stdio::null());
    Ok(command.status().context("the Python in .venv does not run")?.success())
}

/// The book, made anew and looked at (`browser_book.py`).
pub fn check_book(place: &Place) -> Result<bool> {
    if !book::make(place, &book::Options::default(), &place.checkout)? {
        return Ok(false);
    }
    let Some(chromium) = chromium_or_say() else { return Ok(true) };
    check_pages(place, &chromium, "browser_book.py", "--book", "book")
}

/// The talks, made anew with their PDFs and looked at (`browser_decks.py`).
pub fn check_slides(place: &Place) -> Result<bool> {
    let Some(chromium) = chromium_or_say() else {
        return slides::make(place, &slides::Options::default(), &place.checkout);
    };
    let options = slides::Options { pdf: true, ..Default::default() };
    if !slides::make(place, &options, &place.checkout)? {
        return Ok(false);
    }
    check_pages(place, &chromium, "browser_decks.py", "--decks", "slides")
}

/// Looks at what lies in a folder of `target`, by a script that is given it as `what`.
fn check_pages(place: &Place, chromium: &Path, script: &str, what: &str, name: &str) -> Result<bool> {
    let packages = requirements::install_for_browser(place)?;
    let folder = place.target().join("browser").join(name);
    let mut command = jupyter::python(place);
    command
        .arg(place.checkout.join("xtask/src").join(script))
        .arg("--chromium")
        .arg(chromium)
        .arg(what)
        .arg(place.checkout.join("target").join(name))
        .arg("--folder")
        .arg(&folder)
        .env("PYTHONPATH", packages)
        .stdin(Stdio::null());
    let passed = command.status().context("the Python in .venv does not run")?.success();
    println!("pictures of what it saw: {}", folder.display());
    Ok(passed)
}

fn chromium_or_say() -> Option<PathBuf> {
    let found = chromium();
    if found.is_none() {
        println!("SKIPPED: no Chromium. {INSTALL}");
    }
    found
}

fn run(place: &Place, away: Away, chromium: &Path, packages: &Path, folder: &Path) -> Result<bool> {
    let mut command = jupyter::python(place);
    command
        .arg(place.checkout.join("xtask/src/browser.py"))
        .arg("--chromium")
        .arg(chromium)
        .arg("--checkout")
        .arg(&place.checkout)
        .arg("--folder")
        .arg(folder)
        .env("PYTHONPATH", packages)
        .env("PYTHONUNBUFFERED", "1")
        .stdin(Stdio::null());
    Ok(away.wrap(place, command).status().context("the Python in .venv does not run")?.success())
}

/// The first one that runs: on Ubuntu, `chromium-browser` may only say that one must install a snap.
pub(crate) fn chromium() -> Option<PathBuf> {
    let runs = |path: &Path| {
        let output = Command::new(path).arg("--version").stdin(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success())
    };
    NAMES.iter().chain(&APPLICATIONS).map(PathBuf::from).find(|path| runs(path)).map(|path| found(&path))
}

/// With its folder, which Playwright asks for.
fn found(program: &Path) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    // An absolute path joined to a folder is that path.
    std::env::split_paths(&paths)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .unwrap_or_default()
}
