//! [`Local`]: Kinesis inside this process, for learning and for tests.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use ferrokinesis::store::StoreOptions;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::access_key::{self, KeyFile};
use super::kinesis::Kinesis;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{self, block_on, on_ours};

mod call;
mod cbor;
mod creation;
mod front;
mod gate;
mod journal;
mod kinship;
mod log;
mod memory;
mod names;
mod page;
mod scaling;
mod shard_list;
mod state;
mod subscription;

use front::{Front, receive};
use gate::{Gate, pass};
use journal::Journal;
use memory::Memory;
use names::{Names, space};
use subscription::{Subscriptions, push};

/// What an embedded service holds at most, where nothing else is said.
const MEMORY_LIMIT: u64 = 1 << 30;

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
///
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-{}", std::process::id()));
/// // What it holds outlives the process; changes take a second, and iterators go stale after ten:
/// let kept = Local::new().folder(&folder).transition(secs(1)).iterator_lifetime(secs(10)).open()?;
/// # drop(kept);
/// # let _ = std::fs::remove_dir_all(folder);
/// // For other programs, which say this access key (`AWS_ACCESS_KEY_ID=workshop`; any secret will do):
/// let shared = Local::new().port(0).access_key("workshop").open()?;
/// # async fn in_a_service() -> Result<(), Error> {
/// let kinesis = Local::new().open_async().await?;
/// # Ok(())
/// # }
/// # block_on(in_a_service())?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Who may call it
/// Programs of this machine; and those of another site's page in a browser here may not: a request with an
/// `Origin`, or for a `Host` that is not this machine's loopback with its port, is refused.
#[derive(Clone, Default)]
pub struct Local {
    port: u16,
    enforce_limits: bool,
    folder: Option<PathBuf>,
    iterator_lifetime: Option<Duration>,
    transition: Option<Duration>,
    access_key: Option<String>,
    memory_limit: Option<u64>,
}

impl Kinesis {
    /// An embedded Kinesis on a free loopback port: no account, nothing to install.
    ///
    /// Its streams live in this process's memory; see [`Local`] for a fixed port, a folder to keep
    /// the state in, and throttling as on AWS.
    ///
    /// It is for this process, and for programs of the same user that open its URL with
    /// [`Kinesis::endpoint`]: it takes calls with an access key of its own alone. For the AWS CLI, boto3, and
    /// programs of other users, there is [`Local::port`].
    ///
    /// # Errors
    /// When the operating system gives no port.
    pub fn local() -> Result<Kinesis> {
        block_on(Kinesis::local_async())
    }

    /// As [`local`](Self::local), to be awaited.
    ///
    /// # Errors
    /// Those of [`local`](Self::local).
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # async fn in_a_service() -> Result<(), Error> {
    /// let kinesis = Kinesis::local_async().await?;
    /// # Ok(())
    /// # }
    /// # block_on(in_a_service())?;
    /// # Ok::<(), Error>(())
    /// ```
    pub async fn local_async() -> Result<Kinesis> {
        Local::new().access_key(&access_key::random()?).open_async().await
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

    /// Keep streams and records in this folder too, so that they outlive the process (an interrupted
    /// notebook cell ends it). Default: in memory only.
    ///
    /// It is for one service at a time. A call is acknowledged when what it did is in the file there, which is the
    /// operating system's to write: it outlives the process, not a power cut. Where the disk is full, calls fail
    /// until there is room. The file is at most twice as long as what it holds, and 16 MiB more.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Local {
        self.folder = Some(folder.into());
        self
    }

    /// How many bytes of records to hold at most, about. Default: 1 GiB (1,073,741,824).
    ///
    /// More puts are refused with `LimitExceededException` and a sentence. Records go after their stream's
    /// retention, 24 hours, looked at once a minute, or with their stream.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// let stream = Local::new().memory_limit(1_000_000).open()?.create_stream("full", 1)?;
    /// stream.put("k", vec![0; 800_000])?; // in base64: 1,066,668 bytes
    /// assert_eq!(stream.put("k", "1").unwrap_err().kind(), ErrorKind::LimitExceeded);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn memory_limit(mut self, bytes: u64) -> Local {
        self.memory_limit = Some(bytes);
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

