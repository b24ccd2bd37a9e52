//! Splitting and merging shards.

use aws_sdk_kinesis::types::ScalingType;

use super::description::until_active;
use super::shard::neighbours;
use super::stream::Stream;
use crate::error::{Error, Result};
use crate::runtime::{hosted, wait_here};

impl Stream {
    /// Splits an open shard in the middle of its hash range and waits until both halves are there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when there is no such open shard.
    pub fn split_shard(&self, shard_id: &str) -> Result<()> {
        wait_here(self.split_shard_async(shard_id))
    }

    /// [`split_shard`](Self::split_shard) for async code.
    ///
    /// # Errors
    /// As `split_shard`.
    pub async fn split_shard_async(&self, shard_id: &str) -> Result<()> {
        let (this, shard_id) = (self.clone(), shard_id.to_owned());
        hosted(async move {
            this.verify().await?;
            let shards = this.list_shards().await?;
            let shard = shards.iter().find(|s| s.id == shard_id && s.is_open()).ok_or_else(|| {
                Error::invalid(format!("stream {} has no open shard {shard_id}", this.name))
            })?;
            let middle = shard.middle();
            let call = this.kinesis.client().split_shard().shard_to_split(&shard_id);
            let call =
                call.set_stream_name(this.address.stream_name()).set_stream_arn(this.address.stream_arn());
            let sent = call.new_starting_hash_key(middle.to_string()).send().await;
            sent.map_err(|error| this.kinesis.place().explain(&this.name, error))?;
            until_active(&this.kinesis, &this.address).await.map(drop)
        })
        .await
    }

    /// Merges two open shards with adjacent hash ranges, in either order, and waits until the merged one is there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when they are not open and adjacent, with the neighbours that the first
    /// one has.
    pub fn merge_shards(&self, shard_id: &str, adjacent_shard_id: &str) -> Result<()> {
        wait_here(self.merge_shards_async(shard_id, adjacent_shard_id))
    }

    /// [`merge_shards`](Self::merge_shards) for async code.
    ///
    /// # Errors
    /// As `merge_shards`.
    pub async fn merge_shards_async(&self, shard_id: &str, adjacent_shard_id: &str) -> Result<()> {
        let this = self.clone();
        let (shard, adjacent) = (shard_id.to_owned(), adjacent_shard_id.to_owned());
        hosted(async move {
            this.verify().await?;
            let shards = this.list_shards().await?;
            let (lower, upper) = neighbours(&shards, &shard, &adjacent)?;
            let call = this.kinesis.client().merge_shards();
            let call =
                call.set_stream_name(this.address.stream_name()).set_stream_arn(this.address.stream_arn());
            let sent = call.shard_to_merge(&lower.id).adjacent_shard_to_merge(&upper.id).send().await;
            sent.map_err(|error| this.kinesis.place().explain(&this.name, error))?;
            until_active(&this.kinesis, &this.address).await.map(drop)
        })
        .await
    }

    /// Splits and merges shards until there are `shards` open ones of one size, and waits until they are there.
    ///
    /// AWS takes up to twice as many as there are and down to half of them, ten times in 24 hours
    /// (API reference, *UpdateShardCount*).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for 0 shards;
    /// [`ErrorKind::LimitExceeded`](crate::ErrorKind::LimitExceeded) beyond these limits.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.create_stream("visits", 2)?;
    /// stream.update_shard_count(4)?;
    /// assert_eq!(stream.describe()?.open_shards, 4);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn update_shard_count(&self, shards: u32) -> Result<()> {
        wait_here(self.update_shard_count_async(shards))
    }

    /// [`update_shard_count`](Self::update_shard_count) for async code.
    ///
    /// # Errors
    /// As `update_shard_count`.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # async fn in_a_service(stream: Stream) -> Result<(), Error> {
    /// stream.update_shard_count_async(4).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update_shard_count_async(&self, shards: u32) -> Result<()> {
        let count = shard_count(shards)?;
        let this = self.clone();
        hosted(async move {
            if this.verify().await?.open_shards == shards {
                return Ok(()); // the service refuses a change to what is
            }
            let call = this.kinesis.client().update_shard_count().target_shard_count(count);
            let call =
                call.set_stream_name(this.address.stream_name()).set_stream_arn(this.address.stream_arn());
            let sent = call.scaling_type(ScalingType::UniformScaling).send().await;
            sent.map_err(|error| this.kinesis.place().explain(&this.name, error))?;
            until_active(&this.kinesis, &this.address).await.map(drop)
        })
        .await
    }
}

/// As the service wants it.
pub(super) fn shard_count(shards: u32) -> Result<i32> {
    i32::try_from(shards)
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| Error::invalid(format!("a stream has at least 1 shard; {shards} were asked for")))
}
