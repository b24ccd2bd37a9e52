//! A small shop with the agent around it: each request is an event in a stream, and whom an alert blocks is
//! refused.

mod common;

use std::future::IntoFuture;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use axum::extract::Path;
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use clap::Parser;
use common::connect;
use common::ending::when_asked_to_end;
use common::say::{ended, say, tell};
use kinesis_lab::prelude::*;
use kinesis_lab::{Agent, AgentFields, AgentLayer, AgentReport};
use signal_hook::consts::SIGTERM;
use tokio::sync::oneshot;

/// A small shop on this machine, each of whose requests becomes an event in a stream.
///
/// Region and credentials come from where the AWS CLI takes them; an endpoint on this machine needs none.
#[derive(Parser)]
#[command(
    name = "website",
    after_help = "\
Examples:
  cargo run --release --features full --example website -- --stream events --port 8080
  cargo run --release --features full --example website -- --endpoint http://127.0.0.1:4567 --create \\
      --stream site --alerts site-alerts --trust-proxy 127.0.0.1

Pages: /, /product/N (1 to 200), /search?q=WORDS, POST /login (name=alice&password=open-sesame), /static/app.css.
It listens on 127.0.0.1 alone, and says on stdout where. Ctrl-C ends it when all events are sent."
)]
struct Arguments {
    /// The service's address [default: AWS, in the region of the environment]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The stream that the events go to
    #[arg(long, value_name = "NAME")]
    stream: String,
    /// The stream of alerts whose blocks are enforced [default: nobody is blocked]
    #[arg(long, value_name = "NAME")]
    alerts: Option<String>,
    /// Create the streams that are not there, with two shards each; on AWS they cost money
    #[arg(long)]
    create: bool,
    /// The port; 0 is any free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// A proxy, or a network of them, whose X-Forwarded-For is believed; may be given more than once
    #[arg(long, value_name = "CIDR")]
    trust_proxy: Vec<String>,
    /// How many events may wait to be sent before further ones are dropped
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    queue: usize,
    /// End as after Ctrl-C when stdin closes: for a parent that may be killed, and can't end it then
    #[arg(long)]
    until_stdin_closes: bool,
}

fn main() -> ExitCode {
    ended(website(&Arguments::parse()))
}

fn website(arguments: &Arguments) -> Result<(), Error> {
    let kinesis = connect(arguments.endpoint.as_deref())?;
    let mut agent = Agent::new(&stream(&kinesis, &arguments.stream, arguments.create)?)
        .trusted_proxies(&arguments.trust_proxy)?
        .queue(arguments.queue);
    if let Some(alerts) = &arguments.alerts {
        agent = agent.blocks_from(&stream(&kinesis, alerts, arguments.create)?);
    }
    let agent = agent.layer()?;

    // As many threads as the machine has cores.
    tokio::runtime::Runtime::new()?.block_on(serve(arguments, agent.clone()))?;
    let report = agent.shutdown();
    say(&report);
    match lost(&report) {
        Some(sentence) => Err(Error::new(ErrorKind::Processor, sentence)),
        None => Ok(()),
    }
}

/// What did not reach the stream, and why that may be.
fn lost(report: &AgentReport) -> Option<String> {
    let parts = [
        (report.dropped, "found the queue full"),
        (report.failed, "given up"),
        (report.waiting(), "not sent"),
    ];
    let told: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let why = report.last_error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    (!told.is_empty()).then(|| format!("the agent has lost events, {}{why}", told.join(", ")))
}

fn stream(kinesis: &Kinesis, name: &str, create: bool) -> Result<Stream, Error> {
    match kinesis.stream(name) {
        Err(error) if error.is_stream_not_found() && create => kinesis.create_stream(name, 2),
        other => other,
    }
}

async fn serve(arguments: &Arguments, agent: AgentLayer) -> Result<(), Error> {
    // Before anybody can know that it is there, and send a signal.
    let (ask, asked) = oneshot::channel();
    when_asked_to_end(move || {
        let _ = ask.send(());
    })?;
    let port = arguments.port;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
        let advice = "another program may have the port; --port 0 takes a free one";
        Error::new(ErrorKind::Io, format!("cannot listen on 127.0.0.1:{port}: {error}; {advice}"))
    })?;
    if arguments.until_stdin_closes {
        end_with_stdin();
    }
    tell(format_args!("listening on http://{}", listener.local_addr()?));
    // With the peers' addresses, from which the agent knows its clients.
    let shop = shop().layer(agent).into_make_service_with_connect_info::<SocketAddr>();
    let ended = async {
        let _ = asked.await;
        say("ending, when the requests under way are answered and all events are sent");
    };
    axum::serve(listener, shop).with_graceful_shutdown(ended).into_future().await?;
    Ok(())
}

/// However the parent ends, the system closes its end of the pipe.
fn end_with_stdin() {
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = signal_hook::low_level::raise(SIGTERM);
    });
}

fn shop() -> Router {
    Router::new()
        .route("/", get(front))
        .route("/product/{number}", get(product))
        .route("/search", get(search))
        .route("/login", post(login))
        .route("/static/app.css", get(style))
        .fallback(|| async { (StatusCode::NOT_FOUND, page("Not here", "There is no such page.")) })
}

/// How many things the shop has.
const PRODUCTS: u32 = 200;

async fn front() -> Html<String> {
    let list: String = (1..=10).map(|n| format!("<li><a href=\"/product/{n}\">Thing {n}</a></li>")).collect();
    page("A small shop", &format!("<ul>{list}</ul>"))
}

async fn product(Path(number): Path<String>) -> Response {
    match number.parse::<u32>() {
        Ok(n) if (1..=PRODUCTS).contains(&n) => {
            let fields = AgentFields::new().with("product", n);
            (Extension(fields), page(&format!("Thing {n}"), &format!("It costs {} crowns.", n * 3)))
                .into_response()
        }
        _ => (StatusCode::NOT_FOUND, page("Not here", "There is no such thing.")).into_response(),
    }
}

async fn search(uri: Uri) -> Html<String> {
    let query = value(uri.query().unwrap_or_default(), "q");
    page("Search", &format!("Nothing was found for <em>{}</em>.", escape(&query)))
}

/// Everybody's password is the same: this is a shop to be attacked.
async fn login(form: String) -> Response {
    let (name, password) = (value(&form, "name"), value(&form, "password"));
    let right = !name.is_empty() && password == "open-sesame";
    let status = if right { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let text = if right { format!("Welcome, {}.", escape(&name)) } else { "Who are you?".to_owned() };
    (status, Extension(AgentFields::new().with("user", name)), page("Login", &text)).into_response()
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css")], "body { font-family: sans-serif; margin: 2em; }\n")
}

fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/static/app.css\"></head><body><h1>{title}</h1>{body}\
         <form action=\"/search\"><input name=\"q\"></form></body></html>\n"
    ))
}

/// A value of `a=1&b=2+3%21`.
fn value(form: &str, name: &str) -> String {
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|pair| pair.0 == name).map(|pair| decode(pair.1)).next().unwrap_or_default()
}

fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(hex);
        bytes.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a stranger wrote, as text of a page.
fn escape(text: &str) -> String {
    let escaped = |c| match c {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}
