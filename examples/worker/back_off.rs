//! How long is waited before a daemon that has ended is started again.

use std::time::Duration;

/// A daemon that has run for so long was well: what ended it is something new.
const WELL: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Twice as long each time, up to a minute.
pub(crate) struct BackOff {
    next: Duration,
}

impl BackOff {
    pub(crate) fn new() -> BackOff {
        BackOff { next: SHORTEST }
    }

    /// After a daemon that ran for so long.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        let wait = if ran >= WELL { SHORTEST } else { self.next };
        self.next = (wait * 2).min(LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(ran: &[u64]) -> Vec<u64> {
        let mut back_off = BackOff::new();
        ran.iter().map(|seconds| back_off.after(Duration::from_secs(*seconds)).as_secs()).collect()
    }

    #[test]
    fn it_doubles_up_to_a_minute() {
        assert_eq!(waits(&[0; 9]), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_daemon_that_was_well_begins_anew() {
        assert_eq!(waits(&[5, 59, 60, 3, 3, 3_600, 0]), [1, 2, 1, 2, 4, 1, 2]);
    }
}
