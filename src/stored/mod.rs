//! Where counts and alerts are kept: a file of SQLite or a database of PostgreSQL, told apart by how its name begins.
//!
//! Uses the ground, `read`, `count`, `detect`, `fleet`, `postgres`, `sqlite` and `stream`.

mod alerts;
mod counts;
mod place;
#[cfg(feature = "postgres")]
mod shared_in;
mod stored_in;

pub use alerts::Alerts;
pub use counts::Counts;

#[cfg(feature = "live")]
pub(crate) use place::DatabasePlace;
