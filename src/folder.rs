//! Files and folders for this user alone.
//!
//! A temporary folder is shared by all users of a machine: a name that can be foreseen may be there already, made
//! by somebody else, or lead somewhere else.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Makes a new, empty folder for this user alone among the system's temporary files, and says where: `name` and
/// 64 random bits are in its own name.
///
/// Nothing removes it but you, or the system when it clears its temporary files.
///
/// # Errors
/// When `name` is not of 1 to 64 letters, digits, `-` and `_`; when the system's temporary folder can't be written
/// to.
///
/// ```
/// let folder = kinesis_lab::temporary_folder("lesson-12")?;
/// let other = kinesis_lab::temporary_folder("lesson-12")?;
/// assert!(folder.starts_with(std::env::temp_dir()) && folder != other);
/// assert_eq!(std::fs::read_dir(&folder).expect("it is there").count(), 0);
/// # let _ = (std::fs::remove_dir(folder), std::fs::remove_dir(other));
/// # Ok::<(), kinesis_lab::Error>(())
/// ```
pub fn temporary_folder(name: &str) -> Result<PathBuf> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
        return Err(Error::invalid(
            "the name of a temporary folder is made of 1 to 64 letters, digits, `-` and `_`: choose another",
        ));
    }
    // Not for its secrecy: where somebody has guessed it, making the folder fails.
    let path = std::env::temp_dir().join(format!("kinesis-lab-{name}-{:016x}", fastrand::u64(..)));
    make_new(&path)?;
    Ok(path)
}

fn make_new(path: &Path) -> Result<()> {
    private_folders().create(path).map_err(|error| {
        let sentence = format!(
            "cannot make the folder {} ({error}): set TMPDIR to a folder that you may write to",
            path.display()
        );
        Error::with_source(ErrorKind::Io, sentence, error)
    })
}

/// Makes a folder and those above it that are missing, for this user alone; one that is there stays as it is.
#[cfg(any(feature = "archive", feature = "local", feature = "sqlite"))]
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    private_folders().recursive(true).create(folder)
}

/// Makes a folder for this user alone where anybody can make one, or takes the one that this made before. One that
/// is another user's, open to others, or a link is an error.
#[cfg(feature = "local")]
pub(crate) fn claim(folder: &Path) -> io::Result<()> {
    match private_folders().create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_private(folder),
        made => made,
    }
}

/// Whether this is the address of a PostgreSQL database where a path could stand: it is never to be shown as it is.
/// (A folder that is called so is `./postgres:`.)
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn is_postgres_address(name: &Path) -> bool {
    let name = name.as_os_str().as_encoded_bytes();
    name.starts_with(b"postgres://") || name.starts_with(b"postgresql://")
}

/// Whether a folder is this user's, and nobody else's to read or to write.
pub(crate) fn check_private(folder: &Path) -> io::Result<()> {
    // Not of what a link leads to.
    let found = std::fs::symlink_metadata(folder)?;
    let refused = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned()));
    if !found.is_dir() {
        return refused("it is no folder, or a link to one");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if found.mode() & 0o077 != 0 {
            return refused("others may look into it");
        }
        if found.uid() != our_id(folder)? {
            return refused("it is another user's");
        }
    }
    Ok(())
}

/// The user whose files we make: there is nothing in std that asks for it.
#[cfg(unix)]
fn our_id(folder: &Path) -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt;
    let path = folder.join(format!(".{:016x}", fastrand::u64(..)));
    let id = private_file().write(true).create_new(true).open(&path)?.metadata()?.uid();
    std::fs::remove_file(path)?;
    Ok(id)
}

/// How to open a file; made new, it is for this user alone.
pub(crate) fn private_file() -> OpenOptions {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn private_folders() -> DirBuilder {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_temporary_folder_is_new_and_nobody_elses() {
        let folder = temporary_folder("test").unwrap();
        assert_eq!(mode(&folder), 0o700);
        check_private(&folder).unwrap();
        std::fs::remove_dir(&folder).unwrap();
        for odd in ["", "a/b", "..", "a b", &"a".repeat(65)] {
            assert_eq!(temporary_folder(odd).unwrap_err().kind(), ErrorKind::InvalidInput, "{odd}");
        }
    }

    /// Whoever has guessed its name has made it, or a link from there to where it should not be.
    #[test]
    fn a_folder_that_is_there_already_is_not_taken() {
        let above = temporary_folder("guessed").unwrap();
        let (made, link) = (above.join("made"), above.join("link"));
        std::fs::create_dir(&made).unwrap();
        for to in [&made, &above.join("nowhere")] {
            std::os::unix::fs::symlink(to, &link).unwrap();
            for path in [&made, &link] {
                let error = make_new(path).unwrap_err().to_string();
                assert!(error.contains("cannot make the folder"), "{error}");
            }
            std::fs::remove_file(&link).unwrap();
        }
        assert!(!above.join("nowhere").exists());
        std::fs::remove_dir_all(&above).unwrap();
    }

    #[cfg(feature = "local")]
    #[test]
    fn a_folder_of_others_or_a_link_is_not_taken() {
        let above = temporary_folder("claim").unwrap();
        let folder = above.join("keys");
        claim(&folder).unwrap();
        claim(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        for open in [0o755, 0o710, 0o701, 0o777] {
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(open)).unwrap();
            assert!(claim(&folder).unwrap_err().to_string().contains("others may look"), "{open:o}");
        }
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        let link = above.join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(claim(&link).unwrap_err().to_string().contains("a link"));
        // Of another user: only root can give one away.
        if std::os::unix::fs::chown(&folder, Some(65_534), None).is_ok() {
            assert!(claim(&folder).is_err());
        }
        std::fs::remove_dir_all(&above).unwrap();
    }
}
