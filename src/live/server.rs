//! The page's server: who is let in, and what is there.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{self, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use super::connections;
use super::shown::Shown;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;

/// What there is to see, and the news that it is something else.
pub(super) type Updates = watch::Receiver<Arc<Shown>>;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// With every answer. Nothing that a page could load, run, send to or be framed by is allowed but what is named;
/// JupyterLab, which frames it, is at another port of this machine.
const HEADERS: [(header::HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'self' http://127.0.0.1:* http://localhost:*",
    ),
];

/// What it takes to be let in.
struct Door {
    token: String,
    /// What a browser on this machine says that it asked for. A page elsewhere can have its own name resolved to
    /// this machine, and read what is here as if it were its own (DNS rebinding); but it says that name.
    hosts: [String; 2],
    updates: Updates,
}

/// Listens, and serves until the sender is dropped. Gives the token too.
pub(super) async fn serve(listener: TcpListener, updates: Updates) -> Result<(String, oneshot::Sender<()>)> {
    let port = listener.local_addr()?.port();
    let token = token()?;
    let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let door = Arc::new(Door { token: token.clone(), hosts, updates });
    let answer = move |request: Request| std::future::ready(answer(&door, &request));
    let (stop, stopped) = oneshot::channel::<()>();
    runtime::handle().spawn(connections::serve(listener, answer, stopped));
    Ok((token, stop))
}

/// 128 bits that nobody can guess.
fn token() -> Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(
            ErrorKind::Io,
            format!("the operating system gives no random numbers for an address: {error}"),
        )
    })?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn answer(door: &Door, request: &Request) -> Response {
    let mut response = door.answer(request).unwrap_or_else(|refused| refused.into_response());
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
    }
    response
}

impl Door {
    fn answer(&self, request: &Request) -> Result<Response, StatusCode> {
        if !self.knows_host(request) {
            return Err(StatusCode::MISDIRECTED_REQUEST);
        }
        // Whoever lacks the token learns nothing, not even which methods there are.
        let path = request.uri().path().strip_prefix('/').and_then(|path| path.split_once('/'));
        let (token, path) = path.ok_or(StatusCode::NOT_FOUND)?;
        if !same(token.as_bytes(), self.token.as_bytes()) {
            return Err(StatusCode::NOT_FOUND);
        }
        let text =
            |kind: &'static str, text: &'static str| ([(header::CONTENT_TYPE, kind)], text).into_response();
        let response = match path {
            "" => text("text/html; charset=utf-8", PAGE),
            "page.css" => text("text/css; charset=utf-8", STYLE),
            "page.js" => text("text/javascript; charset=utf-8", SCRIPT),
            "events" => {
                let narrow = request.uri().query() == Some("narrow");
                // A connection that broke without a word is noticed by writing to it.
                let alive = KeepAlive::new().interval(Duration::from_secs(15));
                Sse::new(events(self.updates.clone(), narrow)).keep_alive(alive).into_response()
            }
            _ => return Err(StatusCode::NOT_FOUND),
        };
        if request.method() != Method::GET {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        Ok(response)
    }

    fn knows_host(&self, request: &Request) -> bool {
        let known = |host: &str| self.hosts.iter().any(|known| known == host);
        let mut said = request.headers().get_all(header::HOST).iter();
        let one = said.next().and_then(|host| host.to_str().ok()).is_some_and(known) && said.next().is_none();
        // A request may name a host in its first line, too, as it does to a proxy.
        one && request.uri().authority().is_none_or(|host| known(host.as_str()))
    }
}

/// Takes the same time wherever they differ, so that a token can't be found letter by letter.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b))) == 0
}

/// What there is now, and again whenever that is something else; `end` when there will be no more. Whoever reads
/// slowly misses what was in between.
fn events(mut updates: Updates, narrow: bool) -> impl Stream<Item = Result<Event, Infallible>> {
    updates.mark_changed();
    stream::unfold(Some(updates), move |updates| async move {
        let mut updates = updates?;
        match updates.changed().await {
            Ok(()) => {
                let shown = updates.borrow_and_update().clone();
                let event = Event::default().retry(Duration::from_secs(1)).data(shown.json(narrow));
                Some((Ok(event), Some(updates)))
            }
            Err(_) => Some((Ok(Event::default().event("end").data("")), None)),
        }
    })
}
