//! [`Aws`]: how a connection to AWS is found.

use std::fmt;
use std::sync::Arc;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::identity::IdentityCache;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kinesis::Client;

use super::cause::Cause;
use super::credentials::{Provider, Renewable};
use super::http::{check_url, http_client, https_client, timeouts};
use super::kinesis::Kinesis;
use super::place::{Place, shown_url};
use super::profiles;
use crate::error::{Error, Result};
use crate::runtime::{block_on, hosted};

impl Kinesis {
    /// AWS itself, with the credentials and the region that the AWS CLI would use; see [`Aws`] for an example.
    pub fn aws() -> Aws {
        Aws { profile: None, region: None, endpoint_url: None }
    }
}

/// How to connect to AWS; made by [`Kinesis::aws`].
///
/// ```no_run
/// # use kinesis_lab::prelude::*;
/// let kinesis = Kinesis::aws().profile("blogpost-kinesis").region("eu-west-1").connect()?;
/// // Through an endpoint of one's own network:
/// let url = "https://vpce-0123-abcd.kinesis.eu-west-1.vpce.amazonaws.com";
/// let private = Kinesis::aws().region("eu-west-1").endpoint_url(url).connect()?;
/// // In a service:
/// # async fn in_a_service() -> Result<(), Error> {
/// let kinesis = Kinesis::aws().connect_async().await?;
/// # Ok(())
/// # }
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
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
    /// [`ErrorKind::NoCredentials`](crate::ErrorKind::NoCredentials) (none, a profile that isn't there or of a kind that can't be used, a key with a
    /// character that no key has) and [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) (no region), each with what to do.
    pub fn connect(self) -> Result<Kinesis> {
        block_on(self.connect_async())
    }

    /// As [`connect`](Self::connect), to be awaited.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn connect_async(self) -> Result<Kinesis> {
        if let Some(url) = &self.endpoint_url {
            check_url(url)?;
        }
        hosted(self.load()).await
    }

    async fn load(self) -> Result<Kinesis> {
        let AwsSettings { config, credentials, place } = self.settings().await?;
        let config = aws_sdk_kinesis::config::Builder::from(&config)
            .http_client(http_client(place.endpoint.as_deref().unwrap_or("https://"))?)
            .credentials_provider(Provider(credentials))
            // They are kept there.
            .identity_cache(IdentityCache::no_cache())
            .build();
        Ok(Kinesis::assemble(Client::from_conf(config), place, None))
    }

    /// Finds region, endpoint and credentials.
    pub(super) async fn settings(&self) -> Result<AwsSettings> {
        profiles::check(self.profile.as_deref()).await?;
        // Whatever gives out credentials is asked by TLS, also when the service is at an `http://` endpoint.
        let https = https_client()?;
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).http_client(https.clone()).no_credentials();
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = loader.timeout_config(timeouts()).load().await;
        let Some(region) = config.region().cloned() else {
            return Err(Error::invalid(
                "no AWS region: add .region(\"eu-west-1\"), set AWS_REGION, or give the profile one with `aws configure`",
            ));
        };
        // The environment or the profile may name one, too.
        let endpoint = config.endpoint_url();
        endpoint.map_or(Ok(()), check_url)?;
        let credentials = {
            let config = ProviderConfig::default().with_http_client(https).with_region(Some(region.clone()));
            let profile = self.profile.clone();
            Renewable::new(Box::new(move || {
                let (config, profile) = (config.clone(), profile.clone());
                Box::pin(async move {
                    match profile {
                        // Named by the caller, it comes before keys in the environment, as `--profile` does in the
                        // AWS CLI: the chain would take those, and another account with them.
                        Some(name) => SharedCredentialsProvider::new(
                            ProfileFileCredentialsProvider::builder()
                                .configure(&config)
                                .profile_name(name)
                                .build(),
                        ),
                        None => SharedCredentialsProvider::new(
                            DefaultCredentialsChain::builder().configure(config).build().await,
                        ),
                    }
                })
            }))
        };
        let mut place = Place::new(region.as_ref(), endpoint, self.profile.as_deref());
        place.credentials = Some(credentials.clone());
        // Asked for here, so that a learner meets a sentence now and not a failed call later.
        let found = credentials.credentials().await;
        found.map_err(|error| place.no_credentials(Cause::of(&error)))?;
        Ok(AwsSettings { config, credentials, place })
    }

    /// Whether the endpoint was named in code.
    #[cfg(feature = "archive-s3")]
    pub(super) fn names_endpoint(&self) -> bool {
        self.endpoint_url.is_some()
    }
}

/// What was found.
pub(super) struct AwsSettings {
    pub(super) config: SdkConfig,
    pub(super) credentials: Arc<Renewable>,
    /// With region and endpoint.
    pub(super) place: Place,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.endpoint_url.as_deref().map(shown_url);
        let mut aws = f.debug_struct("Aws");
        aws.field("profile", &self.profile).field("region", &self.region).field("endpoint_url", &url).finish()
    }
}
