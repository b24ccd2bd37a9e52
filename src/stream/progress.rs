//! [`ShardProgress`]: how far a shard has been read.

use std::sync::Arc;

/// What a consumer knows of one of its shards; in [`Context::shards`](crate::Context::shards).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardProgress {
    /// The shard's id.
    pub shard_id: Arc<str>,
    /// The shards that it was split or merged from.
    pub parents: Vec<String>,
    /// Read to its tip: the last read succeeded and found nothing. Never while it is throttled.
    pub idle: bool,
    /// Read to its end; its children are not open yet.
    pub ended: bool,
}

impl ShardProgress {
    /// A shard that is being read: for tests of your own processors.
    pub fn reading(shard_id: &str, parents: &[&str]) -> ShardProgress {
        ShardProgress {
            shard_id: shard_id.into(),
            parents: parents.iter().map(|parent| parent.to_string()).collect(),
            idle: false,
            ended: false,
        }
    }

    /// The same shard, read to its tip.
    pub fn idle(self) -> ShardProgress {
        ShardProgress { idle: true, ..self }
    }

    /// The same shard, read to its end, its children not yet open.
    pub fn ended(self) -> ShardProgress {
        ShardProgress { ended: true, ..self }
    }
}
