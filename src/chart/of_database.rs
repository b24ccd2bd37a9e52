//! What a database of counts shows of itself.

use super::chart::Chart;
use super::of_counts::unit;
use crate::error::Result;
use crate::stored::Counts;

impl Counts {
    /// The completed windows as a chart, with the late events marked.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn chart(&self) -> Result<Chart> {
        let rows = self.windows()?.into_iter().map(|window| (window.start, window.counts)).collect();
        let title = format!("Requests per {}", unit(self.window_size()));
        Ok(Chart::bars(&title, rows).late(self.late()?))
    }
}
