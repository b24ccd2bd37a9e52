//! The access key of an embedded service, and how this user's other programs find it.
//!
//! Whatever runs on this machine can reach a loopback port. A service of [`Kinesis::local`](crate::Kinesis::local)
//! takes the calls of those alone who know its key; it is left in a file that only this user may read, named
//! after the port, as Jupyter's servers do with theirs.

#[cfg(feature = "local")]
use std::io::Write;
#[cfg(feature = "local")]
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};

use crate::folder::check_private;
#[cfg(feature = "local")]
use crate::folder::{claim, private_file};

/// Of the service at this URL, if it is an embedded one of this user's.
pub(super) fn of(url: &str) -> Option<String> {
    let port: u16 = url.trim_end_matches('/').strip_prefix("http://").and_then(|rest| {
        let (host, port) = rest.rsplit_once(':')?;
        ["127.0.0.1", "localhost", "[::1]"].contains(&host).then(|| port.parse().ok())?
    })?;
    let key = folders().into_iter().find_map(|folder| read(&folder, port))?;
    // It goes into a header.
    (!key.is_empty() && key.len() <= 128 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .then_some(key)
}

fn read(folder: &Path, port: u16) -> Option<String> {
    // In a folder that others can write to may be a key that somebody wants us to use.
    check_private(folder).ok()?;
    std::fs::read_to_string(folder.join(port.to_string())).ok()
}

/// Where keys may lie: in the folder that the system clears at the user's logout, where there is one, or beside
/// other temporary files, which all users share.
fn folders() -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let runtime = set("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("kinesis-lab-keys"));
    let user = set("USER").or_else(|| set("LOGNAME")).unwrap_or_default();
    // Only for users not to meet: whose a folder is, the system says.
    let user: String = user.to_string_lossy().chars().filter(char::is_ascii_alphanumeric).collect();
    runtime.into_iter().chain([std::env::temp_dir().join(format!("kinesis-lab-keys-{user}"))]).collect()
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
            claim(&folder).ok()?;
            sweep(&folder);
            let path = folder.join(port.to_string());
            write(&path, key).ok().map(|()| path)
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

/// Removes what processes that were killed have left: nobody listens at their ports.
#[cfg(feature = "local")]
fn sweep(folder: &Path) {
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let port = file.file_name().to_str().and_then(|name| name.parse::<u16>().ok());
        // On the loopback interface, the answer comes at once.
        if port.is_some_and(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

#[cfg(feature = "local")]
fn write(path: &Path, key: &str) -> std::io::Result<()> {
    // Left by a process that was killed; never written through, whoever made it.
    let _ = std::fs::remove_file(path);
    private_file().write(true).create_new(true).open(path)?.write_all(key.as_bytes())
}

#[cfg(all(test, feature = "local"))]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_while_its_service_is_there_by_this_user_alone() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (url, key) = (&format!("http://127.0.0.1:{port}"), random().unwrap());
        let file = KeyFile::leave(port, &key);
        assert_eq!(of(url), Some(key.clone()));
        let others =
            [format!("http://localhost:{port}/"), format!("http://192.0.2.1:{port}"), "https://x".into()];
        assert_eq!(others.map(|url| of(&url)), [Some(key), None, None]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let path = file.0.as_ref().unwrap();
            for path in [path.as_path(), path.parent().unwrap()] {
                let mode = std::fs::metadata(path).unwrap().permissions().mode();
                assert_eq!(mode & 0o077, 0, "{mode:o}");
            }
        }
        drop(file);
        assert_eq!(of(url), None);
    }

    #[test]
    fn a_key_of_a_service_that_was_killed_is_swept_away() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let left = KeyFile::leave(port, "LEFT");
        let path = left.0.clone().unwrap();
        std::mem::forget(left);
        sweep(path.parent().unwrap());
        assert!(path.exists(), "somebody listens there");
        drop(listener);
        sweep(path.parent().unwrap());
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_write_to_gives_no_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = crate::folder::temporary_folder("keys").unwrap();
        write(&folder.join("1"), "KEY").unwrap();
        assert_eq!(read(&folder, 1).as_deref(), Some("KEY"));
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(read(&folder, 1), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
