//! What the agent adds to a request: the same router with its layer and without, in turns.
//!
//! `cargo bench --features full --bench agent`. The events go to a local Kinesis in this process; a round
//! is over when they are there, so that none is dropped and what sending them costs is on the same cores.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use kinesis_lab::Peer;
use kinesis_lab::prelude::*;
use kinesis_lab::{Agent, AgentLayer};
use tower_service::Service;

const ROUNDS: usize = 20;
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn main() {
    let full = std::env::args().any(|a| a == "--bench");
    let requests = if full { 5_000 } else { 100 };
    let stream = Kinesis::local().unwrap().create_stream("bench", 4).unwrap();
    let agent = Agent::new(&stream).layer().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let (mut with, mut without) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        with.extend(runtime.block_on(call(shop().layer(agent.clone()), requests)));
        sent(&agent);
        without.extend(runtime.block_on(call(shop(), requests)));
    }
    report("alone", &mut with, &mut without);

    let (with_agent, bare) = (serve(shop().layer(agent.clone())), serve(shop()));
    let (mut with, mut without) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        with.extend(ask(with_agent, requests / 4));
        sent(&agent);
        without.extend(ask(bare, requests / 4));
    }
    report("over HTTP", &mut with, &mut without);

    let report = agent.shutdown();
    let all = ROUNDS * (requests + requests / 4);
    assert_eq!((report.sent, report.dropped), (all as u64, 0), "{report}");
}

fn shop() -> Router {
    Router::new().route("/", get(|| async { "front" })).route("/product/{n}", get(|| async { "a thing" }))
}

/// Nanoseconds of each request, without a network.
async fn call(mut router: Router, requests: usize) -> Vec<u64> {
    let peer = Peer("192.0.2.7:4711".parse().unwrap());
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let request = Request::get("/product/7?from=front").header("user-agent", USER_AGENT).extension(peer);
        let request = request.body(Body::empty()).unwrap();
        let begun = Instant::now();
        // What a service of axum is asked before a call; it is always ready.
        std::future::poll_fn(|cx| Service::<Request<Body>>::poll_ready(&mut router, cx)).await.unwrap();
        let response = router.call(request).await.unwrap();
        times.push(begun.elapsed().as_nanos() as u64);
        assert_eq!(response.status(), 200);
    }
    times
}

/// A server on a thread of its own, as the runtimes of both must be alike.
fn serve(router: Router) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let app = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, app).await.unwrap();
        });
    });
    address
}

/// Nanoseconds of each request, over one kept connection.
fn ask(site: SocketAddr, requests: usize) -> Vec<u64> {
    let connection = TcpStream::connect(site).unwrap();
    connection.set_nodelay(true).unwrap();
    let mut connection = BufReader::new(connection);
    let request =
        format!("GET /product/7?from=front HTTP/1.1\r\nhost: bench\r\nuser-agent: {USER_AGENT}\r\n\r\n");
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let begun = Instant::now();
        connection.get_mut().write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).unwrap();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).unwrap();
        times.push(begun.elapsed().as_nanos() as u64);
        assert_eq!(body, b"a thing");
    }
    times
}

/// Waits until the events of a round are in the stream.
fn sent(agent: &AgentLayer) {
    while agent.report().waiting() > 0 {
        std::thread::sleep(millis(5));
    }
}

fn report(what: &str, with: &mut [u64], without: &mut [u64]) {
    with.sort_unstable();
    without.sort_unstable();
    let of = |times: &[u64], share: f64| times[((times.len() - 1) as f64 * share) as usize];
    for (name, share) in [("median", 0.5), ("99 of 100 less than", 0.99)] {
        let (with, without) = (of(with, share), of(without, share));
        println!(
            "{what}, {name}: {with} ns with the agent, {without} ns without, {} ns added",
            with as i64 - without as i64
        );
    }
}
