//! Threads beside a test are told to stop also where the test fails: their scope waits for them, for ever.

use std::sync::atomic::{AtomicBool, Ordering};

/// Dropped, it tells them.
pub(crate) struct StopsAtEnd<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopsAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
