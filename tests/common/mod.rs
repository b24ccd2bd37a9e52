//! A local Kinesis behind two layers that inject faults, drawn from a seed: wrong answers of the
//! service (here), and lines that fail (`line.rs`).

// Compiled into each test file, of which none uses all of it.
#![allow(dead_code)]

mod line;
pub(crate) mod small_disk;
pub(crate) mod stops_at_end;
// The embedded service's own: without it, ferrokinesis loses records to readers beside writers.
#[path = "../../src/service/local/gate.rs"]
mod local_gate;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use fastrand::Rng;
use ferrokinesis::store::StoreOptions;
use kinesis_lab::block_on;
use kinesis_lab::prelude::*;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How long a client on a faulty line waits for an answer. On a busy machine one may take half a second,
/// and when all of a record's attempts were given up, a run would fail.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often, in percent, a call of the data plane meets which fault.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// `ProvisionedThroughputExceededException`; nothing is done.
    pub(crate) throttled: u8,
    /// Status 500, of which one half is done all the same.
    pub(crate) failed: u8,
    /// The call is done, and the connection breaks in the middle of the answer.
    pub(crate) broken: u8,
    /// `ExpiredIteratorException` for reads.
    pub(crate) expired: u8,
    /// Some records of a PutRecords are refused, the others stored.
    pub(crate) partial: u8,
    /// The line is reset before any answer, of which one half after the call was done.
    pub(crate) reset: u8,
    /// Half of the answer comes, and then the end of the stream; the other direction stays open.
    pub(crate) half_closed: u8,
    /// No answer ever comes, and the line stays open; one half is done all the same.
    pub(crate) silent: u8,
    /// The answer comes late, by up to twice the client's patience.
    pub(crate) slow: u8,
}

impl Faults {
    /// For programs that are killed meanwhile. None that keeps silent: a program waits as long as it would on AWS.
    pub(crate) const FOR_PROGRAMS: Faults = Faults {
        throttled: 4,
        failed: 3,
        broken: 3,
        expired: 4,
        partial: 5,
        reset: 3,
        half_closed: 3,
        silent: 0,
        slow: 0,
    };
}

/// How often each fault was met; a test that meets none proves nothing.
pub(crate) type Met = BTreeMap<&'static str, u64>;

/// The two ways to the same service: one through the faults, one past them.
pub(crate) struct Faulty {
    pub(crate) kinesis: Kinesis,
    pub(crate) direct: Kinesis,
    plan: Arc<Mutex<Plan>>,
    // A thousand runs in one process would otherwise leave three thousand listeners.
    _servers: JoinSet<()>,
}

impl Faulty {
    pub(crate) fn met(&self) -> Met {
        self.plan.lock().unwrap().met.clone()
    }

    /// From now on, every GetRecords is answered with this error.
    pub(crate) fn refuse_reads(&self, code: &'static str) {
        self.plan.lock().unwrap().refused = Some(code);
    }
}

struct Plan {
    faults: Faults,
    rng: Rng,
    met: Met,
    refused: Option<&'static str>,
}

impl Plan {
    fn met(&mut self, fault: &'static str) {
        *self.met.entry(fault).or_default() += 1;
    }
}

pub(crate) fn faulty(seed: u64, faults: Faults) -> Faulty {
    let options = StoreOptions {
        create_stream_ms: 0,
        delete_stream_ms: 0,
        update_stream_ms: 0,
        ..StoreOptions::default()
    };
    let plan =
        Arc::new(Mutex::new(Plan { faults, rng: Rng::with_seed(seed), met: Met::new(), refused: None }));
    let shared = plan.clone();
    let (direct, faulty, servers) = block_on(async move {
        let mut servers = JoinSet::new();
        let (app, _store) = ferrokinesis::create_app(options);
        let app = app.layer(DefaultBodyLimit::max(32 << 20));
        let app = app.layer(from_fn_with_state(Arc::new(local_gate::Gate::default()), local_gate::pass));
        let direct = serve(app.clone(), &mut servers).await;
        let service = serve(app.layer(from_fn_with_state(shared.clone(), inject)), &mut servers).await;
        let faulty = line::lay(service, shared, &mut servers).await;
        (direct, faulty, servers)
    });
    let open = |address: SocketAddr| Kinesis::endpoint(&format!("http://{address}")).unwrap();
    Faulty {
        kinesis: open(faulty).attempt_timeout(ATTEMPT_TIMEOUT),
        direct: open(direct),
        plan,
        _servers: servers,
    }
}

