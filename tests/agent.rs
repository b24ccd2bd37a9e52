//! The agent around a real web application, on a real socket, with an embedded Kinesis behind it.

#![cfg(feature = "full")]

mod common;
#[path = "../examples/visitors/plan.rs"]
#[allow(dead_code)]
mod plan;
#[path = "../examples/visitors/send.rs"]
#[allow(dead_code)]
mod send;
mod service;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use axum::extract::Path;
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
use axum::{Extension, Router};
use common::{Faults, faulty};
use kinesis_lab::Peer;
use kinesis_lab::prelude::*;
use kinesis_lab::{Agent, AgentFields, AgentLayer, BlockList, Detection, Playbooks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tower_layer::Layer;
use tower_service::Service;

/// An application with the agent around it, which is served until this is dropped.
struct Site {
    address: SocketAddr,
    agent: AgentLayer,
    // Ends with the runtime of its test.
    _server: tokio::task::JoinHandle<()>,
}

impl Site {
    async fn serve(agent: AgentLayer) -> Site {
        let app = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/user/{name}", get(user))
            .route("/never", get(never))
            .route("/panic", get(|| async { panic!("of the application") as &str }))
            .layer(agent.clone());
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Site { address, agent, _server }
    }

    /// A GET over a connection of its own: status and body.
    async fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let mut connection = self.open(path, headers).await;
        let mut answer = String::new();
        // The connection of a handler that panicked is closed without an answer.
        let _ = connection.read_to_string(&mut answer).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
        (status, body.to_owned())
    }

    async fn open(&self, path: &str, headers: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        connection
    }
}

/// The handler that never answers has been asked.
static ASKED: Notify = Notify::const_new();

async fn never() -> &'static str {
    ASKED.notify_one();
    pending().await
}

async fn user(Path(name): Path<String>) -> (StatusCode, Extension<AgentFields>) {
    let fields = AgentFields::new().with("user", name).with("status", "mine").with("n", 7);
    (StatusCode::IM_A_TEAPOT, Extension(fields))
}

/// What stands in a stream, as events.
#[derive(Default)]
struct Events(Vec<BTreeMap<Text, Text>>);

impl RecordProcessor for Events {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            let event = Event::parse(record)?;
            assert_eq!(event.key, record.partition_key);
            let mut members = event.fields.clone();
            members.insert("ip".into(), event.key);
            members.insert("id".into(), event.id.unwrap());
            members.insert("time".into(), event.time.to_string().into());
            self.0.push(members);
        }
        Ok(())
    }
}

/// All events, in the order in which the requests came.
fn events(stream: &Stream) -> Vec<BTreeMap<Text, Text>> {
    let mut events = Events::default();
    stream.consumer().trim_horizon().run_until_caught_up(&mut events).unwrap();
    events.0.sort_by_key(|event| event["time"].clone());
    events.0
}

