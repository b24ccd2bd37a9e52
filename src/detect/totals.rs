//! [`DetectionTotals`]: what a detection came to, in numbers.

/// Numbers of a [`Detection`](crate::Detection), over all its runs when it has a database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DetectionTotals {
    /// Alerts.
    pub alerts: u64,
    /// (playbook, window) pairs for which an event came too late.
    pub late: u64,
    /// Events from more than 10 minutes after their arrival.
    pub refused: u64,
    /// Events that had been counted before.
    pub duplicates: u64,
    /// Records that did not parse.
    pub unparsed: u64,
    /// (playbook, event) pairs that were not counted, as there were more than 1,000,000 keys and values.
    pub overflow: u64,
}
