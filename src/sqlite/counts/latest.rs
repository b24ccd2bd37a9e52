//! [`Counts::latest`]: the end of the time axis, without reading all that is before it.

use std::time::Duration;

use super::super::explain::explain;
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
        let (windows, late) = self.since(count).map_err(|error| explain(&self.path, error))?;
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
        Ok(Latest { size: self.size, windows, completed, late })
    }

    #[allow(clippy::type_complexity)] // It is used here alone.
    fn since(&self, count: usize) -> rusqlite::Result<(Vec<Window>, Vec<(Timestamp, Text, u64)>)> {
        // Along the primary key, backwards: the other windows are not looked at.
        let text = "SELECT min(start) FROM (SELECT DISTINCT start FROM windows ORDER BY start DESC LIMIT ?1)";
        let first: Option<String> = self.database.query_row(text, [count as i64], |row| row.get(0))?;
        let first = first.unwrap_or_default();
        Ok((self.read_windows(&first)?, self.read_late(&first)?))
    }
}
