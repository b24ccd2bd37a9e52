//! [`Counts::latest`]: the end of the time axis, without reading all that is before it.

use std::time::Duration;

use super::Counts;
use crate::count::Window;
use crate::error::Result;
use crate::harmless::Text;
use crate::timestamp::Timestamp;

/// The latest windows.
pub(crate) struct Latest {
    pub(crate) size: Duration,
    /// By time: the completed ones, and then
    pub(crate) windows: Vec<Window>,
    /// from this one on, those still open.
    pub(crate) completed: usize,
    /// What came too late for them.
    pub(crate) late: Vec<(Timestamp, Text, u64)>,
}

impl Counts {
    /// So many windows, those still open among them.
    pub(crate) fn latest(&self, count: usize) -> Result<Latest> {
        // The open ones first: one that is completed between the two queries is in both, and not in neither.
        let mut early = self.early()?;
        let (windows, late) = self.0.latest(count)?;
        if let Some(last) = windows.last() {
            early.retain(|window| window.start > last.start);
        }
        let mut completed = windows.len();
        let mut windows: Vec<Window> = windows.into_iter().chain(early).collect();
        let too_many = windows.len().saturating_sub(count);
        windows.drain(..too_many);
        completed = completed.saturating_sub(too_many);
        let first = windows.first().map_or(Timestamp::MAX, |window| window.start);
        let late = late.into_iter().filter(|(start, _, _)| *start >= first).collect();
        Ok(Latest { size: self.0.shape().0, windows, completed, late })
    }
}

#[cfg(all(test, feature = "sqlite", target_os = "linux"))]
mod tests {
    use super::*;
    use crate::folder::temporary_folder;
    use crate::sqlite::Sqlite;

    /// All that this thread has read of files so far. SQLite reads on the thread that asks it.
    fn read_so_far() -> u64 {
        let told = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        told.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
    }

    /// In each window, of five minutes, one key, an event for which there was no room, and one that came too late.
    #[test]
    fn what_is_latest_costs_the_same_with_a_year_before_it() {
        let folder = temporary_folder("latest").unwrap();
        let path = folder.join("counts.db");
        drop(Sqlite::open(&path).unwrap());
        let cost_with = |windows: u32| {
            let database = rusqlite::Connection::open(&path).unwrap();
            let times = format!(
                "WITH RECURSIVE window(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM window WHERE n < {windows}),
                 times AS (SELECT strftime('%Y-%m-%dT%H:%M:00Z', 1e9 - n * 300, 'unixepoch') AS t FROM window)"
            );
            for (table, values) in
                [("windows", "t, t, 'k', 1"), ("late", "t, t, 'k', 2"), ("overflow", "t, t, 3")]
            {
                database
                    .execute_batch(&format!(
                        "{times} INSERT OR IGNORE INTO {table} SELECT {values} FROM times"
                    ))
                    .unwrap();
            }
            database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
            drop(database);
            let before = read_so_far();
            let latest = Counts::open(&path).unwrap().latest(30).unwrap();
            assert_eq!((latest.windows.len(), latest.late.len()), (30, 30));
            assert!(latest.windows.iter().all(|window| (window.counts.len(), window.overflow) == (1, 3)));
            read_so_far() - before
        };
        let (hours, a_year) = (cost_with(60), cost_with(105_120));
        assert!(a_year < 4 * hours, "{a_year} bytes with a year, {hours} with five hours");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
