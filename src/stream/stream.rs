//! [`Stream`]: one data stream, its life and its shards.

use std::fmt;
use std::sync::Arc;

use super::address::StreamAddress;
use super::description::StreamDescription;
use super::identity::Identity;
use super::service_time::ServiceTime;
use super::shard::Shard;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{hosted, wait_here};
use crate::service::Kinesis;
use crate::timestamp::Timestamp;

/// A data stream that exists: a distributed, append-only log in shards.
///
/// Cloning is cheap and gives another handle to the same stream; dropping handles deletes nothing.
/// Made by [`Kinesis::create_stream`] and [`Kinesis::stream`]. Every call that waits for the service has a
/// twin for async code, named `…_async`, that waits without blocking, on the caller's tokio runtime where
/// there is one.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let kinesis = Kinesis::local()?;
/// let stream = kinesis.create_stream("visits", 2)?;
/// let shards = stream.shards()?;
/// assert_eq!((stream.name(), stream.kinesis().region(), shards.len()), ("visits", "us-east-1", 2));
/// assert!(stream.shard_for("192.0.2.10")?.takes("192.0.2.10") && shards[0].is_open());
///
/// stream.split_shard(&shards[0].id)?; // into shards 2 and 3
/// stream.merge_shards("shardId-000000000003", &shards[1].id)?;
/// stream.set_retention(48)?;
/// let description = stream.describe()?;
/// assert_eq!((description.open_shards, description.retention_hours), (2, 48));
/// assert_eq!(description.created, stream.created());
/// stream.delete()?;
/// # Ok::<(), Error>(())
/// ```
///
/// The same, awaited:
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
/// # runtime.block_on(async {
/// let kinesis = Kinesis::local()?;
/// let stream = kinesis.create_stream_async("visits", 2).await?;
/// let shards = stream.shards_async().await?;
/// assert_eq!(stream.shard_for_async("192.0.2.10").await?.parent, None);
/// stream.split_shard_async(&shards[0].id).await?;
/// stream.merge_shards_async("shardId-000000000003", &shards[1].id).await?;
/// stream.set_retention_async(48).await?;
/// assert_eq!(stream.describe_async().await?.open_shards, 2);
/// assert_eq!(kinesis.stream_async("visits").await?.created(), stream.created());
/// assert_eq!(kinesis.describe_stream_async("visits").await?.status, "ACTIVE");
/// assert_eq!(kinesis.list_streams_async().await?, ["visits"]);
/// stream.delete_async().await?; // or kinesis.delete_stream_async("visits")
/// # Ok::<(), Error>(())
/// # })?;
/// # Ok::<(), Error>(())
/// ```
///
/// A stream is its name *and* the time of its creation. When it is deleted, and another is created
/// under its name, this handle does not become one to the other: its calls fail with
/// [`ErrorKind::StreamNotFound`] and a sentence that says so. Changing, deleting and describing the
/// stream, and beginning to read it, look at the creation time first. Puts do so once a call found no
/// stream of that name, or deleted it (looking before each would double the calls, and AWS allows 20
/// looks a second and account): a stream that is deleted *and* created again between two puts of a
/// handle is not noticed by the puts. On AWS that takes tens of seconds. Creation times are in whole
/// seconds.
#[derive(Clone)]
pub struct Stream {
    pub(super) kinesis: Kinesis,
    pub(super) name: Arc<str>,
    /// How calls name it: by the ARN that it was opened with, which may be of another account's stream, or by its
    /// name.
    pub(super) address: StreamAddress,
    pub(super) identity: Arc<Identity>,
}

impl Stream {
    pub(super) fn new(kinesis: Kinesis, address: StreamAddress, created: Timestamp) -> Stream {
        Stream { kinesis, name: address.name().into(), address, identity: Arc::new(Identity::new(created)) }
    }

