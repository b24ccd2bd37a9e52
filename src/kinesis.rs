//! [`Kinesis`]: a connection to the service, wherever it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::SharedHttpClient;
use aws_smithy_http_client::{Builder, tls};

use crate::error::{Error, Result};
use crate::runtime::block_on;
use crate::service_cause::Cause;
use crate::service_error::Place;
use crate::stream::Stream;
use crate::stream_state::StreamDescription;

#[cfg(feature = "local")]
use crate::local::{Local, LocalServer};
#[cfg(not(feature = "local"))]
type LocalServer = std::convert::Infallible;

/// How long one attempt of a call may take before it is given up and tried again. The SDK sets no such
/// limit by itself: a connection that never answers would hold its caller for ever. The largest put
/// (5 MiB) goes through in this time at 2 Mbit/s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to Kinesis Data Streams: embedded, on AWS, or anything that speaks its protocol.
///
/// Cloning is cheap and gives another handle to the same connection. Every call blocks until it is
/// done, and may be made inside async code too.
///
/// ```
/// use kinesis_lab::prelude::*;
///
/// let kinesis = Kinesis::local()?;
/// let stream = kinesis.create_stream("clicks", 2)?; // waits until it is ACTIVE
/// assert_eq!(kinesis.list_streams()?, ["clicks"]);
/// stream.delete()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Kinesis {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    data: Client,
    place: Place,
    // Held, not used: the embedded service ends with its last handle.
    _local: Option<Arc<LocalServer>>,
}

impl Kinesis {
    /// An embedded Kinesis on a free loopback port: no account, nothing to install.
    ///
    /// Its streams live in this process's memory; see [`Local`] for a fixed port, a folder to keep
    /// the state in, and throttling as on AWS.
    ///
    /// # Errors
    /// When the operating system gives no port.
    #[cfg(feature = "local")]
    pub fn local() -> Result<Kinesis> {
        Local::new().open()
    }

    /// AWS itself, with the credentials and the region that the AWS CLI would use.
    pub fn aws() -> Aws {
        Aws { profile: None, region: None, endpoint_url: None }
    }

    /// Another emulator, or a [`Local`] of another process: `http://localhost:4567`.
    ///
    /// Emulators accept any credentials, so fixed ones are sent; the region is `us-east-1`. For an
    /// endpoint that checks them, use [`Aws::endpoint_url`].
    ///
    /// # Errors
    /// When `url` is not an `http://` or `https://` URL. Nothing is sent yet.
    pub fn endpoint(url: &str) -> Result<Kinesis> {
        Kinesis::emulator(url, None)
    }

    #[cfg(feature = "local")]
    pub(crate) fn connect_local(url: &str, server: LocalServer) -> Result<Kinesis> {
        Kinesis::emulator(url, Some(server))
    }

