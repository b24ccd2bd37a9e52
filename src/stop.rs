//! [`Stop`]: whoever started something asks it to end.

use std::sync::Arc;

use tokio::sync::watch;

/// Asked once, for good; clones are of the same thing. What waits, waits beside [`asked`](Stop::asked).
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Stop {
        Stop(Arc::new(watch::channel(false).0))
    }
}

impl Stop {
    pub(crate) fn ask(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Turns true when it is asked for: for what knows no more of stops than that.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    /// Waits until it is asked for; nothing is lost when it is dropped before.
    pub(crate) async fn asked(&self) {
        let _ = self.watch().wait_for(|asked| *asked).await; // the sender is in `self`: it isn't closed
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
