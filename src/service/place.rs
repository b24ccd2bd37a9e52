//! From an answer of the SDK to a sentence for a learner.

use std::error::Error as StdError;

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

use super::cause::{Cause, without_credentials};
use crate::error::{Error, ErrorKind};
use crate::timestamp::Timestamp;

/// Where a client points, in the words that its errors use.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) region: String,
    /// Set when it is not AWS's own endpoint for the region.
    pub(crate) endpoint: Option<String>,
    pub(crate) profile: Option<String>,
}

impl Place {
    /// Whether AWS itself answers there; a VPC endpoint of its has a URL, but the same service behind it.
    pub(crate) fn is_aws(&self) -> bool {
        self.endpoint.as_ref().is_none_or(|url| url.contains(".amazonaws.com") || url.contains(".api.aws"))
    }

    fn name(&self) -> String {
        match &self.endpoint {
            Some(url) => url.clone(),
            None => format!("Kinesis in region {}", self.region),
        }
    }

    pub(crate) fn no_credentials(&self, cause: Cause) -> Error {
        let (whose, flag) = match &self.profile {
            Some(profile) => (format!("for profile {profile}"), format!(" --profile {profile}")),
            None => (String::from("in the environment or the default profile"), String::new()),
        };
        Error::with_source(
            ErrorKind::NoCredentials,
            format!(
                "no usable AWS credentials {whose}: run `aws configure{flag}` (or `aws sso login{flag}` for a \
                 single sign-on profile) in a terminal, then connect again; Kinesis::local() needs none"
            ),
            cause,
        )
    }

    /// The error for a failed call; `stream` is empty where the call names none.
    pub(crate) fn explain<E>(&self, stream: &str, error: SdkError<E, HttpResponse>) -> Error
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        let (kind, message) = match &error {
            SdkError::TimeoutError(_) => {
                (ErrorKind::Timeout, format!("{} did not answer in time", self.name()))
            }
            SdkError::ServiceError(service) => {
                self.service(stream, service.err().code(), service.err().message(), status)
            }
            SdkError::DispatchFailure(failure) if !failure.is_io() && !failure.is_timeout() => {
                let cause = Cause::of(&error);
                // The SDK has no predicate for it; its identity resolver's words are all there is.
                if ["redential", "identity", "token"].iter().any(|word| cause.contains(word)) {
                    return self.no_credentials(cause);
                }
                (ErrorKind::Unreachable, self.unreachable())
            }
            // An error page: something does answer, but it is not Kinesis.
            SdkError::ResponseError(_) if status.is_some_and(|status| status >= 400) => (
                ErrorKind::Service,
                format!(
                    "{} gave no answer of Kinesis (status {}): a proxy may stand in between, or something else \
                     may be listening there",
                    self.name(),
                    status.unwrap_or_default(),
                ),
            ),
            SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
                (ErrorKind::Unreachable, self.unreachable())
            }
            _ => (ErrorKind::InvalidInput, Cause::of(&error).to_string()),
        };
        Error::with_source(kind, message, Cause::of(&error))
    }

    fn unreachable(&self) -> String {
        match &self.endpoint {
            Some(url) => format!(
                "cannot reach {url}: is the service running there, and are host and port right? (a local \
                 service ends with the notebook or program that opened it)"
            ),
            None => format!(
                "cannot reach Kinesis in region {}: check the network connection, and that the region's name \
                 is right",
                self.region
            ),
        }
    }

    fn service(
        &self,
        stream: &str,
        code: Option<&str>,
        message: Option<&str>,
        status: Option<u16>,
    ) -> (ErrorKind, String) {
        let said = without_credentials(message.unwrap_or("no further message"));
        let region = &self.region;
        match code.unwrap_or("") {
            "ResourceNotFoundException" if stream.is_empty() => (ErrorKind::StreamNotFound, said.to_owned()),
            "ResourceNotFoundException" => (ErrorKind::StreamNotFound, not_found(stream, region)),
            "ResourceInUseException" => (
                ErrorKind::StreamInUse,
                format!("stream {stream} in region {region} is being changed or already exists: {said}"),
            ),
            "LimitExceededException" => (
                ErrorKind::LimitExceeded,
                format!(
                    "a limit of the account was exceeded in region {region}: {said} Delete streams that you no \
                     longer need, ask for fewer shards, or wait a second when you call this often."
                ),
            ),
            "ProvisionedThroughputExceededException" | "ThrottlingException" | "KMSThrottlingException" => (
                ErrorKind::Throttled,
                format!(
                    "too much for a shard of stream {stream}: one takes 1,000 records and 1 MB a second and gives \
                     2 MB a second in 5 reads; spread the partition keys, add shards, or wait ({said})"
                ),
            ),
            "ExpiredIteratorException" => {
                (ErrorKind::ExpiredIterator, format!("the shard iterator is older than 5 minutes: {said}"))
            }
            "AccessDeniedException"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "ExpiredTokenException"
            | "ExpiredToken"
            | "IncompleteSignature"
            | "MissingAuthenticationTokenException" => (
                ErrorKind::AccessDenied,
                format!(
                    "the AWS credentials{} were refused in region {region} ({}): check their permissions for \
                     Kinesis, or make new ones with `aws configure` or `aws sso login`",
                    self.profile.as_ref().map(|p| format!(" of profile {p}")).unwrap_or_default(),
                    code.unwrap_or("refused"),
                ),
            ),
            "InvalidArgumentException" | "ValidationException" => (ErrorKind::InvalidInput, said.to_owned()),
            code => (
                match status {
                    Some(400..500) => ErrorKind::Refused,
                    _ => ErrorKind::Service,
                },
                format!(
                    "{} answered {}{}: {said}",
                    self.name(),
                    if code.is_empty() { "with an error" } else { code },
                    status.map(|s| format!(" (status {s})")).unwrap_or_default(),
                ),
            ),
        }
    }
}

