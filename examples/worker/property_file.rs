//! The file that the daemon reads its properties from.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use kinesis_lab::prelude::*;

/// Written for this user alone, though nothing secret is in it; gone with the value.
pub(crate) struct PropertyFile(PathBuf);

impl PropertyFile {
    /// In the system's folder for such files.
    pub(crate) fn write(properties: &str) -> Result<PropertyFile, Error> {
        PropertyFile::write_in(&std::env::temp_dir(), properties)
    }

    fn write_in(folder: &Path, properties: &str) -> Result<PropertyFile, Error> {
        let (process, now) = (std::process::id(), Timestamp::now().as_micros());
        let path = folder.join(format!("kinesis-lab-worker-{process}-{now}.properties"));
        // New: one that lies there already is somebody else's, as may be what a link leads to.
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(|error| {
                Error::new(
                    ErrorKind::Io,
                    format!("no file for the daemon's properties at {}: {error}", path.display()),
                )
            })?;
        let there = PropertyFile(path);
        file.write_all(properties.as_bytes())?;
        Ok(there)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PropertyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_this_users_alone_and_gone_at_the_end() {
        let folder = temporary_folder("worker").unwrap();
        let file = PropertyFile::write_in(&folder, "streamName = visits\n").unwrap();
        let path = file.path().to_owned();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "streamName = visits\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(file);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir(&folder).unwrap();
        let error = PropertyFile::write_in(&folder, "").err().unwrap().to_string();
        assert!(error.starts_with("no file for the daemon's properties at "), "{error}");
    }
}
