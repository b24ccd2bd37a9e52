//! [`Local`]: Kinesis inside this process, for learning and for tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use ferrokinesis::store::{DurableStateOptions, StoreOptions};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::kinesis::Kinesis;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{self, block_on};

mod gate;
mod names;

use gate::{Gate, pass};
use names::{Names, space};

/// The region that the embedded service says it is in.
const LOCAL_REGION: &str = "us-east-1";

/// Options of the embedded Kinesis; [`Kinesis::local`] opens it with the defaults.
///
/// It is [ferrokinesis](https://crates.io/crates/ferrokinesis), in this process, behind real HTTP on
/// the loopback interface: the SDK talks to it exactly as to AWS, and so can other programs (the AWS
/// CLI, boto3) when it is given a port that they know. A name whose stream was created and deleted within
/// one second is free again in the next, so that the creation time tells the two apart. It ends when the last handle to it is
/// dropped, or with the process.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// let kinesis = Local::new().enforce_limits(true).open()?;
/// assert!(kinesis.endpoint_url().unwrap().starts_with("http://127.0.0.1:"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Local {
    port: u16,
    enforce_limits: bool,
    folder: Option<PathBuf>,
    iterator_lifetime: Option<Duration>,
    transition: Option<Duration>,
}

impl Kinesis {
    /// An embedded Kinesis on a free loopback port: no account, nothing to install.
    ///
    /// Its streams live in this process's memory; see [`Local`] for a fixed port, a folder to keep
    /// the state in, and throttling as on AWS.
    ///
    /// # Errors
    /// When the operating system gives no port.
    pub fn local() -> Result<Kinesis> {
        Local::new().open()
    }
}

impl Local {
    /// The defaults: a free port, limits not enforced, everything in memory.
    pub fn new() -> Local {
        Local::default()
    }

    /// The loopback port to listen on. Default: 0, any free one.
    pub fn port(mut self, port: u16) -> Local {
        self.port = port;
        self
    }

    /// Throttle writes as AWS does: 1,000 records and 1 MB a second and shard. Default: off.
    pub fn enforce_limits(mut self, on: bool) -> Local {
        self.enforce_limits = on;
        self
    }

    /// Keep streams and records in this folder, so that they outlive the process (an interrupted
    /// notebook cell ends it). Default: in memory only.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Local {
        self.folder = Some(folder.into());
        self
    }

    /// How long a shard iterator is good for, in whole seconds. Default: 300 s, as on AWS.
    pub fn iterator_lifetime(mut self, lifetime: Duration) -> Local {
        self.iterator_lifetime = Some(lifetime);
        self
    }

    /// How long creating, changing and deleting a stream takes. Default: 100 ms (AWS: 10–30 s).
    pub fn transition(mut self, time: Duration) -> Local {
        self.transition = Some(time);
        self
    }

    /// Starts the service and connects to it.
    ///
    /// # Errors
    /// When the port is taken, or the folder can't be used.
    pub fn open(self) -> Result<Kinesis> {
        let (address, stop) = block_on(self.serve())?;
        Kinesis::connect_local(&format!("http://{address}"), Arc::new(stop))
    }

    async fn serve(self) -> Result<(SocketAddr, LocalServer)> {
        let transition_ms = millis(self.transition.unwrap_or(Duration::from_millis(100)));
        let options = StoreOptions {
            create_stream_ms: transition_ms,
            delete_stream_ms: transition_ms,
            update_stream_ms: transition_ms,
            // AWS's default is 20,000 in the largest regions; a workshop should never meet a limit.
            shard_limit: 10_000,
            iterator_ttl_seconds: self.iterator_lifetime.map_or(300, |t| t.as_secs()),
            retention_check_interval_secs: 60,
            enforce_limits: self.enforce_limits,
            durable: self.folder.clone().map(|state_dir| DurableStateOptions {
                state_dir,
                snapshot_interval_secs: 10,
                max_retained_bytes: None,
            }),
            aws_region: LOCAL_REGION.to_owned(),
            ..StoreOptions::default()
        };
        if let Some(folder) = &self.folder {
            std::fs::create_dir_all(folder).map_err(|error| {
                Error::with_source(
                    ErrorKind::Io,
                    format!("cannot make the folder {} for the local Kinesis: {error}", folder.display()),
                    error,
                )
            })?;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await.map_err(|error| {
            Error::with_source(
                ErrorKind::Io,
                format!(
                    "the local Kinesis cannot listen on 127.0.0.1:{}: {error}; another program may have the port \
                     (an older notebook?), so choose another, or 0 for any free one",
                    self.port
                ),
                error,
            )
        })?;
        let address = listener.local_addr()?;
        let (app, _store) = ferrokinesis::create_app(options);
        // A PutRecords of 5 MiB is 6.7 MiB in base64; axum's own limit is 2 MiB.
        let app = app.layer(DefaultBodyLimit::max(32 << 20));
        let app = app.layer(from_fn_with_state(Arc::<Gate>::default(), pass));
        let app = app.layer(from_fn_with_state(Arc::<Names>::default(), space));
        let (stop, stopped) = oneshot::channel::<()>();
        runtime::handle().spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(async {
                let _ = stopped.await; // an error means that the sender is gone, which is the signal
            });
            let _ = served.await; // axum::serve retries accept errors by itself and returns none
        });
        Ok((address, LocalServer { _stop: stop }))
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Keeps the embedded service up; it stops accepting when this is dropped.
#[derive(Debug)]
pub(crate) struct LocalServer {
    _stop: oneshot::Sender<()>,
}
