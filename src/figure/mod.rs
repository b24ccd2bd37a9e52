//! Figures that a reader can touch: one piece of HTML each, with its script, and a picture where scripts don't run.
//!
//! Uses the ground, `chart`, `count`, `event` and `stream`.

#[expect(clippy::module_inception, reason = "the room is named after what it is for")]
mod figure;
mod hash_ring;
mod hash_ring_figure;
mod meters;
mod paint;
#[cfg(test)]
mod ring_tests;
#[cfg(test)]
mod tests;
mod watermark_figure;
mod watermark_trace;

pub use figure::Figure;
pub use hash_ring::HashRing;
pub use watermark_trace::{TraceStep, WatermarkTrace};
