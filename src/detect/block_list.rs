//! [`BlockList`]: the addresses whose requests are refused, each until its time is over.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::alert::Alert;
use crate::read::{Context, ProcessError, RecordProcessor};
use crate::record::Batch;
use crate::timestamp::Timestamp;

/// Expired entries are looked for when the list has grown by this many.
const SWEEP: usize = 1_000;

/// The addresses whose requests are refused, each until its time is over. Clones are the same list.
///
/// It is also a [`RecordProcessor`] over the stream of alerts, so that every web server that reads the
/// stream has the same list. One that starts reads the stream from its oldest record: what is still in
/// force is in it, as no block may be longer than the stream's retention (24 hours, if nothing else was
/// set). An alert that comes twice changes nothing.
///
/// ```
/// use kinesis_lab::{BlockList, Timestamp};
///
/// let (blocked, noon) = (BlockList::new(), Timestamp::from_secs(43_200));
/// blocked.block("192.0.2.66", noon);
/// assert!(blocked.is_blocked("192.0.2.66", Timestamp::from_secs(43_199)));
/// assert!(!blocked.is_blocked("192.0.2.66", noon));
/// ```
#[derive(Clone, Default)]
pub struct BlockList {
    // Read at each request, written at an alert. A std lock: nothing awaits while it is held.
    inner: Arc<RwLock<Inner>>,
}

#[derive(Default)]
struct Inner {
    until: HashMap<Box<str>, Timestamp>,
    /// How many there may be before expired ones are looked for again.
    sweep_at: usize,
}

impl BlockList {
    /// Nobody is blocked.
    pub fn new() -> BlockList {
        BlockList::default()
    }

    /// Refuses an address until a time; an earlier time than that of an entry it has changes nothing.
    pub fn block(&self, address: &str, until: Timestamp) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        match inner.until.get_mut(address) {
            Some(known) => *known = until.max(*known),
            None => drop(inner.until.insert(address.into(), until)),
        }
    }

    /// Takes an address off the list: somebody has looked at it, and it was a mistake.
    pub fn pardon(&self, address: &str) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).until.remove(address);
    }

    /// Whether the requests of an address are refused at this time.
    pub fn is_blocked(&self, address: &str, now: Timestamp) -> bool {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.until.get(address).is_some_and(|until| now < *until)
    }

    /// The addresses refused at this time, by name, each with the time at which that ends.
    pub fn blocked(&self, now: Timestamp) -> Vec<(String, Timestamp)> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let in_force = inner.until.iter().filter(|(_, until)| now < **until);
        let mut blocked: Vec<_> = in_force.map(|(address, until)| (address.to_string(), *until)).collect();
        blocked.sort_unstable();
        blocked
    }

    /// Takes out what has expired, now and then: memory is what is in force.
    fn sweep(&self, now: Timestamp) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if inner.until.len() >= inner.sweep_at {
            inner.until.retain(|_, until| now < *until);
            inner.sweep_at = inner.until.len() + SWEEP;
        }
    }
}

impl RecordProcessor for BlockList {
    /// Takes over the blocks; what is no alert is none of its business.
    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        for alert in batch.records.iter().filter_map(|record| Alert::parse(record).ok()) {
            if let (Some(address), Some(until)) = (&alert.ip, alert.blocked_until())
                && ctx.now < until
            {
                self.block(address, until);
            }
        }
        self.sweep(ctx.now);
        Ok(())
    }
}

impl fmt::Debug for BlockList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "block list of {} addresses", inner.until.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_end_stands_and_the_expired_leave() {
        let at = Timestamp::from_secs;
        let list = BlockList::new();
        list.block("a", at(20));
        list.block("a", at(10));
        list.block("b", at(5));
        assert_eq!(list.blocked(at(7)), [("a".to_owned(), at(20))]);
        list.sweep(at(7));
        assert_eq!(format!("{list:?}"), "block list of 1 addresses");
        list.pardon("a");
        assert!(!list.is_blocked("a", at(7)));
    }
}
