//! Runs notebooks in the real kernel; `run_notebook.py` says what a notebook must do to pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::steps::elapsed;
use crate::{Place, jupyter};

/// Which notebooks, and what to do with their outputs.
#[derive(clap::Args, Debug, Default)]
pub struct Options {
    /// Compare with the stored outputs, store nothing
    #[arg(long, conflicts_with = "dry")]
    pub check: bool,
    /// Neither compare nor store: only run
    #[arg(long)]
    pub dry: bool,
    /// Run the solution of each exercise too; fails where its check does not say ✔; store nothing
    #[arg(long)]
    pub solutions: bool,
    /// Of the wrong answers to each exercise, run one alone, drawn by this number
    #[arg(long, value_name = "NUMBER", requires = "solutions")]
    pub seed: Option<u64>,
    /// How many to run side by side; each needs about a core
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub jobs: usize,
    /// Seconds that one cell may take
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub timeout: u32,
    /// Notebooks: the beginning of a name, or a path. Default: all in notebooks/
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Runs them; false when one failed.
pub fn run(place: &Place, options: &Options, here: &Path) -> Result<bool> {
    let mut chosen = choose(place, &options.names, here)?;
    if options.jobs > 1 {
        // It takes as long as four of the others, and most of that it waits: at the end nobody would run beside it.
        chosen.sort_by_key(|path| !has_a_fleet(path));
    }
    if chosen.is_empty() {
        bail!("no notebooks in {}", place.notebooks().display());
    }
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        while let Some(path) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !run_one(place, options, path)? {
                let name = path.file_name().unwrap_or_default().display().to_string();
                failed.lock().unwrap_or_else(PoisonError::into_inner).push(name);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("notebooks: {} passed, {} failed", chosen.len() - failed.len(), failed.len());
    for name in &failed {
        println!("  failed: {name}");
    }
    Ok(failed.is_empty())
}

/// Whether cells start workers (CONTRIBUTING.md has the tags).
fn has_a_fleet(notebook: &Path) -> bool {
    fs::read_to_string(notebook).is_ok_and(|text| text.contains("\"fleet\"\n"))
}

fn run_one(place: &Place, options: &Options, path: &Path) -> Result<bool> {
    let (name, began) = (path.file_name().unwrap_or_default().display(), Instant::now());
    let mut command = runner(place, path)?;
    command.arg("--timeout").arg(options.timeout.to_string());
    command.args(options.check.then_some("--check")).args(options.dry.then_some("--dry"));
    command.args(options.solutions.then_some("--solutions"));
    if let Some(seed) = options.seed {
        command.arg("--seed").arg(seed.to_string());
    }
    let does_not_run = "the Python in .venv does not run";
    let passed = if options.jobs > 1 {
        // Whole, when it is done: two notebooks' lines would be mixed.
        let output = command.output().context(does_not_run)?;
        let (said, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        print!("{name}\n{said}{errors}");
        output.status.success()
    } else {
        println!("{name}");
        command.status().context(does_not_run)?.success()
    };
    println!("  {name} {} in {}\n", if passed { "passed" } else { "FAILED" }, elapsed(began.elapsed()));
    Ok(passed)
}

/// The command that runs one notebook; the outcome is its exit status.
pub fn runner(place: &Place, notebook: &Path) -> Result<Command> {
    // Without the user's settings for Jupyter and evcxr, which would make a run theirs alone.
    let none = place.venv().join("var/none");
    fs::create_dir_all(&none).with_context(|| none.display().to_string())?;
    let mut command = jupyter::python(place);
    command
        .arg(place.checkout.join("xtask/src/run_notebook.py"))
        .arg(notebook)
        .env("JUPYTER_NO_CONFIG", "1")
        .env("EVCXR_CONFIG_DIR", none)
        // Lines appear as cells finish, also where the output is a file.
        .env("PYTHONUNBUFFERED", "1");
    Ok(command)
}

/// The notebooks, in reading order.
pub fn all(place: &Place) -> Result<Vec<PathBuf>> {
    let folder = place.notebooks();
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "ipynb") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Those that these words name; all of them for no word.
pub(crate) fn choose(place: &Place, names: &[String], here: &Path) -> Result<Vec<PathBuf>> {
    let all = all(place)?;
    if names.is_empty() {
        return Ok(all);
    }
    let mut chosen = Vec::new();
    for name in names {
        let path = here.join(name);
        if path.extension().is_some_and(|e| e == "ipynb") && path.is_file() {
            chosen.push(path);
            continue;
        }
        let before = chosen.len();
        let starts = |path: &&PathBuf| {
            path.file_name().is_some_and(|f| f.to_string_lossy().starts_with(name.as_str()))
        };
        chosen.extend(all.iter().filter(starts).cloned());
        if chosen.len() == before {
            let known: Vec<_> =
                all.iter().filter_map(|p| p.file_stem()).map(|s| s.to_string_lossy()).collect();
            bail!("no notebook's name starts with `{name}`; there are: {}", known.join(", "));
        }
    }
    chosen.dedup();
    Ok(chosen)
}
