//! Makes what is absent: the kernel, JupyterLab, the engine, and the kernel's registration.
//!
//! Each step looks at what is there and goes on from it, so an interrupted set-up is run again, and a
//! finished one takes no time and no network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::engine::{self, Show, Tools};
use crate::place::{EVCXR, Place};
use crate::steps::{Done, Steps};
use crate::{jupyter, needs};

const REQUIREMENTS: &str = include_str!("../requirements.txt");
const FOR_TESTS: &str = include_str!("../requirements-test.txt");
const FOR_BROWSER: &str = include_str!("../requirements-browser.txt");
const FOR_BOOK: &str = include_str!("../requirements-book.txt");
const FOR_WORDS: &str = include_str!("../requirements-words.txt");
const STEPS: usize = 4;

/// All steps.
pub fn run(place: &Place) -> Result<()> {
    // What is needed to make things is needed only when there is something to make.
    let python = match (installed_kernel(place), venv_is_current(place)) {
        (Some(_), true) => PathBuf::new(),
        _ => needs::check(place)?,
    };
    let mut steps = Steps::new(STEPS);
    let title = format!("the Rust kernel (evcxr {EVCXR})");
    steps.step(title, || match installed_kernel(place) {
        Some(_) => Ok(Done::Already),
        None => install_kernel(place),
    })?;
    steps.step("JupyterLab (.venv)", || match venv_is_current(place) {
        true => Ok(Done::Already),
        false => install_jupyter(place, &python),
    })?;
    steps.step("the engine (the library, prebuilt for the cells)", || build_engine(place))?;
    steps.step("the kernel's registration for this project", || register(place))
}

/// What reads notebooks and runs none: for a book, neither the kernel nor the engine is compiled.
pub fn python_alone(place: &Place) -> Result<()> {
    if !venv_is_current(place) {
        install_jupyter(place, &needs::python().map_err(anyhow::Error::msg)?)?;
    }
    Ok(())
}

/// The kernel's program: ours, or the one of this version that the user has installed with cargo.
pub fn installed_kernel(place: &Place) -> Option<PathBuf> {
    installed(place, "evcxr_jupyter", "evcxr_jupyter")
}

/// The program `name` of the package `package`, in evcxr's version.
fn installed(place: &Place, package: &str, name: &str) -> Option<PathBuf> {
    let bin = place.kernel_root().join("bin");
    let own = bin.join(name);
    if own.is_file() {
        match engine::check_trusted(&place.kernel_root()).and_then(|()| engine::check_owned(&bin)) {
            Ok(()) => return Some(own),
            Err(sentence) => eprintln!("{sentence}"),
        }
    }
    let folder = |variable| std::env::var_os(variable).map(PathBuf::from);
    let root = folder("CARGO_INSTALL_ROOT")
        .or_else(|| folder("CARGO_HOME"))
        .or_else(|| Some(folder("HOME")?.join(".cargo")))?;
    // The program does not tell its version; cargo's list of what it installed does.
    let list = fs::read_to_string(root.join(".crates.toml")).unwrap_or_default();
    let users = root.join("bin").join(name);
    (list.contains(&format!("\"{package} {EVCXR} (")) && users.is_file()).then_some(users)
}

/// The REPL's program, installed when it is asked for the first time.
pub(crate) fn repl(place: &Place) -> Result<PathBuf> {
    let find = || installed(place, "evcxr_repl", "evcxr");
    if find().is_none() {
        let _lock = lock(place)?;
        if find().is_none() {
            eprintln!("compiling the evcxr REPL, once a machine: 3 to 8 minutes …");
            install(place, "evcxr_repl")?;
        }
    }
    find().context("cargo installed no `evcxr`; run this again")
}

/// Only the kernel: the REPL shares its crates, but with other features, so that both together take
/// half as long again. Whoever wants the REPL waits for it then.
fn install_kernel(place: &Place) -> Result<Done> {
    let _lock = lock(place)?;
    if installed_kernel(place).is_some() {
        return Ok(Done::Already);
    }
    Steps::begin(1, STEPS, "compiling the Rust kernel, once a machine: 3 to 8 minutes");
    install(place, "evcxr_jupyter")
}

/// Held while something is compiled into the cache: two terminals would delete each other's work.
fn lock(place: &Place) -> Result<fs::File> {
    let root = place.kernel_root();
    let path = root.join("lock");
    let at = || path.display().to_string();
    engine::create_private(&root).with_context(at)?;
    let file = fs::File::create(&path).with_context(at)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            eprintln!("another terminal compiles the kernel or the REPL; waiting for it …");
            file.lock().with_context(at)?;
        }
        Err(fs::TryLockError::Error(error)) => return Err(error).with_context(at),
    }
    Ok(file)
}

