//! How calls are made: the HTTP client, its patience, and which URLs it takes.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{
    ConfigBag, HttpClient, RuntimeComponents, RuntimeComponentsBuilder, SharedHttpClient,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
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
pub(super) fn http_client(url: &str) -> Result<SharedHttpClient> {
    match url.starts_with("http://") {
        // A plain client doesn't read the system's certificates, which takes 100 ms. It asks no proxy: what speaks
        // plain HTTP is an emulator nearby, or gives out a machine's credentials.
        true => Ok(on_own_runtime(Builder::new().build_http())),
        false => https_client(),
    }
}

/// For calls to any URL, `https://` ones through the proxy of the environment. The certificates are read at the first
/// one.
pub(super) fn https_client() -> Result<SharedHttpClient> {
    let proxy = proxy(|name| std::env::var(name).ok())?;
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder();
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(proxy.clone());
        connector.tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build()
    });
    Ok(on_own_runtime(client))
}

/// The same for calls that the SDK does not make. They are made on this crate's runtime.
#[cfg(feature = "archive-s3")]
pub(super) fn connector(url: &str) -> Result<SharedHttpConnector> {
    let mut connector = Connector::builder();
    if url.starts_with("http://") {
        return Ok(SharedHttpConnector::new(connector.build_http()));
    }
    connector.set_proxy_config(proxy(|name| std::env::var(name).ok())?);
    let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    Ok(SharedHttpConnector::new(connector.tls_provider(tls).build()))
}

/// `HTTPS_PROXY`, or `ALL_PROXY`, and `NO_PROXY`, which curl and the AWS CLI know too, in small letters as well.
fn proxy(variable: impl Fn(&str) -> Option<String>) -> Result<Option<ProxyConfig>> {
    let set = |name: &str| {
        let either = [name.to_ascii_lowercase(), name.to_owned()];
        either.iter().find_map(|name| variable(name)).filter(|value| !value.trim().is_empty())
    };
    let Some(url) = set("HTTPS_PROXY").or_else(|| set("ALL_PROXY")) else { return Ok(None) };
    let url = if url.contains("://") { url } else { format!("http://{url}") };
    let proxy = ProxyConfig::https(url).map_err(|_| {
        // Not quoted: a password may be in it.
        Error::invalid("HTTPS_PROXY is no URL of a proxy: one reads http://proxy.example:8080")
    })?;
    Ok(match set("NO_PROXY") {
        // It is not taken for addresses there.
        Some(hosts) if hosts.split(',').any(|host| host.trim() == "*") => None,
        Some(hosts) => Some(proxy.no_proxy(hosts)),
        None => Some(proxy),
    })
}

/// Whether calls to AWS go through one.
pub(super) fn has_proxy() -> bool {
    proxy(|name| std::env::var(name).ok()).is_ok_and(|proxy| proxy.is_some())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_of_the_environment() {
        let of = |set: &'static [(&'static str, &'static str)]| {
            proxy(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(of(&[]).unwrap().is_none() && of(&[("HTTPS_PROXY", " ")]).unwrap().is_none());
        assert!(of(&[("HTTP_PROXY", "http://proxy:1")]).unwrap().is_none(), "of plain HTTP");
        for set in [
            &[("HTTPS_PROXY", "http://proxy:1")][..],
            &[("https_proxy", "proxy:1"), ("NO_PROXY", "127.0.0.1")],
            &[("ALL_PROXY", "http://user:secret@proxy:1")],
        ] {
            assert!(of(set).unwrap().is_some(), "{set:?}");
        }
        let error = of(&[("HTTPS_PROXY", "http://user:secret@pro xy")]).unwrap_err().to_string();
        assert!(error.contains("HTTPS_PROXY") && !error.contains("secret"), "{error}");
    }
}
