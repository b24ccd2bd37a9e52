//! [`Stop`]: whoever started something asks it to end.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Asked once, for good; clones are of the same thing. What waits, waits beside [`asked`](Stop::asked).
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    asked: AtomicBool,
    notify: Notify,
}

impl Stop {
    pub(crate) fn ask(&self) {
        self.0.asked.store(true, Ordering::Release);
        self.0.notify.notify_waiters();
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }

    /// Waits until it is asked for; nothing is lost when it is dropped before.
    pub(crate) async fn asked(&self) {
        let mut notified = pin!(self.0.notify.notified());
        // Registered before the look: a call of `ask` between the two would be missed.
        notified.as_mut().enable();
        if !self.is_asked() {
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_heard_before_and_after() {
        let (stop, other) = (Stop::default(), Stop::default());
        let waits = std::thread::spawn({
            let stop = stop.clone();
            move || crate::runtime::wait_here(stop.asked())
        });
        stop.ask();
        waits.join().unwrap();
        crate::runtime::wait_here(stop.asked());
        assert!(stop.is_asked() && !other.is_asked());
    }
}
