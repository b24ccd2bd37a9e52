//! ListShards: with its filters, and page by page.
//!
//! ferrokinesis lists all shards whatever the filter, and refuses the tokens that it gives. A Kinesis Client Library
//! (KCL) that begins on a stream which was resharded asks for those that were open at one moment, and does not begin
//! where their hash ranges overlap. The checks of what was asked stay ferrokinesis's.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ferrokinesis::store::Store;
use ferrokinesis::types::{Shard, Stream};
use serde_json::{Map, Value, json};

use super::call::Call;
use super::front::{MAX_BODY, answer};
use super::kinship::{closed, opened};

/// How many shards a page has at most (API reference, ListShards, `MaxResults`): 1,000.
const PAGE: u64 = 1_000;
/// How long a token is good for (API reference, ListShards, `NextToken`): 300 seconds.
const TOKEN_LIFETIME: u64 = 300;

/// Which shards: `ShardFilter`. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq)]
enum ShardFilter {
    AfterShardId(String),
    AtTrimHorizon,
    FromTrimHorizon,
    AtLatest,
    AtTimestamp(u64),
    FromTimestamp(u64),
}

/// What is asked for, but for the size of a page; a token holds the same.
#[derive(Debug, Clone, PartialEq)]
struct ShardQuery {
    stream: String,
    /// `StreamCreationTimestamp`: which of several streams of the name.
    created: Option<u64>,
    filter: ShardFilter,
    /// `ExclusiveStartShardId`, or the last of the page before.
    after: Option<String>,
}

/// The code of an error, and a sentence.
type QueryError = (&'static str, String);

pub(crate) async fn list(State(store): State<Store>, request: Request, next: Next) -> Response {
    if Call::of(&request).is_none_or(|call| &*call.operation != "ListShards") {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let Ok(mut call) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return next.run(Request::from_parts(parts, Body::from(body))).await; // to be refused
    };
    let limit = call.get("MaxResults").and_then(Value::as_u64).map_or(PAGE, |max| max.min(PAGE));
    let asked = match ShardQuery::of(&mut call, now()) {
        Ok(asked) => asked,
        Err((code, sentence)) => return answer(StatusCode::BAD_REQUEST, code, &sentence),
    };
    let checked = next.run(Request::from_parts(parts, Body::from(Value::Object(call).to_string()))).await;
    let Some(asked) = asked.filter(|_| checked.status().is_success()) else { return checked };
    let Ok(stream) = store.get_stream(&asked.stream).await else { return checked }; // gone in this moment
    let created = stream.stream_creation_timestamp.0 as u64;
    if asked.created.is_some_and(|asked| asked != created) {
        let sentence = format!("there is no stream {} that was created then", asked.stream);
        return answer(StatusCode::BAD_REQUEST, "ResourceNotFoundException", &sentence);
    }
    let page = page(&stream, &asked, limit as usize, now());
    let (mut parts, _) = checked.into_parts();
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(page.to_string()))
}

impl ShardQuery {
    /// Leaves of the call what ferrokinesis understands. Nothing where it names no stream.
    fn of(call: &mut Map<String, Value>, now: u64) -> Result<Option<ShardQuery>, QueryError> {
        let filter = call.remove("ShardFilter").filter(|filter| !filter.is_null());
        if let Some(token) = call.get("NextToken").filter(|token| !token.is_null()) {
            for other in ["StreamName", "StreamCreationTimestamp", "ExclusiveStartShardId"] {
                if call.get(other).is_some_and(|value| !value.is_null()) {
                    return Err(invalid(format!("NextToken and {other} cannot be provided together.")));
                }
            }
            let asked = token.as_str().and_then(|token| ShardQuery::from_token(token, now));
            let Some(asked) = asked else { return Err(invalid("NextToken is invalid.")) };
            let asked = asked?;
            call.remove("NextToken");
            call.insert("StreamName".into(), json!(asked.stream));
            return Ok(Some(asked));
        }
        let Some(stream) = call.get("StreamName").and_then(Value::as_str) else { return Ok(None) };
        Ok(Some(ShardQuery {
            stream: stream.to_owned(),
            created: call.get("StreamCreationTimestamp").and_then(Value::as_f64).map(|time| time as u64),
            filter: filter.map_or(Ok(ShardFilter::FromTrimHorizon), |filter| ShardFilter::of(&filter))?,
            after: call.get("ExclusiveStartShardId").and_then(Value::as_str).map(str::to_owned),
        }))
    }

    fn token(&self, now: u64) -> String {
        let (kind, of) = self.filter.parts();
        URL_SAFE_NO_PAD.encode(json!([now, self.stream, self.created, self.after, kind, of]).to_string())
    }

    fn from_token(token: &str, now: u64) -> Option<Result<ShardQuery, QueryError>> {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (given, stream, created, after, kind, of) =
            serde_json::from_slice::<(u64, String, Option<u64>, Option<String>, String, Value)>(&token)
                .ok()?;
        if now.saturating_sub(given) > TOKEN_LIFETIME {
            let sentence = "the NextToken is older than 300 seconds: list the shards again".to_owned();
            return Some(Err(("ExpiredNextTokenException", sentence)));
        }
        let filter = ShardFilter::from_parts(&kind, &of, &of).ok()?;
        Some(Ok(ShardQuery { stream, created, filter, after }))
    }
}

