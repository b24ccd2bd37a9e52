//! [`NewStream`]: a stream that is to be created.

use std::collections::BTreeMap;

use aws_sdk_kinesis::types::{StreamMode, StreamModeDetails};

use super::address::StreamAddress;
use super::description::{StreamDescription, until_active, until_gone};
use super::resharding::shard_count;
use super::stream::Stream;
use crate::error::{Error, ErrorKind, Result};
use crate::notice::notice;
use crate::runtime::{hosted, wait_here};
use crate::service::Kinesis;

/// A stream that is to be created, with what it begins with; made by [`Kinesis::new_stream`].
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let kinesis = Kinesis::local()?;
/// let stream = kinesis.new_stream("clicks").on_demand().tag("team", "web").create()?;
/// assert!(stream.describe()?.on_demand);
///
/// let stream = kinesis.new_stream("orders").shards(2).create()?; // as create_stream("orders", 2)
/// assert_eq!(stream.shards()?.len(), 2);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is created before `create`"]
pub struct NewStream {
    kinesis: Kinesis,
    name: String,
    /// `None`: as many as the service finds right.
    shards: Option<u32>,
    tags: BTreeMap<String, String>,
}

impl Kinesis {
    /// A stream that is to be created, with more to say than [`create_stream`](Self::create_stream) takes.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Kinesis::local()?.new_stream("clicks").shards(2).tag("team", "web").create()?;
    /// assert_eq!(stream.describe()?.open_shards, 2);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new_stream(&self, name: &str) -> NewStream {
        NewStream { kinesis: self.clone(), name: name.to_owned(), shards: Some(1), tags: BTreeMap::new() }
    }
}

impl NewStream {
    /// How many shards it has, each of which costs money by the hour. Default: 1.
    pub fn shards(mut self, shards: u32) -> NewStream {
        self.shards = Some(shards);
        self
    }

    /// The service chooses how many shards there are, and charges for what is put and read (Developer Guide,
    /// *Choose the right mode in Kinesis Data Streams*); a new one has 4. Default: off.
    pub fn on_demand(mut self) -> NewStream {
        self.shards = None;
        self
    }

    /// A tag, by which costs are told apart, and policies may decide: up to 50.
    pub fn tag(mut self, key: &str, value: &str) -> NewStream {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Creates it and waits until it is ACTIVE.
    ///
    /// When there is one of its name already, this says so on stderr and goes on with that as it is.
    ///
    /// # Errors
    /// As [`Kinesis::create_stream`].
    pub fn create(self) -> Result<Stream> {
        wait_here(self.create_async())
    }

    /// [`create`](Self::create) for async code.
    ///
    /// # Errors
    /// As `create`.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # async fn in_a_service(kinesis: Kinesis) -> Result<Stream, Error> {
    /// kinesis.new_stream("clicks").on_demand().create_async().await
    /// # }
    /// ```
    pub async fn create_async(self) -> Result<Stream> {
        let NewStream { kinesis, name, shards, tags } = self;
        if let Some(arn) = Some(&name).filter(|name| name.starts_with("arn:")) {
            // Which may be none, and then says so.
            let there = StreamAddress::parse(arn, &kinesis)?;
            return Err(Error::invalid(format!(
                "a stream is created by its name, in the account of the connection: `{}`, not `{name}`",
                there.name()
            )));
        }
        let valid = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || name.len() > 128 || !name.chars().all(valid) {
            return Err(Error::invalid(format!(
                "`{name}` can't be the name of a stream: it takes 1 to 128 of the characters a-z A-Z 0-9 _ . -"
            )));
        }
        let count = shards.map(shard_count).transpose()?;
        let mode = match count {
            Some(_) => None, // the service's default
            None => Some(on_demand()?),
        };
        let tags = (!tags.is_empty()).then(|| tags.into_iter().collect());
        hosted(async move {
            let request = || {
                let call = kinesis.client().create_stream().stream_name(&name).set_shard_count(count);
                call.set_stream_mode_details(mode.clone()).set_tags(Option::clone(&tags)).send()
            };
            let address = StreamAddress::named(&name);
            match request().await.map_err(|error| kinesis.place().explain(&name, error)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StreamInUse => {
                    // It is there, or it is on its way out: then wait for its end and take its place.
                    let there = StreamDescription::fetch(&kinesis, &address).await?;
                    if there.status == "DELETING" {
                        until_gone(&kinesis, &address, there.created).await?;
                        request().await.map_err(|error| kinesis.place().explain(&name, error))?;
                    } else {
                        notice(&format!("stream {name} already exists in region {}", kinesis.region()));
                    }
                }
                Err(error) => return Err(error),
            }
            let created = until_active(&kinesis, &address).await?.created;
            Ok(Stream::new(kinesis, address, created))
        })
        .await
    }
}

fn on_demand() -> Result<StreamModeDetails> {
    let built = StreamModeDetails::builder().stream_mode(StreamMode::OnDemand).build();
    built.map_err(|error| Error::invalid(error.to_string()))
}
