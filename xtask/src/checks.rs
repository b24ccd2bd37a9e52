//! `cargo xtask test`: everything that CI runs, step by step.

use std::io::{self, Read as _};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};

use crate::offline::{self, Away};
use crate::steps::elapsed;
use crate::{
    Place, api, browser, deny, features, fleet, fuzz, notebooks, repl, requirements, semver, setup, soak,
    words, workflows,
};

/// Which checks.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Long suites whole, not a seeded subset of them
    #[arg(long)]
    pub full: bool,
    /// Only this step (more than one: repeat it)
    #[arg(long, value_name = "STEP")]
    pub only: Vec<String>,
}

type Work = fn(&Place, &Options) -> Result<bool>;

/// In the order in which they are quickest to fail.
const STEPS: [(&str, &str, Work); 23] = [
    ("fmt", "formatting", fmt),
    ("clippy", "clippy, warnings denied", clippy),
    ("rooms", "the layout of src: who uses whom, and one path a type", |place, _| rooms(place)),
    ("doc", "documentation, warnings denied", doc),
    ("workflows", "GitHub's workflows, by actionlint", |place, _| workflows::run(place)),
    ("deny", "the dependencies: licences, sources, duplicates, advisories", |place, _| deny::run(place)),
    ("semver", "what the last release promised, by cargo-semver-checks", |place, options| {
        semver::run(place, options.full)
    }),
    ("setup", "the set-up: kernel, JupyterLab, engine", |place, _| setup::run(place).map(|()| true)),
    ("words", "what people read: typing errors, grammar, links (two minutes)", |place, _| words::run(place)),
    ("unit", "tests and doctests of the workspace", unit),
    (
        "soak",
        "a shop whose parts are killed, locked and filled (2 minutes; 15 with --full): exact",
        soak_shop,
    ),
    (
        "fleet",
        "the Kinesis Client Library's own daemon (one worker; three, one of which is killed, with --full)",
        |place, options| fleet::check(place, options.full),
    ),
    (
        "features",
        "the library with each feature alone, and with none (tested with none; each with --full)",
        |place, options| features::run(place, options.full),
    ),
    ("downstream", "a binary with lto and panic = abort builds on the library, and runs", downstream),
    ("packed", "cells and a service from the packed crates, outside (with --full)", from_packages),
    ("fuzz", "parsers fed by a fuzzer (50,000 inputs each; 60 s with --full)", fuzz_parsers),
    ("kernel", "the notebook tests, tested in the real kernel", kernel),
    (
        "notebooks",
        "the notebooks against their stored outputs, their exercises unsolved and solved",
        check_notebooks,
    ),
    ("book", "the book: no warning, no dead link, read in a real browser", check_book),
    ("slides", "each notebook as a talk, measured in a real browser, and printed", |place, _| {
        browser::check_slides(place)
    }),
    ("origin", "a page of another site, in a real browser, at a local Kinesis", |place, _| {
        browser::check_origin(place)
    }),
    ("browser", "`cargo xtask lab` in a real browser", |place, _| browser::check(place)),
    (
        "repl",
        "notebooks pasted into the REPL cell by cell (one; all with --full), and that check tested",
        repl,
    ),
];

/// Minutes in which a shop and a fleet are watched, and little is computed: so they run beside the steps after them, which
/// compile, until the kernel is measured. Alone where they are named.
const WATCHED: [&str; 2] = ["soak", "fleet"];
const UNTIL: &str = "kernel";

