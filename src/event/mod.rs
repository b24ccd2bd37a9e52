//! What data says: who did what, and when, as an agent, a web server or a producer wrote it.
//!
//! Uses the ground and `packed`.

mod client;
#[expect(clippy::module_inception, reason = "the room is named after what it is for")]
mod event;
mod event_error;
mod event_head;
mod flat_json;
mod forwarded_for;
mod log_line;
mod network;
mod origin;
mod page;

pub use event::Event;
pub use event_error::EventError;
pub use log_line::{LogLine, LogLineError};
pub use origin::Origin;

pub(crate) use client::{canonical_client, client_address, client_of_line, not_one_client};
pub(crate) use event::{
    is_absent, is_from_the_future, line_client, line_event, partition_key_of, tells_apart, text_of,
    time_bound,
};
pub(crate) use event_head::EventHead;
#[cfg(feature = "agent")]
pub(crate) use forwarded_for::is_trusted;
pub(crate) use forwarded_for::{ForwardedHeader, client_behind, trusted_network};
pub(crate) use log_line::{is_joined, is_shifted, parse_request};
pub(crate) use network::ClientNetwork;
pub(crate) use page::normal_page;
