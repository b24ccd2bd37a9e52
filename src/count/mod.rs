//! Counts per key in windows of event time, in memory or in a store.
//!
//! Uses the ground, `event`, `format`, `stream` and `read`.

mod clocks_ahead;
mod copies;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod count_reader;
mod counter;
mod counter_methods;
mod late;
mod number;
mod pane;
mod panes;
mod printing;
mod recent_ids;
mod store;
mod stored_counter;
mod sums;
mod unparsed;
mod watermark;
mod window;
mod windows;

pub use clocks_ahead::{ClockAhead, ClocksAhead};
pub use copies::SavedOrigin;
pub use counter::Counter;
pub use late::{Late, LateEvent, Refused, RefusedEvent};
pub use pane::SavedPane;
pub use printing::Printing;
pub use store::{Change, Fingerprint, SavedState, Store, Totals};
#[cfg(feature = "postgres")]
pub(crate) use stored_counter::STORED_LATENESS;
pub use stored_counter::StoredCounter;
pub use unparsed::Unparsed;
pub use watermark::Watermark;
pub use window::Window;
pub use windows::{Added, Windows};

pub(crate) use copies::Copies;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use count_reader::{CountReader, LateRows};
#[cfg(feature = "postgres")]
pub(crate) use pane::Span;
pub(crate) use recent_ids::RecentIds;
pub(crate) use unparsed::UnparsedRecords;
