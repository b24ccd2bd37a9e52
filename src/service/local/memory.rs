//! How much the embedded service holds at most.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use ferrokinesis::store::Store;

use super::call::Call;
use super::front::answer;

/// What a record takes beside its data (as base64) and its key.
const EACH: u64 = 250;

#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) store: Store,
    pub(crate) limit: u64,
}

impl Memory {
    /// In bytes, about.
    fn held(&self) -> u64 {
        let metrics = self.store.metrics();
        metrics.retained_bytes() + EACH * metrics.retained_records()
    }
}

/// Of one more put than the limit allows: they are counted before, and are of 10 MiB at most.
pub(crate) async fn bound(State(memory): State<Memory>, request: Request, next: Next) -> Response {
    let puts = Call::of(&request).is_some_and(|call| call.operation.starts_with("PutRecord"));
    if !puts || memory.held() < memory.limit {
        return next.run(request).await;
    }
    // Not the throttle of a shard, which is over in a second: this one asks for something to be done.
    let sentence = format!(
        "the local Kinesis holds {} MiB of records, which is all it may: delete a stream, or open it with a larger \
         Local::memory_limit (local_kinesis --memory); it drops what is older than a stream's retention, 24 hours, by itself",
        memory.limit >> 20
    );
    answer(StatusCode::BAD_REQUEST, "LimitExceededException", &sentence)
}
