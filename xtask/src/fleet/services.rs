//! `cargo xtask fleet services`: what workers need beside Kinesis, for those that somebody starts by hand, or a notebook.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{ask, parts};
use crate::{Place, example};

/// Until when they are up.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Starts them and returns, once they are up; those that are up already are named [default: until Ctrl-C]
    #[arg(long, conflicts_with = "stop")]
    pub detach: bool,
    /// They end when the process of this number is gone
    #[arg(long, value_name = "PROCESS", conflicts_with = "stop")]
    pub with_process: Option<i32>,
    /// Ends those that are up
    #[arg(long)]
    pub stop: bool,
}

/// False when they could not be started or ended; why, has been printed.
pub(super) fn run(place: &Place, options: &Options, folder: &Path) -> Result<bool> {
    let own = folder.join("services");
    if options.stop {
        return ask(&own, "down").context("no services are up here");
    }
    let found = folder.join("services.json");
    // One that was killed has left its file behind.
    let is_up = || ask_quietly(&own);
    if options.detach && found.is_file() && is_up() {
        return show(&found);
    }
    let dynamodb = parts::dynamodb_alone(place)?;
    let program = example::build(place, &["--example", "fleet"], "fleet", false)?;
    let mut command = Command::new(program);
    command.arg("--services").arg("--dynamodb").arg(dynamodb).arg("--folder").arg(folder);
    if let Some(process) = options.with_process {
        command.args(["--with-process", &process.to_string()]);
    }
    command.current_dir(&place.checkout).stdin(Stdio::null());
    if !options.detach {
        return Ok(command.status().context("the services do not run")?.success());
    }
    fs::create_dir_all(folder)?;
    let _ = fs::remove_file(&found);
    let log = folder.join("services.log");
    let file = File::create(&log)?;
    // Its stdout has the password, which is no log's.
    command.stdout(Stdio::null()).stderr(file);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut services = command.spawn().context("the services do not run")?;
    let until = Instant::now() + Duration::from_secs(120);
    while !found.is_file() {
        if services.try_wait()?.is_some() || Instant::now() > until {
            let _ = services.kill();
            bail!("{}", fs::read_to_string(&log).unwrap_or_default().trim());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    show(&found)
}

#[cfg(unix)]
fn ask_quietly(folder: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(folder.join("control")).is_ok()
}

#[cfg(not(unix))]
fn ask_quietly(_: &Path) -> bool {
    false
}

/// The same three lines that they print themselves.
fn show(found: &Path) -> Result<bool> {
    let file: serde_json::Value = serde_json::from_str(&fs::read_to_string(found)?)?;
    for (name, of) in [("DYNAMODB", "dynamodb"), ("POSTGRES", "postgres"), ("PGPASSWORD", "password")] {
        println!("{name}={}", file[of].as_str().unwrap_or_default());
    }
    Ok(true)
}
