//! [`Live`]: counts and alerts on a page that changes as they do.

use std::fmt;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::chart::Chart;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::block_on;
use crate::stored::DatabasePlace;
use crate::timestamp::Timestamp;

use super::shown::{Graph, Shown, Sources};
use super::watched::{FileState, Watched, WatchedTables};
use super::{frame, server};

/// From one reading of the databases to the next.
const POLL: Duration = Duration::from_millis(500);

/// A page on this machine that shows what a [`StoredCounter`](crate::StoredCounter) has counted, and the alerts of
/// a detection beside it, redrawn as they change.
///
/// It reads the database files, every half second and only when somebody has written to them and somebody looks;
/// who writes them, this process or another, is not disturbed. Files that are not there yet are waited for.
///
/// Nobody but this machine can reach it (it listens on 127.0.0.1), and on this machine only who knows its
/// address, which has 128 random bits in it: treat [`LiveView::url`] like a password.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # use kinesis_lab::Live;
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-live-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let (file, alerts) = (folder.join("counts.db"), folder.join("alerts.db"));
/// let live = Live::of(&file).alerts(&alerts).title("My website").start()?;
/// assert!(live.url().starts_with("http://127.0.0.1:")); // for a browser; a notebook cell shows `live` in a frame
///
/// let stream = Kinesis::local()?.create_stream("web-requests", 2)?;
/// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(12).start().join();
/// let mut counter = Counter::per_minute().lateness(secs(30)).stored_in(&file)?;
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?; // meanwhile, the bars grow
///
/// assert!(live.chart()?.text().contains("192.0.2.10")); // as it is now, as a picture
/// live.stop();
/// # drop(counter);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is shown before `start`"]
pub struct Live {
    counts: Result<DatabasePlace>,
    alerts: Option<Result<DatabasePlace>>,
    title: String,
    windows: usize,
    port: u16,
}

impl Live {
    /// A view of the counts in this file, which may come later, or at this address of PostgreSQL
    /// (`postgres://user@host/database`, with the feature `postgres`).
    pub fn of(counts: impl AsRef<Path>) -> Live {
        Live::of_path(counts.as_ref())
    }

    // Not generic, so that cells compile less.
    fn of_path(counts: &Path) -> Live {
        Live {
            counts: DatabasePlace::of(counts),
            alerts: None,
            title: "Live view".to_owned(),
            windows: 30,
            port: 0,
        }
    }

    /// Lists the alerts in this file, or at this address of PostgreSQL, too, the newest first, at most 50. Default:
    /// none.
    pub fn alerts(self, alerts: impl AsRef<Path>) -> Live {
        self.alerts_path(alerts.as_ref())
    }

    fn alerts_path(mut self, alerts: &Path) -> Live {
        self.alerts = Some(DatabasePlace::of(alerts));
        self
    }

    /// What stands above it all. Default: "Live view".
    pub fn title(mut self, title: &str) -> Live {
        self.title = crate::text::printable(title.as_bytes()).into_owned();
        self
    }

    /// How many windows are shown: the latest, and those still open among them. Default: 30; at least 1.
    pub fn windows(mut self, count: usize) -> Live {
        self.windows = count.max(1);
        self
    }

    /// The port of 127.0.0.1 to listen on. Default: 0, any free one.
    ///
    /// ```
    /// # use kinesis_lab::{Live, prelude::*};
    /// # let held = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let port = held.local_addr()?.port();
    /// // One that a tunnel of SSH leads to; another program has it, so that `start` refuses.
    /// let error = Live::of("counts.db").port(port).start().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Io);
    ///
    /// # drop(held);
    /// let live = Live::of("counts.db").port(port).start()?;
    /// assert!(live.url().starts_with(&format!("http://127.0.0.1:{port}/")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn port(mut self, port: u16) -> Live {
        self.port = port;
        self
    }

    /// Begins to watch and to serve, in the background, until the [`LiveView`] is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the port is taken. [`ErrorKind::InvalidInput`] when an address of PostgreSQL does not read
    /// as one.
    pub fn start(self) -> Result<LiveView> {
        let (counts, alerts) = (self.counts?, self.alerts.transpose()?);
        let lists_alerts = alerts.is_some();
        let mut sources = Sources::new(self.title, self.windows, counts.clone(), alerts);
        let first = sources.refresh().unwrap_or_else(|| sources.shown(Timestamp::now()));
        let (seen, updates) = watch::channel(Arc::new(first));
        let (url, server) = block_on(listen(self.port, updates))?;
        let (stop, stopped) = mpsc::channel();
        std::thread::Builder::new()
            .name("kinesis-lab-live".to_owned())
            .spawn(move || poll(sources, &seen, &stopped))?;
        Ok(LiveView { counts, windows: self.windows, lists_alerts, url, _server: server, _poll: stop })
    }
}

