//! What this machine has, as far as it decides how the set-up goes.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::Place;

const GB: u64 = 1 << 30;

/// Cores, and memory in bytes where it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) memory: Option<u64>,
}

impl Machine {
    /// This one, or what a container leaves of it.
    pub(crate) fn here() -> Machine {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let installed = installed(&read("/proc/meminfo")).or_else(of_sysctl);
        let allowed = allowed(&read("/sys/fs/cgroup/memory.max"));
        Machine { cores, memory: installed.into_iter().chain(allowed).min() }
    }

    /// Whether kernel and engine are compiled at the same time: with four cores and 8 GB. With fewer cores nothing is
    /// won, and the largest crate of each takes 1 to 2 GB. Of 8 GB, a system shows a little less.
    pub(crate) fn compiles_side_by_side(self) -> bool {
        self.cores >= 4 && self.memory.is_some_and(|bytes| bytes >= 7 * GB)
    }
}

/// `MemTotal` of Linux' /proc/meminfo.
fn installed(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// What a control group may take; `max` is no limit.
fn allowed(limit: &str) -> Option<u64> {
    limit.trim().parse().ok()
}

/// macOS has no /proc.
fn of_sysctl() -> Option<u64> {
    let output = Command::new("sysctl").args(["-n", "hw.memsize"]).stdin(Stdio::null()).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// The system that rustc compiles for, when nobody names one.
pub(crate) fn host(place: &Place) -> Result<String> {
    let output = Command::new("rustc").arg("-vV").current_dir(&place.checkout).stdin(Stdio::null()).output();
    let output = output.context("rustc does not run")?;
    ensure!(output.status.success(), "rustc -vV: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc names no host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_by_side_takes_four_cores_and_8_gb() {
        let decides = |cores, memory| Machine { cores, memory }.compiles_side_by_side();
        // What an 8 GB machine shows: the kernel keeps some of it.
        let eight = installed("MemFree: 1 kB\nMemTotal:        7946256 kB\n");
        assert!(decides(4, eight) && decides(16, Some(64 * GB)));
        assert!(!decides(3, Some(64 * GB)));
        assert!(!decides(16, Some(4 * GB)));
        assert!(!decides(16, None), "what is not known is not there");
    }

    #[test]
    fn a_container_has_what_it_is_given() {
        assert_eq!(allowed("2147483648\n"), Some(2 * GB));
        assert_eq!(allowed("max\n"), None);
        assert_eq!(installed(""), None);
    }
}
