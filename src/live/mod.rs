//! A page on the loopback interface that shows counts and alerts as they change.
//!
//! Uses the ground, `detect`, `sqlite`, `postgres`, `stored` and `chart`.

mod connections;
mod frame;
#[expect(clippy::module_inception, reason = "the room is named after what it is for")]
mod live;
mod server;
mod shown;
mod watched;

pub use live::{Live, LiveView};
