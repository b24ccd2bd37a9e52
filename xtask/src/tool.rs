//! Programs that cargo installs for the steps of `cargo xtask test`: pinned, compiled once a machine.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::face::cache;
use crate::{Place, setup};

/// One of them.
pub(crate) struct Tool {
    /// The package's name, and the program's.
    pub(crate) name: &'static str,
    /// Pinned like the kernel: a newer one finds other things on the same state.
    pub(crate) version: &'static str,
    /// How long it takes to compile, for whoever waits.
    pub(crate) minutes: &'static str,
}

impl Tool {
    fn root(&self, place: &Place) -> PathBuf {
        place.cache.join(format!("{}-{}", self.name, self.version))
    }

    /// The program, where it has been compiled: in the cache, beside the kernel.
    pub(crate) fn there(&self, place: &Place) -> Option<PathBuf> {
        let program = self.root(place).join("bin").join(self.name);
        program.is_file().then_some(program)
    }

    /// The program, compiled when it is not there. None, with a line that says SKIPPED, where it can't be.
    pub(crate) fn made(&self, place: &Place) -> Result<Option<PathBuf>> {
        if let Some(program) = self.there(place) {
            return Ok(Some(program));
        }
        let Tool { name, version, minutes } = self;
        let root = self.root(place);
        cache::create_private(&root).with_context(|| root.display().to_string())?;
        println!("compiling {name}, once a machine: {minutes} …");
        let build = root.join("build");
        let mut command = setup::cargo(place);
        command
            .args(["install", "--locked", "--quiet", "--root"])
            .arg(&root)
            .arg(format!("{name}@{version}"))
            // It runs for seconds: what matters is how soon it is compiled.
            .args(["--config", "profile.release.opt-level=1", "--config", "profile.release.lto=\"off\""])
            // Kept when interrupted: the next try goes on from there.
            .env("CARGO_TARGET_DIR", &build)
            .stdin(Stdio::null());
        if !command.status().context("cargo does not run")?.success() {
            println!(
                "SKIPPED: {name} could not be compiled; see above. It needs the network once: cargo install \
                 --locked {name}@{version}"
            );
            return Ok(None);
        }
        let _ = fs::remove_dir_all(build);
        self.there(place).map(Some).with_context(|| format!("cargo installed no `{name}`; run this again"))
    }
}