fn stream() -> Stream {
    Kinesis::local().unwrap().create_stream("events", 2).unwrap()
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < secs(30), "waited in vain: {what}");
        tokio::time::sleep(millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_an_event() {
    let stream = stream();
    let before = Timestamp::now();
    let site = Site::serve(Agent::new(&stream).layer().unwrap()).await;
    assert_eq!(site.get("/?q=a%20b", "user-agent: test \"1\"\r\n").await, (200, "hello".into()));
    assert_eq!(site.get("/user/alice", "").await.0, 418);
    assert_eq!(site.get("/nowhere", "").await.0, 404);
    assert_eq!(site.get("/panic", "").await.0, 0);
    let connection = site.open("/never", "").await;
    ASKED.notified().await;
    drop(connection);
    until("the client is gone", || site.agent.report().emitted == 5).await;
    let report = site.agent.shutdown();
    assert_eq!((report.sent, report.dropped, report.failed, report.waiting()), (5, 0, 0, 0));

    let events = events(&stream);
    let of = |name: &str| -> Vec<&str> {
        events.iter().map(|event| event.get(name).map_or("", Text::raw)).collect()
    };
    assert_eq!(of("path"), ["/?q=a%20b", "/user/alice", "/nowhere", "/panic", "/never"]);
    assert_eq!(of("status"), ["200", "418", "404", "500", "499"]);
    assert_eq!(of("ip"), ["127.0.0.1"; 5]);
    assert_eq!(of("method"), ["GET"; 5]);
    assert_eq!(of("v"), ["1"; 5]);
    assert_eq!(of("user_agent"), ["test \"1\"", "", "", "", ""]);
    assert_eq!(of("user"), ["", "alice", "", "", ""]);
    assert_eq!((of("n")[1], of("app_status")[1]), ("7", "mine"));
    let mut ids = of("id");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
    let times: Vec<Timestamp> = of("time").iter().map(|time| time.parse().unwrap()).collect();
    assert!(times.iter().all(|time| (before..=Timestamp::now()).contains(time)), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_choose_no_address() {
    let spoofed = "x-forwarded-for: 198.51.100.1\r\nforwarded: for=203.0.113.9\r\n";
    for (ip, settings) in [
        ("127.0.0.1", (|agent| agent) as fn(Agent) -> Agent),
        ("198.51.100.1", |agent| agent.trusted_proxies(["127.0.0.0/8"]).unwrap()),
        ("203.0.113.9", |agent| agent.trusted_proxies(["127.0.0.1"]).unwrap().rfc7239()),
    ] {
        let stream = stream();
        let site = Site::serve(settings(Agent::new(&stream)).layer().unwrap()).await;
        assert_eq!(site.get("/", spoofed).await.0, 200);
        site.agent.shutdown();
        assert_eq!(events(&stream)[0]["ip"], ip);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_is_refused_until_it_is_over() {
    let (stream, list) = (stream(), BlockList::new());
    let agent = Agent::new(&stream).trusted_proxies(["127.0.0.1"]).unwrap().blocks(list.clone());
    let site = Site::serve(agent.layer().unwrap()).await;
    let (bad, good) = ("x-forwarded-for: 198.51.100.66\r\n", "x-forwarded-for: 198.51.100.7\r\n");
    list.block("::ffff:198.51.100.66", Timestamp::MAX).unwrap();
    // Behind a proxy is everybody: nobody can have it blocked.
    list.block("127.0.0.1", Timestamp::MAX).unwrap();
    assert_eq!(site.get("/user/mallory", bad).await, (403, String::new()));
    assert_eq!(site.get("/", good).await.0, 200);
    assert_eq!(site.get("/", "").await.0, 200);
    // The list's own tests know when a block is over; here, one that is over already.
    list.pardon("198.51.100.66").unwrap();
    list.block("198.51.100.66", Timestamp::now()).unwrap();
    assert_eq!(site.get("/", bad).await.0, 200);
    list.block("198.51.100.0/24", Timestamp::MAX).unwrap();
    assert_eq!(site.get("/", bad).await.0, 403);
    assert_eq!(site.get("/", good).await.0, 403);
    list.pardon("198.51.100.0/24").unwrap();
    assert_eq!(site.get("/", bad).await.0, 200);

    let report = site.agent.shutdown();
    assert_eq!((report.sent, report.refused), (7, 3));
    let events = events(&stream);
    let refused: Vec<_> = events.iter().filter(|event| event.contains_key("blocked")).collect();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|event| event["status"] == "403" && event["blocked"] == "true"));
    // The application did not see it, and had nothing to say of it.
    assert!(refused[0]["path"] == "/user/mallory" && !refused[0].contains_key("user"));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_from_a_stream_of_alerts() {
    let stream = stream();
    let alerts = stream.kinesis().create_stream("alerts", 1).unwrap();
    let alert = |id: &str, ip: &str| {
        let now = Timestamp::now();
        let until = now + secs(600);
        format!(
            r#"{{"v":1,"id":"{id}","playbook":"p","key":"{ip}","ip":"{ip}","time":"{now}","start":"{now}",
                "end":"{until}","count":10,"threshold":10,"response":"block","until":"{until}","evidence":""}}"#
        )
    };
    // One was there before the server began, one comes while it runs.
    alerts.put("198.51.100.1", alert("1", "198.51.100.1")).unwrap();
    let agent = Agent::new(&stream).trusted_proxies(["127.0.0.1"]).unwrap().blocks_from(&alerts);
    let site = Site::serve(agent.layer().unwrap()).await;
    let blocked = |address: &'static str| site.agent.blocks().is_blocked(address, Timestamp::now());
    until("the first alert", || blocked("198.51.100.1")).await;
    assert_eq!(site.get("/", "x-forwarded-for: 198.51.100.2\r\n").await.0, 200);
    alerts.put("198.51.100.2", alert("2", "198.51.100.2")).unwrap();
    until("the second alert", || blocked("198.51.100.2")).await;
    for address in ["198.51.100.1", "198.51.100.2"] {
        assert_eq!(site.get("/", &format!("x-forwarded-for: {address}\r\n")).await.0, 403);
    }
    site.agent.shutdown();
}

/// A playbook whose key is `ip/24/64` blocks whole networks, and the events say who was refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_a_network_refuses_all_its_addresses() {
    let books = "[[playbook]]\nname = \"guesser\"\nkey = \"ip/24/64\"\nthreshold = 3\nresponse = \"block\"\n";
    let (events_stream, playbooks) = (stream(), Playbooks::parse("books.toml", books).unwrap());
    let alerts = events_stream.kinesis().create_stream("alerts", 1).unwrap();
    // Too large to be blocked by an alert; read before the others, as it came before them.
    let now = Timestamp::now();
    let world = format!(
        r#"{{"v":1,"id":"1","playbook":"p","key":"k","ip":"0.0.0.0/0","time":"{now}","start":"{now}","end":"{now}",
            "count":1,"threshold":1,"response":"block","until":"{}","evidence":""}}"#,
        now + secs(600)
    );
    alerts.put("k", world).unwrap();

    // No address did it twice.
    let mut detection = Detection::new(&playbooks).alerts_to(&alerts);
    let log = events_stream.kinesis().create_stream("log", 1).unwrap();
    for n in 1..4 {
        log.put(format!("198.51.100.{n}"), now.to_string()).unwrap();
        log.put(format!("2001:db8:1:2::{n}"), now.to_string()).unwrap();
    }
    log.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
    let mut said: Vec<String> = detection.alerts().iter().map(|alert| alert.to_string()).collect();
    said.sort();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("198.51.100.0/24") && said[1].contains("2001:db8:1:2::/64"), "{said:?}");

    let agent = Agent::new(&events_stream).trusted_proxies(["127.0.0.1"]).unwrap().blocks_from(&alerts);
    let site = Site::serve(agent.layer().unwrap()).await;
    let named = || -> Vec<String> {
        site.agent.blocks().blocked(Timestamp::now()).into_iter().map(|(name, _)| name.into()).collect()
    };
    until("both networks", || named() == ["198.51.100.0/24", "2001:db8:1:2::/64"]).await;
    let get = async |address: &str| site.get("/", &format!("x-forwarded-for: {address}\r\n")).await.0;
    for address in ["198.51.100.77", "::ffff:198.51.100.78", "[2001:db8:1:2:3::4]:443"] {
        assert_eq!(get(address).await, 403, "{address}");
    }
    for address in ["198.51.101.77", "2001:db8:1:3::4"] {
        assert_eq!(get(address).await, 200, "{address}");
    }
    let report = site.agent.shutdown();
    assert_eq!((report.emitted, report.refused), (5, 3));
    let events = events(&events_stream);
    let refused = events.iter().filter(|event| event.contains_key("blocked")).map(|event| event["ip"].raw());
    assert_eq!(refused.collect::<Vec<_>>(), ["198.51.100.77", "198.51.100.78", "2001:db8:1:2:3::4"]);
}

