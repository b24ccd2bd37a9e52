//! Sends a plan to a website, over one kept connection a client, and gives back what was answered.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::plan::{Client, Plan, Request};

/// An answer may take this long; then the connection is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest line of a head; what is longer is no answer of ours.
const LINE: u64 = 8 << 10;

/// What came of a request of a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    /// Which request of the plan.
    pub(crate) request: usize,
    /// Which client.
    pub(crate) client: usize,
    /// When it was sent, since the beginning; not before it was planned.
    pub(crate) offset: Duration,
    /// From the request to the end of the answer.
    pub(crate) time: Duration,
    /// `None` when no answer came.
    pub(crate) status: Option<u16>,
}

/// What others may look at meanwhile.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) answered: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unanswered: AtomicU64,
    /// What the times of the answers count from.
    pub(crate) began: OnceLock<std::time::Instant>,
}

/// Each client sends its requests at their times, one after the other: when an answer takes longer than
/// the gap to the next request, that one is late. The answers come in the order of the plan; of an
/// attacker who gives up at the first 403, those of the requests that were made.
pub(crate) async fn send(
    plan: Arc<Plan>,
    site: SocketAddr,
    give_up_when_refused: bool,
    progress: Arc<Progress>,
) -> Vec<Answer> {
    let mut requests: Vec<Vec<usize>> = vec![Vec::new(); plan.clients.len()];
    plan.requests.iter().enumerate().for_each(|(n, request)| requests[request.client].push(n));
    // Time for all of them to be there, before the first is due.
    let begin = Instant::now() + Duration::from_millis(100);
    let _ = progress.began.set(begin.into_std());
    let mut clients = JoinSet::new();
    for requests in requests.into_iter().filter(|requests| !requests.is_empty()) {
        let (plan, progress) = (plan.clone(), progress.clone());
        clients
            .spawn(async move { visit(&plan, requests, site, begin, give_up_when_refused, &progress).await });
    }
    let mut answers: Vec<Answer> = clients.join_all().await.concat();
    answers.sort_unstable_by_key(|answer| answer.request);
    answers
}

async fn visit(
    plan: &Plan,
    requests: Vec<usize>,
    site: SocketAddr,
    begin: Instant,
    give_up_when_refused: bool,
    progress: &Progress,
) -> Vec<Answer> {
    let mut connection = None;
    let mut answers = Vec::with_capacity(requests.len());
    for n in requests {
        let request = &plan.requests[n];
        tokio::time::sleep_until(begin + request.offset).await;
        let sent = Instant::now();
        let text = text(request, &plan.clients[request.client], site);
        let status = exchange(&mut connection, site, &text).await.ok();
        let counted = match status {
            Some(403) => &progress.refused,
            Some(_) => &progress.answered,
            None => &progress.unanswered,
        };
        counted.fetch_add(1, Ordering::Relaxed);
        answers.push(Answer {
            request: n,
            client: request.client,
            offset: sent.saturating_duration_since(begin),
            time: sent.elapsed(),
            status,
        });
        if status == Some(403) && give_up_when_refused {
            break;
        }
    }
    answers
}

fn text(request: &Request, client: &Client, site: SocketAddr) -> String {
    let Request { method, path, body, .. } = request;
    let Client { address, user_agent, .. } = client;
    let form = match body.is_empty() {
        true => String::new(),
        false => {
            format!("content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n", body.len())
        }
    };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {site}\r\nuser-agent: {user_agent}\r\n\
         x-forwarded-for: {address}\r\n{form}\r\n{body}"
    )
}

/// One request and its answer, over the kept connection if the server has not closed it. A request that
/// failed is not made again: it may have been served, and served twice it would be two events.
async fn exchange(
    connection: &mut Option<BufReader<TcpStream>>,
    site: SocketAddr,
    request: &str,
) -> io::Result<u16> {
    if let Some(mut kept) = connection.take().filter(is_open) {
        let answer = tokio::time::timeout(PATIENCE, ask(&mut kept, request)).await??;
        return Ok(keep(connection, kept, answer));
    }
    let fresh = async {
        let stream = TcpStream::connect(site).await?;
        stream.set_nodelay(true)?;
        let mut fresh = BufReader::new(stream);
        let answer = ask(&mut fresh, request).await?;
        Ok::<_, io::Error>((fresh, answer))
    };
    let (fresh, answer) = tokio::time::timeout(PATIENCE, fresh).await??;
    Ok(keep(connection, fresh, answer))
}

/// Whether the server has neither closed it nor said anything unasked.
fn is_open(connection: &BufReader<TcpStream>) -> bool {
    let mut byte = [0];
    let read = connection.get_ref().try_read(&mut byte);
    connection.buffer().is_empty() && read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

fn keep(
    connection: &mut Option<BufReader<TcpStream>>,
    used: BufReader<TcpStream>,
    (status, kept): (u16, bool),
) -> u16 {
    *connection = kept.then_some(used);
    status
}

/// The status, and whether the connection can be used again.
async fn ask(connection: &mut BufReader<TcpStream>, request: &str) -> io::Result<(u16, bool)> {
    connection.get_mut().write_all(request.as_bytes()).await?;
    let first = line(connection).await?;
    let status = first.split_ascii_whitespace().nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| broken("no status"))?;
    let (mut length, mut kept) = (0, true);
    loop {
        let line = line(connection).await?.to_ascii_lowercase();
        match line.split_once(':').map(|(name, value)| (name, value.trim())) {
            Some(("content-length", value)) => length = value.parse().map_err(|_| broken("no length"))?,
            Some(("connection", "close")) => kept = false,
            Some(("transfer-encoding", _)) => {
                return Err(broken("an answer in chunks, which this does not read"));
            }
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let read = tokio::io::copy(&mut connection.take(length), &mut tokio::io::sink()).await?;
    if read < length { Err(broken("half an answer")) } else { Ok((status, kept)) }
}

async fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    connection.take(LINE).read_line(&mut line).await?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(broken("the head of an answer ends too early")),
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
