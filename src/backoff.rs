//! How long to wait before something that failed is tried again.

use std::time::Duration;

use fastrand::Rng;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// Exponential back-off with full jitter: anything from nothing to the whole of the step. Source: AWS
/// Architecture Blog, "Exponential Backoff And Jitter".
pub(crate) fn delay(failures: u32, rng: &mut Rng) -> Duration {
    step(failures).mul_f64(rng.f64())
}

/// 0.1 s after the first failure, doubling up to 5 s.
pub(crate) fn step(failures: u32) -> Duration {
    FIRST_DELAY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_five_seconds() {
        let mut rng = Rng::with_seed(7);
        for (failures, longest) in [(1, 0.1), (2, 0.2), (4, 0.8), (7, 5.0), (40, 5.0)] {
            let all: Vec<f64> = (0..500).map(|_| delay(failures, &mut rng).as_secs_f64()).collect();
            let max = all.iter().copied().fold(0.0, f64::max);
            assert!(max <= longest && max > 0.9 * longest, "{failures}: {max}");
        }
    }
}