    /// Take calls with this access key alone (whatever the secret and the signature). Default: with any.
    pub fn access_key(mut self, key: &str) -> Local {
        self.access_key = Some(key.to_owned());
        self
    }

    /// Starts the service and connects to it.
    ///
    /// # Errors
    /// When the port is taken; when the folder can't be used, or another service has it open; when the access key is not of 1 to 128 letters and
    /// digits.
    pub fn open(self) -> Result<Kinesis> {
        block_on(self.open_async())
    }

    /// As [`open`](Self::open), to be awaited.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub async fn open_async(self) -> Result<Kinesis> {
        let access_key = self.access_key.clone();
        if let Some(key) = &access_key
            && (!(1..=128).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            return Err(Error::invalid(
                "an access key is made of 1 to 128 letters and digits: choose another",
            ));
        }
        // It serves for as long as the process may call, so not on the runtime of whoever opens it.
        let (address, server) = on_ours(self.serve()).await?;
        Kinesis::connect_local(&format!("http://{address}"), access_key.as_deref(), Arc::new(server))
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
            aws_region: LOCAL_REGION.to_owned(),
            ..StoreOptions::default()
        };
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
        let (app, store) = ferrokinesis::create_app(options);
        let memory = Memory { store: store.clone(), limit: self.memory_limit.unwrap_or(MEMORY_LIMIT) };
        let journal = match &self.folder {
            Some(folder) => Some(Journal::open(folder, &store).await?),
            None => None,
        };
        // From the service outwards. The front has read the body, and has a limit of its own; axum's is 2 MiB.
        let app = app.layer(DefaultBodyLimit::disable());
        let app = app.layer(from_fn_with_state(store.clone(), page::complete));
        let app = app.layer(from_fn_with_state(store.clone(), shard_list::list));
        let app = app.layer(from_fn_with_state(store.clone(), scaling::scale));
        let gate = Arc::new(Gate::new(journal.is_some()));
        let subscriptions = Subscriptions::new(store.clone(), gate.clone());
        let app = app.layer(from_fn_with_state(Arc::new(subscriptions), push));
        let app = app.layer(from_fn_with_state(store, creation::with_mode_and_tags));
        let app = match &journal {
            Some(journal) => app.layer(from_fn_with_state(journal.clone(), journal::keep)),
            None => app,
        };
        let app = app.layer(from_fn_with_state(memory, memory::bound));
        let app = app.layer(from_fn_with_state(gate, pass));
        let app = app.layer(from_fn_with_state(Arc::<Names>::default(), space));
        let app = app.layer(from_fn(call::understand)).layer(from_fn(cbor::translate));
        let key_file = self.access_key.as_deref().map(|key| KeyFile::leave(address.port(), key));
        let front = Front::new(address.port(), self.access_key);
        let app = app.layer(from_fn_with_state(Arc::new(front), receive));
        let (stop, stopped) = oneshot::channel::<()>();
        runtime::handle().spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(async {
                let _ = stopped.await; // an error means that the sender is gone, which is the signal
            });
            let _ = served.await; // axum::serve retries accept errors by itself and returns none
        });
        Ok((address, LocalServer { _stop: stop, _key_file: key_file, journal }))
    }
}

/// Without the access key.
impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("port", &self.port)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Keeps the embedded service up; it stops accepting when this is dropped.
pub(crate) struct LocalServer {
    _stop: oneshot::Sender<()>,
    _key_file: Option<KeyFile>,
    journal: Option<Arc<Journal>>,
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        // Not only with the last connection, which a client may keep: the folder is free for another at once.
        if let Some(journal) = &self.journal {
            journal.close();
        }
    }
}
