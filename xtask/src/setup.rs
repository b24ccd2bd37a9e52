//! Makes what is absent: the kernel, JupyterLab, the engine, and the kernel's registration.
//!
//! Each step looks at what is there and goes on from it, so an interrupted set-up is run again, and a
//! finished one takes no time and no network.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::face::cache;
use crate::face::compile::{self, Tools};
use crate::face::engine;
use crate::face::progress::{Progress, Show};
use crate::machine::{Machine, host};
use crate::place::{EVCXR, Place};
use crate::reading::{self, Reader};
use crate::requirements::{install_jupyter, venv_is_current};
use crate::steps::{Done, Steps, Timed};
use crate::{lab, needs};

pub(crate) const STEPS: usize = 4;

/// All steps, for whoever needs them.
pub fn run(place: &Place) -> Result<()> {
    steps(place, Machine::here().compiles_side_by_side(), None)
}

/// All steps, for somebody who waits for them.
pub fn for_a_reader(place: &Place, options: &lab::Options) -> Result<()> {
    let side_by_side = options.side_by_side.unwrap_or_else(|| Machine::here().compiles_side_by_side());
    steps(place, side_by_side, Some(Reader::here(options.no_browser)))
}

fn steps(place: &Place, side_by_side: bool, reader: Option<Reader>) -> Result<()> {
    let (kernel, engine) = (installed_kernel(place).is_some(), engine_is_built(place));
    // What is needed to make things is needed only when there is something to make.
    let python = match (kernel, venv_is_current(place)) {
        (true, true) => PathBuf::new(),
        _ => needs::check(place)?,
    };
    let mut steps = Steps::new(STEPS);
    // What is downloaded comes first: whoever has waited for that can leave the network.
    steps.step("JupyterLab (.venv)", || match venv_is_current(place) {
        true => Ok(Done::Already),
        false => install_jupyter(place, &python),
    })?;
    if !kernel && !engine {
        fetch(place)?;
    }
    if let Some(reader) = reader.filter(|_| !kernel) {
        reading::offer(place, reader);
    }
    let kernel_title = format!("the Rust kernel (evcxr {EVCXR})");
    let engine_title = "the engine (the library, prebuilt for the cells)";
    if side_by_side && !kernel && !engine {
        Steps::begin(2, STEPS, "compiling the Rust kernel, once a machine, and the engine beside it");
        let (kernel, engine) = together(
            || install_kernel(place, Show::Lines("kernel")),
            || build_engine(place, Show::Lines("engine")),
        );
        // Also what succeeded beside a failure is said, and kept.
        let kernel = steps.finished(kernel_title, kernel);
        steps.finished(engine_title, engine)?;
        kernel?;
    } else {
        steps.step(kernel_title, || match installed_kernel(place) {
            Some(_) => Ok(Done::Already),
            None => install_kernel(place, Show::Cargo),
        })?;
        steps.step(engine_title, || build_engine(place, Show::Cargo))?;
    }
    steps.step("the kernel's registration for this project", || register(place))
}

/// Both at the same time, each with the time it took.
fn together<A: Send, B>(one: impl FnOnce() -> A + Send, two: impl FnOnce() -> B) -> (Timed<A>, Timed<B>) {
    std::thread::scope(|scope| {
        let one = scope.spawn(|| Timed::of(one));
        let two = Timed::of(two);
        (one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), two)
    })
}

/// The engine's crates, the first time. The kernel's are fetched by the `cargo install` that compiles it, before it
/// does.
fn fetch(place: &Place) -> Result<()> {
    let mut command = cargo(place);
    // Those for other systems are never compiled here.
    command.args(["fetch", "--locked", "--quiet", "--target", &host(place)?]);
    run_or(
        command,
        "the library's crates could not be fetched; see above. It needs the network once: run this again",
    )
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
        match cache::check_trusted(&place.kernel_root()).and_then(|()| cache::check_owned(&bin)) {
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
            install(place, "evcxr_repl", Show::Cargo)?;
        }
    }
    find().context("cargo installed no `evcxr`; run this again")
}

