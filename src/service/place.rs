//! From an answer of the SDK to a sentence for a learner.

use std::error::Error as StdError;
use std::sync::Arc;

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

use super::cause::Cause;
use super::credentials::{Renewable, odd_key};
use super::http::has_proxy;
use super::refusal::{Refusal, clock};
use crate::error::{Error, ErrorKind};

/// Where a client points, in the words that its errors use.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) region: String,
    /// Set when it is not AWS's own endpoint for the region.
    pub(crate) endpoint: Option<String>,
    pub(crate) profile: Option<String>,
    /// Where they can be had anew.
    pub(super) credentials: Option<Arc<Renewable>>,
}

impl Place {
    pub(super) fn new(region: &str, endpoint: Option<&str>, profile: Option<&str>) -> Place {
        Place {
            region: region.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            profile: profile.map(str::to_owned),
            credentials: None,
        }
    }

    /// Whether AWS itself answers there; a VPC endpoint of its has a URL, but the same service behind it.
    pub(crate) fn is_aws(&self) -> bool {
        self.endpoint.as_ref().is_none_or(|url| url.contains(".amazonaws.com") || url.contains(".api.aws"))
    }

    fn name(&self) -> String {
        match &self.endpoint {
            Some(url) => shown_url(url),
            None => format!("Kinesis in region {}", self.region),
        }
    }

    pub(crate) fn no_credentials(&self, cause: Cause) -> Error {
        let words = cause.to_string();
        if let Some(sentence) = odd_key(&words).map(str::to_owned).or_else(|| clock(&words)) {
            return Error::with_source(ErrorKind::NoCredentials, sentence, cause);
        }
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
                let service_name = self.name();
                let refusal = Refusal {
                    stream,
                    region: &self.region,
                    service: &service_name,
                    profile: self.profile.as_deref(),
                    code: service.err().code(),
                    message: service.err().message(),
                    status,
                };
                refusal.explain()
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
        if kind == ErrorKind::ExpiredCredentials
            && let Some(credentials) = &self.credentials
        {
            // Whoever tries again does so with others, if there are any.
            credentials.refused();
        }
        Error::with_source(kind, message, Cause::of(&error))
    }

    fn unreachable(&self) -> String {
        let proxy = match self.is_aws() && has_proxy() {
            true => {
                "; calls go through the proxy of HTTPS_PROXY, which must let them pass (NO_PROXY names hosts to ask directly)"
            }
            false => "",
        };
        match &self.endpoint {
            Some(url) => format!(
                "cannot reach {}: is the service running there, and are host and port right? (a local \
                 service ends with the notebook or program that opened it){proxy}",
                shown_url(url)
            ),
            None => format!(
                "cannot reach Kinesis in region {}: check the network connection, and that the region's name \
                 is right{proxy}",
                self.region
            ),
        }
    }
}

/// An endpoint as errors, logs and `Debug` show it: what stands before its host and behind its path may be secret.
pub(crate) fn shown_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (plain, query) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], "?…"),
        None => (rest, ""),
    };
    // An `@` in the query is behind the host.
    let (user, host) = match plain.rsplit_once('@') {
        Some((_, host)) => ("…@", host),
        None => ("", plain),
    };
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    format!("{scheme}{user}{host}{query}")
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
    fn what_may_be_secret_of_an_endpoint_is_not_shown() {
        for (url, want) in [
            ("http://127.0.0.1:4567", "http://127.0.0.1:4567"),
            ("https://kinesis.example/a/b", "https://kinesis.example/a/b"),
            ("http://127.0.0.1:4567/?token=secret&x=a@b", "http://127.0.0.1:4567/?…"),
            ("http://127.0.0.1:4567#secret", "http://127.0.0.1:4567?…"),
            ("http://user:secret@127.0.0.1:9/?secret", "http://…@127.0.0.1:9/?…"),
            ("127.0.0.1:4567?key=secret", "127.0.0.1:4567?…"),
        ] {
            assert_eq!(shown_url(url), want);
        }
    }

    #[test]
    fn credentials_that_were_not_found_and_why() {
        let place = Place::new("eu-west-1", None, Some("blogpost-kinesis"));
        let none = place.no_credentials(Cause::said("nothing found")).to_string();
        assert!(none.contains("aws configure --profile blogpost-kinesis"), "{none}");
        // Of the service that gives out a role's credentials, which looks at clocks as well.
        let said = "Signature expired: 20240301T101500Z is now earlier than 20240301T180000Z (20240301T180500Z - 5 min.)";
        let clock = place.no_credentials(Cause::said(said)).to_string();
        assert!(clock.starts_with("the clock of this machine is wrong"), "{clock}");
    }
}
