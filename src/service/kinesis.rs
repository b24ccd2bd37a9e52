//! [`Kinesis`]: a connection to the service, wherever it runs.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_kinesis::Client;

use super::access_key;
use super::http::{ATTEMPT_TIMEOUT, check_url, http_client, on_own_runtime, timeouts, with_attempt_timeout};
use super::place::{Place, shown_url};
use crate::error::Result;

/// A connection to Kinesis Data Streams: embedded, on AWS, or anything that speaks its protocol.
///
/// Cloning is cheap and gives another handle to the same connection. A call blocks until it is done, and may be
/// made inside async code too; in a service, await its `_async` twin.
///
/// ```
/// use kinesis_lab::prelude::*;
///
/// let kinesis = Kinesis::local()?;
/// let stream = kinesis.create_stream("clicks", 2)?; // waits until it is ACTIVE
/// assert_eq!(kinesis.list_streams()?, ["clicks"]);
/// assert_eq!(kinesis.describe_stream("clicks")?.open_shards, 2);
/// kinesis.delete_stream("clicks")?; // or stream.delete(), which deletes no other that was created since
/// assert!(stream.describe().unwrap_err().is_stream_not_found());
/// # Ok::<(), Error>(())
/// ```
///
/// In a service, which finds its stream there, or makes it:
///
/// ```
/// # use kinesis_lab::prelude::*;
/// async fn open(kinesis: &Kinesis) -> Result<Stream, Error> {
///     match kinesis.stream_async("clicks").await {
///         Err(error) if error.is_stream_not_found() => kinesis.create_stream_async("clicks", 2).await,
///         found => found,
///     }
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
/// # runtime.block_on(async {
/// let kinesis = Kinesis::local()?;
/// assert_eq!(open(&kinesis).await?.created(), open(&kinesis).await?.created());
/// assert_eq!(kinesis.describe_stream_async("clicks").await?.status, "ACTIVE");
/// kinesis.delete_stream_async("clicks").await?;
/// assert!(kinesis.list_streams_async().await?.is_empty());
/// # Ok::<(), Error>(())
/// # })?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Kinesis {
    connection: Arc<Connection>,
}

/// Whatever keeps the embedded service up: it ends when the last share of this is dropped.
pub(super) type EmbeddedService = Arc<dyn Any + Send + Sync>;

struct Connection {
    client: Client,
    data: Client,
    place: Place,
    // Held, not used: the embedded service ends with its last handle.
    _local: Option<EmbeddedService>,
}

