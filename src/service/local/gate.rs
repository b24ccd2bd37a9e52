//! Keeps reads and writes of the embedded service apart.
//!
//! ferrokinesis 0.7 gives a record its sequence number first and stores it a moment later. A read in
//! that moment sees the next record, or none, and its next iterator passes over the missing one for
//! ever; AWS does no such thing. (Seen: 1 in 10,000 records, with 8 threads that put and 6 consumers.)
//! So puts share the service among themselves, reads do as well, and the two take turns.
//!
//! While it looks up a record, ferrokinesis 0.7 holds the map of all streams, also when it has to wait for one that is
//! being stored; and a put that wants to change that map blocks its thread, on which the one that is to be stored may
//! be due. (Seen: eight programs that put 500 records a call, into a folder, stood still for good after ten calls.) So
//! where something else than a read looks up records, puts go one at a time: with a folder, for which each put looks
//! up what it has stored. Subscriptions to shards (`subscription.rs`) read as reads do, through this gate.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Notify;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Side {
    Puts,
    Reads,
}

#[derive(Default)]
pub(crate) struct Gate {
    /// There is one put inside at most.
    one_put: bool,
    /// Whose turn it is, and how many of them are inside.
    inside: Mutex<Option<(Side, usize)>>,
    emptied: Notify,
    /// Told when a put leaves.
    pub(crate) stored: Notify,
    /// Held while waiting, so that an unbroken flow of one side can't keep the other out for ever.
    turnstile: tokio::sync::Mutex<()>,
}

impl Gate {
    pub(crate) fn new(one_put_at_a_time: bool) -> Gate {
        Gate { one_put: one_put_at_a_time, ..Gate::default() }
    }

    pub(crate) async fn enter(self: &Arc<Gate>, side: Side) -> Inside {
        let _turn = self.turnstile.lock().await;
        loop {
            // Registered before the look, or a notification between the two would be missed.
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            if self.try_enter(side) {
                return Inside(self.clone(), side);
            }
            emptied.await;
        }
    }

    fn try_enter(&self, side: Side) -> bool {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *inside {
            None => *inside = Some((side, 1)),
            Some((Side::Puts, _)) if self.one_put => return false,
            Some((turn, count)) if *turn == side => *count += 1,
            Some(_) => return false,
        }
        true
    }
}

/// Leaves when dropped, also when the client hangs up in the middle.
pub(crate) struct Inside(Arc<Gate>, Side);

impl Drop for Inside {
    fn drop(&mut self) {
        let mut inside = self.0.inside.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *inside {
            Some((_, count)) if *count > 1 => *count -= 1,
            _ => {
                *inside = None;
                self.0.emptied.notify_waiters();
            }
        }
        drop(inside);
        if self.1 == Side::Puts {
            self.0.stored.notify_waiters();
        }
    }
}

pub(crate) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let target = request.headers().get("x-amz-target").map_or(&b""[..], |value| value.as_bytes());
    let side = match target.strip_prefix(b"Kinesis_20131202.") {
        Some(b"PutRecord" | b"PutRecords") => Side::Puts,
        Some(b"GetRecords" | b"GetShardIterator") => Side::Reads,
        _ => return next.run(request).await,
    };
    let _inside = gate.enter(side).await;
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    async fn enters(gate: &Arc<Gate>, side: Side) -> Option<Inside> {
        timeout(Duration::from_secs(1), gate.enter(side)).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn puts_are_inside_together_or_one_at_a_time_and_never_with_reads() {
        for (one, together) in [(false, true), (true, false)] {
            let gate = Arc::new(Gate::new(one));
            let put = enters(&gate, Side::Puts).await.unwrap();
            assert_eq!(enters(&gate, Side::Puts).await.is_some(), together);
            assert!(enters(&gate, Side::Reads).await.is_none());
            drop(put);
            let reads = [enters(&gate, Side::Reads).await, enters(&gate, Side::Reads).await];
            assert!(reads.iter().all(Option::is_some));
            assert!(enters(&gate, Side::Puts).await.is_none());
            drop(reads);
            assert!(enters(&gate, Side::Puts).await.is_some());
        }
    }
}
