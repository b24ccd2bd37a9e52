//! The access key of an embedded service, and how this user's other programs find it.
//!
//! Whatever runs on this machine can reach a loopback port. A service of [`Kinesis::local`](crate::Kinesis::local)
//! takes the calls of those alone who know its key; it is left in a file that only this user may read, named
//! after the port, as Jupyter's servers do with theirs.

#[cfg(feature = "local")]
use std::io::Write;
use std::path::PathBuf;

/// Of the service at this URL, if it is an embedded one of this user's.
pub(super) fn of(url: &str) -> Option<String> {
    let port: u16 = url.trim_end_matches('/').strip_prefix("http://").and_then(|rest| {
        let (host, port) = rest.rsplit_once(':')?;
        ["127.0.0.1", "localhost", "[::1]"].contains(&host).then(|| port.parse().ok())?
    })?;
    let read = |folder: PathBuf| std::fs::read_to_string(folder.join(port.to_string())).ok();
    let key = folders().into_iter().find_map(read)?;
    // It goes into a header.
    (!key.is_empty() && key.len() <= 128 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .then_some(key)
}

/// Where keys may lie: in the folder that the system clears at the user's logout, where there is one, or beside
/// other temporary files.
fn folders() -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
    let folders = runtime.into_iter().chain([std::env::temp_dir()]);
    folders.map(|folder| folder.join("kinesis-lab-keys")).collect()
}

/// 128 bits that nobody can guess, in the form of a key.
#[cfg(feature = "local")]
pub(super) fn random() -> std::io::Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes.iter().fold(String::from("LOCAL"), |key, byte| format!("{key}{byte:02X}")))
}

/// A key's file; removed when this is dropped.
#[cfg(feature = "local")]
#[derive(Debug)]
pub(super) struct KeyFile(Option<PathBuf>);

#[cfg(feature = "local")]
impl KeyFile {
    /// Where no folder can be written to, other programs go without: the service refuses them, and says so.
    pub(super) fn leave(port: u16, key: &str) -> KeyFile {
        KeyFile(folders().into_iter().find_map(|folder| {
            let path = folder.join(port.to_string());
            write_private(&path, key).ok().map(|()| path)
        }))
    }
}

#[cfg(feature = "local")]
impl Drop for KeyFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path); // a file that is gone already is as good
        }
    }
}

#[cfg(feature = "local")]
fn write_private(path: &std::path::Path, key: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Left by a process that was killed; never written through, whoever made it.
    let _ = std::fs::remove_file(path);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(key.as_bytes())
}

#[cfg(all(test, feature = "local"))]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_while_its_service_is_there_by_this_user_alone() {
        // No service listens at port 0.
        let (url, key) = ("http://127.0.0.1:0", random().unwrap());
        let file = KeyFile::leave(0, &key);
        assert_eq!(of(url), Some(key.clone()));
        assert_eq!(
            (of("http://localhost:0/"), of("http://192.0.2.1:0"), of("https://x")),
            (Some(key), None, None)
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(file.0.as_ref().unwrap()).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{mode:o}");
        }
        drop(file);
        assert_eq!(of(url), None);
    }
}
