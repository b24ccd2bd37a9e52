//! [`Aggregate`]: user records, packed as the Kinesis Producer Library does. Pure.

use std::collections::HashMap;

use md5::{Digest, Md5};
use prost::{Message as _, length_delimiter_len};

use super::aggregate::{DIGEST_BYTES, MAGIC, UserRecord};
use super::message::{AggregatedMessage, RecordMessage};

/// User records that are packed together.
#[derive(Debug, Default)]
pub(crate) struct Aggregate {
    message: AggregatedMessage,
    partition_keys: HashMap<String, u64>,
    explicit_hash_keys: HashMap<u128, u64>,
    /// Of the message, as it is encoded.
    bytes: usize,
}

impl Aggregate {
    pub(crate) fn len(&self) -> usize {
        self.message.records.len()
    }

    /// The size that it will have with this record in it: exact, so that it can be filled to the brim.
    pub(crate) fn bytes_with(
        &self,
        partition_key: &str,
        explicit_hash_key: Option<u128>,
        data: &[u8],
    ) -> usize {
        let mut added = 0;
        let mut record = field(data.len());
        record += match self.partition_keys.get(partition_key) {
            Some(index) => number(*index),
            None => {
                added += field(partition_key.len());
                number(self.partition_keys.len() as u64)
            }
        };
        if let Some(hash_key) = explicit_hash_key {
            record += match self.explicit_hash_keys.get(&hash_key) {
                Some(index) => number(*index),
                None => {
                    added += field(hash_key.to_string().len());
                    number(self.explicit_hash_keys.len() as u64)
                }
            };
        }
        MAGIC.len() + self.bytes + added + field(record) + DIGEST_BYTES
    }

    pub(crate) fn push(&mut self, record: UserRecord) {
        let UserRecord { partition_key, explicit_hash_key, data } = record;
        self.bytes = self.bytes_with(&partition_key, explicit_hash_key, &data) - MAGIC.len() - DIGEST_BYTES;
        let (keys, hash_keys) = (&mut self.message.partition_keys, &mut self.message.explicit_hash_keys);
        let partition_key = match self.partition_keys.get(&partition_key) {
            Some(index) => *index,
            None => {
                let index = keys.len() as u64;
                keys.push(partition_key.clone());
                self.partition_keys.insert(partition_key, index);
                index
            }
        };
        let explicit_hash_key = explicit_hash_key.map(|hash_key| {
            *self.explicit_hash_keys.entry(hash_key).or_insert_with(|| {
                hash_keys.push(hash_key.to_string());
                hash_keys.len() as u64 - 1
            })
        });
        self.message.records.push(RecordMessage {
            partition_key: Some(partition_key),
            explicit_hash_key,
            data: Some(data),
        });
    }

    /// The data of the record that holds them.
    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(MAGIC.len() + self.bytes + DIGEST_BYTES);
        data.extend_from_slice(&MAGIC);
        data.extend_from_slice(&self.message.encode_to_vec());
        let digest = Md5::digest(&data[MAGIC.len()..]);
        data.extend_from_slice(&digest);
        data
    }
}

/// What a member of so many bytes takes: its tag, of one byte, its length, and itself.
fn field(bytes: usize) -> usize {
    1 + length_delimiter_len(bytes) + bytes
}

/// What a number takes: its tag, of one byte, and itself, seven bits a byte.
fn number(number: u64) -> usize {
    1 + length_delimiter_len(usize::try_from(number).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests;
