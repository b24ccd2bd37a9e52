//! [`Stream`]: one data stream, its life and its shards.

use std::fmt;
use std::sync::Arc;

use super::description::StreamDescription;
use super::identity::Identity;
use super::shard::Shard;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::block_on;
use crate::service::Kinesis;
use crate::timestamp::Timestamp;

/// A data stream that exists: a distributed, append-only log in shards.
///
/// Cloning is cheap and gives another handle to the same stream; dropping handles deletes nothing.
/// Made by [`Kinesis::create_stream`] and [`Kinesis::stream`].
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
    pub(super) identity: Arc<Identity>,
}

impl Stream {
    pub(super) fn new(kinesis: Kinesis, name: &str, created: Timestamp) -> Stream {
        Stream { kinesis, name: name.into(), identity: Arc::new(Identity::new(created)) }
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.name
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
        let this = self.clone();
        block_on(async move { this.verify().await })
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// All shards, also closed ones whose records are still kept, in the order of their ids.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`] once it is deleted.
    pub fn shards(&self) -> Result<Vec<Shard>> {
        let this = self.clone();
        block_on(async move {
            this.verify_if_doubted().await?;
            this.list_shards().await
        })
    }

    /// The open shard that records with this partition key go to.
    ///
    /// # Errors
    /// As [`shards`](Self::shards); [`ErrorKind::InvalidInput`] for a key that is not 1–256
    /// characters long.
    pub fn shard_for(&self, partition_key: &str) -> Result<Shard> {
        crate::record::check_key(partition_key)?;
        let shards = self.shards()?;
        shards.into_iter().find(|shard| shard.is_open() && shard.takes(partition_key)).ok_or_else(|| {
            Error::new(
                ErrorKind::StreamInUse,
                format!("stream {} is being resharded; ask again in a moment", self.name),
            )
        })
    }

    pub(crate) async fn list_shards(&self) -> Result<Vec<Shard>> {
        let mut shards = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let call = self.kinesis.client().list_shards();
            // The service refuses a name beside a token.
            let call = match next.take() {
                Some(token) => call.next_token(token),
                None => call.stream_name(&*self.name),
            };
            let sent = call.send().await;
            let page = sent.map_err(|error| self.kinesis.place().explain(&self.name, error))?;
            next = page.next_token;
            shards.extend(page.shards.unwrap_or_default().into_iter().filter_map(shard));
            if next.is_none() {
                break;
            }
        }
        shards.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(shards)
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
