//! [`Counts`]: what a stored counter has written, to be looked at while it goes on.

use std::fmt;
use std::path::Path;
#[cfg(feature = "chart")]
use std::time::Duration;

use super::place::DatabasePlace;
use crate::count::{CountReader, Totals, Window, Windows};
use crate::error::Result;
use crate::harmless::Text;
use crate::rows::Rows;
use crate::timestamp::Timestamp;

#[cfg(feature = "live")]
mod latest;

/// The database of a [`StoredCounter`](crate::StoredCounter), read by anybody at any time: its writer is
/// not disturbed, and what is seen is always a whole commit.
///
/// ```
/// # use kinesis_lab::prelude::*;
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-counts-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("counts.db");
/// let stream = Kinesis::local()?.create_stream("stored", 2)?;
/// stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(12).start().join();
/// let mut counter = Counter::per_minute().lateness(secs(30)).stored_in(&file)?;
/// stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;
///
/// let counts = Counts::open(&file)?;
/// assert_eq!(counts.windows()?[0].to_string(), "2018-09-06 08:00:00 : [('192.0.2.10', 6)]");
/// assert_eq!(counts.sql("SELECT key, sum(count) FROM windows GROUP BY key")?.to_string(), "\
/// key         sum(count)
/// 192.0.2.10           6");
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Counts(Box<dyn CountReader>);

impl Counts {
    /// Opens the database of a counter; nothing can be written through this.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) when there is none.
    pub fn open(path: impl AsRef<Path>) -> Result<Counts> {
        Counts::open_path(path.as_ref())
    }

    // Not generic: a notebook cell would compile it, and SQLite's C functions are not to be had there.
    fn open_path(path: &Path) -> Result<Counts> {
        Counts::at(&DatabasePlace::of(path)?)
    }

    pub(crate) fn at(place: &DatabasePlace) -> Result<Counts> {
        place.counts().map(Counts)
    }

    /// The completed windows, by time.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn windows(&self) -> Result<Vec<Window>> {
        self.0.windows()
    }

    /// How many rows `windows` has: a row a (window, key) pair. At once, whatever is in the file.
    ///
    /// # Errors
    /// When the database can't be read.
    ///
    /// ```no_run
    /// # use kinesis_lab::prelude::*;
    /// let counts = Counts::open("counts.db")?;
    /// println!("{} rows, {} late", counts.pairs()?, counts.totals()?.late);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn pairs(&self) -> Result<u64> {
        self.0.pairs()
    }

    /// How many bytes the counts take on their disk: of a file, its pages; of a server, the tables and indexes of this
    /// counter. [`StoredCounter::keep_for`](crate::StoredCounter::keep_for) bounds it.
    ///
    /// # Errors
    /// When the database can't be read.
    ///
    /// ```no_run
    /// # use kinesis_lab::prelude::*;
    /// println!("{} MB", Counts::open("counts.db")?.bytes()? / 1_000_000);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn bytes(&self) -> Result<u64> {
        self.0.bytes()
    }

    /// What was counted that is in no window.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn totals(&self) -> Result<Totals> {
        self.0.totals()
    }

    /// How long a window is.
    #[cfg(feature = "chart")]
    pub(crate) fn window_size(&self) -> Duration {
        self.0.shape().0
    }

    /// The windows still open, by time, as they were at the last commit: early results, which may grow.
    ///
    /// ```no_run
    /// # use kinesis_lab::prelude::*;
    /// let counts = Counts::open("counts.db")?;
    /// for window in counts.windows()?.into_iter().chain(counts.early()?) {
    ///     println!("{window}");
    /// }
    /// for (start, key, count) in counts.late()? {
    ///     println!("{count} of {} came too late for {}", key, start.plain(0));
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn early(&self) -> Result<Vec<Window>> {
        let saved = self.0.saved()?;
        let (size, slide) = self.0.shape();
        let mut windows = Windows::sliding(size, slide);
        windows.restore(saved.watermark, saved.panes);
        Ok(windows.iter().collect())
    }

    /// What came too late: the window's start, the key, how many.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn late(&self) -> Result<Vec<(Timestamp, Text, u64)>> {
        self.0.late()
    }

    /// The rows of a query, as text: at most 1,000 of them. [`Rows`] says how they are shown.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) with SQLite's own words when the query is wrong, or wants to write.
    pub fn sql(&self, query: &str) -> Result<Rows> {
        self.0.sql(query)
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "counts in {}", self.0.place())
    }
}