/// All steps, also after one that fails: a report of everything is worth more than the first fault.
pub fn run(place: &Place, options: &Options) -> Result<bool> {
    if let Some(unknown) = options.only.iter().find(|name| !STEPS.iter().any(|step| step.0 == **name)) {
        bail!("no step `{unknown}`; there are: {}", STEPS.map(|step| step.0).join(", "));
    }
    let mut results: Vec<(String, bool, Duration)> = Vec::new();
    let mut watched: Option<Result<Watched>> = None;
    for (name, title, work) in STEPS {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == name) {
            continue;
        }
        if options.only.is_empty() && WATCHED.contains(&name) {
            println!("\n=== {name}: {title}\nbeside the next steps; what it says comes before `{UNTIL}`");
            if watched.is_none() {
                watched = Some(Watched::start(place, options));
            }
            continue;
        }
        if name == UNTIL
            && let Some(watched) = watched.take()
        {
            results.push(Watched::result(watched));
        }
        println!("\n=== {name}: {title}");
        let began = Instant::now();
        let passed = work(place, options).unwrap_or_else(|error| {
            println!("error: {error:#}");
            false
        });
        results.push((name.to_owned(), passed, began.elapsed()));
        println!("=== {name}: {} in {}", if passed { "passed" } else { "FAILED" }, elapsed(began.elapsed()));
    }
    println!();
    for (name, passed, time) in &results {
        println!("{} {name:<12} {}", if *passed { "ok  " } else { "FAIL" }, elapsed(*time));
    }
    let passed = results.iter().filter(|result| result.1).count();
    println!("\n{passed} passed, {} failed", results.len() - passed);
    Ok(passed == results.len())
}

/// The steps that are watched, in a process of their own: what they say would be mixed with the others'.
struct Watched {
    child: Child,
    said: JoinHandle<io::Result<Vec<u8>>>,
    began: Instant,
}

impl Watched {
    /// Waits for its end; one that could not be started has failed.
    fn result(watched: Result<Watched>) -> (String, bool, Duration) {
        let (passed, time) = watched.and_then(Watched::end).unwrap_or_else(|error| {
            println!("error: {error:#}");
            (false, Duration::ZERO)
        });
        (WATCHED.join(", "), passed, time)
    }

    fn start(place: &Place, options: &Options) -> Result<Watched> {
        // By cargo: the step before has built this program anew, and what runs here is no file any more.
        let mut command = setup::cargo_of_the_caller(place);
        command.args(["xtask", "test"]).args(options.full.then_some("--full"));
        command.args(WATCHED.iter().flat_map(|step| ["--only", step]));
        // One for both, as on a terminal; and read as it is written, or it would be full.
        let (mut reader, writer) = io::pipe()?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let child = command.spawn()?;
        let said = std::thread::spawn(move || {
            let mut said = Vec::new();
            reader.read_to_end(&mut said).map(|_| said)
        });
        Ok(Watched { child, said, began: Instant::now() })
    }

    /// Whether they passed, and in what time.
    fn end(mut self) -> Result<(bool, Duration)> {
        let status = self.child.wait()?;
        let said = self.said.join().map_err(|_| anyhow!("what the watched steps said was not read"))??;
        println!("{}", String::from_utf8_lossy(&said));
        Ok((status.success(), self.began.elapsed()))
    }
}

