//! A small web service that puts and consumes without blocking a thread: all of it runs on one.
//!
//! ```sh
//! cargo run --release --features full --example service -- --local
//! curl -X POST http://127.0.0.1:8080/hits/192.0.2.10
//! curl http://127.0.0.1:8080/counts
//! ```

use std::process::ExitCode;

use clap::Parser;
use kinesis_lab::{Error, ErrorKind, Kinesis};
use tokio::net::TcpListener;

#[path = "service/app.rs"]
mod app;
mod common;

use app::Service;
use common::ending::when_asked_to_end;
use common::say::{ended, tell};

/// Puts an event for each hit, and counts what is in the stream: POST /hits/VISITOR, GET /counts.
#[derive(Parser)]
#[command(after_help = "Examples:
  cargo run --release --features full --example service -- --local
  cargo run --release --features full --example service -- --stream web-requests --port 8080
  curl -X POST http://127.0.0.1:8080/hits/192.0.2.10
  curl http://127.0.0.1:8080/counts")]
struct Arguments {
    /// An embedded Kinesis instead of AWS, which ends with this program
    #[arg(long)]
    local: bool,
    /// Another emulator, such as http://127.0.0.1:4567
    #[arg(long, value_name = "URL", conflicts_with = "local")]
    endpoint: Option<String>,
    /// The stream, which is made when it is not there
    #[arg(long, default_value = "web-requests")]
    stream: String,
    /// Of 127.0.0.1
    #[arg(long, value_name = "N", default_value_t = 8080)]
    port: u16,
}

// One thread for everything: whatever blocked it would stop the whole service.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    ended(serve(Arguments::parse()).await)
}

async fn serve(arguments: Arguments) -> Result<(), Error> {
    let kinesis = match &arguments.endpoint {
        Some(url) => Kinesis::endpoint(url)?,
        None if arguments.local => Kinesis::local_async().await?,
        None => Kinesis::aws().connect_async().await?,
    };
    let stream = match kinesis.stream_async(&arguments.stream).await {
        Err(error) if error.is_stream_not_found() => {
            kinesis.create_stream_async(&arguments.stream, 2).await?
        }
        found => found?,
    };
    let service = Service::new(stream.clone());
    let counting = tokio::spawn({
        let service = service.clone();
        async move { service.count(stream.consumer().trim_horizon().batches()).await }
    });

    // Before anybody can know that it is there, and send a signal.
    let (ask, asked) = tokio::sync::oneshot::channel();
    when_asked_to_end(move || {
        let _ = ask.send(());
    })?;
    let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await.map_err(|error| {
        let port = arguments.port;
        Error::new(
            ErrorKind::Io,
            format!("cannot listen on 127.0.0.1:{port}: {error}; choose another by --port"),
        )
    })?;
    tell(format_args!("http://{}/counts; POST to /hits/VISITOR; Ctrl-C ends it", listener.local_addr()?));
    let serve = axum::serve(listener, service.router()).with_graceful_shutdown(async {
        let _ = asked.await;
    });
    tokio::select! {
        served = serve => served?,
        counted = counting => counted.map_err(|error| Error::new(ErrorKind::Processor, error.to_string()))??,
    }
    tell(format_args!("{} counted", service.total()));
    Ok(())
}
