//! [`Aws`]: how a connection to AWS is found.

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_kinesis::Client;

use super::cause::Cause;
use super::http::{check_url, http_client, timeouts};
use super::kinesis::Kinesis;
use super::place::Place;
use crate::error::{Error, Result};
use crate::runtime::block_on;

impl Kinesis {
    /// AWS itself, with the credentials and the region that the AWS CLI would use.
    pub fn aws() -> Aws {
        Aws { profile: None, region: None, endpoint_url: None }
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
