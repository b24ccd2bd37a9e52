//! `cargo xtask fleet`: workers of the Kinesis Client Library on this machine, as `examples/fleet/` plays them.

mod parts;
mod services;
mod storm;

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::{Place, example};

/// What is done with the fleet.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Makes what is absent (the KCL's jars, DynamoDB's stand-in), and stops there: afterwards no network is needed
    Parts,
    /// Starts workers on an embedded Kinesis, puts records, and checks at the end that all were processed
    #[command(after_help = "Examples:
  cargo xtask fleet up --workers 3 --seconds 60     a play: splits, merges, a kill; then it ends
  cargo xtask fleet up --workers 3                  until `cargo xtask fleet down`, in another terminal
  cargo xtask fleet up --shards 1 --backlog 200000 --seconds 1 --release     how fast a shard is read

Ends with status 1, and what is missing, when not every record was processed, in the order of its shard. The workers'
logs are in target/fleet.")]
    Up(Options),
    /// Who has which shards, and what was processed
    Status,
    /// One worker more; it is handed shards of the others
    Add,
    /// Kills a worker, as a machine that loses its power: others take its shards over
    Kill(Number),
    /// Asks a worker to end (SIGTERM): it hands its shards on
    Stop(Number),
    /// Stops a worker for a while (SIGSTOP), as a machine that stands still: others take its shards over, of which it
    /// knows nothing when it goes on
    Pause(Pause),
    /// Splits a shard
    Split,
    /// Three workers under faults that a seed has drawn; at the end each record must be counted, once, and each alert set off, once
    #[command(after_help = "Examples:
  cargo xtask fleet storm                                      100 faults in ten minutes
  cargo xtask fleet storm --faults 10 --seconds 60 --seed 7    a short one, another
  cargo xtask fleet storm --without-fence                      the same as the first, and nobody is refused

Faults: kill -9 of a child, of a daemon, of the one that leads; SIGTERM; a worker that stands still for longer than its
leases last; PostgreSQL killed and started again; splits and merges; a worker that joins. As root on Linux, workers are
hosts of their own, and are cut off, too: from everything, from DynamoDB, from PostgreSQL, and from that in the middle of a
transaction. Who goes is started again. The plan is printed first. Ends with status 1 when
counts or alerts are wrong, or the workers stand still.")]
    Storm(storm::Options),
    /// DynamoDB's stand-in and a PostgreSQL alone, for workers that you start yourself (examples/worker)
    #[command(after_help = "Prints three lines, DYNAMODB=…, POSTGRES=… and PGPASSWORD=…; what they say is in
target/fleet/services.json, too, while the services are up. Nothing that was written outlives them.")]
    Services(services::Options),
    /// Ends the fleet, once everything that was put is processed, and says whether it was
    Down,
}

/// Which worker.
#[derive(clap::Args, Debug)]
pub struct Number {
    /// 2 for worker-2
    #[arg(value_name = "N")]
    pub worker: usize,
}

/// Which worker, and for how long.
#[derive(clap::Args, Debug)]
pub struct Pause {
    /// 2 for worker-2
    #[arg(value_name = "N")]
    pub worker: usize,
    /// How long; leases are others' after 3 s
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub seconds: u64,
}

/// How large a fleet, and for how long.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// How many workers: daemons of the KCL
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub workers: usize,
    /// How many shards the stream has at first
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub shards: u32,
    /// A play of so many seconds from the first record on: shards are split and merged, a worker is killed, and the fleet
    /// ends [default: up until `fleet down`]
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// Records that are there before the workers are, to measure how fast they are read
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub backlog: u64,
    /// Records are pushed to the workers (enhanced fan-out), not polled
    #[arg(long)]
    pub fan_out: bool,
    /// Leases as in version 2 of the KCL: the loss of the worker that leads costs seconds, not two minutes
    #[arg(long)]
    pub compatible_with_2x: bool,
    /// The children count and watch, too, exactly, into one PostgreSQL database; at the end each record must be in its
    /// counts, once, and each alert there [without an address: a PostgreSQL of the fleet's own. A database that is named has no tables yet]
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub postgres: Option<String>,
    /// Counts have so many keys [default: one a record]
    #[arg(long, value_name = "N", requires = "postgres")]
    pub keys: Option<u64>,
    /// For a lesson alone: counts and alerts are written without a look at who has the shard by now. They can be wrong
    /// then, when a worker is paused
    #[arg(long, requires = "postgres")]
    pub without_fence: bool,
    /// Compiled as for production, which takes some minutes more the first time
    #[arg(long)]
    pub release: bool,
}

/// False when something was not as it must be; what, has been printed.
pub fn run(place: &Place, command: &Command) -> Result<bool> {
    let folder = place.target().join("fleet");
    match command {
        Command::Parts => parts::make(place).map(|_| true),
        Command::Up(options) => up(place, options, &folder),
        Command::Storm(options) => storm::run(place, options, &folder),
        Command::Services(options) => services::run(place, options, &folder),
        Command::Status => ask(&folder, "status"),
        Command::Add => ask(&folder, "add"),
        Command::Split => ask(&folder, "split"),
        Command::Down => ask(&folder, "down"),
        Command::Kill(number) => ask(&folder, &format!("kill {}", number.worker)),
        Command::Stop(number) => ask(&folder, &format!("stop {}", number.worker)),
        Command::Pause(Pause { worker, seconds }) => ask(&folder, &format!("pause {worker} {seconds}")),
    }
}

