//! A web service on one current-thread runtime that puts each request and consumes the stream beside it
//! (examples/service.rs), under 2,000 requests a second.
//!
//! `cargo bench --features full --bench service`. The local Kinesis and the clients are in the same process, on
//! other threads. What is looked for is not speed, but whether anything of the library blocks the one thread: a
//! task that wants to wake up every five milliseconds says how late it ever was.

#[path = "../examples/service/app.rs"]
mod app;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use app::Service;
use kinesis_lab::{Kinesis, Stream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

const CONNECTIONS: u64 = 50;
const A_SECOND: u64 = 2_000;
const PULSE: Duration = Duration::from_millis(5);

fn main() {
    let full = std::env::args().any(|argument| argument == "--bench");
    let time = Duration::from_secs(if full { 10 } else { 1 });
    let stream = Kinesis::local().unwrap().create_stream("bench", 4).unwrap();
    let latest_pulse = Arc::new(AtomicU64::new(0));
    let (site, service) = serve(&stream, latest_pulse.clone());

    let clients = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let begun = Instant::now();
    let mut times = clients.block_on(async {
        let clients: Vec<_> = (0..CONNECTIONS).map(|n| tokio::spawn(ask(site, n, begun, time))).collect();
        let mut times = Vec::new();
        for client in clients {
            times.extend(client.await.unwrap());
        }
        times
    });
    let took = begun.elapsed();
    times.sort_unstable();
    let of = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{} requests in {:.1} s, {:.0} a second, all answered 202",
        times.len(),
        took.as_secs_f64(),
        times.len() as f64 / took.as_secs_f64()
    );
    println!(
        "from request to answer, in milliseconds: median {:.1}, 99 of 100 less than {:.1}, longest {:.1}",
        of(0.5),
        of(0.99),
        of(1.0)
    );
    let late = latest_pulse.load(Ordering::Relaxed) as f64 / 1e3;
    println!("the service's one thread was away for {late:.1} ms at the most (aim: less than 250)");
    let deadline = Instant::now() + Duration::from_secs(10);
    while service.total() < times.len() as u64 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("counted by the consumer beside it: {}", service.total());
}

/// The service on a thread and a current-thread runtime of its own.
fn serve(stream: &Stream, latest: Arc<AtomicU64>) -> (SocketAddr, Service) {
    let service = Service::new(stream.clone());
    let (running, stream) = (service.clone(), stream.clone());
    let (tell, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut batches = stream.consumer().trim_horizon().batches();
            batches.begin().await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            tokio::spawn(async move {
                loop {
                    let due = Instant::now() + PULSE;
                    tokio::time::sleep(PULSE).await;
                    latest.fetch_max(due.elapsed().as_micros() as u64, Ordering::Relaxed);
                }
            });
            let counting = running.clone();
            tokio::spawn(async move { counting.count(batches).await });
            axum::serve(listener, running.router()).await.unwrap();
        });
    });
    (address.recv().unwrap(), service)
}

/// One client on one connection: its share of the requests, each at its time, whatever the last one took.
async fn ask(site: SocketAddr, client: u64, begun: Instant, time: Duration) -> Vec<Duration> {
    let stream = TcpStream::connect(site).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut stream = BufReader::new(stream);
    let request = format!("POST /hits/192.0.2.{client} HTTP/1.1\r\nhost: bench\r\ncontent-length: 0\r\n\r\n");
    let gap = Duration::from_secs(1) * CONNECTIONS as u32 / A_SECOND as u32;
    let mut due = gap.mul_f64(client as f64 / CONNECTIONS as f64);
    let mut times = Vec::new();
    while due < time {
        tokio::time::sleep_until((begun + due).into()).await;
        stream.get_mut().write_all(request.as_bytes()).await.unwrap();
        let (mut line, mut length, mut status) = (String::new(), 0, String::new());
        loop {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            if status.is_empty() {
                status = line.trim().to_owned();
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(status, "HTTP/1.1 202 Accepted", "{}", String::from_utf8_lossy(&body));
        // From when it was due, not from when it was sent: a wait behind another one counts.
        times.push(begun.elapsed() - due);
        due += gap;
    }
    times
}
