//! SubscribeToShard, with events as AWS gives them.
//!
//! Those of ferrokinesis 0.7 come every 200 ms, say that nothing is unread, begin with the oldest record where none
//! is as young as `AT_TIMESTAMP` asks for, and go on when the consumer is deregistered; and they are read beside puts,
//! where a read can miss a record for ever (`gate.rs`). So it answers whether there may be a subscription, and the
//! events are made here.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use ferrokinesis::event_stream;
use ferrokinesis::sequence::{self, SeqObj, parse_sequence, resolve_shard_id, shard_ix_to_hex};
use ferrokinesis::store::Store;
use ferrokinesis::types::{ConsumerStatus, EpochSeconds, StoredRecord, Stream};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::call::Call;
use super::cbor;
use super::front::MAX_BODY;
use super::gate::{Gate, Side};
use super::kinship::children;

/// An event comes so often when nothing else does.
const HEARTBEAT: Duration = Duration::from_millis(200);
/// And no more often than that: what is put meanwhile comes together. (On AWS, some 70 ms after it was put.)
const GATHERED: Duration = Duration::from_millis(20);
/// How long a subscription lasts (API reference, SubscribeToShard).
const LASTS: Duration = Duration::from_secs(300);
/// What an event holds at most, but for a single record.
const EVENT_RECORDS: usize = 500;
const EVENT_BYTES: usize = 2 << 20;

/// The subscriptions under way.
pub(crate) struct Subscriptions {
    store: Store,
    gate: Arc<Gate>,
    /// By consumer and shard; dropped, it ends the one before.
    taken: Mutex<HashMap<(String, i64), oneshot::Sender<()>>>,
}

impl Subscriptions {
    pub(crate) fn new(store: Store, gate: Arc<Gate>) -> Subscriptions {
        Subscriptions { store, gate, taken: Mutex::default() }
    }
}

