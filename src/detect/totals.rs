//! [`DetectionTotals`]: what a detection came to, in numbers.

/// Numbers of a [`Detection`](crate::Detection), over all its runs when it has a database.
///
/// ```
/// # use kinesis_lab::{Detection, DetectionTotals, Playbooks};
/// let detection = Detection::new(&Playbooks::shipped());
/// assert_eq!(detection.totals(), DetectionTotals::default());
/// ```
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
    /// (playbook, event) pairs that were not counted, or not for long, for want of room: a client makes at most
    /// 1,000 keys in a slide of a playbook whose key is more than `ip`, and all open counts take at most 64 MiB.
    pub overflow: u64,
    /// Alerts that the stream will never take: they are in the database, callbacks have heard of them, and they are
    /// not tried again.
    pub undeliverable: u64,
    /// How often a callback panicked.
    pub callback_panics: u64,
}
