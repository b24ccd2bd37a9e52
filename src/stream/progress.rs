//! [`ShardProgress`]: how far a shard has been read.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use foldhash::quality::RandomState;

use crate::timestamp::Timestamp;

/// What a consumer knows of one of its shards; in [`Context::shards`](crate::Context::shards).
///
/// ```
/// use kinesis_lab::{ShardProgress, Timestamp, Watermark};
/// use std::time::Duration;
///
/// // For a test, a shard that was split: it is at its end, or one of its children is open.
/// let noon = Timestamp::from_secs(1_536_235_200);
/// let parent = ShardProgress::reading("parent", &[]).since(noon).ended();
/// let child = ShardProgress::reading("child", &["parent"]);
/// let mut watermark = Watermark::new(Duration::ZERO);
/// watermark.observe("parent", noon);
/// assert_eq!(watermark.advance(&[parent]), noon);
/// watermark.observe("child", noon + Duration::from_secs(60));
/// assert_eq!(watermark.advance(&[child.clone().idle()]), noon + Duration::from_secs(60));
/// assert!(child.answered && !child.idle && child.since == Timestamp::MIN);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardProgress {
    /// The shard's id.
    pub shard_id: Arc<str>,
    /// The shards that it was split or merged from.
    pub parents: Vec<String>,
    /// From when on it is read, while no record of it has been: the service's own time when "latest" was
    /// said, a start in the past, or the stream's creation where it is read from its first record on. Once
    /// records of it were processed, it says nothing.
    pub since: Timestamp,
    /// Whether the service has answered a read of it in this run.
    pub answered: bool,
    /// Read to its tip: the last read succeeded and found nothing. Never while it is throttled.
    pub idle: bool,
    /// When that was heard, which is before it is written where a database is waited for. None: just now.
    pub(crate) heard: Option<Instant>,
    /// Read to its end; its children are not open yet.
    pub ended: bool,
}

impl ShardProgress {
    /// A shard that is being read, and was answered: for tests of your own processors.
    pub fn reading(shard_id: &str, parents: &[&str]) -> ShardProgress {
        ShardProgress {
            shard_id: shard_id.into(),
            parents: parents.iter().map(|parent| parent.to_string()).collect(),
            since: Timestamp::MIN,
            answered: true,
            idle: false,
            heard: None,
            ended: false,
        }
    }

    /// The same shard, read from this time on.
    pub fn since(self, since: Timestamp) -> ShardProgress {
        ShardProgress { since, ..self }
    }

    /// The same shard, read to its tip.
    pub fn idle(self) -> ShardProgress {
        ShardProgress { idle: true, ..self }
    }

    /// The same shard, read to its tip by this time, and perhaps no longer: while a database was waited for, more may have
    /// come. A fleet's counts believe it for 4 to 10 s from then on.
    ///
    /// ```
    /// use std::time::Instant;
    /// use kinesis_lab::ShardProgress;
    ///
    /// let shard = ShardProgress::reading("shardId-000000000000", &[]).idle_since(Instant::now());
    /// assert!(shard.idle);
    /// ```
    pub fn idle_since(self, heard: Instant) -> ShardProgress {
        ShardProgress { idle: true, heard: Some(heard), ..self }
    }

    /// The same shard, read to its end, its children not yet open.
    pub fn ended(self) -> ShardProgress {
        ShardProgress { ended: true, ..self }
    }
}

/// The shards of a run, and those that they came from: of all others, nothing is to be remembered.
pub(crate) fn needed(shards: &[ShardProgress]) -> HashSet<&str, RandomState> {
    let with_parents = |shard: &ShardProgress| shard.parents.len() + 1;
    let mut needed =
        HashSet::with_capacity_and_hasher(shards.iter().map(with_parents).sum(), RandomState::default());
    for shard in shards {
        needed.insert(&*shard.shard_id);
        needed.extend(shard.parents.iter().map(String::as_str));
    }
    needed
}