/// Only the kernel: the REPL shares its crates, but with other features, so that both together take
/// half as long again. Whoever wants the REPL waits for it then.
fn install_kernel(place: &Place, show: Show) -> Result<Done> {
    let _lock = lock(place)?;
    if installed_kernel(place).is_some() {
        return Ok(Done::Already);
    }
    if show == Show::Cargo {
        Steps::begin(2, STEPS, "compiling the Rust kernel, once a machine: 3 to 8 minutes");
    }
    install(place, "evcxr_jupyter", show)
}

/// Held while something is compiled into the cache: two terminals would delete each other's work.
fn lock(place: &Place) -> Result<fs::File> {
    let root = place.kernel_root();
    let path = root.join("lock");
    let at = || path.display().to_string();
    cache::create_private(&root).with_context(at)?;
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

fn install(place: &Place, package: &str, show: Show) -> Result<Done> {
    let root = place.kernel_root();
    let target = root.join("build");
    let mut command = cargo(place);
    command
        .args(["install", "--locked", "--config", "xtask/kernel.toml", "--root"])
        .arg(&root)
        .arg(format!("{package}@{EVCXR}"))
        // Kept when interrupted: the next try goes on from there.
        .env("CARGO_TARGET_DIR", &target);
    const FAILED: &str = "evcxr could not be compiled; see above. What was compiled is kept: run this again";
    match show {
        Show::Cargo => run_or(command, FAILED)?,
        _ => run_counted(command, show, FAILED)?,
    }
    // Nothing needs it any more, and it is the largest part of all.
    let _ = fs::remove_dir_all(target);
    Ok(Done::Now)
}

/// cargo, as the user would call it in a shell.
pub(crate) fn cargo(place: &Place) -> Command {
    let mut command = Command::new("cargo");
    compile::scrub(&mut command);
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

/// The toolchain that the kernel will find: it asks the PATH, as this does.
fn tools() -> Tools {
    Tools { cargo: "cargo".into(), rustc: "rustc".into() }
}

fn engine_is_built(place: &Place) -> bool {
    engine::is_built(&place.checkout, &tools())
}

fn build_engine(place: &Place, show: Show) -> Result<Done> {
    let before = engine_is_built(place);
    engine::ensure(&place.checkout, &tools(), show).map_err(anyhow::Error::msg)?;
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
    // notebooks' names; live slides, in the theme that they have otherwise, ask another server for letters; a slide begins
    // at its top, where the one before has begun, and not in the middle.
    let settings = r#"{
  "@jupyterlab/apputils-extension:notification": { "checkForUpdates": false, "fetchNews": "false" },
  "@jupyterlab/filebrowser-extension:browser": { "showLastModifiedColumn": false },
  "jupyterlab-rise:plugin": { "theme": "white", "center": false }
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

pub(crate) fn run_or(mut command: Command, otherwise: &'static str) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("{program} does not run"))?;
    if !status.success() {
        bail!(otherwise);
    }
    Ok(())
}

/// The same, with some lines instead of all that cargo says; that is shown when it fails.
fn run_counted(mut command: Command, show: Show, otherwise: &'static str) -> Result<()> {
    let mut child =
        command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().context("cargo does not run")?;
    let complaints = child.stderr.take().map(|pipe| Progress::new(show).follow(pipe)).unwrap_or_default();
    if !child.wait().context("cargo can't be waited for")?.success() {
        eprintln!("{}", complaints.join("\n"));
        bail!(otherwise);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Each waits for a word of the other's: one after the other, the first would wait in vain.
    #[test]
    fn together_is_at_the_same_time_and_a_failure_of_one_leaves_the_other() {
        let ((to_two, from_one), (to_one, from_two)) = (mpsc::channel(), mpsc::channel());
        let long = Duration::from_secs(20);
        let (one, two) = together(
            move || {
                to_two.send("one").unwrap();
                from_two.recv_timeout(long).context("two does not run")
            },
            move || {
                to_one.send("two").unwrap();
                assert_eq!(from_one.recv_timeout(long), Ok("one"));
                Err::<(), _>("this one failed")
            },
        );
        assert_eq!(one.value.unwrap(), "two");
        assert!(two.value.is_err());
    }
}
