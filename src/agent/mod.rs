//! What a web application tells a stream about its requests, and whom it refuses.
//!
//! Uses the ground, `event`, `stream`, `put`, `read` and `detect`.

#[expect(clippy::module_inception, reason = "the room is named after what it is for")]
mod agent;
mod answer;
mod block_feed;
mod client;
mod counters;
mod fields;
mod layer;
mod peer;
mod report;
mod request_event;
mod sender;
mod state;

pub use agent::Agent;
pub use answer::AgentAnswer;
pub use fields::AgentFields;
pub use layer::{AgentLayer, AgentService};
pub use peer::Peer;
pub use report::AgentReport;