/// For CI: with one worker, unless `full`; where the parts are, which are made only then.
pub(crate) fn check(place: &Place, full: bool) -> Result<bool> {
    if !full && !parts::are_there(place) {
        println!("SKIPPED: `cargo xtask fleet parts` makes what it needs, in some minutes; so does --full");
        return Ok(true);
    }
    let (workers, shards, seconds) = if full { (3, 4, 60) } else { (1, 2, 12) };
    let options = Options {
        workers,
        shards,
        seconds: Some(seconds),
        backlog: 0,
        fan_out: false,
        compatible_with_2x: false,
        postgres: None,
        keys: None,
        without_fence: false,
        release: false,
    };
    let folder = place.target().join("fleet");
    let is_up = up(place, &options, &folder)?;
    let (faults, seconds) = if full { (100, 600) } else { (6, 30) };
    let storm = storm::Options { faults, seconds, seed: 1, without_fence: false, release: false };
    Ok(storm::run(place, &storm, &folder)? && is_up)
}

/// The program's own measurements: what it prints. Where a part is missing, a sentence says how it is made.
pub(crate) fn measure(place: &Place) -> Result<String> {
    if !parts::are_there(place) {
        bail!(
            "what a fleet needs is not here; `cargo xtask fleet parts` makes it, in some minutes (Java 11, Maven)"
        );
    }
    let parts = parts::make(place)?;
    let program = example::build(place, &["--example", "fleet"], "fleet", true)?;
    let mut command = alone(&program, &[]);
    command.arg("--measure").arg("--java").arg(&parts.java).arg("--jars").arg(&parts.jars);
    command.arg("--dynamodb").arg(&parts.dynamodb).arg("--folder").arg(place.target().join("fleet"));
    command.current_dir(&place.checkout).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().context("the fleet does not run")?;
    let measured = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        eprint!("{measured}");
        bail!("the fleet could not be measured; see above");
    }
    Ok(measured)
}

fn up(place: &Place, options: &Options, folder: &Path) -> Result<bool> {
    let parts = parts::make(place)?;
    let program = example::build(place, &["--example", "fleet"], "fleet", options.release)?;
    let mut command = alone(&program, &[]);
    if options.fan_out {
        command.arg("--fan-out");
    }
    if options.compatible_with_2x {
        command.arg("--compatible-with-2x");
    }
    match options.postgres.as_deref() {
        None => {}
        Some("") => drop(command.arg("--postgres")),
        Some(database) => drop(command.args(["--postgres", database])),
    }
    if let Some(keys) = options.keys {
        command.args(["--keys", &keys.to_string()]);
    }
    if options.without_fence {
        command.arg("--without-fence");
    }
    if let Some(seconds) = options.seconds {
        command.args(["--seconds", &seconds.to_string()]);
    }
    command
        .args(["--workers", &options.workers.to_string(), "--shards", &options.shards.to_string()])
        .args(["--backlog", &options.backlog.to_string()])
        .arg("--java")
        .arg(&parts.java)
        .arg("--jars")
        .arg(&parts.jars)
        .arg("--dynamodb")
        .arg(&parts.dynamodb)
        .arg("--folder")
        .arg(folder)
        .current_dir(&place.checkout)
        .stdin(Stdio::null());
    Ok(command.status().context("the fleet does not run")?.success())
}

/// None of what the program starts outlives it, not even if it is killed; nor does a folder for what it writes, which the
/// shell removes. That is outside of the program's namespace, if there is one, and would end with it otherwise.
fn alone(program: &Path, namespaces: &[&str]) -> std::process::Command {
    const SHELL: &str = r#"trap : INT TERM HUP
        export KINESIS_LAB_FLEET_SCRATCH=$(mktemp -d) && chmod 711 "$KINESIS_LAB_FLEET_SCRATCH" || exit
        "$@"; status=$?; rm -rf "$KINESIS_LAB_FLEET_SCRATCH"; exit $status"#;
    let mut command = std::process::Command::new("sh");
    command.args(["-c", SHELL, "sh"]);
    if let Some(apart) = example::apart() {
        command.arg(apart.get_program()).args(apart.get_args()).args(namespaces);
    }
    command.arg(program);
    command
}

/// A fleet that is up, over the socket in its folder.
#[cfg(unix)]
pub(crate) fn ask(folder: &Path, request: &str) -> Result<bool> {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    let Ok(mut socket) = UnixStream::connect(folder.join("control")) else {
        bail!("no fleet is up here; start one: cargo xtask fleet up --workers 3");
    };
    writeln!(socket, "{request}")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).context("the fleet has ended without an answer")?;
    if answer.is_empty() {
        bail!("the fleet has ended without an answer");
    }
    print!("{answer}");
    Ok(!answer.starts_with("error: ") && !answer.contains("fleet: FAILED"))
}

#[cfg(not(unix))]
pub(crate) fn ask(_: &Path, _: &str) -> Result<bool> {
    bail!("a fleet runs on Linux and macOS only: the children of the KCL need Unix")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn where_no_fleet_is_it_says_how_to_start_one() {
        let error = ask(&std::env::temp_dir().join("kinesis-lab-no-fleet"), "status").unwrap_err();
        assert!(error.to_string().contains("cargo xtask fleet up"), "{error}");
    }
}
