//! [`Target`]: where an archive is, as it was told. Pure.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::text::shown;

/// Where an archive is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Folder(PathBuf),
    Bucket { bucket: String, prefix: String },
}

impl Target {
    /// # Errors
    /// For a URL of something else, and a bucket or a prefix that can be none.
    pub(super) fn parse(place: &Path) -> Result<Target> {
        let text = place.to_string_lossy();
        let Some(rest) = text.strip_prefix("s3://") else {
            return match text.split_once("://") {
                Some((scheme, _)) => Err(Error::invalid(format!(
                    "an archive is in a folder or in s3://bucket/prefix; what is at {}:// is neither",
                    shown(scheme, 20)
                ))),
                None if text.is_empty() => {
                    Err(Error::invalid("an archive needs a folder: `.` is the one that this is in"))
                }
                None => Ok(Target::Folder(place.to_owned())),
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        // "Bucket naming rules" of the S3 User Guide; older buckets have others, which no URL of a host can name.
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(plain) {
            return Err(Error::invalid(format!(
                "{} is no name of a bucket, which has 3 to 63 small letters, digits, `.` and `-`: write \
                 s3://bucket/prefix",
                shown(bucket, 70)
            )));
        }
        let prefix = prefix.trim_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/=".contains(&byte);
        let odd_part = |part: &str| part.is_empty() || part == "." || part == "..";
        if !prefix.is_empty() && (!prefix.bytes().all(plain) || prefix.split('/').any(odd_part)) {
            return Err(Error::invalid(format!(
                "{} is no prefix for an archive: write it with letters, digits, `_`, `.`, `-` and `=`, and single `/` \
                 between",
                shown(prefix, 70)
            )));
        }
        Ok(Target::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Folder(folder) => write!(f, "{}", folder.display()),
            Target::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Target::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_or_a_bucket() {
        let parse = |place: &str| Target::parse(Path::new(place)).map(|target| target.to_string());
        for (place, want) in [
            ("archive", "archive"),
            ("/var/lib/archive", "/var/lib/archive"),
            ("s3://my-bucket", "s3://my-bucket"),
            ("s3://my-bucket/", "s3://my-bucket"),
            ("s3://my.bucket/a/b=c_d/", "s3://my.bucket/a/b=c_d"),
        ] {
            assert_eq!(parse(place).unwrap(), want);
        }
        for (odd, want) in [
            ("", "needs a folder"),
            ("gs://bucket/a", "gs:// is neither"),
            ("s3://", "no name of a bucket"),
            ("s3://My_Bucket/a", "no name of a bucket"),
            ("s3://user:secret@bucket/a", "no name of a bucket"),
            ("s3://bucket/a//b", "no prefix"),
            ("s3://bucket/../b", "no prefix"),
            ("s3://bucket/a?b", "no prefix"),
        ] {
            let error = parse(odd).unwrap_err().to_string();
            assert!(error.contains(want), "{odd}: {error}");
        }
    }
}
