//! `cargo xtask …`: see `cargo xtask --help`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{
    api, bench, book, checks, data, fleet, lab, notebooks, release, repl, requirements, rooms, rustdoc,
    scale, setup, slides, soak,
};

/// kinesis-lab's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes what is absent (kernel, JupyterLab, engine) and opens the notebooks in JupyterLab.
    #[command(after_help = "Examples:
  cargo xtask lab                  the notebooks, in the browser; Ctrl-C ends it
  cargo xtask lab --no-browser     prints the address instead (a remote machine)
  cargo xtask lab --setup-only     before a workshop: afterwards no network is needed")]
    Lab(lab::Options),
    /// Runs notebooks in the real kernel, without a browser, and stores their outputs.
    #[command(after_help = "Examples:
  cargo xtask notebooks            runs all and stores their outputs
  cargo xtask notebooks --check    runs all; fails where an output is not the stored one
  cargo xtask notebooks 01         only those whose name starts with 01
  cargo xtask notebooks --solutions 02
                                   with the exercises solved; fails where a check does not agree
  cargo xtask notebooks --dry /tmp/scratch.ipynb

Tags of a cell: `raises-exception` (a deliberate mistake, required), `stderr` (writes there on purpose),
`volatile` (prints what differs from run to run). Of an exercise, in this order: `exercise`, `check`
(✘ as handed out, ✔ with the solution), `hints`, `solution`. What a reader is to guess first is tagged
for Jupyter Book when outputs are stored: `hide-output`, and `hide-cell` on checks.")]
    Notebooks(notebooks::Options),
    /// Opens evcxr, Rust's REPL, where the notebooks' cells can be pasted; they start as warm.
    Repl {
        /// Paste every cell of every notebook on a pseudo-terminal, and say whether all work
        #[arg(long)]
        check: bool,
    },
    /// Makes what a teacher hands out: a book in HTML, the notebooks without solutions.
    #[command(after_help = "Examples:
  cargo xtask book                 target/book/index.html, and target/book/student
  cargo xtask book --api           and the library's documentation, target/book/api
  cargo xtask book --slides        and target/book/slides
  cargo xtask book --out /tmp/workshop

The pages need no network; to make them, Sphinx is fetched once. Students put the notebooks of `student` into the folder `notebooks` of
their checkout, where the first cell finds the library.")]
    Book(book::Options),
    /// Makes a talk of each notebook: one file, with the speaker's notes in a window of their own; and as a PDF.
    #[command(after_help = "Examples:
  cargo xtask slides               target/slides/NN-….html, a talk of each notebook
  cargo xtask slides 06            only those whose name starts with 06
  cargo xtask slides --pdf 06      and target/slides/06-….pdf, a page a slide; needs Chromium
  cargo xtask slides --out /tmp/talk 01 06

