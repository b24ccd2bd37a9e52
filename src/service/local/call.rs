//! What a request asks for, in the one form in which ferrokinesis understands it.
//!
//! AWS takes a stream's name, its ARN, or both; ferrokinesis takes the name alone in most calls, and refuses both.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::front::{MAX_BODY, answer};

/// These know streams by their ARN alone, on AWS too.
const BY_ARN: [&str; 6] = [
    "RegisterStreamConsumer",
    "DeregisterStreamConsumer",
    "DescribeStreamConsumer",
    "ListStreamConsumers",
    "UpdateStreamMode",
    "UpdateMaxRecordSize",
];

/// How many shards an on-demand stream has at first (Developer Guide, *Choose the right mode*): 4.
const ON_DEMAND_SHARDS: u64 = 4;

/// What is asked, for whoever stands between the front and the service.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) operation: Arc<str>,
    /// Where it names one, by its name or its ARN.
    pub(crate) stream: Option<Arc<str>>,
}

impl Call {
    /// Of a request that came this way.
    pub(crate) fn of(request: &Request) -> Option<Call> {
        request.extensions().get::<Call>().cloned()
    }
}

pub(crate) async fn understand(request: Request, next: Next) -> Response {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    let Some(operation) =
        target.and_then(|target| target.strip_prefix("Kinesis_20131202.")).map(Arc::<str>::from)
    else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let (stream, body) = match rewritten(&operation, body) {
        Ok(rewritten) => rewritten,
        Err(sentence) => return answer(StatusCode::BAD_REQUEST, "InvalidArgumentException", &sentence),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.extensions.insert(Call { operation, stream });
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// The stream's name, and the body with that alone. What is no object is left to the service to refuse.
fn rewritten(operation: &str, body: Bytes) -> Result<(Option<Arc<str>>, Bytes), String> {
    let Ok(raw) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(&body) else {
        return Ok((None, body));
    };
    let text = |name: &str| raw.get(name).and_then(|value| serde_json::from_str::<String>(value.get()).ok());
    let (name, arn) = (text("StreamName"), text("StreamARN"));
    let of_arn = arn.as_deref().map(|arn| name_in(arn).ok_or_else(|| no_arn(arn))).transpose()?;
    if let (Some(name), Some(of_arn)) = (&name, of_arn)
        && name != of_arn
    {
        return Err(format!("StreamName is {name}, and StreamARN is that of {of_arn}: name one stream"));
    }
    let stream = name.as_deref().or(of_arn).map(Arc::<str>::from);
    let by_arn = BY_ARN.contains(&operation);
    let body = match operation {
        "CreateStream" => on_demand(&body)?.map_or(body, Bytes::from),
        _ if arn.is_none() || by_arn => body,
        // Members as they came: 500 records are not read for this.
        _ => {
            let mut members: BTreeMap<&str, &RawValue> =
                raw.iter().map(|(name, value)| (&**name, *value)).collect();
            members.remove("StreamARN");
            // Iterators and tokens name the stream themselves.
            let named =
                operation == "GetRecords" || raw.contains_key("NextToken") && operation == "ListShards";
            let name = stream.as_deref().filter(|_| !named);
            let name = name.and_then(|name| RawValue::from_string(Value::from(name).to_string()).ok());
            if let Some(name) = &name {
                members.insert("StreamName", name);
            }
            serde_json::to_vec(&members).map_or(body.clone(), Bytes::from)
        }
    };
    Ok((stream, body))
}

/// `arn:aws:kinesis:eu-west-1:123456789012:stream/clicks`, of any account and region: there is one here.
fn name_in(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let known = parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| partition.starts_with("aws"))
        && parts.next() == Some("kinesis");
    let name = parts.nth(2)?.strip_prefix("stream/")?;
    // Of a consumer's, the stream.
    let name = name.split('/').next()?;
    (known && !name.is_empty()).then_some(name)
}

fn no_arn(arn: &str) -> String {
    let arn = crate::text::shorten(&crate::text::printable(arn.as_bytes()), 200).into_owned();
    format!("`{arn}` is no ARN of a stream: it reads arn:aws:kinesis:us-east-1:000000000000:stream/NAME")
}

/// ferrokinesis wants a number of shards for every stream.
fn on_demand(body: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let Ok(mut call) = serde_json::from_slice::<Map<String, Value>>(body) else { return Ok(None) };
    if call.get("StreamModeDetails").and_then(|mode| mode["StreamMode"].as_str()) != Some("ON_DEMAND") {
        return Ok(None);
    }
    if call.get("ShardCount").is_some_and(|count| !count.is_null()) {
        return Err("an on-demand stream has as many shards as it needs: leave out ShardCount".into());
    }
    call.insert("ShardCount".into(), json!(ON_DEMAND_SHARDS));
    Ok(Some(Value::Object(call).to_string().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(operation: &str, body: Value) -> Result<(Option<String>, Value), String> {
        let (stream, body) = rewritten(operation, body.to_string().into())?;
        Ok((stream.map(|it| it.to_string()), serde_json::from_slice(&body).unwrap()))
    }

    #[test]
    fn a_stream_has_one_name_however_it_is_called() {
        let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/s";
        let by_name = json!({ "StreamName": "s", "Limit": 5 });
        let s = Some("s".to_owned());
        assert_eq!(rewrite("DescribeStream", by_name.clone()), Ok((s.clone(), by_name.clone())));
        assert_eq!(
            rewrite("DescribeStream", json!({ "StreamARN": arn, "Limit": 5 })),
            Ok((s.clone(), by_name.clone()))
        );
        let both = json!({ "StreamARN": arn, "StreamName": "s", "Limit": 5 });
        assert_eq!(rewrite("ListShards", both.clone()), Ok((s.clone(), by_name)));
        assert_eq!(rewrite("RegisterStreamConsumer", both.clone()), Ok((s.clone(), both)));
        let it = json!({ "StreamARN": arn, "ShardIterator": "i" });
        assert_eq!(rewrite("GetRecords", it), Ok((s.clone(), json!({ "ShardIterator": "i" }))));
        let token = json!({ "StreamARN": arn, "NextToken": "t" });
        assert_eq!(rewrite("ListShards", token), Ok((s, json!({ "NextToken": "t" }))));
        let two = json!({ "StreamARN": arn, "StreamName": "t" });
        assert!(rewrite("PutRecords", two).unwrap_err().contains("name one stream"));
        for odd in ["", "s", "arn:aws:s3:::stream/s", "arn:aws:kinesis:eu-west-1:123456789012:stream/"] {
            assert!(
                rewrite("PutRecords", json!({ "StreamARN": odd })).unwrap_err().contains("is no ARN"),
                "{odd}"
            );
        }
        assert_eq!(rewrite("ListStreams", json!({})), Ok((None, json!({}))));
        assert_eq!(rewritten("ListStreams", Bytes::from_static(b"-")), Ok((None, Bytes::from_static(b"-"))));
    }

    #[test]
    fn an_on_demand_stream_needs_no_number_of_shards() {
        let mode = json!({ "StreamMode": "ON_DEMAND" });
        let (_, body) =
            rewrite("CreateStream", json!({ "StreamName": "s", "StreamModeDetails": mode })).unwrap();
        assert_eq!(body["ShardCount"], 4);
        let counted = json!({ "StreamName": "s", "ShardCount": 2, "StreamModeDetails": mode });
        assert!(rewrite("CreateStream", counted).unwrap_err().contains("leave out ShardCount"));
    }
}