fn install(place: &Place, package: &str) -> Result<Done> {
    let root = place.kernel_root();
    let target = root.join("build");
    let mut command = cargo(place);
    command
        .args(["install", "--locked", "--config", "xtask/kernel.toml", "--root"])
        .arg(&root)
        .arg(format!("{package}@{EVCXR}"))
        // Kept when interrupted: the next try goes on from there.
        .env("CARGO_TARGET_DIR", &target);
    run_or(command, "evcxr could not be compiled; see above. What was compiled is kept: run this again")?;
    // Nothing needs it any more, and it is the largest part of all.
    let _ = fs::remove_dir_all(target);
    Ok(Done::Now)
}

/// cargo, as the user would call it in a shell.
pub(crate) fn cargo(place: &Place) -> Command {
    let mut command = Command::new("cargo");
    engine::scrub(&mut command);
    command.current_dir(&place.checkout);
    command
}

/// The same, building where the caller says: CI's target folder is a cached one.
pub(crate) fn cargo_of_the_caller(place: &Place) -> Command {
    const CALLERS: [&str; 4] =
        ["CARGO_TARGET_DIR", "CARGO_PROFILE_DEV_DEBUG", "CARGO_INCREMENTAL", "CARGO_BUILD_JOBS"];
    let mut command = cargo(place);
    command.envs(CALLERS.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
}

fn stamp(place: &Place) -> PathBuf {
    place.venv().join("installed-requirements.txt")
}

fn venv_is_current(place: &Place) -> bool {
    // The interpreter too: the system's Python can be upgraded away beneath a virtual environment.
    fs::read_to_string(stamp(place)).is_ok_and(|text| text == REQUIREMENTS) && place.python().exists()
}

fn install_jupyter(place: &Place, python: &Path) -> Result<Done> {
    Steps::begin(2, STEPS, "installing JupyterLab into .venv: a minute or two");
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

fn build_engine(place: &Place) -> Result<Done> {
    // The toolchain that the kernel will find: it asks the PATH, as this does.
    let tools = Tools { cargo: "cargo".into(), rustc: "rustc".into() };
    let before = engine::is_built(&place.checkout, &tools);
    engine::ensure(&place.checkout, &tools, Show::Cargo).map_err(anyhow::Error::msg)?;
    Ok(if before { Done::Already } else { Done::Now })
}

/// A kernelspec inside .venv: JupyterLab finds it there, and no other Jupyter does.
fn register(place: &Place) -> Result<Done> {
    let kernel = installed_kernel(place).context("the kernel has gone; run this again")?;
    let kernel =
        kernel.to_str().context("the kernel's path is not UTF-8: set KINESIS_LAB_CACHE to one that is")?;
    let share = place.venv().join("share/jupyter");
    let spec = format!(
        r#"{{
  "argv": ["{}", "--control_file", "{{connection_file}}"],
  "display_name": "Rust",
  "language": "rust",
  "interrupt_mode": "message"
}}
"#,
        kernel.replace('\\', "\\\\").replace('"', "\\\"")
    );
    // JupyterLab would ask, in front of the first notebook, whether it may fetch news; a column of dates cuts the
    // notebooks' names; live slides, in the theme that they have otherwise, ask another server for letters.
    let settings = r#"{
  "@jupyterlab/apputils-extension:notification": { "checkForUpdates": false, "fetchNews": "false" },
  "@jupyterlab/filebrowser-extension:browser": { "showLastModifiedColumn": false },
  "jupyterlab-rise:plugin": { "theme": "white" }
}
"#;
    let mut done = Done::Already;
    for (file, text) in [
        (share.join("kernels/rust/kernel.json"), spec.as_str()),
        (share.join("lab/settings/overrides.json"), settings),
    ] {
        if fs::read_to_string(&file).is_ok_and(|old| old == text) {
            continue;
        }
        fs::create_dir_all(file.parent().context("a file has a folder")?)?;
        fs::write(&file, text).with_context(|| file.display().to_string())?;
        done = Done::Now;
    }
    Ok(done)
}

fn run_or(mut command: Command, otherwise: &'static str) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("{program} does not run"))?;
    if !status.success() {
        bail!(otherwise);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_pip_installs_is_pinned_to_the_byte() {
        for requirements in [REQUIREMENTS, FOR_TESTS, FOR_BROWSER, FOR_BOOK, FOR_WORDS] {
            let lines = requirements.lines().filter(|line| !line.starts_with('#') && !line.starts_with(' '));
            for line in lines {
                assert!(line.contains("==") && line.ends_with('\\'), "`{line}` has no version, or no hash");
            }
            assert!(requirements.contains("    --hash=sha256:"));
        }
    }
}
