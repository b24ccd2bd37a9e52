//! [`Cutoff`]: when whoever puts has to let go.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long puts go on after they were asked to end. A service that is well answers in a tenth of it; one that
/// isn't would hold its caller for fifteen attempts of twenty seconds.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Reached two seconds after its `stop` turned true; then calls under way are dropped, waits end, and what is left
/// is handed back.
pub(crate) struct Cutoff {
    stop: watch::Receiver<bool>,
    /// Set by the first look that sees the stop.
    at: Option<Instant>,
}

impl Cutoff {
    pub(crate) fn after(stop: watch::Receiver<bool>) -> Cutoff {
        Cutoff { stop, at: None }
    }

    pub(crate) fn never() -> Cutoff {
        // A channel without a sender: its value stays.
        Cutoff::after(watch::channel(false).1)
    }

    /// Waits for it; at once when it is past. May be dropped and asked again.
    pub(crate) async fn reached(&mut self) {
        let at = match self.at {
            Some(at) => at,
            None => {
                self.asked().await;
                *self.at.insert(Instant::now() + GRACE)
            }
        };
        sleep_until(at).await;
    }

    /// Waits until somebody asks for the end.
    pub(crate) async fn asked(&mut self) {
        if self.stop.wait_for(|stop| *stop).await.is_err() {
            std::future::pending().await
        }
    }

    /// What comes next: the end that somebody asks for, or, where that is known, the cutoff after it.
    pub(crate) async fn asked_or_reached(&mut self, knows: bool) {
        match knows {
            false => self.asked().await,
            true => self.reached().await,
        }
    }

    pub(crate) fn is_asked(&self) -> bool {
        *self.stop.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_seconds_after_the_stop_and_not_before() {
        let (stop, stopped) = watch::channel(false);
        let mut cutoff = Cutoff::after(stopped);
        let hour = Duration::from_secs(3_600);
        assert!(tokio::time::timeout(hour, cutoff.reached()).await.is_err());
        stop.send(true).unwrap();
        let begun = Instant::now();
        // Dropped half-way, it keeps the moment that it has chosen.
        assert!(tokio::time::timeout(GRACE / 2, cutoff.reached()).await.is_err());
        tokio::time::timeout(hour, cutoff.reached()).await.expect("the cutoff comes");
        assert_eq!(begun.elapsed().as_secs(), GRACE.as_secs());
        cutoff.reached().await;
        assert_eq!(begun.elapsed().as_secs(), GRACE.as_secs());
        assert!(tokio::time::timeout(hour, Cutoff::never().reached()).await.is_err());
    }
}
