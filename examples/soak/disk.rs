//! A small disk of its own for the databases, so that it can be full.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The databases need a tenth of it.
const DATABASES: u64 = 64 << 20;
/// An event takes some 350 bytes, in two streams, in the local service's log.
const EVENT: u64 = 1 << 10;

/// Where the local service has its files.
pub(crate) const STREAMS: &str = "streams";

/// The folder of the databases.
pub(crate) struct Disk {
    pub(crate) folder: PathBuf,
    /// A file system in memory, which ends with this.
    pub(crate) own: bool,
}

impl Disk {
    /// With room for so many events. Where this user may not mount one, the folder is as good for everything but
    /// filling it.
    pub(crate) fn under(folder: &Path, events: u64) -> std::io::Result<Disk> {
        let folder = folder.join("state");
        fs::create_dir_all(&folder)?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={},mode=0700", DATABASES + EVENT * events), "soak"])
            .arg(&folder);
        let own =
            mount.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        Ok(Disk { folder, own })
    }

    /// To the last byte.
    pub(crate) fn fill(&self) -> std::io::Result<()> {
        let mut filler = File::create(self.folder.join("filler"))?;
        for chunk in [1 << 20, 4 << 10, 1] {
            let zeros = vec![0; chunk];
            while filler.write_all(&zeros).is_ok() {}
        }
        Ok(())
    }

    pub(crate) fn make_room(&self) -> std::io::Result<()> {
        fs::remove_file(self.folder.join("filler"))
    }

    /// The size of the streams' files, in bytes.
    pub(crate) fn streams(&self) -> u64 {
        let files = fs::read_dir(self.folder.join(STREAMS)).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    /// The size of a database with its log, in bytes.
    pub(crate) fn size(&self, file: &str) -> u64 {
        let sizes = ["", "-wal"].map(|end| fs::metadata(self.folder.join(format!("{file}{end}"))));
        sizes.into_iter().flatten().map(|metadata| metadata.len()).sum()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.own {
            let _ = Command::new("umount").arg(&self.folder).stdin(Stdio::null()).status();
        }
    }
}
