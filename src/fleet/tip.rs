//! [`Tip`]: whether a shard was read to its tip, and when that was so.

use std::time::{Duration, Instant};

/// Whether a shard was read to its tip, and when that was heard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tip {
    pub(crate) reached: bool,
    pub(crate) heard: Option<Instant>,
}

impl Tip {
    /// How old the word is by now. What came meanwhile is behind it, and is believed not to be for a while, which begins
    /// when it was heard, not when it is written.
    pub(crate) fn age(&self) -> Duration {
        self.heard.filter(|_| self.reached).map_or(Duration::ZERO, |heard| heard.elapsed())
    }
}
