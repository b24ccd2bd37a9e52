//! Playbooks over events, the alerts that come of them, and who is blocked.
//!
//! Uses the ground, `event`, `stream`, `read` and `count`.

mod alert;
mod alert_store;
mod block_list;
mod detection;
mod detector;
mod playbook;
mod totals;

pub use alert::{Alert, Response};
pub use block_list::BlockList;
pub use detection::Detection;
pub use playbook::{Playbook, Playbooks};
pub use totals::DetectionTotals;

#[cfg(feature = "sqlite")]
pub(crate) use alert_store::{AlertChange, AlertStore, SavedDetection};
#[cfg(feature = "sqlite")]
pub(crate) use detector::{SavedTally, is_told};
