//! Aggregates: many user records in one Kinesis record, as the Kinesis Producer Library (KPL) packs them. Pure.
//!
//! Four bytes of magic, a protobuf message, and the MD5 of the message (awslabs/amazon-kinesis-producer,
//! aggregation-format.md). What is not all of this is a record like any other, as the KCL has it.

use md5::{Digest, Md5};
use prost::Message as _;

use super::message::AggregatedMessage;
use crate::hash_key::hash_key;

pub(super) const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
pub(super) const DIGEST_BYTES: usize = 16;
/// The longest partition key, in characters, as of a Kinesis record. Every user record gets its own copy of its
/// key, so that one of a megabyte, shared by all, would be as many megabytes.
const MAX_KEY_CHARS: usize = 256;
/// What all keys and data of an aggregate come to, at most: 64 MiB. Of 1 MiB, user records without data, six bytes
/// each, that share a key of 256 letters come to 43 MiB.
const MAX_UNPACKED: usize = 64 << 20;

/// A record as its producer knows it: one of an aggregate.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UserRecord {
    pub(crate) partition_key: String,
    /// Where it belongs instead of where its partition key does.
    pub(crate) explicit_hash_key: Option<u128>,
    pub(crate) data: Vec<u8>,
}

impl UserRecord {
    /// Where it belongs.
    pub(crate) fn hash(&self) -> u128 {
        self.explicit_hash_key.unwrap_or_else(|| hash_key(&self.partition_key))
    }
}

/// Whether it begins as an aggregate does; most records don't.
pub(crate) fn is_aggregate(data: &[u8]) -> bool {
    data.starts_with(&MAGIC)
}

/// The user records of an aggregate, in their order; `None` for what is none, or a broken one.
///
/// Lengths and indexes are a stranger's: what does not fit into the record is refused before memory is asked
/// for. The message takes up to 28 times the record meanwhile (an empty member of two bytes is a struct of 56).
pub(crate) fn unpack(data: &[u8]) -> Option<Vec<UserRecord>> {
    let rest = data.strip_prefix(&MAGIC)?;
    let (message, digest) = rest.split_at_checked(rest.len().checked_sub(DIGEST_BYTES)?)?;
    // Of nothing, too: the KCL takes that for a record like any other.
    if message.is_empty() || Md5::digest(message).as_slice() != digest {
        return None;
    }
    let AggregatedMessage { partition_keys, explicit_hash_keys, records } =
        AggregatedMessage::decode(message).ok()?;
    if partition_keys.iter().any(|key| key.chars().count() > MAX_KEY_CHARS) {
        return None;
    }
    let hash_keys: Vec<u128> =
        explicit_hash_keys.iter().map(|key| key.parse().ok()).collect::<Option<_>>()?;
    let at = |index: u64| usize::try_from(index).ok();
    let key_of = |index: Option<u64>| partition_keys.get(at(index?)?);
    // Before the first copy of a key is made.
    let mut unpacked = 0_usize;
    for record in &records {
        unpacked += key_of(record.partition_key)?.len() + record.data.as_ref()?.len();
    }
    if unpacked > MAX_UNPACKED {
        return None;
    }
    let user_record = |record: super::message::RecordMessage| {
        let explicit_hash_key = match record.explicit_hash_key {
            Some(index) => Some(*hash_keys.get(at(index)?)?),
            None => None,
        };
        let partition_key = key_of(record.partition_key)?.clone();
        Some(UserRecord { partition_key, explicit_hash_key, data: record.data? })
    };
    records.into_iter().map(user_record).collect()
}
