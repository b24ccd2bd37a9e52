//! How calls are made: the HTTP client, its patience, and which URLs it takes.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{
    ConfigBag, HttpClient, RuntimeComponents, RuntimeComponentsBuilder, SharedHttpClient,
};
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use super::place::shown_url;
use crate::error::{Error, Result};
use crate::runtime::on_ours;

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
        _ => Err(Error::invalid(format!(
            "`{}` is no URL; expected one such as http://127.0.0.1:4567",
            shown_url(url)
        ))),
    }
}

/// For calls to this URL.
pub(super) fn http_client(url: &str) -> SharedHttpClient {
    match url.starts_with("http://") {
        // A plain client doesn't read the system's certificates, which takes 100 ms.
        true => on_own_runtime(Builder::new().build_http()),
        false => https_client(),
    }
}

/// For calls to any URL. The certificates are read at the first one.
pub(super) fn https_client() -> SharedHttpClient {
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    on_own_runtime(Builder::new().tls_provider(ring).build_https())
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

/// An HTTP client whose calls run on this crate's own runtime, whoever awaits them.
///
/// A connection is driven by a task of the runtime that opened it, and goes back to a pool that all runtimes
/// share. One of a current-thread runtime that does something else meanwhile (it is blocked by a call of this
/// crate's, it is between two `block_on`s) would let the next caller wait until the call's time is up.
pub(super) fn on_own_runtime(client: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(OnOwnRuntime(client))
}

#[derive(Debug)]
struct OnOwnRuntime<T>(T);

impl HttpClient for OnOwnRuntime<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(OnOwnRuntime(self.0.http_connector(settings, components)))
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.validate_base_client_config(components, config)
    }

    fn validate_final_config(
        &self,
        components: &RuntimeComponents,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

impl HttpConnector for OnOwnRuntime<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.0.clone();
        HttpConnectorFuture::new(on_ours(async move { connector.call(request).await }))
    }
}
