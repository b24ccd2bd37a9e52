//! Where Java is, and the Kinesis Client Library's jars.

use std::path::{Path, PathBuf};

use kinesis_lab::prelude::*;

use crate::common::cache;

/// The version that this was tried with, in the folder where `cargo xtask fleet parts` puts it.
const MADE: &str = "kcl-3.1.3/lib";
const MULTILANG: &str = "amazon-kinesis-client-multilang-3.";

/// As the caller says, or Java's own variable, or whatever is in PATH.
pub(crate) fn java(said: Option<&Path>) -> PathBuf {
    let of_home = || {
        let home = PathBuf::from(std::env::var_os("JAVA_HOME")?);
        Some(home.join("bin/java")).filter(|program| program.is_file())
    };
    said.map(Path::to_owned).or_else(of_home).unwrap_or_else(|| "java".into())
}

/// A folder that has them: a daemon without them would be started again and again.
pub(crate) fn jars(said: Option<&Path>) -> Result<PathBuf, Error> {
    let places = match said {
        Some(folder) => vec![folder.to_owned()],
        None => usual(),
    };
    let found = places.iter().find(|folder| has_jars(folder)).ok_or_else(|| {
        let places: Vec<String> = places.iter().map(|folder| folder.display().to_string()).collect();
        invalid(format!(
            "no jar {MULTILANG}… in {}: fetch software.amazon.kinesis:amazon-kinesis-client-multilang 3 and what it needs \
             (mvn dependency:copy-dependencies, or `cargo xtask fleet parts`), and name the folder by --jars",
            places.join(", nor in ")
        ))
    })?;
    // Java's list of folders has colons between them.
    match found.to_string_lossy().contains(':') {
        true => Err(invalid(format!("{} has a colon in its path, and Java splits there", found.display()))),
        false => Ok(found.clone()),
    }
}

fn usual() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent).map(|folder| folder.join("lib"));
    [Some("lib".into()), beside, cache().map(|folder| folder.join(MADE))].into_iter().flatten().collect()
}

fn has_jars(folder: &Path) -> bool {
    let mut names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.file_name());
    names.any(|name| {
        let name = name.to_string_lossy();
        name.starts_with(MULTILANG) && name.ends_with(".jar")
    })
}

fn invalid(why: String) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_jars_is_named_with_how_they_are_fetched() {
        let folder = temporary_folder("worker-jars").unwrap();
        let error = jars(Some(&folder)).unwrap_err().to_string();
        assert!(error.contains(&folder.display().to_string()), "{error}");
        assert!(error.contains("amazon-kinesis-client-multilang 3") && error.contains("mvn"), "{error}");
        std::fs::write(folder.join("amazon-kinesis-client-multilang-3.1.3.jar"), "").unwrap();
        assert_eq!(jars(Some(&folder)).unwrap(), folder);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn java_is_what_the_caller_says() {
        assert_eq!(java(Some(Path::new("/opt/java"))), Path::new("/opt/java"));
    }
}
