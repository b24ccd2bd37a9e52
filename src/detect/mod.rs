//! Playbooks over events, the alerts that come of them, and who is blocked.
//!
//! Uses the ground, `event`, `format`, `stream`, `read` and `count`.

mod alert;
mod alert_store;
mod block_entry;
mod block_list;
mod detection;
mod detector;
mod fields;
mod key;
mod outbox;
mod pattern;
mod playbook;
#[cfg(feature = "playbooks")]
mod playbook_file;
mod playbooks;
mod rule;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod saved_alerts;
mod tallies;
mod totals;

pub use alert::{Alert, Response};
pub use block_list::BlockList;
pub use detection::Detection;
pub use playbook::Playbook;
pub use playbooks::Playbooks;
pub use totals::DetectionTotals;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use alert_store::{AlertChange, AlertStore, SavedDetection, Undelivered};
#[cfg(feature = "agent")]
pub(crate) use block_list::{LONGEST_BLOCK, blocks_in};
#[cfg(feature = "postgres")]
pub(crate) use detection::{KeysAndIds, KnownState};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use detector::{SavedTally, is_told};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use outbox::MOST_WAITING;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use saved_alerts::SavedAlerts;
