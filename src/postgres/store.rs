//! [`Postgres`]: windows and checkpoints in a database that many programs read, and that a fleet can share.

use std::fmt;
use std::time::Duration;

use super::commit;
use super::layout::{self, COUNTS};
use super::link::Link;
use super::load;
use super::lock::{self, WriterName};
use super::turn::Turn;
use super::url::PostgresUrl;
use crate::count::{Change, Fingerprint, SavedState, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::read::StreamId;

/// A [`Store`] in a PostgreSQL database (13 or newer), which one process at a time writes and any number read.
///
/// | table or view | columns |
/// | --- | --- |
/// | `windows` | `start`, `"end"`, `key`, `count`: the completed windows |
/// | `late` | `start`, `"end"`, `key`, `count`: what came too late for them |
/// | `overflow` | `start`, `"end"`, `count`: events of keys that there was no room for |
/// | `totals` | `name`, `count`: `pairs`, the rows of `windows`; `late`, `refused`, `duplicates`, `unparsed`, `unplaced` |
/// | `checkpoints` | `shard`, `sequence_number`, `arrival`, `newest_event`, `ended` |
/// | `progress` | one row: `stream`, `created`, `size`, `slide`, `key`, `watermark`, `owner`, `committed`, … |
///
/// They are those of [`Sqlite`](crate::Sqlite), but for the types of the times, which are `timestamptz`. A character
/// NUL, which a column of text can't hold, is U+10FFFF and `0` there. What the open windows consist of is in tables
/// whose name begins with `open_`, by shard, as several workers would write it. A detection
/// ([`Detection::stored_in`](crate::Detection::stored_in)) can be in the same schema: `alerts` has its alerts, and
/// what it goes on from is in `open_tallies`, `open_items`, `beyond_memory` and tables whose name begins with `alert_`.
///
/// The address is one of `libpq`: `postgres://user:password@host:5432/database?sslmode=verify-full`. What it does not
/// say is taken from `PGHOST`, `PGUSER`, `PGPASSWORD`, `PGSSLMODE` and `PGSSLROOTCERT`. `sslmode` is one of `disable`,
/// `prefer`, `require` (encrypted, by whomever, unless `sslrootcert` names an authority), `verify-ca` and `verify-full`.
/// Default: `prefer` on this machine, `verify-full` elsewhere; and for roots, those that the system trusts. Another
/// schema than `public`, for a second counter in one database: `?options=-csearch_path%3Dname`. A pooler has to keep
/// sessions apart (PgBouncer: `pool_mode = session`). No error and no `Debug` shows the password.
///
/// A commit is one transaction, on the server's disk when it is answered (unless the server's `synchronous_commit` says
/// otherwise). A server that is away, restarted or full is waited for. Where the answer to a commit was lost, the
/// database is asked whether it was written before it is written again. A second process waits until the first has
/// ended, or its connection has (of a machine or a network that is gone, the server finds that out within 40 s); then
/// the first, should it go on, finds itself replaced, and ends.
///
/// ```no_run
/// # use kinesis_lab::prelude::*;
/// use kinesis_lab::Postgres;
/// // What `stored_in` does.
/// let store = Postgres::open("postgres://ann@localhost/shop")?; // with PGPASSWORD in the environment
/// let mut counter = Counter::per_minute().stored(Box::new(store));
/// let stream = Kinesis::aws().connect()?.stream("visits")?;
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
/// # Ok::<(), Error>(())
/// ```
pub struct Postgres {
    link: Link,
    name: WriterName,
    loaded: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    turn: Turn,
    /// Of a window, for the `end` of a late one.
    size: Duration,
}

impl Postgres {
    /// Connects, and makes the tables where there are none. While another process counts into them, waits for that
    /// process's end, and says on stderr that it waits.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the address does not read as one. [`ErrorKind::StoreUnavailable`] when nobody
    /// answers there for 5 s. [`ErrorKind::Store`] when user or password are refused, the certificate is not to be
    /// trusted, the tables are another program's, or they are open in this very process.
    pub fn open(url: &str) -> Result<Postgres> {
        Postgres::open_url(&PostgresUrl::parse(url)?)
    }

    pub(crate) fn open_url(url: &PostgresUrl) -> Result<Postgres> {
        let name = WriterName::new(&COUNTS);
        let mut link = Link::new(url, name.as_str())?;
        link.with(async |link: &mut Link| {
            let url = link.url.clone();
            layout::make(link.session().await?, &url, &COUNTS).await?;
            lock::lock(link, &COUNTS).await
        })?;
        Ok(Postgres { link, name, loaded: None })
    }
}

impl Store for Postgres {
    fn load(&mut self, fingerprint: &Fingerprint) -> Result<SavedState> {
        let name = &self.name;
        self.loaded = None;
        let (turn, saved) = self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            let session = lock::connected(link, &COUNTS, true).await?;
            load::load(session, &url, name, fingerprint).await
        })?;
        self.loaded = Some(Loaded { turn, size: fingerprint.size });
        Ok(saved)
    }

    fn commit(&mut self, change: &Change) -> Result<()> {
        let Some(loaded) = &mut self.loaded else {
            return Err(Error::new(ErrorKind::Store, "a change of what was not loaded: call `load` first"));
        };
        let name = &self.name;
        self.link.with(async |link: &mut Link| {
            let url = link.url.clone();
            let session = lock::connected(link, &COUNTS, false).await?;
            commit::commit(session, &url, name, &mut loaded.turn, change, loaded.size).await
        })
    }

    fn stream(&mut self) -> Result<Option<StreamId>> {
        self.link.with(async |link: &mut Link| load::stream(link.session().await?.client()).await)
    }
}

/// Without its password.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "counts in {}", self.link.url)
    }
}
