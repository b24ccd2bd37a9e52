//! Counts and alerts in SQLite files: who writes them, and who reads them meanwhile.
//!
//! Uses the ground, `read`, `count` and `detect`.

mod alert_book;
mod alerts;
mod counts;
mod explain;
mod file;
#[cfg(all(test, feature = "local"))]
mod full;
mod lock;
mod origins;
mod store;

pub use store::Sqlite;

pub(crate) use alert_book::AlertBook;
pub(crate) use alerts::SqliteAlerts;
pub(crate) use counts::SqliteCounts;
#[cfg(feature = "live")]
pub(crate) use explain::explain;
