//! Polling: GetShardIterator and GetRecords.

use tokio::time::Instant;

use super::super::position::Position;
use super::{Got, ShardReader};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Record;

impl ShardReader {
    /// One GetRecords; leaves the next iterator in `self.iterator`, nothing at the end of a closed
    /// shard.
    pub(super) async fn polled_page(&mut self, asked: Instant) -> Result<Got> {
        if self.iterator.is_none() {
            self.open().await?;
        }
        let call = self.options.stream.kinesis().data().get_records();
        let call = call.set_shard_iterator(self.iterator.clone()).limit(self.options.limit);
        let call = call.set_stream_arn(self.options.stream.address().stream_arn());
        // The same iterator gives the same records again, so a failed read is simply repeated.
        let page = call.send().await.map_err(|error| self.explain(error))?;
        self.make_sure(true).await?;
        self.iterator = page.next_shard_iterator;
        Ok(Got {
            records: page.records.into_iter().map(Record::from_sdk).collect(),
            millis_behind_latest: page.millis_behind_latest,
            may_have_ended: self.iterator.is_none(),
            has_children: page.child_shards.is_some_and(|children| !children.is_empty()),
            at: asked,
            running: Some(asked.saturating_duration_since(self.schedule.epoch)),
            fresh: true,
        })
    }

    pub(super) async fn open(&mut self) -> Result<()> {
        let call = self.options.stream.kinesis().data().get_shard_iterator();
        let address = self.options.stream.address();
        let call = call.set_stream_name(address.stream_name()).set_stream_arn(address.stream_arn());
        let call = call.shard_id(&*self.shard_id);
        let position = self.position();
        let by_number = position.is_number();
        let answer = position.ask(call).send().await.map_err(|error| match self.explain(error) {
            error if by_number && error.kind() == ErrorKind::InvalidInput => self.unknown_position(&error),
            error => error,
        })?;
        if answer.shard_iterator.is_none() {
            return Err(Error::new(ErrorKind::Service, "the service gave no shard iterator"));
        }
        // The first time, the run has looked just before.
        self.make_sure(by_number || !self.reopened).await?;
        self.iterator = answer.shard_iterator;
        self.reopened = true;
        Ok(())
    }

    /// Makes sure that what was just answered is of the stream that this reader was made for, and not
    /// of another one of its name. AWS refuses iterators and sequence numbers of an earlier stream;
    /// emulators (kinesalite, ferrokinesis 0.7) know no more of an iterator than the stream's name.
    /// Looking *after* an answer is enough: a stream that is gone doesn't come back.
    pub(super) async fn make_sure(&self, aws_refuses: bool) -> Result<()> {
        match aws_refuses && self.options.stream.kinesis().place().is_aws() {
            true => Ok(()),
            false => self.options.stream.verify().await.map(drop),
        }
    }

    pub(super) fn unknown_position(&self, said: &Error) -> Error {
        let stream = &self.options.stream;
        Error::invalid(format!(
            "shard {} of stream {}, which was created at {}, has no such position: it is one of another shard, \
             or of an earlier stream of this name. Begin with .trim_horizon() where that is so (the service's \
             words: {said})",
            self.shard_id,
            stream.name(),
            stream.created(),
        ))
    }

    /// Where an iterator opened now must begin.
    pub(super) fn position(&self) -> Position {
        match (&self.last_sequence_number, &self.from) {
            (Some(last), _) => Position::AfterSequenceNumber(last.clone()),
            // "Latest" moves on with the clock; when the iterator is lost before the first record came,
            // what arrived in between must not be lost with it.
            (None, Position::Latest) if self.reopened => Position::AtTimestamp(self.origin.began),
            (None, from) => from.clone(),
        }
    }
}
