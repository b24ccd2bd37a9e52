//! A service whose answers a test writes by hand, without a network: time can be paused.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use axum::body::Bytes;
use ferrokinesis::event_stream;
use serde_json::{Value, json};

use crate::stream::Stream;
use crate::timestamp::Timestamp;

/// What the service's clock says, whatever ours does: 2018-09-06T08:00:00Z.
pub(super) const SERVICE_TIME: i64 = 1_536_220_800;

/// A body, or the code of an error.
pub(crate) type Answer = Result<Value, &'static str>;

type Script = Box<dyn FnMut(&str, &Value) -> Option<Answer> + Send>;

#[derive(Clone)]
struct Scripted {
    script: Arc<Mutex<Script>>,
    latency: Duration,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scripted service")
    }
}

impl HttpClient for Scripted {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Scripted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (script, latency) = (self.script.clone(), self.latency);
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(latency).await;
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let call = target.rsplit('.').next().unwrap_or_default();
            let asked =
                serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
            let answer = (script.lock().unwrap_or_else(PoisonError::into_inner))(call, &asked);
            // Nothing at all: it never answers.
            let Some(answer) = answer else { return std::future::pending().await };
            let (status, body) = match answer {
                Ok(events) if call == "SubscribeToShard" => {
                    (200, SdkBody::from_body_1_x(flow(script, asked, events)))
                }
                Ok(body) => (200, SdkBody::from(body.to_string())),
                Err(code) => {
                    (400, SdkBody::from(json!({ "__type": code, "message": "scripted" }).to_string()))
                }
            };
            let mut response = HttpResponse::new(status.try_into().expect("a status"), body);
            response.headers_mut().insert("content-type", "application/x-amz-json-1.1");
            response.headers_mut().insert("date", "Thu, 06 Sep 2018 08:00:00 GMT");
            Ok(response)
        })
    }
}

/// The body of an answer to SubscribeToShard: each event after its pause, in milliseconds, and then what becomes of
/// the line. The script hears of each event that was taken, as of a call `Taken`.
fn flow(script: Arc<Mutex<Script>>, asked: Value, events: Value) -> EventFlow {
    let (send, receive) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        if send.send(Ok(event_stream::encode_initial_response().into())).await.is_err() {
            return;
        }
        for step in events["Events"].as_array().expect("a list of events") {
            tokio::time::sleep(Duration::from_millis(step["After"].as_u64().unwrap_or_default())).await;
            let frame = match step["Exception"].as_str() {
                Some("ResourceInUseException") => {
                    event_stream::encode_exception("ResourceInUseException", "scripted")
                }
                Some(_) => event_stream::encode_exception("ResourceNotFoundException", "scripted"),
                None => {
                    let event = step["Event"].to_string();
                    event_stream::encode_subscribe_event(event.as_bytes(), "application/json")
                }
            };
            if send.send(Ok(frame.into())).await.is_err() {
                return;
            }
            (script.lock().unwrap_or_else(PoisonError::into_inner))("Taken", &asked);
        }
        match events["Then"].as_str() {
            Some("breaks") => drop(send.send(Err(std::io::Error::other("the line went dead"))).await),
            Some("silence") => send.closed().await,
            _ => {}
        }
    });
    EventFlow(receive)
}

struct EventFlow(tokio::sync::mpsc::Receiver<std::io::Result<Bytes>>);

impl http_body::Body for EventFlow {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<http_body::Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| bytes.map(http_body::Frame::data)))
    }
}

/// An event with these records, after which reading goes on at this number.
pub(super) fn event(numbers: &[u64], continuation: u64, millis: i64) -> Value {
    let mut event = page(numbers, None, millis);
    event["ContinuationSequenceNumber"] = json!(continuation.to_string());
    event
}

/// Events, a second after each other, and what becomes of the line then: it `breaks`, or `closes`, or there is
/// `silence`.
pub(super) fn flow_of(events: &[Value], then: &str) -> Option<Answer> {
    let steps: Vec<Value> = events.iter().map(|event| json!({ "After": 1_000, "Event": event })).collect();
    Some(Ok(json!({ "Events": steps, "Then": then })))
}

/// A consumer, as the service describes it.
pub(super) fn consumer(arn: &str, status: &str) -> Option<Answer> {
    let consumer = json!({
        "ConsumerName": "c", "ConsumerARN": arn, "ConsumerStatus": status,
        "ConsumerCreationTimestamp": SERVICE_TIME, "StreamARN": "arn:aws:kinesis:eu-west-1:1:stream/s",
    });
    Some(Ok(json!({ "ConsumerDescription": consumer, "Consumer": consumer })))
}

/// A stream at a service that looks like AWS's, created an hour ago. The script gives an answer to each call
/// but DescribeStreamSummary; `None` is no answer, ever.
pub(crate) fn stream(
    latency: Duration,
    mut script: impl FnMut(&str, &Value) -> Option<Answer> + Send + 'static,
) -> Stream {
    let script: Script = Box::new(move |call, asked| match call {
        "DescribeStreamSummary" => Some(Ok(json!({ "StreamDescriptionSummary": {
            "StreamName": "s", "StreamARN": "arn:aws:kinesis:eu-west-1:1:stream/s", "StreamStatus": "ACTIVE",
            "RetentionPeriodHours": 24, "OpenShardCount": 1, "EnhancedMonitoring": [],
            "StreamCreationTimestamp": SERVICE_TIME - 3_600,
        }}))),
        _ => script(call, asked),
    });
    let client = Scripted { script: Arc::new(Mutex::new(script)), latency };
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(client)
        .build();
    Stream::existing(Client::from_conf(config), "s", Timestamp::from_secs(SERVICE_TIME - 3_600))
}

/// A shard as ListShards names it: `n` of `of` equal parts of all hashes.
pub(crate) fn listed(id: &str, parents: &[&str], (n, of): (u128, u128), closed: bool) -> Value {
    let part = (u128::MAX / of).wrapping_add(1);
    let end = if n + 1 == of { u128::MAX } else { part * (n + 1) - 1 };
    let start = 1_000 + parents.len() * 1_000;
    let mut shard = json!({
        "ShardId": id,
        "HashKeyRange": { "StartingHashKey": (part * n).to_string(), "EndingHashKey": end.to_string() },
        "SequenceNumberRange": { "StartingSequenceNumber": start.to_string() },
    });
    if closed {
        shard["SequenceNumberRange"]["EndingSequenceNumber"] = json!((start + 999).to_string());
    }
    for (name, parent) in ["ParentShardId", "AdjacentParentShardId"].iter().zip(parents) {
        shard[*name] = json!(parent);
    }
    shard
}

/// One open shard, `a`.
pub(super) fn one_shard() -> Option<Answer> {
    Some(Ok(json!({ "Shards": [listed("a", &[], (0, 1), false)] })))
}

/// The iterator names the shard, so that a script knows whose page is asked for.
pub(super) fn iterator(asked: &Value) -> Option<Answer> {
    Some(Ok(json!({ "ShardIterator": asked["ShardId"] })))
}

/// A page with records of these numbers, which arrived a minute before the run began.
pub(super) fn page(numbers: &[u64], next: Option<&str>, millis: i64) -> Value {
    let records: Vec<Value> = numbers
        .iter()
        .map(|n| {
            json!({
                "SequenceNumber": n.to_string(), "PartitionKey": "k",
                "Data": "", "ApproximateArrivalTimestamp": SERVICE_TIME - 60,
            })
        })
        .collect();
    let mut page = json!({ "Records": records, "MillisBehindLatest": millis });
    if let Some(next) = next {
        page["NextShardIterator"] = json!(next);
    }
    page
}
