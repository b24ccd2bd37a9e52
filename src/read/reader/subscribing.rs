//! Enhanced fan-out: SubscribeToShard, and the events that it brings.

use std::time::Duration;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::event_stream::EventReceiver;
use aws_sdk_kinesis::types::error::SubscribeToShardEventStreamError;
use aws_sdk_kinesis::types::{SubscribeToShardEvent, SubscribeToShardEventStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::lineage::numerically;
use super::super::position::Position;
use super::super::registration::Found;
use super::{Got, ShardReader};
use crate::error::{Error, ErrorKind, Result};
use crate::record::Record;
use crate::service::is_ambiguous;

/// A subscription lasts five minutes at most; another takes its place before (API reference, SubscribeToShard).
const RENEWED_AFTER: Duration = Duration::from_secs(290);
/// From the call to the first bytes of its answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// An idle shard has events too. A line without any for so long is dead: the KCL, too, gives up a read after 30 s.
const SILENCE: Duration = Duration::from_secs(30);
/// An event that was waited for so long has not waited itself, in a buffer on the way.
const FRESH: Duration = Duration::from_millis(100);

/// Ended by dropping it.
pub(super) struct ShardSubscription {
    events: EventReceiver<SubscribeToShardEventStream, SubscribeToShardEventStreamError>,
    since: Instant,
}

impl ShardReader {
    /// Waits for the next event, and subscribes where there is no subscription, or one that is old. While nobody
    /// waits here, what follows stays on the line and at the service: nothing is read ahead.
    pub(super) async fn event(&mut self) -> Result<Got> {
        loop {
            let waiting = Instant::now();
            let Some(subscription) = &mut self.subscription else {
                self.subscribe().await?;
                continue;
            };
            let renewed = subscription.since + RENEWED_AFTER;
            if renewed <= waiting {
                self.subscription = None;
                continue;
            }
            let until = renewed.min(waiting + SILENCE);
            match timeout_at(until, subscription.events.recv()).await {
                Ok(Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)))) => {
                    return self.heard(event, waiting).await;
                }
                Ok(Ok(Some(_))) => {} // of a kind that came into the world later
                Err(_) if until == renewed => self.subscription = None,
                Err(_) => {
                    return Err(self.broken(ErrorKind::Timeout, "has brought nothing for 30 seconds"));
                }
                Ok(Ok(None)) => {
                    // A stream that is gone is noticed at once, at least where asking costs nothing.
                    self.make_sure(true).await?;
                    return Err(self.broken(ErrorKind::Unreachable, "has ended before its time"));
                }
                Ok(Err(error)) => return Err(self.explain_event(error)),
            }
        }
    }

    /// Makes a subscription; when this returns, "latest" means the past.
    pub(super) async fn subscribe(&mut self) -> Result<()> {
        let Some(registration) = self.registration.clone() else { return Ok(()) };
        self.arn = registration.arn();
        if let Some(due) = registration.next_subscription(&self.shard_id) {
            tokio::time::sleep_until(due).await;
        }
        let position = match &self.continuation {
            // Not after it: of a record that was read, AWS gives the number, and the embedded service the one that
            // follows it. What comes twice is left out.
            Some(number) => Position::AtSequenceNumber(number.clone()),
            None => self.position(),
        };
        let call = self.options.stream.kinesis().data().subscribe_to_shard();
        let call = call.consumer_arn(&*self.arn).shard_id(&*self.shard_id);
        // One whose answer does not come may have been made: now, when a stop ends this wait, or then.
        registration.note_subscribed(&self.shard_id, Instant::now());
        let sent = timeout(ANSWERED_WITHIN, call.starting_position(position.starting()).send()).await;
        match &sent {
            Ok(Err(error)) if !is_ambiguous(error) => registration.was_not_subscribed(&self.shard_id),
            _ => registration.note_subscribed(&self.shard_id, Instant::now()),
        }
        let sent = sent.map_err(|_| self.broken(ErrorKind::Timeout, "was not answered in time"))?;
        let answer = sent.map_err(|error| self.explain(error))?;
        let since = Instant::now();
        tracing::debug!(target: "kinesis_lab", "subscribed");
        self.reopened = true;
        self.subscription = Some(ShardSubscription { events: answer.event_stream, since });
        Ok(())
    }

    async fn heard(&mut self, event: SubscribeToShardEvent, waiting: Instant) -> Result<Got> {
        let at = Instant::now();
        if !event.records.is_empty() {
            self.make_sure(true).await?;
        }
        let continuation = event.continuation_sequence_number;
        let has_children = event.child_shards.is_some_and(|children| !children.is_empty());
        // At the end, AWS names no number to go on from. ferrokinesis does, and names the children of a closed
        // shard while records are still to come.
        let may_have_ended = continuation.is_empty() || (has_children && event.records.is_empty());
        if !continuation.is_empty() {
            self.continuation = Some(continuation);
        }
        let mut records: Vec<Record> = event.records.into_iter().map(Record::from_sdk).collect();
        leave_out(&mut records, self.last_sequence_number.as_deref());
        Ok(Got {
            records,
            millis_behind_latest: Some(event.millis_behind_latest),
            may_have_ended,
            has_children,
            at,
            running: None,
            fresh: at.saturating_duration_since(waiting) >= FRESH,
        })
    }

    /// What an error of a subscription, or of making one, means: an error is the end of the shard's reading, `None`
    /// is to go on at once in another way, anything else is tried again.
    pub(super) async fn after_subscription(&mut self, error: Error, failures: u32) -> Result<Option<Error>> {
        self.subscription = None;
        let Some(registration) = self.registration.clone() else { return Ok(None) };
        match error.kind() {
            ErrorKind::LimitExceeded | ErrorKind::StreamInUse => Ok(Some(error)),
            _ if error.is_transient() => Ok(Some(error)),
            // No permission, a service that knows no such call, a position that it does not take: polls say more.
            ErrorKind::AccessDenied | ErrorKind::Refused | ErrorKind::InvalidInput => {
                registration.refused(&error);
                Ok(None)
            }
            // The stream, the consumer, or the shard.
            ErrorKind::StreamNotFound => match registration.look_again(&self.arn).await {
                Ok(Found::Another) => Ok(None),
                Ok(Found::Same) if failures < 2 => Ok(Some(error)),
                Ok(Found::Same) => {
                    self.registration = None; // what became of the shard, polls tell
                    Ok(None)
                }
                Ok(Found::Gone) => {
                    registration.poll_instead(
                        "its registration was taken back while it was reading; the next run registers it again",
                    );
                    Ok(None)
                }
                Err(error) if error.is_transient() || error.kind() == ErrorKind::LimitExceeded => {
                    Ok(Some(error))
                }
                Err(error) if error.kind() == ErrorKind::AccessDenied => {
                    registration.refused(&error);
                    Ok(None)
                }
                Err(error) => Err(error),
            },
            _ => Err(error),
        }
    }

    /// It was tried for a minute.
    pub(super) fn give_up_subscribing(&mut self, error: &Error) {
        self.subscription = None;
        if let Some(registration) = &self.registration {
            registration.poll_instead(&format!(
                "for a minute, no event of {} has come ({error}); what is on the way must let HTTP/2 event streams \
                 pass",
                self.shard_id
            ));
        }
    }

    fn broken(&self, kind: ErrorKind, how: &str) -> Error {
        let stream = self.options.stream.name();
        Error::new(kind, format!("the subscription to {} of stream {stream} {how}", self.shard_id))
    }

    fn explain_event<R: std::fmt::Debug>(
        &self,
        error: SdkError<SubscribeToShardEventStreamError, R>,
    ) -> Error {
        let SdkError::ServiceError(service) = &error else {
            return self.broken(ErrorKind::Unreachable, "broke off");
        };
        use SubscribeToShardEventStreamError as Event;
        let said = service.err().message().unwrap_or("no further message");
        let kind = match service.err() {
            Event::ResourceNotFoundException(_) => ErrorKind::StreamNotFound,
            Event::ResourceInUseException(_) => {
                if let Some(registration) = &self.registration {
                    registration.taken_over(&self.shard_id);
                }
                ErrorKind::StreamInUse
            }
            Event::KmsThrottlingException(_) => ErrorKind::Throttled,
            Event::InternalFailureException(_) => ErrorKind::Service,
            other if other.code() == Some("AccessDeniedException") => ErrorKind::AccessDenied,
            // A key that is not to be had: polls are refused as well, and with the better sentence.
            Event::KmsDisabledException(_)
            | Event::KmsInvalidStateException(_)
            | Event::KmsAccessDeniedException(_)
            | Event::KmsNotFoundException(_)
            | Event::KmsOptInRequired(_) => ErrorKind::Refused,
            _ => ErrorKind::Service,
        };
        self.broken(kind, &format!("was ended by the service: {said}"))
    }
}

/// What was delivered before, at the head of what a new subscription brings. Numbers of a shard ascend.
fn leave_out(records: &mut Vec<Record>, last: Option<&str>) {
    let Some(last) = last else { return };
    let delivered = |record: &Record| numerically(&record.sequence_number, last).is_le();
    let first = records.iter().position(|record| !delivered(record)).unwrap_or(records.len());
    records.drain(..first);
}
