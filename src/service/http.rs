//! How calls are made: the HTTP client, its patience, and which URLs it takes.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::SharedHttpClient;
use aws_smithy_http_client::{Builder, tls};

use crate::error::{Error, Result};

/// How long one attempt of a call may take before it is given up and tried again. The SDK sets no such
/// limit by itself: a connection that never answers would hold its caller for ever. The largest put
/// (5 MiB) goes through in this time at 2 Mbit/s.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn check_url(url: &str) -> Result<()> {
    if url.contains('@') {
        // Not quoted: errors and `Debug` show endpoints.
        return Err(Error::invalid(
            "an endpoint's URL holds no user and no password; give credentials by a profile or the environment",
        ));
    }
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        _ => Err(Error::invalid(format!("`{url}` is no URL; expected one such as http://127.0.0.1:4567"))),
    }
}

pub(super) fn http_client(url: &str) -> SharedHttpClient {
    if url.starts_with("http://") {
        // A plain client doesn't read the system's certificates, which takes 100 ms.
        Builder::new().build_http()
    } else {
        Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https()
    }
}

pub(super) fn with_attempt_timeout(client: &Client, limit: Duration) -> Client {
    let config = client.config();
    let timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
    let timeouts = timeouts.operation_attempt_timeout(limit).build();
    Client::from_conf(config.to_builder().timeout_config(timeouts).build())
}

pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build()
}
