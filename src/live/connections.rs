//! [`serve`]: connections to the page, of which none keeps the others waiting.
//!
//! Whoever may connect to this machine can open connections and say nothing, a letter a minute, or all of it and
//! read no answer. What has not said its request yet is little in number and in time, and the oldest goes first; who
//! was let in is not disturbed by it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};

/// A browser on this machine has said its request within a millisecond.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How many may be saying theirs at the same time.
const MOST_ASKING: usize = 64;
/// How many may be answered at the same time: viewers, whose answers go on and on.
const MOST_ANSWERED: usize = 100;
/// In bytes; a browser's has one or two thousand.
const LONGEST_HEAD: usize = 16 << 10;
/// Out of file descriptors, say: others end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long viewers are given to hear of the end.
const END_TIME: Duration = Duration::from_secs(5);

/// Answers one request a connection, until the sender is dropped.
pub(super) async fn serve<A, F>(listener: TcpListener, answer: A, mut stopped: oneshot::Receiver<()>)
where
    A: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let (asking, answered) = (Arc::new(Mutex::new(Asking::default())), Arc::new(AtomicUsize::new(0)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => break, // an error means that the sender is gone, which is the signal
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Until it is among them, its own task waits for the lock.
                let mut waiting = lock(&asking);
                let number = waiting.next_number();
                let request = Asked::new(asking.clone(), number, answered.clone());
                let task = connections.spawn(connection(stream, answer.clone(), request));
                waiting.begin(number, task);
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    lock(&asking).end_all();
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(END_TIME, all).await; // those that are left end with the set
}

async fn connection<A, F>(stream: TcpStream, answer: A, request: Asked)
where
    A: Fn(Request) -> F + Clone,
    F: Future<Output = Response>,
{
    let service = service_fn(|said: hyper::Request<Incoming>| {
        let allowed = request.was_said();
        let answered = allowed.then(|| answer(said.map(Body::new)));
        async move {
            Ok::<_, Infallible>(match answered {
                Some(answered) => answered.await,
                None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            })
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(LONGEST_HEAD).keep_alive(false);
    // Whatever broke it off, there is nobody to be told.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

/// A request that is being said, or answered. Dropped with its connection, however that ends.
struct Asked {
    asking: Arc<Mutex<Asking>>,
    number: u64,
    said: AtomicBool,
    /// How many are being answered.
    answered: Arc<AtomicUsize>,
}

impl Asked {
    fn new(asking: Arc<Mutex<Asking>>, number: u64, answered: Arc<AtomicUsize>) -> Asked {
        Asked { asking, number, said: AtomicBool::new(false), answered }
    }

    /// The request is there; false when there are as many answers under way as there may be.
    fn was_said(&self) -> bool {
        lock(&self.asking).end(self.number);
        self.said.store(true, Ordering::Relaxed);
        self.answered.fetch_add(1, Ordering::Relaxed) < MOST_ANSWERED
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        match *self.said.get_mut() {
            true => drop(self.answered.fetch_sub(1, Ordering::Relaxed)),
            false => lock(&self.asking).end(self.number),
        }
    }
}

/// The connections whose request is not there yet, the oldest first.
#[derive(Default)]
struct Asking {
    number: u64,
    tasks: VecDeque<(u64, AbortHandle)>,
}

impl Asking {
    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// One more; the oldest goes when there are too many.
    fn begin(&mut self, number: u64, task: AbortHandle) {
        self.tasks.push_back((number, task));
        if self.tasks.len() > MOST_ASKING
            && let Some((_, oldest)) = self.tasks.pop_front()
        {
            oldest.abort();
        }
    }

    /// Takes one out, if it is still in it.
    fn end(&mut self, number: u64) {
        self.tasks.retain(|(known, _)| *known != number);
    }

    fn end_all(&mut self) {
        self.tasks.drain(..).for_each(|(_, task)| task.abort());
    }
}

fn lock(asking: &Mutex<Asking>) -> MutexGuard<'_, Asking> {
    asking.lock().unwrap_or_else(PoisonError::into_inner)
}
