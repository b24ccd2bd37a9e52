//! What data says: who did what, and when, as an agent, a web server or a producer wrote it.
//!
//! Uses the ground and `packed`.

mod access_log;
mod client;
#[expect(clippy::module_inception, reason = "the room is named after what it is for")]
mod event;
#[cfg(feature = "agent")]
mod forwarded_for;
mod log_line;
mod origin;
mod page;

pub use access_log::{AccessLog, LogRecord, UnparsedLine};
pub use event::{Event, EventError};
pub use log_line::{LogLine, LogLineError};
pub use origin::Origin;

pub(crate) use client::{canonical_client, client_address};
#[cfg(feature = "agent")]
pub(crate) use forwarded_for::{ForwardedHeader, client_behind, is_trusted, trusted_network};
pub(crate) use page::normal_page;
