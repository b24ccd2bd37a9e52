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
mod rows;
mod store;

pub use alerts::Alerts;
pub use counts::Counts;
pub use rows::Rows;
pub use store::Sqlite;

#[cfg(feature = "live")]
pub(crate) use explain::explain;
