//! A TCP proxy in front of a local Kinesis that hurts subscriptions, drawn from a seed, and counts calls.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use ferrokinesis::event_stream;
use kinesis_lab::block_on;
use kinesis_lab::prelude::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The service's rule: within so long of a subscription that was made, another to the shard is refused.
const MADE_APART: Duration = Duration::from_secs(5);

pub(crate) struct Proxy {
    pub(crate) kinesis: Kinesis,
    pub(crate) direct: Kinesis,
    plan: Arc<Mutex<Plan>>,
    server: JoinHandle<()>,
}

const REFUSALS: [Fault; 3] = [
    Fault::Refused("ResourceInUseException", 400),
    Fault::Refused("LimitExceededException", 400),
    Fault::Refused("InternalFailure", 500),
];

struct Plan {
    rng: Rng,
    refusals: usize,
    /// Faults that are left: a run has to come to its end.
    faults: u32,
    /// How often each fault was met, and each call made.
    counts: BTreeMap<String, u64>,
    subscribed: HashMap<String, Instant>,
}

impl Plan {
    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The call is refused with this code, and nothing is done.
    Refused(&'static str, u16),
    /// The line breaks after so many bytes of events, or so much time.
    Cut(usize, Duration),
    /// The service ends it in the middle, because somebody else has subscribed.
    TakenOver,
}

impl Proxy {
    /// In front of a new local service.
    pub(crate) fn lay(seed: u64, faults: u32) -> Proxy {
        let direct = Local::new().transition(Duration::ZERO).port(0).open().unwrap();
        let service: SocketAddr =
            direct.endpoint_url().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        let plan = Plan {
            rng: Rng::with_seed(seed),
            refusals: seed as usize,
            faults,
            counts: BTreeMap::new(),
            subscribed: HashMap::new(),
        };
        let plan = Arc::new(Mutex::new(plan));
        let shared = plan.clone();
        let (address, server) = block_on(async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = tokio::spawn(async move {
                while let Ok((client, _)) = listener.accept().await {
                    let plan = shared.clone();
                    tokio::spawn(async move { carry(client, service, address, plan).await });
                }
            });
            (address, server)
        });
        Proxy { kinesis: Kinesis::endpoint(&format!("http://{address}")).unwrap(), direct, plan, server }
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.plan.lock().unwrap().counts.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One request after the other; a subscription has the line for itself.
async fn carry(
    mut client: TcpStream,
    service: SocketAddr,
    own: SocketAddr,
    plan: Arc<Mutex<Plan>>,
) -> std::io::Result<()> {
    let mut service_line = TcpStream::connect(service).await?;
    loop {
        let Some((head, body)) = request(&mut client).await? else { return Ok(()) };
        let operation = head.split("Kinesis_20131202.").nth(1).unwrap_or_default();
        let operation: String = operation.chars().take_while(char::is_ascii_alphabetic).collect();
        plan.lock().unwrap().count(&operation);
        // The service takes calls by its own name alone.
        let head = head.replace(&own.to_string(), &service.to_string());
        let fault = if operation == "SubscribeToShard" { draw(&plan, &body) } else { Fault::None };
        match fault {
            Fault::Refused(code, status) => {
                let text = format!(r#"{{"__type":"{code}","message":"injected"}}"#);
                let answer = format!(
                    "HTTP/1.1 {status} Injected\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{text}",
                    text.len()
                );
                client.write_all(answer.as_bytes()).await?;
            }
            Fault::TakenOver => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\nconnection: close\r\n\r\n";
                client.write_all(head.as_bytes()).await?;
                client.write_all(&event_stream::encode_initial_response()).await?;
                let exception = event_stream::encode_exception("ResourceInUseException", "injected");
                client.write_all(&exception).await?;
                return client.shutdown().await;
            }
            _ => {
                service_line.write_all(head.as_bytes()).await?;
                service_line.write_all(&body).await?;
                if operation != "SubscribeToShard" {
                    let answer = answer(&mut service_line).await?;
                    client.write_all(&answer).await?;
                    continue;
                }
                let (bytes, time) = match fault {
                    Fault::Cut(bytes, time) => (bytes, time),
                    _ => (usize::MAX, Duration::from_secs(3_600)),
                };
                let copied = copy(&mut service_line, &mut client, bytes);
                let _ = tokio::time::timeout(time, copied).await;
                // Closed without lingering, a socket sends RST, not FIN.
                return client.set_zero_linger();
            }
        }
    }
}

/// What becomes of a subscription.
fn draw(plan: &Mutex<Plan>, body: &[u8]) -> Fault {
    let mut plan = plan.lock().unwrap();
    let asked: Value = serde_json::from_slice(body).unwrap();
    let key = format!("{} {}", asked["ConsumerARN"], asked["ShardId"]);
    // A little less: a call that a stop has ended is taken for one that was made when it began, not when it came here.
    if plan.subscribed.get(&key).is_some_and(|made| made.elapsed() + Duration::from_millis(500) < MADE_APART)
    {
        plan.count("too early");
        return Fault::Refused("ResourceInUseException", 400);
    }
    let fault = match plan.rng.u8(0..100) {
        _ if plan.faults == 0 => Fault::None,
        // Each in its turn.
        0..30 => {
            plan.refusals += 1;
            REFUSALS[plan.refusals % REFUSALS.len()]
        }
        30..55 => Fault::Cut(plan.rng.usize(1..4_000), Duration::from_secs(2)),
        55..80 => Fault::Cut(usize::MAX, Duration::from_millis(plan.rng.u64(1..1_500))),
        80..90 => Fault::TakenOver,
        _ => Fault::None,
    };
    if fault != Fault::None {
        plan.faults -= 1;
    }
    plan.count(match fault {
        Fault::Refused(code, _) => code,
        Fault::Cut(..) => "cut",
        Fault::TakenOver => "taken over",
        Fault::None => "whole",
    });
    if !matches!(fault, Fault::Refused(..)) {
        plan.subscribed.insert(key, Instant::now());
    }
    fault
}

async fn copy(from: &mut TcpStream, to: &mut TcpStream, mut bytes: usize) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    // Or the client would send its next call on this line, when the subscription is over.
    let read = from.read(&mut buffer).await?;
    let line = buffer[..read].iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let head = [&buffer[..line], &b"connection: close\r\n"[..], &buffer[line..read]].concat();
    to.write_all(&head[..head.len().min(bytes)]).await?;
    bytes = bytes.saturating_sub(head.len());
    while bytes > 0 {
        tokio::select! {
            read = from.read(&mut buffer) => {
                let some = read?.min(bytes);
                if some == 0 {
                    return Ok(());
                }
                to.write_all(&buffer[..some]).await?;
                bytes -= some;
            }
            // It says nothing more on this line, but hang up.
            _ = to.readable() => {
                if to.try_read(&mut [0; 1]).is_ok_and(|read| read == 0) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// The head and the body of the next request.
async fn request(line: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    message(line).await.map(|message| message.map(|(head, body)| (String::from_utf8(head).unwrap(), body)))
}

/// An answer with a length, whole.
async fn answer(line: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut head, body) = message(line).await?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    head.extend(body);
    Ok(head)
}

async fn message(line: &mut TcpStream) -> std::io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if line.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
    let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    while body.len() < length {
        if line.read_buf(&mut body).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some((bytes, body)))
}
