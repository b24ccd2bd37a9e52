//! The cache: where it lies, and that nobody else can put anything into it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where everything that is built once a machine lies.
pub fn cache_root() -> Result<PathBuf, String> {
    let path = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let root = path("KINESIS_LAB_CACHE")
        .or_else(|| path("XDG_CACHE_HOME").map(|dir| dir.join("kinesis-lab")))
        .or_else(|| path("HOME").map(|dir| dir.join(".cache/kinesis-lab")))
        .ok_or("no home directory: set KINESIS_LAB_CACHE to a folder that may take 2 GB")?;
    let root = std::path::absolute(&root).map_err(|e| format!("{}: {e}", root.display()))?;
    // What lies in it is run as this user.
    for folder in [&root, &root.join("engine")] {
        check_trusted(folder)?;
    }
    Ok(root)
}

/// Refuses a folder that another user could have made or filled, or can write to. One that is absent is nobody's.
pub fn check_trusted(folder: &Path) -> Result<(), String> {
    check_owned(folder)?;
    #[cfg(unix)]
    if fs::metadata(folder).is_ok_and(|found| std::os::unix::fs::MetadataExt::mode(&found) & 0o022 != 0) {
        return Err(format!(
            "Others can write to {0}, and so run anything in your name: `chmod go-w {0}`, if you know that nobody has, \
             or set KINESIS_LAB_CACHE to a folder of your own.",
            folder.display()
        ));
    }
    Ok(())
}

/// Refuses a folder of another user's, and one with a file of another's in it. Root can do anything anyway.
pub fn check_owned(folder: &Path) -> Result<(), String> {
    #[cfg(unix)]
    if folder.exists() {
        let user = user()?;
        let of_others = |path: &PathBuf| {
            let owner = fs::metadata(path).map(|found| std::os::unix::fs::MetadataExt::uid(&found));
            owner.is_ok_and(|owner| owner != user && owner != 0)
        };
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
        if let Some(path) = std::iter::once(folder.to_owned()).chain(files).find(of_others) {
            return Err(format!(
                "{} belongs to another user, who could run anything in your name through it: set KINESIS_LAB_CACHE to \
                 a folder of your own.",
                path.display()
            ));
        }
    }
    Ok(())
}

/// Std doesn't say who runs this.
#[cfg(unix)]
fn user() -> Result<u32, String> {
    use std::os::unix::fs::MetadataExt;
    if let Ok(own) = fs::metadata("/proc/self") {
        return Ok(own.uid());
    }
    let id = Command::new("id").arg("-u").output().map_err(|e| format!("cannot run `id -u`: {e}"))?;
    String::from_utf8_lossy(&id.stdout).trim().parse().map_err(|_| "`id -u` gives no number".to_owned())
}

/// What to say of a place in the cache at which something could not be done.
pub fn unusable(path: &Path, error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let advice = match error.kind() {
        ErrorKind::StorageFull => {
            "The disk is full: make room, or set KINESIS_LAB_CACHE to a folder on another."
        }
        _ => "Set KINESIS_LAB_CACHE to a folder that can be written to; it takes 2 GB.",
    };
    format!("kinesis-lab: {}: {error}. {advice}", path.display())
}

/// For this user alone, whatever the umask is; one that is there stays as it is.
pub fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