impl Kinesis {
    /// Another emulator, or a [`Local`](crate::Local) of another process: `http://localhost:4567`.
    ///
    /// Emulators accept any credentials, so fixed ones are sent; the region is `us-east-1`. A service that another
    /// program of the same user opened with [`Kinesis::local`] wants its own access key, which is found and sent.
    /// For any other endpoint that checks credentials, use [`Aws::endpoint_url`](crate::Aws::endpoint_url).
    ///
    /// # Errors
    /// When `url` is not an `http://` or `https://` URL. Nothing is sent yet.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let kinesis = Kinesis::local()?;
    /// kinesis.create_stream("clicks", 1)?;
    /// let other = Kinesis::endpoint(kinesis.endpoint_url().expect("a local service has one"))?;
    /// assert_eq!(other.list_streams()?, ["clicks"]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn endpoint(url: &str) -> Result<Kinesis> {
        check_url(url)?;
        Kinesis::emulator(url, access_key::of(url).as_deref(), None)
    }

    #[cfg(feature = "local")]
    pub(super) fn connect_local(
        url: &str,
        access_key: Option<&str>,
        server: EmbeddedService,
    ) -> Result<Kinesis> {
        Kinesis::emulator(url, access_key, Some(server))
    }

    fn emulator(url: &str, access_key: Option<&str>, local: Option<EmbeddedService>) -> Result<Kinesis> {
        let region = "us-east-1";
        let access_key = access_key.unwrap_or("local");
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(url)
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new(access_key, "local", None, None, "kinesis-lab"))
            .http_client(http_client(url)?)
            .timeout_config(timeouts())
            .build();
        Ok(Kinesis::assemble(Client::from_conf(config), Place::new(region, Some(url), None), local))
    }

    /// A client that you already have, with its own configuration. Where that gives no
    /// `operation_attempt_timeout`, an attempt may take 20 s: the SDK's own default is to wait for ever.
    ///
    /// It is taken for a client of AWS: a change of a stream is waited for in steps of a second, and an
    /// iterator of a stream that was deleted and created again is expected to be refused. For an emulator,
    /// use [`endpoint`](Self::endpoint). Calls of this crate run on its own runtime, whatever runtime the client was
    /// made on.
    ///
    /// ```no_run
    /// # use kinesis_lab::prelude::*;
    /// use kinesis_lab::{aws_config, aws_sdk_kinesis};
    ///
    /// # async fn in_a_service() -> Result<(), Error> {
    /// let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    /// let stream = Kinesis::from_client(aws_sdk_kinesis::Client::new(&config)).stream("clicks")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_client(client: Client) -> Kinesis {
        let region = client.config().region().map_or("(none)", |region| region.as_ref()).to_owned();
        let set = client.config().timeout_config().and_then(TimeoutConfig::operation_attempt_timeout);
        let client = if set.is_some() { client } else { with_attempt_timeout(&client, ATTEMPT_TIMEOUT) };
        let client = match client.config().http_client() {
            Some(http) => {
                Client::from_conf(client.config().to_builder().http_client(on_own_runtime(http)).build())
            }
            None => client,
        };
        Kinesis::assemble(client, Place::new(&region, None, None), None)
    }

    /// The same connection, with another limit for each attempt of a put or a read. Default: 20 s.
    ///
    /// An attempt without an answer by then is given up and made again; a put that was given up may
    /// have been stored, and is counted as [`ambiguous`](crate::PutReport::ambiguous). Other calls keep
    /// their limit.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let kinesis = Kinesis::local()?.attempt_timeout(secs(2));
    /// assert_eq!(kinesis.create_stream("clicks", 1)?.put("k", "1")?.shard_id, "shardId-000000000000");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn attempt_timeout(&self, limit: Duration) -> Kinesis {
        let Connection { client, data, place, _local } = &*self.connection;
        let data = with_attempt_timeout(data, limit);
        let (client, place, _local) = (client.clone(), place.clone(), _local.clone());
        Kinesis { connection: Arc::new(Connection { client, data, place, _local }) }
    }

    /// A client whose calls run where they are awaited: for tests in virtual time, which is that of one runtime.
    #[cfg(test)]
    pub(crate) fn in_virtual_time(client: Client) -> Kinesis {
        Kinesis::assemble(client, Place::new("eu-west-1", None, None), None)
    }

    pub(super) fn assemble(client: Client, place: Place, local: Option<EmbeddedService>) -> Kinesis {
        // Puts and reads are retried by this crate, not by the SDK: it retries a PutRecords as a
        // whole and tells nobody that the first attempt may have been stored. The connection pool is
        // shared.
        let data = client.config().to_builder().retry_config(RetryConfig::disabled()).build();
        let data = Client::from_conf(data);
        Kinesis { connection: Arc::new(Connection { client, data, place, _local: local }) }
    }

    /// The SDK's client, for calls that this crate doesn't wrap; see [`block_on`](crate::block_on).
    pub fn client(&self) -> &Client {
        &self.connection.client
    }

    /// The client for the data plane, which makes one attempt a call.
    pub(crate) fn data(&self) -> &Client {
        &self.connection.data
    }

    pub(crate) fn place(&self) -> &Place {
        &self.connection.place
    }

    /// The region, such as `eu-west-1`.
    pub fn region(&self) -> &str {
        &self.connection.place.region
    }

    /// The endpoint, where it is not AWS's own for the region.
    pub fn endpoint_url(&self) -> Option<&str> {
        self.connection.place.endpoint.as_deref()
    }
}

impl fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.endpoint_url() {
            Some(url) => write!(f, "Kinesis at {}", shown_url(url)),
            None => write!(f, "Kinesis in region {}", self.region()),
        }
    }
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
