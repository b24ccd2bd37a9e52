//! [`Pace`]: from event time to the time that one waits.

use std::time::Duration;

/// How fast simulated time goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// So many seconds of event time in a second.
    Times(f64),
    /// No waiting at all.
    AtOnce,
}

impl Pace {
    pub(crate) const REAL_TIME: Pace = Pace::Times(1.0);

    pub(crate) fn times(factor: f64) -> Pace {
        match factor.is_finite() && factor > 0.0 {
            true => Pace::Times(factor),
            false => Pace::AtOnce,
        }
    }

    /// How long after the beginning something is due that happens at `offset` in event time.
    pub(crate) fn due(self, offset: Duration) -> Duration {
        match self {
            Pace::Times(factor) => {
                Duration::try_from_secs_f64(offset.as_secs_f64() / factor).unwrap_or(Duration::MAX)
            }
            Pace::AtOnce => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_a_second() {
        let minute = Duration::from_secs(60);
        assert_eq!(Pace::times(60.0).due(minute), Duration::from_secs(1));
        assert_eq!(Pace::times(1e-300).due(minute), Duration::MAX);
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Pace::times(odd).due(minute), Duration::ZERO);
        }
    }
}
