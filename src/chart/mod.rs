//! Pictures of counts: a scene laid out once, painted as PNG, SVG and text.
//!
//! Uses the ground, `count` and `stored`.

mod axes;
mod bars;
#[expect(clippy::module_inception, reason = "the room is named after what it is for")]
mod chart;
mod compare;
mod key_colors;
mod layout;
mod legend;
mod lines;
mod of_counts;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod of_database;
mod paint;
mod palette;
mod panel;
mod plot;
mod scale;
mod scene;
mod spacing;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod words;

pub use chart::{Chart, ChartError};

pub(crate) use chart::push_content;
#[cfg(feature = "live")]
pub(crate) use of_counts::unit;
pub(crate) use paint::encoded;
