//! `MillisBehindLatest`: ferrokinesis says 0, however much is unread.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use ferrokinesis::sequence::{resolve_shard_id, shard_ix_to_hex};
use ferrokinesis::shard_iterator::decode_shard_iterator;
use ferrokinesis::store::Store;
use serde_json::value::RawValue;

use super::call::Call;

pub(crate) async fn tell(State(store): State<Store>, request: Request, next: Next) -> Response {
    if Call::of(&request).is_none_or(|call| &*call.operation != "GetRecords") {
        return next.run(request).await;
    }
    let (mut parts, body) = next.run(request).await.into_parts();
    let mut body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if parts.status.is_success()
        && let Some(told) = with_the_truth(&store, &body).await
    {
        parts.headers.remove(header::CONTENT_LENGTH);
        body = told;
    }
    Response::from_parts(parts, Body::from(body))
}

async fn with_the_truth(store: &Store, body: &[u8]) -> Option<Bytes> {
    // Members as they came: 10 MiB of records are passed over, not read.
    let mut page: BTreeMap<&str, &RawValue> = serde_json::from_slice(body).ok()?;
    let next: &str = serde_json::from_str(page.get("NextShardIterator")?.get()).ok()?;
    let behind = RawValue::from_string(behind(store, next).await?.as_millis().to_string()).ok()?;
    page.insert("MillisBehindLatest", &behind);
    serde_json::to_vec(&page).ok().map(Bytes::from)
}

/// The age of the oldest record that is still to be read, 1 ms at least; zero where there is none.
async fn behind(store: &Store, iterator: &str) -> Option<Duration> {
    let (_, stream, shard, number) = decode_shard_iterator(iterator).ok()?;
    let (_, shard) = resolve_shard_id(&shard).ok()?;
    let (from, end) = (format!("{}/{number}", shard_ix_to_hex(shard)), shard_ix_to_hex(shard + 1));
    let unread = store.get_records_range_limited(&stream, &from, &end, 1).await;
    Some(unread.first().map_or(Duration::ZERO, |(_, record)| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Cut to seconds.
        let arrived = Duration::try_from_secs_f64(record.approximate_arrival_timestamp).unwrap_or_default();
        now.saturating_sub(arrived).max(Duration::from_millis(1))
    }))
}