async fn listen(port: u16, updates: server::Updates) -> Result<(String, oneshot::Sender<()>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
        Error::with_source(
            ErrorKind::Io,
            format!(
                "the live view cannot listen on 127.0.0.1:{port}: {error}; another program may have the port (an \
                 older notebook?), so choose another, or 0 for any free one"
            ),
            error,
        )
    })?;
    let address = listener.local_addr()?;
    let (token, server) = server::serve(listener, updates).await?;
    Ok((format!("http://{address}/{token}/"), server))
}

/// Until the view is dropped, which the end of the channel tells; its viewers learn of it by the end of theirs.
fn poll(mut sources: Sources, seen: &watch::Sender<Arc<Shown>>, stopped: &mpsc::Receiver<()>) {
    let mut pause = POLL;
    while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let began = Instant::now();
        // One receiver is the server's own, from which viewers get theirs.
        if seen.receiver_count() > 1
            && let Some(shown) = sources.refresh()
        {
            seen.send_replace(Arc::new(shown));
        }
        // However large the database is, a tenth of one processor.
        pause = POLL.max(began.elapsed() * 9);
    }
}

/// A page that is served; made by [`Live::start`]. It ends when this is dropped, or with the process.
///
/// ```
/// use std::net::TcpStream;
///
/// use kinesis_lab::{Live, LiveView};
///
/// let live: LiveView = Live::of("counts.db").start()?; // no such file yet: it is waited for
/// live.evcxr_display(); // what a notebook does with a cell's last expression, here in the middle of one
/// assert!(live.chart()?.text().starts_with("No counts yet"));
///
/// let address = live.url().split('/').nth(2).unwrap_or_default().to_owned();
/// assert!(TcpStream::connect(&address).is_ok());
/// live.stop(); // the databases are nobody's any more, and may be deleted
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LiveView {
    counts: DatabasePlace,
    windows: usize,
    lists_alerts: bool,
    url: String,
    // Dropped, they end what they are named after.
    _server: oneshot::Sender<()>,
    _poll: mpsc::Sender<()>,
}

impl LiveView {
    /// The address, for a browser on this machine. Whoever knows it sees the page.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// What there is now, as a chart: to keep, or to be the output of a later cell.
    ///
    /// # Errors
    /// When the database of the counts can't be read. One that isn't there yet is a chart without bars.
    pub fn chart(&self) -> Result<Chart> {
        let graph = match Watched::new(self.counts.clone(), WatchedTables::Counts).check()? {
            FileState::Missing => Graph::empty(),
            _ => Graph::read(&self.counts, self.windows)?,
        };
        Ok(graph.chart)
    }

    /// Ends it, as dropping it does; pages that are open say so.
    pub fn stop(self) {}

    /// Shows the page as the result of a notebook cell, in a frame: evcxr calls this for the last expression.
    ///
    /// Where nobody serves the page any more (the kernel has ended, the notebook was exported, or is looked at
    /// on another machine), the picture of this moment is shown instead. No output of a notebook changes later;
    /// end with a cell [`chart`](LiveView::chart), and what it came to is kept as well.
    pub fn evcxr_display(&self) {
        // The page itself says what can't be read.
        let chart = self.chart().unwrap_or_else(|_| Graph::empty().chart);
        let bundle = frame::bundle(&self.url, &chart, if self.lists_alerts { 760 } else { 600 });
        // In one write under one lock: see `Chart::evcxr_display`.
        let mut out = io::stdout().lock();
        let _ = out.write_all(bundle.as_bytes()).and_then(|()| out.flush());
    }
}

/// Without its token: what is printed may be kept.
impl fmt::Debug for LiveView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.url.rsplitn(3, '/').last().unwrap_or_default();
        write!(f, "live view of {} at {address}", self.counts)
    }
}
