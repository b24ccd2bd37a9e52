//! A service of this process that answers puts as a test says, and describes any stream.

// Compiled into each test file, of which none uses all of it.
#![allow(dead_code)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kinesis_lab::block_on;
use serde_json::{Value, json};

/// A call: its operation, the access key that it was signed with, its body.
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) access_key: String,
    pub(crate) body: Value,
}

pub(crate) enum Answer {
    Ok(Value),
    Refused(&'static str, String),
    /// None ever comes.
    Never,
}

/// How many calls there have been, and how many wait for an answer.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) made: AtomicUsize,
    pub(crate) waiting: AtomicUsize,
}

/// Its URL.
pub(crate) fn service(answer: impl Fn(Call) -> Answer + Send + Sync + 'static) -> (String, Arc<Calls>) {
    let calls = Arc::<Calls>::default();
    let (counted, answer) = (calls.clone(), Arc::new(answer));
    let url = block_on(async move {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(move |request: Request| {
            let (answer, calls) = (answer.clone(), counted.clone());
            async move { respond(request, &*answer, calls).await }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    });
    (url, calls)
}

struct Waiting(Arc<Calls>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn respond(
    request: Request,
    answer: &(dyn Fn(Call) -> Answer + Send + Sync),
    calls: Arc<Calls>,
) -> Response {
    let (parts, body) = request.into_parts();
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = header("x-amz-target").rsplit('.').next().unwrap_or_default().to_owned();
    let signed = header("authorization").to_owned();
    let access_key = signed.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
    let access_key = access_key.unwrap_or_default().to_owned();
    let body = to_bytes(body, 32 << 20).await.unwrap();
    if operation == "DescribeStreamSummary" {
        return ok(json!({ "StreamDescriptionSummary": {
            "StreamName": "s", "StreamARN": "arn:aws:kinesis:eu-west-1:000000000000:stream/s", "StreamStatus": "ACTIVE",
            "RetentionPeriodHours": 24, "StreamCreationTimestamp": 1, "EnhancedMonitoring": [], "OpenShardCount": 1,
        }}));
    }
    calls.made.fetch_add(1, Ordering::SeqCst);
    let body = serde_json::from_slice(&body).unwrap_or_default();
    match answer(Call { operation, access_key, body }) {
        Answer::Ok(body) => ok(body),
        Answer::Refused(code, message) => {
            json_response(StatusCode::BAD_REQUEST, json!({ "__type": code, "message": message }))
        }
        Answer::Never => {
            calls.waiting.fetch_add(1, Ordering::SeqCst);
            let _waiting = Waiting(calls);
            std::future::pending().await
        }
    }
}

fn ok(body: Value) -> Response {
    json_response(StatusCode::OK, body)
}

fn json_response(status: StatusCode, body: Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], Body::from(body.to_string()))
        .into_response()
}

/// All records of a PutRecords are stored.
pub(crate) fn stored(call: &Call) -> Answer {
    let records = call.body["Records"].as_array().map_or(0, Vec::len);
    let record = json!({ "ShardId": "shardId-000000000000", "SequenceNumber": "1" });
    Answer::Ok(json!({ "FailedRecordCount": 0, "Records": vec![record; records] }))
}