    fn emulator(url: &str, local: Option<LocalServer>) -> Result<Kinesis> {
        check_url(url)?;
        let region = "us-east-1";
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(url)
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "kinesis-lab"))
            .http_client(http_client(url))
            .timeout_config(timeouts())
            .build();
        let place = Place { region: region.to_owned(), endpoint: Some(url.to_owned()), profile: None };
        Ok(Kinesis::assemble(Client::from_conf(config), place, local))
    }

    /// A client that you already have, with its own configuration. Where that gives no
    /// `operation_attempt_timeout`, an attempt may take 20 s: the SDK's own default is to wait for ever.
    ///
    /// It is taken for a client of AWS: a change of a stream is waited for in steps of a second, and an
    /// iterator of a stream that was deleted and created again is expected to be refused. For an emulator,
    /// use [`endpoint`](Self::endpoint).
    pub fn from_client(client: Client) -> Kinesis {
        let region = client.config().region().map_or("(none)", |region| region.as_ref()).to_owned();
        let set = client.config().timeout_config().and_then(TimeoutConfig::operation_attempt_timeout);
        let client = if set.is_some() { client } else { with_attempt_timeout(&client, ATTEMPT_TIMEOUT) };
        Kinesis::assemble(client, Place { region, endpoint: None, profile: None }, None)
    }

    /// The same connection, with another limit for each attempt of a put or a read. Default: 20 s.
    ///
    /// An attempt without an answer by then is given up and made again; a put that was given up may
    /// have been stored, and is counted as [`ambiguous`](crate::PutReport::ambiguous). Other calls keep
    /// their limit.
    pub fn attempt_timeout(&self, limit: Duration) -> Kinesis {
        let Inner { client, data, place, _local } = &*self.inner;
        let data = with_attempt_timeout(data, limit);
        let (client, place, _local) = (client.clone(), place.clone(), _local.clone());
        Kinesis { inner: Arc::new(Inner { client, data, place, _local }) }
    }

    fn assemble(client: Client, place: Place, local: Option<LocalServer>) -> Kinesis {
        // Puts and reads are retried by this crate, not by the SDK: it retries a PutRecords as a
        // whole and tells nobody that the first attempt may have been stored. The connection pool is
        // shared.
        let data = client.config().to_builder().retry_config(RetryConfig::disabled()).build();
        let data = Client::from_conf(data);
        Kinesis { inner: Arc::new(Inner { client, data, place, _local: local.map(Arc::new) }) }
    }

    /// The SDK's client, for calls that this crate doesn't wrap; see [`block_on`].
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// The client for the data plane, which makes one attempt a call.
    pub(crate) fn data(&self) -> &Client {
        &self.inner.data
    }

    pub(crate) fn place(&self) -> &Place {
        &self.inner.place
    }

    /// The region, such as `eu-west-1`.
    pub fn region(&self) -> &str {
        &self.inner.place.region
    }

    /// The endpoint, where it is not AWS's own for the region.
    pub fn endpoint_url(&self) -> Option<&str> {
        self.inner.place.endpoint.as_deref()
    }

    /// Creates a stream with `shards` shards and waits until it is ACTIVE.
    ///
    /// When it exists already, this says so on stderr and goes on with it as it is. On AWS a stream
    /// costs money per shard-hour until it is deleted.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a name that is not 1–128 of `a-zA-Z0-9_.-`, or 0 shards;
    /// [`ErrorKind::LimitExceeded`](crate::ErrorKind::LimitExceeded) when the account has no shards left; [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after
    /// five minutes.
    pub fn create_stream(&self, name: &str, shards: u32) -> Result<Stream> {
        Stream::create(self.clone(), name, shards)
    }

    /// A stream that exists already.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound).
    pub fn stream(&self, name: &str) -> Result<Stream> {
        Stream::open(self.clone(), name)
    }

    /// Name, status, shards, retention of a stream.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound).
    pub fn describe_stream(&self, name: &str) -> Result<StreamDescription> {
        let (this, name) = (self.clone(), name.to_owned());
        block_on(async move { StreamDescription::fetch(&this, &name).await })
    }

    /// The names of all streams in the region, sorted.
    ///
    /// # Errors
    /// When the service can't be reached or refuses.
    pub fn list_streams(&self) -> Result<Vec<String>> {
        let this = self.clone();
        block_on(async move {
            let mut names = Vec::new();
            loop {
                let page = this
                    .client()
                    .list_streams()
                    .set_exclusive_start_stream_name(names.last().cloned())
                    .send()
                    .await
                    .map_err(|error| this.place().explain("", error))?;
                names.extend(page.stream_names);
                if !page.has_more_streams {
                    break;
                }
            }
            names.sort();
            Ok(names)
        })
    }

    /// Deletes a stream with all its records, and waits until it is gone.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound); [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after five minutes.
    pub fn delete_stream(&self, name: &str) -> Result<()> {
        self.stream(name)?.delete()
    }
}

impl fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.endpoint_url() {
            Some(url) => write!(f, "Kinesis at {url}"),
            None => write!(f, "Kinesis in region {}", self.region()),
        }
    }
}

/// How to connect to AWS; made by [`Kinesis::aws`].
///
/// ```no_run
/// # use kinesis_lab::prelude::*;
/// let kinesis = Kinesis::aws().profile("blogpost-kinesis").region("eu-west-1").connect()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "call .connect()"]
pub struct Aws {
    profile: Option<String>,
    region: Option<String>,
    endpoint_url: Option<String>,
}

impl Aws {
    /// A profile of `~/.aws/config`; it comes before keys in the environment.
    /// Default: what the environment says, else `default`.
    pub fn profile(mut self, name: &str) -> Aws {
        self.profile = Some(name.to_owned());
        self
    }

    /// The region, such as `eu-west-1`. Default: the environment's or the profile's.
    pub fn region(mut self, name: &str) -> Aws {
        self.region = Some(name.to_owned());
        self
    }

