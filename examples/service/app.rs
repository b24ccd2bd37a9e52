//! The service itself: a router and a task, for the program, its benchmark and its test alike.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use kinesis_lab::{Batches, Context, Counter, Error, RecordProcessor, Result, Stream, Timestamp};

/// What a handler knows; clones share it.
#[derive(Clone)]
pub(crate) struct Service {
    stream: Stream,
    // A std mutex: it is held for a batch or a look, never across an await.
    counter: Arc<Mutex<Counter>>,
}

impl Service {
    pub(crate) fn new(stream: Stream) -> Service {
        Service { stream, counter: Arc::new(Mutex::new(Counter::per_minute())) }
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/hits/{visitor}", post(hit))
            .route("/counts", get(counts))
            .with_state(self.clone())
    }

    /// Counts what is read until the stream ends. Awaiting the next batch leaves the thread to the handlers;
    /// counting one takes it for as long as it takes to add up 10,000 numbers.
    pub(crate) async fn count(&self, mut batches: Batches) -> Result<()> {
        while let Some(next) = batches.next().await {
            let next = next?;
            let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
            if !next.batch.records.is_empty() {
                let counted = counter.process(&next.batch, &mut Context::at(Timestamp::now()));
                counted
                    .unwrap_or_else(|error| unreachable!("a counter in memory takes any batch: {error:?}"));
            }
            // Whoever must not count twice after a crash saves `next.checkpoint` together with the counts.
        }
        Ok(())
    }

    pub(crate) fn total(&self) -> u64 {
        self.counter.lock().unwrap_or_else(PoisonError::into_inner).total()
    }
}

/// An event of a visitor; answered when Kinesis has it. The body is the event, or empty: the time of the hit.
async fn hit(
    State(service): State<Service>,
    Path(visitor): Path<String>,
    body: Bytes,
) -> (StatusCode, String) {
    let data = if body.is_empty() { Bytes::from(Timestamp::now().to_string()) } else { body };
    match service.stream.put_async(&visitor, data).await {
        Ok(receipt) => (StatusCode::ACCEPTED, receipt.sequence_number),
        Err(error) => (status(&error), error.to_string()),
    }
}

fn status(error: &Error) -> StatusCode {
    match error.kind() {
        kinesis_lab::ErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
        _ if error.is_throttled() => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn counts(State(service): State<Service>) -> String {
    service.counter.lock().unwrap_or_else(PoisonError::into_inner).to_string()
}
