//! [`Stream`]: one data stream, its life and its shards.

use std::fmt;
use std::sync::Arc;

use crate::access_log::LogRecord;
use crate::consumer::Consumer;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::Identity;
use crate::kinesis::Kinesis;
use crate::notice::notice;
use crate::producer::Producer;
use crate::put::{PutFailure, PutMany};
use crate::record::Entry;
use crate::replay::Replay;
use crate::runtime::block_on;
use crate::shard::{Shard, check_adjacent};
use crate::stream_state::{StreamDescription, until_active, until_gone};
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
    kinesis: Kinesis,
    name: Arc<str>,
    identity: Arc<Identity>,
}

impl Stream {
    fn new(kinesis: Kinesis, name: &str, created: Timestamp) -> Stream {
        Stream { kinesis, name: name.into(), identity: Arc::new(Identity::new(created)) }
    }

    pub(crate) fn create(kinesis: Kinesis, name: &str, shards: u32) -> Result<Stream> {
        let valid = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || name.len() > 128 || !name.chars().all(valid) {
            return Err(Error::invalid(format!(
                "`{name}` can't be the name of a stream: it takes 1 to 128 of the characters a-z A-Z 0-9 _ . -"
            )));
        }
        let count = i32::try_from(shards).ok().filter(|n| *n > 0).ok_or_else(|| {
            Error::invalid(format!("a stream has at least 1 shard; {shards} were asked for"))
        })?;
        let name = name.to_owned();
        block_on(async move {
            let request = || kinesis.client().create_stream().stream_name(&name).shard_count(count).send();
            match request().await.map_err(|error| kinesis.place().explain(&name, error)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StreamInUse => {
                    // It is there, or it is on its way out: then wait for its end and take its place.
                    let there = StreamDescription::fetch(&kinesis, &name).await?;
                    if there.status == "DELETING" {
                        until_gone(&kinesis, &name, there.created).await?;
                        request().await.map_err(|error| kinesis.place().explain(&name, error))?;
                    } else {
                        notice(&format!("stream {name} already exists in region {}", kinesis.region()));
                    }
                }
                Err(error) => return Err(error),
            }
            let created = until_active(&kinesis, &name).await?.created;
            Ok(Stream::new(kinesis, &name, created))
        })
    }

