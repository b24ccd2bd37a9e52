//! Where counts are kept: a file of SQLite or a database of PostgreSQL, told apart by how its name begins.
//!
//! Uses the ground, `count`, `postgres` and `sqlite`.

mod counts;
mod place;
mod stored_in;

pub use counts::Counts;

#[cfg(feature = "live")]
pub(crate) use place::DatabasePlace;
