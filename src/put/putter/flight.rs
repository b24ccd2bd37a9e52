//! [`Flight`]: a call that is under way, and its records.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use super::super::lanes::Lane;
use super::super::queue::Pending;
use super::call::{CallResult, put_records, request};
use crate::runtime::beside;
use crate::stream::Stream;

pub(super) struct Flight {
    pub(super) lane: Lane,
    /// Kept here and not in the call, so that they are there when it is dropped.
    pub(super) batch: Vec<Pending>,
    pub(super) span: tracing::Span,
    sent: Arc<AtomicBool>,
    call: Pin<Box<dyn Future<Output = CallResult> + Send>>,
}

impl Flight {
    /// One `apart` from other work is a task: while one call is written and signed, the answer of another is read.
    pub(super) fn new(
        stream: &Stream,
        lane: Lane,
        batch: Vec<Pending>,
        span: tracing::Span,
        apart: bool,
    ) -> Flight {
        let entries = batch.iter().map(|pending| request(pending.parcel.entry())).collect();
        let sent = Arc::new(AtomicBool::new(false));
        let call =
            tracing::Instrument::instrument(put_records(stream.clone(), entries, sent.clone()), span.clone());
        let call: Pin<Box<dyn Future<Output = CallResult> + Send>> = match apart {
            false => Box::pin(call),
            true => Box::pin(beside(call)),
        };
        Flight { lane, batch, span, sent, call }
    }

    /// Whether its records may be stored, should it end now.
    pub(super) fn may_be_stored(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Waits for the first of them to end, and takes it out; for ever, when there is none.
pub(super) async fn landed(flights: &mut Vec<Flight>) -> (Flight, CallResult) {
    poll_fn(|context| {
        let ready = flights.iter_mut().enumerate().find_map(|(at, flight)| {
            match flight.call.as_mut().poll(context) {
                Poll::Ready(result) => Some((at, result)),
                Poll::Pending => None,
            }
        });
        match ready {
            Some((at, result)) => Poll::Ready((flights.swap_remove(at), result)),
            None => Poll::Pending,
        }
    })
    .await
}