#[test]
fn alerts_that_are_not_there_are_missed_at_once() {
    let stream = stream();
    let alerts = stream.kinesis().create_stream("alerts", 1).unwrap();
    alerts.delete().unwrap();
    let error = Agent::new(&stream).blocks_from(&alerts).layer().unwrap_err();
    assert!(error.is_stream_not_found(), "{error}");
}

/// A service that never answers: what waits is bounded, the rest is counted, and no request waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_stream_slows_nobody() {
    let service = faulty(5, Faults { silent: 100, ..Faults::default() });
    service.direct.create_stream("events", 1).unwrap();
    let stream = service.kinesis.stream("events").unwrap();
    let site = Site::serve(Agent::new(&stream).queue(100).layer().unwrap()).await;
    let requests = 3_000;
    let options = plan::Options {
        clients: 10,
        attackers: 0,
        requests,
        attacks_percent: 0,
        time: Duration::ZERO,
        seed: 1,
    };
    let answers = send::send(Arc::new(plan::plan(&options)), site.address, false, Arc::default()).await;
    assert_eq!(answers.len(), requests);
    // An attempt to send takes 2 s here before it is given up; no request has waited for one.
    let slowest = answers.iter().map(|answer| answer.time).max().unwrap();
    assert!(slowest < secs(1), "{slowest:?}");

    let report = site.agent.report();
    assert_eq!((report.emitted, report.sent, report.failed), (requests as u64, 0, 0));
    assert!(report.waiting() <= 100 + 1_000, "{report}");
    assert_eq!(report.waiting() + report.dropped, requests as u64);
    let report = site.agent.shutdown_within(millis(100));
    assert_eq!((report.waiting(), report.failed + report.dropped), (0, requests as u64));
    assert_eq!(report.last_error.unwrap().kind(), ErrorKind::Timeout);
    // It is over; the application is not.
    assert_eq!(site.get("/", "").await.0, 200);
    assert_eq!(site.agent.report().dropped, report.dropped + 1);
}

