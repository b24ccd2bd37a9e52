//! A stream's life: created, found, kept for longer, deleted.

use aws_sdk_kinesis::types::StreamStatus;

use super::description::{StreamDescription, until_active, until_gone};
use super::stream::Stream;
use crate::error::{Error, ErrorKind, Result};
use crate::notice::notice;
use crate::runtime::{hosted, wait_here};
use crate::service::Kinesis;

impl Kinesis {
    /// Creates a stream with `shards` shards and waits until it is ACTIVE.
    ///
    /// When it exists already, this says so on stderr and goes on with it as it is. On AWS a stream
    /// costs money per shard-hour until it is deleted.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a name that is not 1–128 of `a-zA-Z0-9_.-`, or 0 shards;
    /// [`ErrorKind::LimitExceeded`](crate::ErrorKind::LimitExceeded) when the account has no shards left; [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after
    /// five minutes.
    pub fn create_stream(&self, name: &str, shards: u32) -> Result<Stream> {
        wait_here(self.create_stream_async(name, shards))
    }

    /// [`create_stream`](Self::create_stream) for async code.
    ///
    /// # Errors
    /// As `create_stream`.
    pub async fn create_stream_async(&self, name: &str, shards: u32) -> Result<Stream> {
        Stream::create(self.clone(), name, shards).await
    }

    /// A stream that exists already. One that somebody is creating is waited for until it is ACTIVE: before
    /// that it has no shards, and would be read to its end at once.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound); [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after
    /// five minutes;
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for an ARN: it takes the name.
    pub fn stream(&self, name: &str) -> Result<Stream> {
        wait_here(self.stream_async(name))
    }

    /// [`stream`](Self::stream) for async code.
    ///
    /// # Errors
    /// As `stream`.
    pub async fn stream_async(&self, name: &str) -> Result<Stream> {
        check_no_arn(name)?;
        let (this, name) = (self.clone(), name.to_owned());
        hosted(async move {
            let mut found = StreamDescription::fetch(&this, &name).await?;
            if found.status == StreamStatus::Creating.as_str() {
                found = until_active(&this, &name).await?;
            }
            Ok(Stream::new(this, &name, found.created))
        })
        .await
    }

    /// Name, status, shards, retention of a stream.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound).
    pub fn describe_stream(&self, name: &str) -> Result<StreamDescription> {
        wait_here(self.describe_stream_async(name))
    }

    /// [`describe_stream`](Self::describe_stream) for async code.
    ///
    /// # Errors
    /// As `describe_stream`.
    pub async fn describe_stream_async(&self, name: &str) -> Result<StreamDescription> {
        let (this, name) = (self.clone(), name.to_owned());
        hosted(async move { StreamDescription::fetch(&this, &name).await }).await
    }

    /// The names of all streams in the region, sorted.
    ///
    /// # Errors
    /// When the service can't be reached or refuses.
    pub fn list_streams(&self) -> Result<Vec<String>> {
        wait_here(self.list_streams_async())
    }

    /// [`list_streams`](Self::list_streams) for async code.
    ///
    /// # Errors
    /// As `list_streams`.
    pub async fn list_streams_async(&self) -> Result<Vec<String>> {
        let this = self.clone();
        hosted(async move {
            let mut names = Vec::new();
            loop {
                let page = this
                    .client()
                    .list_streams()
                    .set_exclusive_start_stream_name(names.last().cloned())
                    .send()
                    .await
                    .map_err(|error| this.place().explain("", error))?;
                names.extend(page.stream_names);
                if !page.has_more_streams {
                    break;
                }
            }
            names.sort();
            Ok(names)
        })
        .await
    }

    /// Deletes a stream with all its records, and waits until it is gone.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound); [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after five minutes;
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for an ARN: it takes the name.
    pub fn delete_stream(&self, name: &str) -> Result<()> {
        wait_here(self.delete_stream_async(name))
    }

    /// [`delete_stream`](Self::delete_stream) for async code.
    ///
    /// # Errors
    /// As `delete_stream`.
    pub async fn delete_stream_async(&self, name: &str) -> Result<()> {
        self.stream_async(name).await?.delete_async().await
    }
}

impl Stream {
    async fn create(kinesis: Kinesis, name: &str, shards: u32) -> Result<Stream> {
        check_no_arn(name)?;
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
        hosted(async move {
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
        .await
    }

    /// Keeps records for `hours` from now on: 24 (the default of a new stream) to 8,760 (a year).
    /// More than 24 costs extra on AWS.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] outside these bounds.
    pub fn set_retention(&self, hours: u32) -> Result<()> {
        wait_here(self.set_retention_async(hours))
    }

    /// [`set_retention`](Self::set_retention) for async code.
    ///
    /// # Errors
    /// As `set_retention`.
    pub async fn set_retention_async(&self, hours: u32) -> Result<()> {
        if !(24..=8_760).contains(&hours) {
            return Err(Error::invalid(format!(
                "the retention is 24 to 8,760 hours; {hours} were asked for"
            )));
        }
        let this = self.clone();
        hosted(async move {
            let now = this.verify().await?.retention_hours;
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
        .await
    }

    /// Deletes the stream with all its records, and waits until it is gone.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`]; [`ErrorKind::Timeout`] after five minutes.
    pub fn delete(&self) -> Result<()> {
        wait_here(self.delete_async())
    }

    /// [`delete`](Self::delete) for async code.
    ///
    /// # Errors
    /// As `delete`.
    pub async fn delete_async(&self) -> Result<()> {
        let this = self.clone();
        hosted(async move {
            this.verify().await?;
            let call = this.kinesis.client().delete_stream().stream_name(&*this.name);
            let sent = call.enforce_consumer_deletion(true).send().await;
            sent.map_err(|error| this.kinesis.place().explain(&this.name, error))?;
            this.identity.doubt();
            until_gone(&this.kinesis, &this.name, this.created()).await
        })
        .await
    }
}

/// Streams by ARN are to come; until then, a sentence.
fn check_no_arn(name: &str) -> Result<()> {
    let Some(arn) = name.strip_prefix("arn:") else { return Ok(()) };
    let mut parts = arn.split(':');
    let (region, stream) =
        (parts.nth(2).unwrap_or("its region"), arn.rsplit('/').next().unwrap_or("its name"));
    Err(Error::invalid(format!(
        "`{name}` is the ARN of a stream, and a stream is opened by its name so far: `{stream}`, with a connection to \
         {region} and credentials of the account that owns it"
    )))
}