Open a talk in a browser. Space goes on, Shift+Space back, Esc shows all slides, F fills the screen, S opens the
speaker's window: this slide and the next, the notes, a clock. It needs no network; to make the first one does, once.
They show the outputs that are stored. Slides whose cells run are in `cargo xtask lab`: Alt+R.")]
    Slides(slides::Options),
    /// Everything that CI runs.
    #[command(after_help = "Examples:
  cargo xtask test                 all steps; a summary at the end
  cargo xtask test --only clippy   one step
  cargo xtask test --full          long suites whole, not a seeded subset of them")]
    Test(checks::Options),
    /// Measures, in ratios, and writes BENCHMARKS.md.
    #[command(after_help = "Examples:
  cargo xtask bench                all but the set-up and the fleet: 15 minutes and more; leave the machine alone
  cargo xtask bench --only kernel  one section
  cargo xtask bench --only setup   the set-up from nothing: about 15 minutes, and the network
  cargo xtask bench --only fleet   workers of the KCL: about 12 minutes, and what `cargo xtask fleet parts` makes")]
    Bench(bench::Options),
    /// A shop with its pipeline and visitors, while parts are killed, disks fill and clocks step: exact at the end.
    #[command(after_help = "Examples:
  cargo xtask soak                 15 minutes; a row every 10 s, and what differs at the end
  cargo xtask soak --minutes 2 --seed 7
  cargo xtask soak --minutes 60 --rate 1000 --release")]
    Soak(soak::Options),
    /// A release: version, changelog, commit, tag and packages, here; nothing is sent without --publish.
    #[command(after_help = "Examples:
  cargo xtask release --dry-run    what would be done; changes no file
  cargo xtask release 0.2.0        does it, here: to look at, and to be undone by git
  cargo xtask release 0.2.0 --publish
                                   sends what is tagged so to crates.io")]
    Release(release::Options),
    /// Workers of the Kinesis Client Library on this machine, sharing the shards of an embedded Kinesis.
    #[command(
        subcommand,
        after_help = "Examples:
  cargo xtask fleet parts                        the KCL's jars (by Maven) and DynamoDB's stand-in, once; needs Java 11
  cargo xtask fleet up --workers 3 --seconds 60  a play: splits, merges, a worker is killed; every record is processed
  cargo xtask fleet up --workers 3               or by hand; in another terminal:
  cargo xtask fleet status
  cargo xtask fleet kill 2
  cargo xtask fleet add
  cargo xtask fleet down"
    )]
    Fleet(fleet::Command),
    /// What a fleet of thousands of shards asks of DynamoDB, Kinesis and PostgreSQL, on paper; where it breaks first.
    #[command(after_help = "Examples:
  cargo xtask scale                                10,000 shards, 1,000 workers
  cargo xtask scale --remedies                     what helps, each remedy with its numbers
  cargo xtask scale --shards 400 --workers 40      another fleet
  cargo xtask scale --databases 16 --faster 8      larger and more databases
  cargo xtask scale --measure                      what PostgreSQL does on this machine (a minute), kept in
                                                   xtask/scale/measured.json: the other numbers rest on it")]
    Scale(scale::Options),
    /// Lists the library's public paths; fails where a type has more than one.
    Api,
    /// Draws the rooms of `src`: what each is for, how large it is, and which others it uses.
    Rooms,
    /// Writes the sample access log anew: data/access.log, the same bytes on any machine.
    Data,
}

fn main() -> ExitCode {
    if let Some(done) = rustdoc::as_rustdoc() {
        return done;
    }
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// False: what was asked for ran, and something in it failed and has been reported.
fn run(arguments: Arguments) -> anyhow::Result<bool> {
    let place = xtask::Place::find()?;
    match arguments.command {
        Command::Lab(options) => {
            setup::for_a_reader(&place, &options)?;
            if !options.setup_only {
                lab::open(&place, &options)?;
            }
            Ok(true)
        }
        Command::Notebooks(options) => {
            setup::run(&place)?;
            // Relative to where the command was typed, which cargo keeps as the current folder.
            let here: PathBuf = std::env::current_dir()?;
            notebooks::run(&place, &options, &here)
        }
        Command::Repl { check } => {
            setup::run(&place)?;
            match check {
                true => repl::paste_notebooks(&place, usize::MAX),
                false => repl::open(&place).map(|()| true),
            }
        }
        Command::Book(options) => {
            requirements::jupyter_alone(&place)?;
            book::make(&place, &options, &std::env::current_dir()?)
        }
        Command::Slides(options) => {
            requirements::jupyter_alone(&place)?;
            slides::make(&place, &options, &std::env::current_dir()?)
        }
        Command::Bench(options) => bench::run(&place, &options).map(|()| true),
        Command::Soak(options) => soak::run(&place, &options),
        Command::Fleet(command) => fleet::run(&place, &command),
        Command::Scale(options) => scale::run(&place, &options),
        Command::Test(options) => checks::run(&place, &options),
        Command::Release(options) => release::run(&place, &options),
        Command::Api => api::run(&place),
        Command::Rooms => rooms::run(&place.checkout.join("src")),
        Command::Data => data::write(&place),
    }
}