pub(crate) fn not_found(stream: &str, region: &str) -> String {
    format!(
        "stream {stream} not found in region {region}: create it with create_stream(\"{stream}\", 1), or check \
         its name and the region"
    )
}

pub(crate) fn replaced(stream: &str, region: &str, created: Timestamp) -> String {
    format!(
        "the stream {stream} in region {region} that this was opened for is deleted; another was created under \
         its name at {created}: open that one with stream(\"{stream}\"), and read it from its beginning"
    )
}

/// Whether a failed put may have been stored all the same: only an answer that refuses it, or a
/// connection that never came about, says for certain that it was not.
pub(crate) fn is_ambiguous<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::ServiceError(service) => service.raw().status().as_u16() >= 500,
        // Connection refused is not told apart from a connection reset; both count, which errs on
        // the side of reporting too many.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_kind_and_says_what_to_do() {
        let place =
            Place { region: "eu-west-1".into(), endpoint: None, profile: Some("blogpost-kinesis".into()) };
        for (code, status, kind, advice) in [
            (
                "ResourceNotFoundException",
                400,
                ErrorKind::StreamNotFound,
                "create it with create_stream(\"s\", 1)",
            ),
            ("ResourceInUseException", 400, ErrorKind::StreamInUse, "already exists"),
            ("LimitExceededException", 400, ErrorKind::LimitExceeded, "ask for fewer shards"),
            (
                "ProvisionedThroughputExceededException",
                400,
                ErrorKind::Throttled,
                "spread the partition keys",
            ),
            ("ExpiredIteratorException", 400, ErrorKind::ExpiredIterator, "5 minutes"),
            ("ExpiredTokenException", 400, ErrorKind::AccessDenied, "of profile blogpost-kinesis"),
            ("InvalidArgumentException", 400, ErrorKind::InvalidInput, "the service's words"),
            ("KMSDisabledException", 400, ErrorKind::Refused, "KMSDisabledException (status 400)"),
            ("InternalFailure", 500, ErrorKind::Service, "InternalFailure (status 500)"),
        ] {
            let (found, sentence) = place.service("s", Some(code), Some("the service's words"), Some(status));
            assert_eq!(found, kind, "{code}");
            assert!(sentence.contains(advice), "{code}: {sentence}");
        }
        let none = place.no_credentials(Cause::said("nothing found")).to_string();
        assert!(none.contains("aws configure --profile blogpost-kinesis"), "{none}");
    }
}
