//! What a page of GetRecords says beside its records.
//!
//! `MillisBehindLatest`: ferrokinesis says 0, however much is unread. And `ChildShards`, at the end of a shard that
//! was split or merged: without them the Kinesis Client Library (KCL) never ends it, so its children never begin.

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
use super::front::MAX_BODY;
use super::kinship::children;

pub(crate) async fn complete(State(store): State<Store>, request: Request, next: Next) -> Response {
    if Call::of(&request).is_none_or(|call| &*call.operation != "GetRecords") {
        return next.run(request).await;
    }
    let (parts, asked) = request.into_parts();
    let asked = to_bytes(asked, MAX_BODY).await.unwrap_or_default();
    let answer = next.run(Request::from_parts(parts, Body::from(asked.clone()))).await;
    let (mut parts, body) = answer.into_parts();
    let mut body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if parts.status.is_success()
        && let Some(completed) = completed(&store, &asked, &body).await
    {
        parts.headers.remove(header::CONTENT_LENGTH);
        body = completed;
    }
    Response::from_parts(parts, Body::from(body))
}

async fn completed(store: &Store, asked: &[u8], body: &[u8]) -> Option<Bytes> {
    // Members as they came: 10 MiB of records are passed over, not read.
    let mut page: BTreeMap<&str, &RawValue> = serde_json::from_slice(body).ok()?;
    let next = page.get("NextShardIterator").and_then(|next| serde_json::from_str::<&str>(next.get()).ok());
    let (name, value) = match next {
        Some(next) => ("MillisBehindLatest", behind(store, next).await?.as_millis().to_string()),
        None => ("ChildShards", children_at_the_end(store, asked).await?),
    };
    let value = RawValue::from_string(value).ok()?;
    page.insert(name, &value);
    serde_json::to_vec(&page).ok().map(Bytes::from)
}

async fn children_at_the_end(store: &Store, asked: &[u8]) -> Option<String> {
    let asked: BTreeMap<String, &RawValue> = serde_json::from_slice(asked).ok()?;
    let iterator: String = serde_json::from_str(asked.get("ShardIterator")?.get()).ok()?;
    let (_, stream, shard, _) = decode_shard_iterator(&iterator).ok()?;
    let stream = store.get_stream(&stream).await.ok()?;
    Some(children(&stream, &shard).to_string())
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
