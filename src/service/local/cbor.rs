//! CBOR, which the SDKs for Java speak to Kinesis: made JSON on the way in and CBOR again on the way out, so that
//! what stands behind reads one form. Times are in milliseconds there, in JSON in seconds. (The SDK for Java, which
//! takes no fractions: `AwsCborProtocolFactory`, "CBOR uses epoch millis for timestamps".)

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{self, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value as Cbor;
use serde_json::Value as Json;

use super::front::MAX_BODY;

pub(super) const CBOR: &str = "application/x-amz-cbor-1.1";
const JSON: &str = "application/x-amz-json-1.1";

pub(crate) async fn translate(request: Request, next: Next) -> Response {
    // The answer to a subscription is a flow of events, each with a header of its own.
    let subscribes =
        request.headers().get("x-amz-target").is_some_and(|it| it.as_bytes().ends_with(b".SubscribeToShard"));
    if subscribes || !is_cbor(request.headers().get(header::CONTENT_TYPE)) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    // What is no CBOR is no JSON either, and refused as such.
    let json = to_json(&body).map_or_else(|| "-".into(), |json| json.to_string());
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    parts.headers.remove(header::CONTENT_LENGTH);
    let answer = next.run(Request::from_parts(parts, Body::from(json))).await;

    if !is(answer.headers().get(header::CONTENT_TYPE), JSON) {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let bytes = serde_json::from_slice(&body).map(from_json).unwrap_or_default();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CBOR));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(bytes))
}

fn is(value: Option<&HeaderValue>, kind: &str) -> bool {
    value.and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with(kind))
}

pub(super) fn is_cbor(content_type: Option<&HeaderValue>) -> bool {
    is(content_type, CBOR)
}

pub(super) fn to_json(body: &[u8]) -> Option<Json> {
    let read = ciborium::from_reader::<Cbor, _>(body).ok()?;
    let mut json = ferrokinesis::server::cbor_to_json(&read);
    times_in_seconds(&mut json);
    Some(json)
}

/// `StreamCreationTimestamp`, `ApproximateArrivalTimestamp`, `Timestamp` and their like.
fn is_time(name: &str) -> bool {
    name.ends_with("Timestamp")
}

fn times_in_seconds(json: &mut Json) {
    match json {
        Json::Array(values) => values.iter_mut().for_each(times_in_seconds),
        Json::Object(members) => {
            for (name, value) in members {
                match value.as_f64().filter(|_| is_time(name)) {
                    Some(millis) => *value = ferrokinesis_time(millis / 1_000.0),
                    None => times_in_seconds(value),
                }
            }
        }
        _ => {}
    }
}

/// Whole, where it is.
fn ferrokinesis_time(seconds: f64) -> Json {
    serde_json::json!(ferrokinesis::types::EpochSeconds(seconds))
}

pub(super) fn from_json(json: Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Into memory: it can't fail.
    let _ = ciborium::into_writer(&cbor(json, ""), &mut bytes);
    bytes
}

/// As a member of this name.
fn cbor(json: Json, name: &str) -> Cbor {
    match json {
        Json::Null => Cbor::Null,
        Json::Bool(value) => Cbor::Bool(value),
        Json::Number(number) if is_time(name) => {
            Cbor::Integer(((number.as_f64().unwrap_or_default() * 1_000.0).round() as i64).into())
        }
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Cbor::Integer(whole.into()),
            (_, Some(whole)) => Cbor::Integer(whole.into()),
            _ => Cbor::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) if name == "Data" => match STANDARD.decode(&text) {
            Ok(bytes) => Cbor::Bytes(bytes),
            Err(_) => Cbor::Text(text),
        },
        Json::String(text) => Cbor::Text(text),
        Json::Array(values) => Cbor::Array(values.into_iter().map(|value| cbor(value, "")).collect()),
        Json::Object(members) => Cbor::Map(
            members
                .into_iter()
                .map(|(name, value)| {
                    let value = cbor(value, &name);
                    (Cbor::Text(name), value)
                })
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_is_bytes_in_cbor_and_comes_back() {
        let json = json!({
            "MillisBehindLatest": 7, "NextShardIterator": null, "Half": 0.5, "Large": u64::MAX,
            "Records": [{ "Data": "aGVsbG8=", "PartitionKey": "Data", "ApproximateArrivalTimestamp": 1_536_220_800 }],
        });
        let there = cbor(json.clone(), "");
        let Cbor::Map(members) = &there else { panic!("{there:?}") };
        let records = &members.iter().find(|(name, _)| *name == Cbor::Text("Records".into())).unwrap().1;
        let Cbor::Array(records) = records else { panic!("{records:?}") };
        assert!(format!("{:?}", records[0]).contains("Bytes([104, 101, 108, 108, 111])"), "{records:?}");
        let mut bytes = Vec::new();
        ciborium::into_writer(&there, &mut bytes).unwrap();
        let mut back = to_json(&bytes).unwrap();
        back["Large"] = json!(u64::MAX); // a float there, which no member of Kinesis's is
        assert_eq!(back, json);
    }

    #[test]
    fn times_are_in_milliseconds_in_cbor() {
        let record = json!({ "Records": [{ "ApproximateArrivalTimestamp": 1_536_220_800 }] });
        let there = format!("{:?}", cbor(record, ""));
        assert!(there.contains("Integer(Integer(1536220800000))"), "{there}");
        // As the SDK for Java asks: a tag, and a whole number.
        let time = Cbor::Tag(1, Box::new(Cbor::Integer(1_536_220_800_250_i64.into())));
        let asked = Cbor::Map(vec![
            (Cbor::Text("Timestamp".into()), time.clone()),
            (Cbor::Text("ShardFilter".into()), Cbor::Map(vec![(Cbor::Text("Timestamp".into()), time)])),
        ]);
        let mut bytes = Vec::new();
        ciborium::into_writer(&asked, &mut bytes).unwrap();
        let seconds =
            json!({ "Timestamp": 1_536_220_800.25, "ShardFilter": { "Timestamp": 1_536_220_800.25 } });
        assert_eq!(to_json(&bytes).unwrap(), seconds);
    }
}
