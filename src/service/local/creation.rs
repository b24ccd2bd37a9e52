//! What a call that creates a stream may say, and ferrokinesis passes over: its mode and its tags.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use ferrokinesis::store::Store;
use ferrokinesis::types::StreamMode;
use serde_json::Value;

use super::call::Call;
use super::front::MAX_BODY;

pub(crate) async fn with_mode_and_tags(State(store): State<Store>, request: Request, next: Next) -> Response {
    if Call::of(&request).is_none_or(|call| &*call.operation != "CreateStream") {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let answer = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
    if answer.status().is_success()
        && let Ok(body) = serde_json::from_slice(&body)
    {
        complete(&store, "CreateStream", &body).await;
    }
    answer
}

/// After the call itself.
pub(crate) async fn complete(store: &Store, operation: &str, body: &Value) {
    let Some(name) = body["StreamName"].as_str().filter(|_| operation == "CreateStream") else { return };
    let mode = serde_json::from_value::<StreamMode>(body["StreamModeDetails"]["StreamMode"].clone());
    // Deleted in this moment: there is nothing to say.
    let _ = store
        .update_stream(name, |stream| {
            if let Ok(mode) = mode {
                stream.stream_mode_details.stream_mode = mode;
            }
            for (key, value) in body["Tags"].as_object().into_iter().flatten() {
                stream.tags.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
            }
            Ok(())
        })
        .await;
}