fn fmt(place: &Place, _: &Options) -> Result<bool> {
    let face = "notebooks/face/Cargo.toml";
    Ok(cargo(place, &["fmt", "--all", "--check"])?.ok()?
        & cargo(place, &["fmt", "--manifest-path", face, "--check"])?.ok()?
        & cargo(place, &["fmt", "--manifest-path", DOWNSTREAM, "--check"])?.ok()?
        & cargo(place, &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"])?.ok()?)
}

fn clippy(place: &Place, _: &Options) -> Result<bool> {
    cargo(place, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-Dwarnings"])?.ok()
}

fn rooms(place: &Place) -> Result<bool> {
    Ok(crate::rooms::run(&place.checkout.join("src"))? & api::run(place)?)
}

fn doc(place: &Place, _: &Options) -> Result<bool> {
    let mut command = cargo(place, &["doc", "--workspace", "--no-deps", "--locked"])?;
    command.env("RUSTDOCFLAGS", "-Dwarnings");
    command.ok()
}

fn unit(place: &Place, options: &Options) -> Result<bool> {
    if let Err(error) = requirements::install_for_tests(place) {
        println!("{error:#}: the test that needs it will say SKIPPED");
    }
    // `cargo test` builds an example that has tests of its own as those tests alone, and tests/programs runs it.
    if !cargo(place, &["build", "--workspace", "--examples", "--locked"])?.ok()? {
        return Ok(false);
    }
    // To the end: who reads of one failure would else learn of the next one with the next run.
    let mut command = cargo(place, &["test", "--workspace", "--locked", "--no-fail-fast"])?;
    if options.full {
        // What a long suite looks at.
        command.env("KINESIS_LAB_FULL", "1");
    }
    command.ok()
}

fn soak_shop(place: &Place, options: &Options) -> Result<bool> {
    let minutes = if options.full { 15.0 } else { 2.0 };
    soak::run(place, &soak::Options { minutes, seed: 1, rate: 100.0, release: false })
}

const DOWNSTREAM: &str = "tests/downstream/Cargo.toml";

fn downstream(place: &Place, _: &Options) -> Result<bool> {
    // The versions that everything else was tested with: cargo drops what is not needed.
    let lock = place.checkout.join(DOWNSTREAM).with_file_name("Cargo.lock");
    std::fs::copy(place.checkout.join("Cargo.lock"), &lock).with_context(|| lock.display().to_string())?;
    cargo(place, &["run", "--release", "--manifest-path", DOWNSTREAM])?.ok()
}

fn fuzz_parsers(place: &Place, options: &Options) -> Result<bool> {
    fuzz::run(place, if options.full { fuzz::Length::Seconds(60) } else { fuzz::Length::Inputs(50_000) })
}

fn kernel(place: &Place, _: &Options) -> Result<bool> {
    with_the_set_up(place, "kernel")
}

fn from_packages(place: &Place, options: &Options) -> Result<bool> {
    if !options.full {
        println!("SKIPPED: it compiles an engine anew; --full does it");
        return Ok(true);
    }
    with_the_set_up(place, "packed")
}

fn check_book(place: &Place, _: &Options) -> Result<bool> {
    Ok(with_the_set_up(place, "book")? & browser::check_book(place)?)
}

fn repl(place: &Place, options: &Options) -> Result<bool> {
    repl::program(place)?;
    // The cells are those that the step before has run in the notebook; half a minute each.
    let first = if options.full { usize::MAX } else { 1 };
    Ok(with_the_set_up(place, "repl")? & repl::paste_notebooks(place, first)?)
}

/// Ignored in `cargo test`, because they need the set-up; one at a time, because they measure.
fn with_the_set_up(place: &Place, test: &str) -> Result<bool> {
    let mut command = cargo(place, &["test", "--package", "xtask", "--test", test, "--locked"])?;
    command.args(["--", "--ignored", "--nocapture", "--test-threads=1"]);
    command.ok()
}

fn check_notebooks(place: &Place, options: &Options) -> Result<bool> {
    if notebooks::all(place)?.is_empty() {
        println!("there are no notebooks yet");
        return Ok(true);
    }
    let away = Away::best(place);
    println!("{away}");
    let mut command = offline::ourselves(place);
    command.args(["notebooks", "--check", "--solutions", "--jobs", "2"]).stdin(Stdio::null());
    if !options.full {
        // Another one of each exercise's wrong answers from day to day.
        let days = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
        println!("of each exercise's wrong answers one, by --seed {days}; --full runs all");
        command.args(["--seed", &days.to_string()]);
    }
    away.wrap(place, command).ok()
}

fn cargo(place: &Place, arguments: &[&str]) -> Result<Command> {
    println!("$ cargo {}", arguments.join(" "));
    let mut command = setup::cargo_of_the_caller(place);
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}

trait Succeeds {
    fn ok(self) -> Result<bool>;
}

impl Succeeds for Command {
    fn ok(mut self) -> Result<bool> {
        Ok(self.status().context("cargo does not run")?.success())
    }
}