    /// An endpoint other than the region's own (a VPC endpoint, an emulator that checks credentials).
    /// One with a user or a password in it is refused.
    pub fn endpoint_url(mut self, url: &str) -> Aws {
        self.endpoint_url = Some(url.to_owned());
        self
    }

    /// Finds region and credentials as the AWS CLI does (environment, profile, single sign-on, a
    /// process, the instance's role), without calling Kinesis yet.
    ///
    /// # Errors
    /// [`ErrorKind::NoCredentials`](crate::ErrorKind::NoCredentials) and [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) (no region), each with what to do.
    pub fn connect(self) -> Result<Kinesis> {
        if let Some(url) = &self.endpoint_url {
            check_url(url)?;
        }
        block_on(self.load())
    }

    async fn load(self) -> Result<Kinesis> {
        let http = http_client(self.endpoint_url.as_deref().unwrap_or("https://"));
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
        if let Some(profile) = &self.profile {
            // Named by the caller, it comes before keys in the environment, as `--profile` does in the
            // AWS CLI: the chain that is used otherwise would take those, and another account with them.
            let region = match &self.region {
                Some(name) => Some(Region::new(name.clone())),
                None => {
                    // As DefaultRegionChain, which panics for want of an HTTP client and can't be given one.
                    let config = ProviderConfig::default().with_http_client(http.clone());
                    let file = ProfileFileRegionProvider::builder().configure(&config).profile_name(profile);
                    let chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                        .or_else(file.build())
                        .or_else(ImdsRegionProvider::builder().configure(&config).build());
                    chain.region().await
                }
            };
            let config = ProviderConfig::default().with_http_client(http.clone()).with_region(region);
            let provider = ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile);
            loader = loader.profile_name(profile).credentials_provider(provider.build());
        }
        if let Some(region) = self.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = loader.timeout_config(timeouts()).load().await;
        let Some(region) = config.region() else {
            return Err(Error::invalid(
                "no AWS region: add .region(\"eu-west-1\"), set AWS_REGION, or give the profile one with `aws configure`",
            ));
        };
        // The environment or the profile may name one, too.
        config.endpoint_url().map_or(Ok(()), check_url)?;
        let place = Place {
            region: region.to_string(),
            endpoint: config.endpoint_url().map(str::to_owned),
            profile: self.profile,
        };
        // Asked for here, so that a learner meets a sentence now and not a failed call later.
        match config.credentials_provider() {
            Some(provider) => {
                let found = provider.provide_credentials().await;
                found.map_err(|error| place.no_credentials(Cause::of(&error)))?;
            }
            None => return Err(place.no_credentials(Cause::said("no provider is configured"))),
        }
        Ok(Kinesis::assemble(Client::new(&config), place, None))
    }
}

fn check_url(url: &str) -> Result<()> {
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

fn http_client(url: &str) -> SharedHttpClient {
    if url.starts_with("http://") {
        // A plain client doesn't read the system's certificates, which takes 100 ms.
        Builder::new().build_http()
    } else {
        Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https()
    }
}

fn with_attempt_timeout(client: &Client, limit: Duration) -> Client {
    let config = client.config();
    let timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
    let timeouts = timeouts.operation_attempt_timeout(limit).build();
    Client::from_conf(config.to_builder().timeout_config(timeouts).build())
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_waits_for_ever() {
        let limit = |client: &Client| client.config().timeout_config()?.operation_attempt_timeout();
        let config = || aws_sdk_kinesis::Config::builder().behavior_version(BehaviorVersion::latest());
        let bare = Kinesis::from_client(Client::from_conf(config().build()));
        assert_eq!([limit(bare.client()), limit(bare.data())], [Some(ATTEMPT_TIMEOUT); 2]);

        let two = Duration::from_secs(2);
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(two).build();
        let theirs = Kinesis::from_client(Client::from_conf(config().timeout_config(timeouts).build()));
        assert_eq!([limit(theirs.client()), limit(theirs.data())], [Some(two); 2]);

        let one = Duration::from_secs(1);
        let other = Kinesis::endpoint("http://127.0.0.1:9").unwrap().attempt_timeout(one);
        assert_eq!([limit(other.client()), limit(other.data())], [Some(ATTEMPT_TIMEOUT), Some(one)]);
    }
}