async fn serve(app: Router, servers: &mut JoinSet<()>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    servers.spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

async fn inject(State(plan): State<Arc<Mutex<Plan>>>, request: Request, next: Next) -> Response {
    let target = request.headers().get("x-amz-target").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let call = target.rsplit('.').next().unwrap_or_default().to_owned();
    if !["PutRecords", "GetRecords", "GetShardIterator"].contains(&call.as_str()) {
        return next.run(request).await;
    }
    let (fault, mut rng) = {
        let mut plan = plan.lock().unwrap();
        if let Some(code) = plan.refused.filter(|_| call == "GetRecords") {
            return error(StatusCode::BAD_REQUEST, code);
        }
        let Faults { throttled, failed, broken, expired, partial, .. } = plan.faults;
        let fault = pick(
            plan.rng.u8(0..100),
            &[
                (throttled, "throttled"),
                (failed, "failed"),
                (broken, "broken"),
                (if call == "GetRecords" { expired } else { 0 }, "expired"),
                (if call == "PutRecords" { partial } else { 0 }, "partial"),
            ],
        );
        fault.inspect(|fault| plan.met(fault));
        (fault, plan.rng.fork())
    };
    match fault {
        Some("throttled") => error(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException"),
        Some("failed") => {
            if rng.bool() {
                next.run(request).await;
            }
            error(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure")
        }
        Some("broken") => broken(next.run(request).await).await,
        Some("expired") => error(StatusCode::BAD_REQUEST, "ExpiredIteratorException"),
        Some("partial") => partial(request, next, &mut rng).await,
        _ => next.run(request).await,
    }
}

/// The fault in whose share of 0..100 the dice fell.
fn pick(dice: u8, shares: &[(u8, &'static str)]) -> Option<&'static str> {
    let mut end = 0;
    shares.iter().find_map(|(percent, fault)| {
        end += percent;
        (dice < end).then_some(*fault)
    })
}

fn error(status: StatusCode, code: &str) -> Response {
    answer(status, &json!({ "__type": code, "message": "injected" }))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string()).into_response()
}

/// Announces the whole answer and delivers half of it.
async fn broken(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let length = body.len();
    let half = body.slice(..length / 2);
    let pieces = [Ok(half), Err(std::io::Error::other("the line went dead"))];
    let mut response = Response::from_parts(parts, Body::from_stream(Pieces(pieces.into_iter())));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}

struct Pieces(std::array::IntoIter<std::io::Result<Bytes>, 2>);

impl futures_core::Stream for Pieces {
    type Item = std::io::Result<Bytes>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

/// Stores some of the records and refuses the others, as PutRecords does under load.
async fn partial(request: Request, next: Next, rng: &mut Rng) -> Response {
    let (parts, body) = request.into_parts();
    let mut body: Value = serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap();
    let Value::Array(all) = body["Records"].take() else { panic!("PutRecords without records") };
    let refused: Vec<bool> = all.iter().map(|_| rng.u8(0..100) < 30).collect();
    let kept: Vec<Value> = all.iter().zip(&refused).filter(|(_, no)| !**no).map(|(r, _)| r.clone()).collect();
    let mut stored = Vec::new().into_iter();
    if !kept.is_empty() {
        body["Records"] = Value::Array(kept);
        let mut request = Request::from_parts(parts, Body::from(body.to_string()));
        request.headers_mut().remove(header::CONTENT_LENGTH);
        let response = to_bytes(next.run(request).await.into_body(), usize::MAX).await.unwrap();
        let response: Value = serde_json::from_slice(&response).unwrap();
        stored = response["Records"].as_array().expect("an answer with records").clone().into_iter();
    }
    let codes = ["ProvisionedThroughputExceededException", "InternalFailure"];
    let records: Vec<Value> = refused
        .iter()
        .map(|refused| match refused {
            true => json!({ "ErrorCode": codes[rng.usize(0..2)], "ErrorMessage": "injected" }),
            false => stored.next().unwrap(),
        })
        .collect();
    let failed = refused.iter().filter(|refused| **refused).count();
    answer(StatusCode::OK, &json!({ "FailedRecordCount": failed, "Records": records }))
}