    /// One that need not be asked for.
    #[cfg(test)]
    pub(crate) fn existing(client: aws_sdk_kinesis::Client, name: &str, created: Timestamp) -> Stream {
        Stream::new(Kinesis::in_virtual_time(client), StreamAddress::named(name), created)
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What calls name it by.
    pub(crate) fn address(&self) -> &StreamAddress {
        &self.address
    }

    /// The name, to be kept by batches without copying it.
    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    /// When it was created. A stream is its name *and* this: one deleted and created again under the
    /// same name is another.
    pub fn created(&self) -> Timestamp {
        self.identity.created()
    }

    /// The connection that it was opened with.
    pub fn kinesis(&self) -> &Kinesis {
        &self.kinesis
    }

    /// Its present status, shards and retention.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`] once it is deleted, also when another bears its name now.
    pub fn describe(&self) -> Result<StreamDescription> {
        wait_here(self.describe_async())
    }

    /// [`describe`](Self::describe) for async code.
    ///
    /// # Errors
    /// As `describe`.
    pub async fn describe_async(&self) -> Result<StreamDescription> {
        let this = self.clone();
        hosted(async move { this.verify().await }).await
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// All shards, also closed ones whose records are still kept, in the order of their ids.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`] once it is deleted.
    pub fn shards(&self) -> Result<Vec<Shard>> {
        wait_here(self.shards_async())
    }

    /// [`shards`](Self::shards) for async code.
    ///
    /// # Errors
    /// As `shards`.
    pub async fn shards_async(&self) -> Result<Vec<Shard>> {
        let this = self.clone();
        hosted(async move {
            this.verify_if_doubted().await?;
            this.list_shards().await
        })
        .await
    }

    /// The open shard that records with this partition key go to.
    ///
    /// # Errors
    /// As [`shards`](Self::shards); [`ErrorKind::InvalidInput`] for a key that is not 1–256
    /// characters long.
    pub fn shard_for(&self, partition_key: &str) -> Result<Shard> {
        wait_here(self.shard_for_async(partition_key))
    }

    /// [`shard_for`](Self::shard_for) for async code.
    ///
    /// # Errors
    /// As `shard_for`.
    pub async fn shard_for_async(&self, partition_key: &str) -> Result<Shard> {
        crate::record::check_key(partition_key)?;
        let shards = self.shards_async().await?;
        shards.into_iter().find(|shard| shard.is_open() && shard.takes(partition_key)).ok_or_else(|| {
            Error::new(
                ErrorKind::StreamInUse,
                format!("stream {} is being resharded; ask again in a moment", self.name),
            )
        })
    }

    pub(crate) async fn list_shards(&self) -> Result<Vec<Shard>> {
        Ok(self.list_shards_and_time().await?.0)
    }

    /// The shards, and a lower bound of the service's own time when it listed them.
    pub(crate) async fn list_shards_and_time(&self) -> Result<(Vec<Shard>, Timestamp)> {
        let mut shards = Vec::new();
        let time = ServiceTime::default();
        let mut next: Option<String> = None;
        loop {
            let call = self.kinesis.client().list_shards();
            // The service refuses a name beside a token.
            let call = match next.take() {
                Some(token) => call.next_token(token),
                None => {
                    call.set_stream_name(self.address.stream_name()).set_stream_arn(self.address.stream_arn())
                }
            };
            let sent = call.customize().interceptor(time.clone()).send().await;
            let page = sent.map_err(|error| self.kinesis.place().explain(&self.name, error))?;
            next = page.next_token;
            shards.extend(page.shards.unwrap_or_default().into_iter().filter_map(shard));
            if next.is_none() {
                break;
            }
        }
        shards.sort_by(|a, b| a.id.cmp(&b.id));
        Ok((shards, time.get()))
    }
}

fn shard(shard: aws_sdk_kinesis::types::Shard) -> Option<Shard> {
    let hashes = shard.hash_key_range?;
    let sequence = shard.sequence_number_range?;
    Some(Shard {
        id: shard.shard_id,
        parent: shard.parent_shard_id,
        adjacent_parent: shard.adjacent_parent_shard_id,
        hash_range: (hashes.starting_hash_key.parse().ok()?, hashes.ending_hash_key.parse().ok()?),
        starting_sequence_number: sequence.starting_sequence_number,
        ending_sequence_number: sequence.ending_sequence_number,
    })
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {} in region {}", self.name, self.kinesis.region())
    }
}
