//! Counts and alerts in PostgreSQL: who writes them, and who reads them meanwhile.
//!
//! The driver is `tokio-postgres`: it speaks the protocol on the runtime that this crate has anyway, takes any
//! stream for TLS (rustls, which the SDK brings; `tls.rs` joins the two), and says in its errors whether a
//! connection broke, which is what a commit in doubt turns on. `sqlx` would bring its own pool, macros and a second
//! set of everything for databases that are not used here.
//!
//! Uses the ground, `read`, `count`, `detect` and `fleet`.

mod alert_book;
mod alert_change;
mod alert_load;
mod alert_reader;
mod alert_rows;
mod columns;
mod commit;
mod counts;
mod explain;
mod fleet_alert_take;
mod fleet_alert_write;
mod fleet_alerts;
mod fleet_complete;
mod fleet_lock;
mod fleet_rows;
mod fleet_store;
mod fleet_take;
mod fleet_terms;
mod fleet_write;
mod layout;
mod link;
mod load;
mod lock;
mod origins;
mod places;
mod sql_types;
mod store;
mod texts;
mod tls;
mod turn;
mod url;
#[cfg(feature = "live")]
mod version;

pub use store::Postgres;

pub(crate) use alert_book::PostgresAlerts;
pub(crate) use alert_reader::PostgresAlertReader;
pub(crate) use counts::PostgresCounts;
pub(crate) use fleet_alerts::PostgresFleetAlerts;
pub(crate) use fleet_store::PostgresFleet;
pub(crate) use url::PostgresUrl;
#[cfg(feature = "live")]
pub(crate) use version::PostgresVersion;
