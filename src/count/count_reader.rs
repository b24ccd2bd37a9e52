//! [`CountReader`]: what a database of counts can be asked, whichever it is.

use std::time::Duration;

use super::store::{SavedState, Totals};
use super::window::Window;
use crate::error::Result;
use crate::harmless::Text;
use crate::rows::Rows;
use crate::timestamp::Timestamp;

/// How many of a key came too late for which window.
pub(crate) type LateRows = Vec<(Timestamp, Text, u64)>;

/// Reads what a [`Store`](super::Store) has written, beside whoever writes it. Each answer is of one state.
pub(crate) trait CountReader: Send {
    /// For people; without a password.
    fn place(&self) -> String;

    /// Size and slide of the windows; zero before a counter has run.
    fn shape(&self) -> (Duration, Duration);

    /// The completed windows, by time.
    fn windows(&self) -> Result<Vec<Window>>;

    /// What came too late, by the window's start and the key.
    fn late(&self) -> Result<LateRows>;

    /// So many of the completed windows, the latest, and what came too late for them or later; at a cost that does
    /// not grow with what is before them.
    #[cfg_attr(not(feature = "live"), allow(dead_code, reason = "for a page that shows them"))]
    fn latest(&self, count: usize) -> Result<(Vec<Window>, LateRows)>;

    /// How many rows the completed windows have, without counting them.
    fn pairs(&self) -> Result<u64>;

    /// What it takes on its disk.
    fn bytes(&self) -> Result<u64>;

    /// What is in no window.
    fn totals(&self) -> Result<Totals>;

    /// What the counter would go on from.
    fn saved(&self) -> Result<SavedState>;

    /// The rows of somebody's query, as text.
    fn sql(&self, query: &str) -> Result<Rows>;
}