pub(crate) async fn push(
    State(subscriptions): State<Arc<Subscriptions>>,
    request: Request,
    next: Next,
) -> Response {
    if Call::of(&request).is_none_or(|call| &*call.operation != "SubscribeToShard") {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let in_cbor = cbor::is_cbor(parts.headers.get(header::CONTENT_TYPE));
    let asked = if in_cbor { cbor::to_json(&body) } else { serde_json::from_slice(&body).ok() };
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    match asked {
        // Its own events begin when they are asked for: not at all.
        Some(asked) if answer.status().is_success() => {
            let (parts, _) = answer.into_parts();
            match ShardPush::begin(&subscriptions, &asked, in_cbor).await {
                Some(body) => Response::from_parts(parts, body),
                None => Response::from_parts(parts, Body::empty()), // gone between the two
            }
        }
        _ => answer,
    }
}

struct ShardPush {
    subscriptions: Arc<Subscriptions>,
    consumer_arn: String,
    stream_name: String,
    created: f64,
    shard: i64,
    /// Where the next event begins: at this number.
    from: String,
    /// What it gives as the number to go on from, or after.
    continuation: String,
    in_cbor: bool,
}

/// A look at a shard.
struct Look {
    frame: Vec<u8>,
    end: bool,
    /// There is more to be had at once.
    more: bool,
}

impl ShardPush {
    async fn begin(subscriptions: &Arc<Subscriptions>, asked: &Value, in_cbor: bool) -> Option<Body> {
        let consumer_arn = asked["ConsumerARN"].as_str()?.to_owned();
        let stream_name = consumer_arn.split('/').nth(1)?.to_owned();
        let (_, shard) = resolve_shard_id(asked["ShardId"].as_str()?).ok()?;
        let inside = subscriptions.gate.enter(Side::Reads).await;
        let stream = subscriptions.store.get_stream(&stream_name).await.ok()?;
        let (from, continuation) =
            start(&subscriptions.store, &stream_name, &stream, shard, &asked["StartingPosition"]).await?;
        drop(inside);
        let (taken, over) = oneshot::channel();
        let key = (consumer_arn.clone(), shard);
        // The one before hears of it.
        subscriptions.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(key, taken);
        let subscription = ShardPush {
            subscriptions: subscriptions.clone(),
            consumer_arn,
            stream_name,
            created: stream.stream_creation_timestamp.0,
            shard,
            from,
            continuation,
            in_cbor,
        };
        let (send, frames) = channel(1);
        tokio::spawn(subscription.run(send, over));
        Some(Body::from_stream(Frames(frames)))
    }

    async fn run(mut self, send: Sender<Bytes>, mut over: oneshot::Receiver<()>) {
        let begun = Instant::now();
        if send.send(event_stream::encode_initial_response().into()).await.is_err() {
            return;
        }
        let gate = self.subscriptions.gate.clone();
        while begun.elapsed() < LASTS {
            // Registered before the look, or a put between the two would be missed.
            let mut stored = std::pin::pin!(gate.stored.notified());
            stored.as_mut().enable();
            let looked = Instant::now();
            let look = self.look().await;
            if send.send(look.frame.into()).await.is_err() || look.end {
                return;
            }
            if look.more {
                continue;
            }
            let gathered = async {
                stored.await;
                tokio::time::sleep_until(looked + GATHERED).await;
            };
            tokio::select! {
                () = gathered => {}
                () = tokio::time::sleep_until(looked + HEARTBEAT) => {}
                () = send.closed() => return,
                // Nothing is ever sent.
                _ = &mut over => {
                    let sentence = "another subscription to this shard was made for this consumer";
                    let _ = send.send(exception("ResourceInUseException", sentence)).await;
                    return;
                }
            }
        }
    }

    /// The next event, or why there is none any more.
    async fn look(&mut self) -> Look {
        let store = &self.subscriptions.store;
        let gone = |sentence: &str| Look {
            frame: exception("ResourceNotFoundException", sentence).into(),
            end: true,
            more: false,
        };
        let active = |status| matches!(status, ConsumerStatus::Active);
        if !store.get_consumer(&self.consumer_arn).await.is_some_and(|found| active(found.consumer_status)) {
            return gone("the consumer is not registered any more");
        }
        let (records, more, behind, closed, stream) = {
            let _inside = self.subscriptions.gate.enter(Side::Reads).await;
            let stream = match store.get_stream(&self.stream_name).await {
                Ok(stream) if stream.stream_creation_timestamp.0 == self.created => stream,
                _ => return gone("the stream is not there any more"),
            };
            let range = format!("{}/{}", shard_ix_to_hex(self.shard), self.from);
            let end = shard_ix_to_hex(self.shard + 1);
            let mut records =
                store.get_records_range_limited(&self.stream_name, &range, &end, EVENT_RECORDS + 1).await;
            let fits = fits(&records);
            let more = records.len() > fits;
            let behind = if more { age(&records[fits].1) } else { Duration::ZERO };
            records.truncate(fits);
            let closed = stream
                .shards
                .get(self.shard as usize)
                .is_some_and(|shard| shard.sequence_number_range.ending_sequence_number.is_some());
            (records, more, behind, closed, stream)
        };
        let end = closed && !more;
        if let Some(last) = records.last().and_then(|(key, _)| key.split('/').nth(1)) {
            self.continuation = last.to_owned();
            if let Ok(last) = parse_sequence(last) {
                self.from = sequence::increment_sequence(&last, None);
            }
        }
        let since =
            now().saturating_sub(Duration::from_secs(u64::from(stream.retention_period_hours) * 3_600));
        let event = self.event(&records, since, behind, end.then_some(&stream));
        Look { frame: self.frame(&event), end, more }
    }

    /// At the end of a shard, with its children and no number to go on from.
    fn event(
        &self,
        records: &[(String, StoredRecord)],
        since: Duration,
        behind: Duration,
        ended: Option<&Stream>,
    ) -> Value {
        let kept =
            records.iter().filter(|(_, record)| record.approximate_arrival_timestamp >= since.as_secs_f64());
        let records: Vec<Value> = kept
            .map(|(key, record)| {
                json!({
                    "SequenceNumber": key.split('/').nth(1), "PartitionKey": record.partition_key, "Data": record.data,
                    "ApproximateArrivalTimestamp": EpochSeconds(record.approximate_arrival_timestamp),
                })
            })
            .collect();
        let mut event = json!({ "Records": records, "MillisBehindLatest": behind.as_millis() as u64 });
        match ended {
            None => event["ContinuationSequenceNumber"] = json!(self.continuation),
            Some(stream) => event["ChildShards"] = children(stream, &sequence::shard_id_name(self.shard)),
        }
        event
    }

    fn frame(&self, event: &Value) -> Vec<u8> {
        match self.in_cbor {
            true => event_stream::encode_subscribe_event(&cbor::from_json(event.clone()), cbor::CBOR),
            false => event_stream::encode_subscribe_event(event.to_string().as_bytes(), "application/json"),
        }
    }
}

/// From which number on, and what to give as the one to go on from until there was a record.
async fn start(
    store: &Store,
    name: &str,
    stream: &Stream,
    shard: i64,
    position: &Value,
) -> Option<(String, String)> {
    let first = &stream.shards.get(shard as usize)?.sequence_number_range.starting_sequence_number;
    let number = position["SequenceNumber"].as_str();
    let from = match position["Type"].as_str()? {
        "TRIM_HORIZON" => first.clone(),
        "AT_SEQUENCE_NUMBER" => number?.to_owned(),
        "AFTER_SEQUENCE_NUMBER" => {
            let number = number?;
            return Some((
                sequence::increment_sequence(&parse_sequence(number).ok()?, None),
                number.to_owned(),
            ));
        }
        "AT_TIMESTAMP" => {
            let (range, end) = (format!("{}/", shard_ix_to_hex(shard)), shard_ix_to_hex(shard + 1));
            // In whole seconds, like the times of arrival here.
            let time = position["Timestamp"].as_f64()?.floor();
            match store.find_first_record_at_timestamp(name, &range, &end, time).await {
                Some((key, _)) => key.split('/').nth(1)?.to_owned(),
                None => frontier(store, name, first, shard).await?,
            }
        }
        _ => frontier(store, name, first, shard).await?,
    };
    Some((from.clone(), from))
}

/// A number after all records that are there, and before all that will be.
async fn frontier(store: &Store, name: &str, first: &str, shard: i64) -> Option<String> {
    let next = store.current_shard_seq(name, shard).await;
    if next == 0 {
        return Some(first.to_owned());
    }
    let first = parse_sequence(first).ok()?;
    let second_after_next = now().as_millis() as u64 + 1_000;
    Some(sequence::stringify_sequence(&SeqObj {
        seq_ix: Some(next - 1),
        seq_time: Some(second_after_next),
        byte1: None,
        seq_rand: None,
        version: 2,
        ..first
    }))
}

/// How many of these an event takes: one at least, if there is one.
fn fits(records: &[(String, StoredRecord)]) -> usize {
    let mut bytes = 0;
    let within = records.iter().take(EVENT_RECORDS).take_while(|(_, record)| {
        bytes += record.data.len() + record.partition_key.len();
        bytes <= EVENT_BYTES
    });
    within.count().max(records.len().min(1))
}

/// 1 ms at least; times of arrival are cut to seconds here.
fn age(record: &StoredRecord) -> Duration {
    let arrived = Duration::try_from_secs_f64(record.approximate_arrival_timestamp).unwrap_or_default();
    now().saturating_sub(arrived).max(Duration::from_millis(1))
}

fn exception(kind: &'static str, sentence: &str) -> Bytes {
    event_stream::encode_exception(kind, sentence).into()
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

struct Frames(Receiver<Bytes>);

impl futures_core::Stream for Frames {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}
