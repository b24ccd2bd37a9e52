//! [`explain`]: what a folder or a bucket refuses, as a sentence, and whether it goes by.

use std::error::Error as StdError;
use std::io;

use super::target::Target;
use crate::error::{Error, ErrorKind};
use crate::service::S3Answer;

/// A sentence that says what to do; of what passes by itself, or when room is made, with
/// [`ErrorKind::StoreUnavailable`].
pub(super) fn explain(target: &Target, error: object_store::Error, answer: Option<S3Answer>) -> Error {
    // No credentials: said where they were looked for.
    if let Some(ours) = cause::<Error>(&error) {
        return ours.clone();
    }
    let (kind, sentence) = match (target, answer) {
        (Target::Bucket { .. }, Some(answer)) => of_answer(target, &answer),
        (Target::Bucket { .. }, None) => (ErrorKind::Store, format!("{target} failed ({error})")),
        (Target::Folder(_), _) => {
            let cause = cause::<io::Error>(&error);
            let (kind, sentence) = of_file(target, cause);
            let why = cause.map_or_else(|| error.to_string(), io::Error::to_string);
            (kind, format!("{sentence} ({why})"))
        }
    };
    Error::with_source(kind, sentence, error)
}

fn of_file(target: &Target, error: Option<&io::Error>) -> (ErrorKind, String) {
    use io::ErrorKind::{
        NotADirectory, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StaleNetworkFileHandle,
        StorageFull, TimedOut, Unsupported,
    };
    match error.map(io::Error::kind) {
        Some(StorageFull | QuotaExceeded) => (
            ErrorKind::StoreUnavailable,
            format!("no room on the disk of {target}: make some; nothing that was archived is lost"),
        ),
        Some(TimedOut | StaleNetworkFileHandle) => (
            ErrorKind::StoreUnavailable,
            format!("the disk of {target} does not answer: look at it; nothing that was archived is lost"),
        ),
        Some(PermissionDenied | ReadOnlyFilesystem | Unsupported) => (
            ErrorKind::Store,
            format!(
                "{target} can't be written or read: look at its permissions, and whether its file system has hard links, by \
                 which files are made whole"
            ),
        ),
        Some(NotFound | NotADirectory) => (
            ErrorKind::Store,
            format!("{target} is no folder, or was moved away: put it back, and start again"),
        ),
        _ => (
            ErrorKind::Store,
            format!("the disk of {target} failed: look at it; nothing that was archived is lost"),
        ),
    }
}

fn of_answer(target: &Target, answer: &S3Answer) -> (ErrorKind, String) {
    let bucket = match target {
        Target::Bucket { bucket, .. } => bucket,
        Target::Folder(_) => "",
    };
    let code = answer.code.as_deref().unwrap_or_default();
    match (answer.status, code) {
        (None, _) => (
            ErrorKind::StoreUnavailable,
            format!(
                "{target} can't be reached: look at the network and the endpoint; nothing that was archived is lost"
            ),
        ),
        (_, "ExpiredToken" | "TokenRefreshRequired") => (
            ErrorKind::StoreUnavailable,
            format!(
                "{target}: the credentials have expired; sign in again (`aws sso login`), and it goes on"
            ),
        ),
        (Some(409 | 429 | 500..), _) | (_, "RequestTimeout" | "SlowDown") => (
            ErrorKind::StoreUnavailable,
            format!("{target} is busy, or failed: try again; nothing that was archived is lost"),
        ),
        (_, "NoSuchBucket") => (
            ErrorKind::Store,
            format!(
                "there is no bucket {bucket}: make it with `aws s3 mb s3://{bucket}`, or look at its name"
            ),
        ),
        (_, "RequestTimeTooSkewed") => {
            (ErrorKind::AccessDenied, format!("{target} refuses: the clock of this machine is wrong; set it"))
        }
        (Some(301 | 307), _)
        | (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            let region = answer.region.as_deref().unwrap_or("eu-west-1");
            let which = if answer.region.is_some() { "" } else { ", say" };
            (
                ErrorKind::InvalidInput,
                format!(
                    "the bucket {bucket} is in another region: add .aws(Kinesis::aws().region(\"{}\")){which}",
                    crate::text::shown(region, 40)
                ),
            )
        }
        (Some(401 | 403), _) => (
            ErrorKind::AccessDenied,
            format!(
                "{target} refuses ({}): these credentials need s3:ListBucket for the bucket, s3:GetObject and \
                 s3:PutObject for what is in it; nothing that was archived is lost",
                crate::text::shown(if code.is_empty() { "AccessDenied" } else { code }, 60)
            ),
        ),
        _ => (
            ErrorKind::Store,
            format!(
                "{target} refuses ({})",
                crate::text::shown(if code.is_empty() { "without a reason" } else { code }, 60)
            ),
        ),
    }
}

/// The error of this type that is among the causes.
fn cause<T: StdError + 'static>(error: &object_store::Error) -> Option<&T> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(here) = cause {
        if let Some(found) = here.downcast_ref() {
            return Some(found);
        }
        cause = here.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn generic(source: impl StdError + Send + Sync + 'static) -> object_store::Error {
        object_store::Error::Generic { store: "test", source: Box::new(source) }
    }

    #[test]
    fn a_full_disk_goes_by_and_a_forbidden_one_does_not() {
        let target = Target::parse(Path::new("archive")).unwrap();
        for (kind, want, words) in [
            (
                io::ErrorKind::StorageFull,
                ErrorKind::StoreUnavailable,
                "no room on the disk of archive: make some",
            ),
            (io::ErrorKind::QuotaExceeded, ErrorKind::StoreUnavailable, "no room"),
            (io::ErrorKind::PermissionDenied, ErrorKind::Store, "look at its permissions"),
            (io::ErrorKind::NotFound, ErrorKind::Store, "put it back"),
            (io::ErrorKind::Other, ErrorKind::Store, "failed"),
        ] {
            let error = explain(&target, generic(io::Error::from(kind)), None);
            assert_eq!(error.kind(), want, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn what_a_bucket_says() {
        let target = Target::parse(Path::new("s3://shop-log/a")).unwrap();
        let answer = |status: Option<u16>, code: &str, region: Option<&str>| S3Answer {
            status,
            code: (!code.is_empty()).then(|| code.to_owned()),
            region: region.map(str::to_owned),
        };
        for (answer, want, words) in [
            (answer(None, "", None), ErrorKind::StoreUnavailable, "can't be reached"),
            (answer(Some(503), "SlowDown", None), ErrorKind::StoreUnavailable, "busy"),
            (answer(Some(409), "ConditionalRequestConflict", None), ErrorKind::StoreUnavailable, "busy"),
            (answer(Some(400), "ExpiredToken", None), ErrorKind::StoreUnavailable, "expired"),
            (answer(Some(403), "AccessDenied", None), ErrorKind::AccessDenied, "s3:PutObject"),
            (answer(Some(403), "RequestTimeTooSkewed", None), ErrorKind::AccessDenied, "clock"),
            (answer(Some(404), "NoSuchBucket", None), ErrorKind::Store, "aws s3 mb s3://shop-log"),
            (
                answer(Some(301), "PermanentRedirect", Some("eu-central-1")),
                ErrorKind::InvalidInput,
                "region(\"eu-central-1\")",
            ),
            (answer(Some(400), "EVCXR_BEGIN_CONTENT", None), ErrorKind::Store, "refuses (EVCXR\\u{5f}BEGIN"),
        ] {
            let error = explain(&target, generic(io::Error::other("x")), Some(answer));
            assert_eq!(error.kind(), want, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