impl ShardFilter {
    fn of(filter: &Value) -> Result<ShardFilter, QueryError> {
        let Some(kind) = filter["Type"].as_str() else {
            return Err(invalid("ShardFilter.Type is required."));
        };
        ShardFilter::from_parts(kind, &filter["ShardId"], &filter["Timestamp"])
    }

    fn from_parts(kind: &str, shard: &Value, time: &Value) -> Result<ShardFilter, QueryError> {
        let at = || time.as_f64().filter(|time| *time >= 0.0).map(|time| time as u64);
        let at = || at().ok_or_else(|| invalid(format!("a ShardFilter of {kind} needs a Timestamp.")));
        match kind {
            "AFTER_SHARD_ID" => match shard.as_str() {
                Some(shard) => Ok(ShardFilter::AfterShardId(shard.to_owned())),
                None => Err(invalid("a ShardFilter of AFTER_SHARD_ID needs a ShardId.")),
            },
            "AT_TRIM_HORIZON" => Ok(ShardFilter::AtTrimHorizon),
            "FROM_TRIM_HORIZON" => Ok(ShardFilter::FromTrimHorizon),
            "AT_LATEST" => Ok(ShardFilter::AtLatest),
            "AT_TIMESTAMP" => at().map(ShardFilter::AtTimestamp),
            "FROM_TIMESTAMP" => at().map(ShardFilter::FromTimestamp),
            _ => Err((
                "ValidationException",
                "1 validation error detected: Value at 'shardFilter.type' failed to satisfy constraint: Member must \
                 satisfy enum value set: [AT_TRIM_HORIZON, FROM_TRIM_HORIZON, FROM_TIMESTAMP, AFTER_SHARD_ID, AT_LATEST, \
                 AT_TIMESTAMP]"
                    .to_owned(),
            )),
        }
    }

    fn parts(&self) -> (&'static str, Value) {
        match self {
            ShardFilter::AfterShardId(shard) => ("AFTER_SHARD_ID", json!(shard)),
            ShardFilter::AtTrimHorizon => ("AT_TRIM_HORIZON", Value::Null),
            ShardFilter::FromTrimHorizon => ("FROM_TRIM_HORIZON", Value::Null),
            ShardFilter::AtLatest => ("AT_LATEST", Value::Null),
            ShardFilter::AtTimestamp(time) => ("AT_TIMESTAMP", json!(time)),
            ShardFilter::FromTimestamp(time) => ("FROM_TIMESTAMP", json!(time)),
        }
    }
}

fn page(stream: &Stream, asked: &ShardQuery, limit: usize, now: u64) -> Value {
    let after = asked.after.as_deref().unwrap_or_default();
    let mut found = selected(stream, &asked.filter, now).into_iter().filter(|shard| *shard.shard_id > *after);
    let shards: Vec<&Shard> = found.by_ref().take(limit).collect();
    let mut page = json!({ "Shards": shards });
    if found.next().is_some() {
        let after = shards.last().map(|shard| shard.shard_id.clone());
        page["NextToken"] = json!(ShardQuery { after, ..asked.clone() }.token(now));
    }
    page
}

/// In the order of their ids. What a moment falls on is to the second, and each moment has one set of shards that
/// take all hashes: a shard is open until its children are, and AT_TIMESTAMP before the oldest record is that record.
fn selected<'a>(stream: &'a Stream, filter: &ShardFilter, now: u64) -> Vec<&'a Shard> {
    let all = &stream.shards;
    let oldest = now.saturating_sub(u64::from(stream.retention_period_hours) * 3_600);
    // The first shards are there a moment after their stream.
    let horizon = all.iter().map(opened).min().unwrap_or_default().max(oldest);
    let ended_after = |shard: &Shard, time: u64| closed(shard, all).is_none_or(|closed| closed > time);
    let open_at = |shard: &Shard, time: u64| opened(shard) <= time && ended_after(shard, time);
    let chosen = |shard: &&Shard| match filter {
        ShardFilter::AfterShardId(id) => shard.shard_id > *id,
        ShardFilter::AtTrimHorizon => open_at(shard, horizon),
        ShardFilter::FromTrimHorizon => true,
        ShardFilter::AtLatest => shard.sequence_number_range.ending_sequence_number.is_none(),
        ShardFilter::AtTimestamp(time) => open_at(shard, horizon.max(*time)),
        ShardFilter::FromTimestamp(time) => ended_after(shard, horizon.max(*time)),
    };
    // What has outlived its retention is not listed at all.
    all.iter().filter(|shard| ended_after(shard, oldest)).filter(chosen).collect()
}

fn invalid(sentence: impl Into<String>) -> QueryError {
    ("InvalidArgumentException", sentence.into())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
