//! A stream's life: created, found, kept for longer, deleted.

use aws_sdk_kinesis::types::StreamStatus;

use super::address::StreamAddress;
use super::description::{StreamDescription, until_active, until_gone};
use super::stream::Stream;
use crate::error::{Error, Result};
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
        self.new_stream(name).shards(shards).create_async().await
    }

    /// A stream that exists already, by its name or its ARN; by the latter, another account's too, whose policy lets
    /// you in. Every call names it as it was opened. One that somebody is creating is waited for until it is ACTIVE:
    /// before that it has no shards, and would be read to its end at once.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound); [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after
    /// five minutes;
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for what begins as an ARN and is none of a stream,
    /// or is of another region than this connection.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let kinesis = Kinesis::local()?;
    /// kinesis.create_stream("clicks", 1)?;
    /// let stream = kinesis.stream("arn:aws:kinesis:us-east-1:000000000000:stream/clicks")?;
    /// assert_eq!(stream.name(), "clicks");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn stream(&self, name: &str) -> Result<Stream> {
        wait_here(self.stream_async(name))
    }

    /// [`stream`](Self::stream) for async code.
    ///
    /// # Errors
    /// As `stream`.
    pub async fn stream_async(&self, name: &str) -> Result<Stream> {
        let (this, address) = (self.clone(), StreamAddress::parse(name, self)?);
        hosted(async move {
            let mut found = StreamDescription::fetch(&this, &address).await?;
            if found.status == StreamStatus::Creating.as_str() {
                found = until_active(&this, &address).await?;
            }
            Ok(Stream::new(this, address, found.created))
        })
        .await
    }

    /// Name, status, shards, retention of a stream, by its name or its ARN.
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
        let (this, address) = (self.clone(), StreamAddress::parse(name, self)?);
        hosted(async move { StreamDescription::fetch(&this, &address).await }).await
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

    /// Deletes a stream with all its records, by its name or its ARN, and waits until it is gone.
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
    /// Keeps records for `hours` from now on: 24 (the default of a new stream) to 8,760 (a year).
    /// More than 24 costs extra on AWS.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) outside these bounds.
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
            let (by_name, by_arn) = (this.address.stream_name(), this.address.stream_arn());
            // Two calls, because the service has two; each refuses the other's direction.
            let place = this.kinesis.place();
            match hours.cmp(&(now as i32)) {
                std::cmp::Ordering::Equal => return Ok(()),
                std::cmp::Ordering::Greater => {
                    let call = client.increase_stream_retention_period();
                    let call = call.set_stream_name(by_name).set_stream_arn(by_arn);
                    call.retention_period_hours(hours).send().await.map_err(|e| place.explain(name, e))?;
                }
                std::cmp::Ordering::Less => {
                    let call = client.decrease_stream_retention_period();
                    let call = call.set_stream_name(by_name).set_stream_arn(by_arn);
                    call.retention_period_hours(hours).send().await.map_err(|e| place.explain(name, e))?;
                }
            }
            until_active(&this.kinesis, &this.address).await.map(drop)
        })
        .await
    }

    /// Deletes the stream with all its records, and waits until it is gone.
    ///
    /// # Errors
    /// [`ErrorKind::StreamNotFound`](crate::ErrorKind::StreamNotFound); [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after five minutes.
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
            let call = this.kinesis.client().delete_stream();
            let call =
                call.set_stream_name(this.address.stream_name()).set_stream_arn(this.address.stream_arn());
            let sent = call.enforce_consumer_deletion(true).send().await;
            sent.map_err(|error| this.kinesis.place().explain(&this.name, error))?;
            this.identity.doubt();
            until_gone(&this.kinesis, &this.address, this.created()).await
        })
        .await
    }
}
