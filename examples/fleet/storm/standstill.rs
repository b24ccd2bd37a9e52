//! Workers that will never go on: nothing new is processed for longer than any fault of a storm can hold them up.

use std::fmt;
use std::time::Duration;

/// The lock of a leader that was killed is free after 120 s; then its worker may start, which takes 41 s at most, and
/// assign shards. After a storm nobody is stopped any more.
const LONGEST: Duration = Duration::from_secs(180);

/// Since when nothing new was processed.
#[derive(Default)]
pub(super) struct Standstill {
    done: usize,
    since: Duration,
}

impl Standstill {
    /// `done` is how much is processed at this time: it is new as long as there is more of it.
    pub(super) fn is_too_long(&mut self, done: usize, now: Duration) -> bool {
        if done != self.done {
            (self.done, self.since) = (done, now);
        }
        now.saturating_sub(self.since) > LONGEST
    }
}

impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the workers stand still, and nothing new was processed for {} s, which is longer than a lost leader costs: their \
             logs, in target/fleet, say what they refuse",
            LONGEST.as_secs()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_long_as_something_is_processed_it_is_waited_for() {
        let (mut standstill, at) = (Standstill::default(), Duration::from_secs);
        assert!(!standstill.is_too_long(0, at(0)));
        assert!(!standstill.is_too_long(5, at(170)));
        assert!(!standstill.is_too_long(6, at(340)));
        assert!(!standstill.is_too_long(6, at(520)));
        assert!(standstill.is_too_long(6, at(521)));
        assert!(standstill.to_string().contains("for 180 s"));
    }
}