/// With little time left nobody sleeps through it: an event that has failed six times would wait up to 5 s for the
/// next attempt, which is all that a shutdown gives a service that takes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_tries_again_at_once() {
    let refusals = AtomicU32::new(12);
    let (url, _) = service::service(move |call| {
        let left = refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => service::Answer::Refused("InternalFailure", "in a moment".to_owned()),
            Err(_) => service::stored(&call),
        }
    });
    let stream = Kinesis::endpoint(&url).unwrap().stream("s").unwrap();
    let site = Site::serve(Agent::new(&stream).layer().unwrap()).await;
    site.get("/", "").await;
    let report = site.agent.shutdown();
    assert_eq!((report.sent, report.failed, report.retried), (1, 0, 12), "{:?}", report.last_error);
}

/// Answers that never came: the events were stored, and stored again. Each counts once.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_put_twice_counts_once() {
    let service = faulty(7, Faults { broken: 30, failed: 10, partial: 20, ..Faults::default() });
    service.direct.create_stream("events", 2).unwrap();
    let stream = service.kinesis.stream("events").unwrap();
    let agent = Agent::new(&stream).trusted_proxies(["127.0.0.1"]).unwrap();
    let site = Site::serve(agent.layer().unwrap()).await;
    let options = plan::Options {
        clients: 40,
        attackers: 4,
        requests: 2_000,
        attacks_percent: 40,
        time: millis(1_000),
        seed: 3,
    };
    let plan = Arc::new(plan::plan(&options));
    let answers = send::send(plan.clone(), site.address, false, Arc::default()).await;
    let report = site.agent.shutdown();
    assert_eq!((report.sent, report.dropped, report.failed), (2_000, 0, 0), "{:?}", report.last_error);
    assert!(report.retried > 0 && report.ambiguous > 0, "{report:?}");

    let mut counter = Counter::tumbling(secs(3_600));
    let direct = service.direct.stream("events").unwrap();
    direct.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert!(counter.duplicates() > 0);
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for (address, count) in counter.windows().iter().flat_map(|window| &window.counts) {
        *counted.entry(address.into()).or_default() += count;
    }
    let mut served: BTreeMap<String, u64> = BTreeMap::new();
    for answer in answers {
        assert!(answer.status.is_some());
        *served.entry(plan.clients[answer.client].address.to_string()).or_default() += 1;
    }
    assert_eq!(counted, served);
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_and_events_count_together() {
    let stream = stream();
    let site = Site::serve(Agent::new(&stream).layer().unwrap()).await;
    for _ in 0..3 {
        site.get("/", "").await;
    }
    site.agent.shutdown();
    for _ in 0..2 {
        stream.put("127.0.0.1", Timestamp::now().to_string()).unwrap();
    }
    let mut counter = Counter::tumbling(secs(3_600));
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!((counter.total(), counter.unparsed()), (5, 0));
}

/// A service of no framework: bodies that are bytes, a peer that the server put there.
#[derive(Clone)]
struct Plain;

impl Service<Request<()>> for Plain {
    type Response = Response<Vec<u8>>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Vec<u8>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(b"plain".to_vec())))
    }
}

#[tokio::test]
async fn it_needs_no_framework() {
    let stream = stream();
    let agent = Agent::new(&stream).layer().unwrap();
    // Nobody known is not one client, and never blocked.
    agent.blocks().block("-", Timestamp::MAX).unwrap();
    let mut service = agent.layer(Plain);
    for peer in [None, Some("[::ffff:192.0.2.7]:4711")] {
        let mut request = Request::new(());
        if let Some(peer) = peer {
            request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        }
        request.extensions_mut().insert(AgentFields::new().with("trace", "t1"));
        let response = service.call(request).await.unwrap();
        assert_eq!((response.status(), response.body().as_slice()), (StatusCode::OK, &b"plain"[..]));
    }
    agent.shutdown();
    let events = events(&stream);
    let of = |name: &str| -> Vec<&str> { events.iter().map(|event| event[name].raw()).collect() };
    assert_eq!((of("ip"), of("trace")), (vec!["-", "192.0.2.7"], vec!["t1", "t1"]));
}

/// Nobody shut it down: what was emitted is sent all the same.
#[tokio::test]
async fn the_last_one_out_leaves_nothing_behind() {
    let stream = stream();
    let agent = Agent::new(&stream).layer().unwrap();
    let mut service = agent.layer(Plain);
    for _ in 0..1_200 {
        service.call(Request::new(())).await.unwrap();
    }
    drop((agent, service));
    let mut counter = Counter::per_minute();
    until("all are there", || {
        counter = Counter::per_minute();
        stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
        counter.total() == 1_200
    })
    .await;
}
