//! A program on a disk that is full, which gets room as soon as the program has said so.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The disk is at `disk` in the folder while the program runs, with a copy of what is in `in`; afterwards, `out` has
/// a copy of what is on it.
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// `None`, visibly, where none can be mounted.
    pub(crate) fn under(folder: &Path) -> Option<SmallDisk> {
        let can = Command::new("unshare").args(["--mount", "true"]).output();
        if !can.is_ok_and(|output| output.status.success()) {
            let why = "SKIPPED: no small file system can be mounted here (unshare --mount)";
            let _ = writeln!(std::io::stderr(), "{why}");
            return None;
        }
        let disk = SmallDisk { folder: folder.to_owned() };
        for part in [disk.path(), disk.brought(), disk.carried_out()] {
            fs::create_dir(part).unwrap();
        }
        Some(disk)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("disk")
    }

    pub(crate) fn brought(&self) -> PathBuf {
        self.folder.join("in")
    }

    pub(crate) fn carried_out(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// Runs a program on it, with room for so many bytes until it says that there is none. Gives what it said.
    pub(crate) fn run(&self, bytes: u64, program: &Command) -> String {
        // The shell keeps the mount, and makes room when it is told to; a program that has ended needs none.
        let script = r#"cd "$0" && mount -t tmpfs -o size="$1" none disk && cp -r in/. disk && shift || exit 9
            "$@" & while ! [ -e room ] && kill -0 $! 2>&-; do sleep 0.1; done
            mount -o remount,size=500M disk; wait $!; code=$?; cp -r disk/. out; exit $code"#;
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "sh", "-c", script]).arg(&self.folder).arg(bytes.to_string());
        shell.arg(program.get_program()).args(program.get_args());
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut shell = shell.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        for line in BufReader::new(shell.stderr.take().unwrap()).lines() {
            said += &(line.unwrap() + "\n");
            if said.contains("no room on the disk") {
                fs::write(self.folder.join("room"), "").unwrap();
            }
        }
        assert!(shell.wait().unwrap().success(), "{said}");
        said
    }
}
