//! [`Restarts`]: when a part that has failed is started again, and when it is given up. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// In which failures are counted together.
pub(super) const PERIOD: Duration = Duration::from_secs(3_600);
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// The failures of a part within the last hour.
pub(super) struct Restarts {
    limit: u32,
    failures: VecDeque<Instant>,
}

impl Restarts {
    pub(super) fn up_to(limit: u32) -> Restarts {
        Restarts { limit, failures: VecDeque::new() }
    }

    /// How long to wait before the part is started again: 0.1 s, doubling with each failure of the last hour up
    /// to a minute. `None` when it has failed too often.
    pub(super) fn delay_after_failure(&mut self, now: Instant) -> Option<Duration> {
        while self.failures.pop_front_if(|failure| now.duration_since(*failure) >= PERIOD).is_some() {}
        let earlier = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        if earlier >= self.limit {
            return None;
        }
        self.failures.push_back(now);
        Some(FIRST_DELAY.saturating_mul(1 << earlier.min(16)).min(LONGEST_DELAY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_and_too_many_failures_are_the_end() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut restarts = Restarts::up_to(12);
        let delays: Vec<u64> = (0..12)
            .map(|n| restarts.delay_after_failure(start + second * n).unwrap().as_millis() as u64)
            .collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000]);
        assert_eq!(restarts.delay_after_failure(start + second * 12), None);
    }

    #[test]
    fn what_failed_an_hour_ago_is_forgiven() {
        let start = Instant::now();
        let mut restarts = Restarts::up_to(1);
        assert!(restarts.delay_after_failure(start).is_some());
        assert_eq!(restarts.delay_after_failure(start + PERIOD - Duration::from_millis(1)), None);
        assert_eq!(restarts.delay_after_failure(start + PERIOD), Some(FIRST_DELAY));
        assert_eq!(Restarts::up_to(0).delay_after_failure(start), None);
    }
}
