//! `cargo xtask fleet storm`: faults drawn by a seed, on workers that count.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{alone, parts};
use crate::{Place, example, requirements};

/// Of which many records have one: of a key that a single record has, one who was replaced writes the same count again, and
/// nobody would see it.
const KEYS: &str = "10";

/// How many faults, and in what time.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// How many faults
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub faults: usize,
    /// In what time, from the first record on
    #[arg(long, value_name = "N", default_value_t = 600)]
    pub seconds: u64,
    /// Another seed, another storm
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// What is counted is written without a look at who has the shard by now. Where the counts are right in spite of that,
    /// the storm was too mild to show what the fence is for
    #[arg(long)]
    pub without_fence: bool,
    /// Compiled as for production, which takes some minutes more the first time
    #[arg(long)]
    pub release: bool,
}

/// False when the counts were wrong; what, has been printed.
pub(super) fn run(place: &Place, options: &Options, folder: &Path) -> Result<bool> {
    let parts = parts::make(place)?;
    let program = example::build(place, &["--example", "fleet"], "fleet", options.release)?;
    let with_network = can_have_hosts();
    let mut command = alone(&program, if with_network { &["--net"] } else { &[] });
    command.args(["--storm", &options.faults.to_string(), "--seconds", &options.seconds.to_string()]);
    command.args(["--seed", &options.seed.to_string(), "--keys", KEYS]);
    if with_network {
        command.arg("--network");
    }
    if options.without_fence {
        command.arg("--without-fence");
    }
    if let Some((python, modules)) = python(place) {
        command.arg("--python").arg(python).env("PYTHONPATH", modules);
    }
    command.arg("--java").arg(&parts.java).arg("--jars").arg(&parts.jars);
    command.arg("--dynamodb").arg(&parts.dynamodb).arg("--folder").arg(folder);
    command.current_dir(&place.checkout).stdin(Stdio::null());
    Ok(command.status().context("the fleet does not run")?.success())
}

/// Whether a network of one's own can be made, with what the fleet makes of it.
fn can_have_hosts() -> bool {
    const TRY: &str = "mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo up && \
        ip link add lab type bridge && ip netns add one && ip link add v1 type veth peer name eth0 netns one && \
        ip rule add prio 1 from 10.77.0.1 to 10.77.0.2 blackhole";
    let Some(mut command) = example::apart() else { return false };
    command.args(["--net", "sh", "-c", TRY]).stdin(Stdio::null());
    command.output().is_ok_and(|output| output.status.success())
}

/// JupyterLab's, with what the tests of other clients need beside it.
fn python(place: &Place) -> Option<(PathBuf, PathBuf)> {
    let (python, modules) = (place.python(), place.venv().join("for-tests"));
    let has_them = || {
        let mut command = Command::new(&python);
        command.args(["-c", "import boto3, aws_kinesis_agg"]).env("PYTHONPATH", &modules);
        command.output().is_ok_and(|output| output.status.success())
    };
    if !has_them() && python.is_file() {
        // Without a network it is not; then our own client does it.
        let _ = requirements::install_for_tests(place);
    }
    has_them().then_some((python, modules))
}
