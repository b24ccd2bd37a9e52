//! [`HashRing`]: which shard takes which hashes, and what splits and merges make of that. Pure.

use std::fmt;

use crate::harmless::Text;
use crate::hash_key::hash_key;
use crate::stream::Shard;
use crate::text::shown;

/// Characters of a key that are shown.
pub(super) const KEY_CHARS: usize = 40;

/// The hashes of a stream as a ring, on which its shards have an arc each, with the closed ones that they were split
/// or merged from, and where partition keys fall; and a figure of it, in which a reader can split and merge.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// use kinesis_lab::HashRing;
///
/// let stream = Kinesis::local()?.create_stream("visits", 2)?;
/// stream.split_shard("shardId-000000000001")?;
/// let ring = HashRing::of(&stream.shards()?).keys(&["192.0.2.10", "192.0.2.20"]);
/// assert_eq!(
///     ring.to_string(),
///     "shard 0  00000000… to 7fffffff…  192.0.2.10, 192.0.2.20\n\
///      shard 2  80000000… to bfffffff…  no key\n\
///      shard 3  c0000000… to ffffffff…  no key"
/// );
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct HashRing {
    shards: Vec<Shard>,
    keys: Vec<Text>,
}

impl HashRing {
    /// Of the shards of one stream, as [`Stream::shards`](crate::Stream::shards) gives them.
    pub fn of(shards: &[Shard]) -> HashRing {
        HashRing { shards: shards.to_vec(), keys: Vec::new() }
    }

    /// Shows where these partition keys fall, beside those that were named before. A figure shows the first 100.
    pub fn keys<K: AsRef<str>>(mut self, keys: &[K]) -> HashRing {
        for key in keys {
            self.key(key.as_ref());
        }
        self
    }

    // Not generic: a notebook cell would compile it.
    fn key(&mut self, key: &str) {
        self.keys.push(key.into());
    }

    pub(super) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    pub(super) fn all_keys(&self) -> impl Iterator<Item = (&str, u128)> {
        self.keys.iter().map(|key| (key.raw(), hash_key(key.raw())))
    }

    /// Those that take records, in the order of their hashes.
    pub(super) fn open(&self) -> Vec<&Shard> {
        let mut open: Vec<&Shard> = self.shards.iter().filter(|shard| shard.is_open()).collect();
        open.sort_by_key(|shard| shard.hash_range);
        open
    }
}

/// `4` of `shardId-000000000004`.
pub(super) fn number(shard_id: &str) -> String {
    let digits = shard_id.strip_prefix("shardId-").unwrap_or_default();
    match digits.parse::<u64>() {
        Ok(number) => number.to_string(),
        Err(_) => shown(shard_id, KEY_CHARS),
    }
}

/// A line for each open shard.
impl fmt::Display for HashRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, shard) in self.open().into_iter().enumerate() {
            let (low, high) = shard.hash_range;
            let takes = |hash: u128| low <= hash && hash <= high;
            let keys: Vec<String> = self
                .all_keys()
                .filter(|(_, hash)| takes(*hash))
                .map(|(key, _)| shown(key, KEY_CHARS))
                .collect();
            let keys = if keys.is_empty() { "no key".to_owned() } else { keys.join(", ") };
            let line = if n == 0 { "" } else { "\n" };
            let (low, high) = (low >> 96, high >> 96);
            write!(f, "{line}shard {}  {low:08x}… to {high:08x}…  {keys}", number(&shard.id))?;
        }
        Ok(())
    }
}
