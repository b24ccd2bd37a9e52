//! Splitting and merging shards.

use super::description::until_active;
use super::shard::check_adjacent;
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
            let (low, high) = shard.hash_range;
            let middle = low + (high - low) / 2 + 1;
            let call = this.kinesis.client().split_shard().stream_name(&*this.name).shard_to_split(&shard_id);
            let sent = call.new_starting_hash_key(middle.to_string()).send().await;
            sent.map_err(|error| this.kinesis.place().explain(&this.name, error))?;
            until_active(&this.kinesis, &this.name).await.map(drop)
        })
        .await
    }

    /// Merges two open shards with adjacent hash ranges and waits until the merged one is there.
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
            check_adjacent(&this.list_shards().await?, &shard, &adjacent)?;
            let call = this.kinesis.client().merge_shards().stream_name(&*this.name);
            let sent = call.shard_to_merge(shard).adjacent_shard_to_merge(adjacent).send().await;
            sent.map_err(|error| this.kinesis.place().explain(&this.name, error))?;
            until_active(&this.kinesis, &this.name).await.map(drop)
        })
        .await
    }
}