    pub(crate) fn open(kinesis: Kinesis, name: &str) -> Result<Stream> {
        let created = kinesis.describe_stream(name)?.created;
        Ok(Stream::new(kinesis, name, created))
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
        block_on(async move { this.look().await })
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
            this.look_when_in_doubt().await?;
            this.list_shards().await
        })
    }

    /// The open shard that records with this partition key go to.
    ///
    /// # Errors
    /// As [`shards`](Self::shards); [`ErrorKind::InvalidInput`] for a key that is not 1–256
    /// characters long.
    pub fn shard_for(&self, partition_key: &str) -> Result<Shard> {
        crate::put::check_key(partition_key)?;
        let shards = self.shards()?;
        shards.into_iter().find(|shard| shard.is_open() && shard.takes(partition_key)).ok_or_else(|| {
            Error::new(
                ErrorKind::StreamInUse,
                format!("stream {} is being resharded; ask again in a moment", self.name),
            )
        })
    }

    /// Puts one record and says which shard took it.
    ///
    /// `data` are any bytes up to 1 MiB; records with the same `partition_key` (1–256 characters) go
    /// to the same shard and stay in the order in which they were put, one after the other.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a key or data of a wrong size, before anything is sent;
    /// [`ErrorKind::StreamNotFound`]; others when retries didn't help.
    pub fn put(&self, partition_key: &str, data: impl AsRef<[u8]>) -> Result<PutReceipt> {
        self.put_bytes(partition_key, data.as_ref())
    }

    fn put_bytes(&self, partition_key: &str, data: &[u8]) -> Result<PutReceipt> {
        let entry = Entry::new(partition_key, data);
        entry.check()?;
        let report = PutMany::new(self.clone(), vec![entry]).send().map_err(PutFailure::into_error)?;
        report.last.ok_or_else(|| Error::new(ErrorKind::Service, "the service acknowledged no record"))
    }

    /// Puts many records, in batches; see [`PutMany`] for its options, and call `.send()` on it.
    pub fn put_many(&self, entries: Vec<Entry>) -> PutMany {
        PutMany::new(self.clone(), entries)
    }

    /// A producer with one partition key, to be configured and started.
    pub fn producer(&self, partition_key: &str) -> Producer {
        Producer::new(self.clone(), partition_key)
    }

    /// The lines of an access log as a producer, to be configured and started:
    /// `stream.replay(AccessLog::open("data/access.log")?).speed(60.0).start()`.
    pub fn replay(&self, log: impl Iterator<Item = std::io::Result<LogRecord>> + Send + 'static) -> Replay {
        Replay::new(self.clone(), Box::new(log))
    }

    /// A consumer, to be configured and run.
    pub fn consumer(&self) -> Consumer {
        Consumer::new(self.clone())
    }

    /// Keeps records for `hours` from now on: 24 (the default of a new stream) to 8,760 (a year).
    /// More than 24 costs extra on AWS.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] outside these bounds.
    pub fn set_retention(&self, hours: u32) -> Result<()> {
        if !(24..=8_760).contains(&hours) {
            return Err(Error::invalid(format!(
                "the retention is 24 to 8,760 hours; {hours} were asked for"
            )));
        }
        let this = self.clone();
        block_on(async move {
            let now = this.look().await?.retention_hours;
            let (client, name, hours) = (this.kinesis.client(), &*this.name, hours as i32);
            // Two calls, because the service has two; each refuses the other's direction.
            let place = this.kinesis.place();
            match hours.cmp(&(now as i32)) {
                std::cmp::Ordering::Equal => return Ok(()),
                std::cmp::Ordering::Greater => {
                    let call = client.increase_stream_retention_period().stream_name(name);
                    call.retention_period_hours(hours).send().await.map_err(|e| place.explain(name, e))?;
                }
                std::cmp::Ordering::Less => {
                    let call = client.decrease_stream_retention_period().stream_name(name);
                    call.retention_period_hours(hours).send().await.map_err(|e| place.explain(name, e))?;
                }
            }
            until_active(&this.kinesis, name).await.map(drop)
        })
    }

    /// Splits an open shard in the middle of its hash range and waits until both halves are there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when there is no such open shard.
    pub fn split_shard(&self, shard_id: &str) -> Result<()> {
        let (this, shard_id) = (self.clone(), shard_id.to_owned());
        block_on(async move {
            this.look().await?;
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
    }

    /// Merges two open shards with adjacent hash ranges and waits until the merged one is there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when they are not open and adjacent, with the neighbours that the first
    /// one has.
    pub fn merge_shards(&self, shard_id: &str, adjacent_shard_id: &str) -> Result<()> {
        let this = self.clone();
        let (shard, adjacent) = (shard_id.to_owned(), adjacent_shard_id.to_owned());
        block_on(async move {
            this.look().await?;
            check_adjacent(&this.list_shards().await?, &shard, &adjacent)?;
            let call = this.kinesis.client().merge_shards().stream_name(&*this.name);
            let sent = call.shard_to_merge(shard).adjacent_shard_to_merge(adjacent).send().await;
            sent.map_err(|error| this.kinesis.place().explain(&this.name, error))?;
            until_active(&this.kinesis, &this.name).await.map(drop)
        })
    }

    /// Deletes the stream with all its records, and waits until it is gone.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`]; [`ErrorKind::Timeout`] after five minutes.
    pub fn delete(&self) -> Result<()> {
        let this = self.clone();
        block_on(async move {
            this.look().await?;
            let call = this.kinesis.client().delete_stream().stream_name(&*this.name);
            let sent = call.enforce_consumer_deletion(true).send().await;
            sent.map_err(|error| this.kinesis.place().explain(&this.name, error))?;
            this.identity.doubt();
            until_gone(&this.kinesis, &this.name, this.created()).await
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

/// Where a record went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutReceipt {
    /// The shard that took it.
    pub shard_id: String,
    /// Its place in the shard: larger for each later record.
    pub sequence_number: String,
}
