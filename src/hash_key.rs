//! [`hash_key`]: where a partition key belongs. Pure.

use md5::{Digest, Md5};

/// The MD5 hash of a partition key as the 128-bit number that Kinesis assigns to shards.
///
/// Source: Kinesis Data Streams Developer Guide, "Partition Key".
///
/// ```
/// assert_eq!(kinesis_lab::hash_key(""), 0xd41d8cd98f00b204e9800998ecf8427e);
/// ```
pub fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}
