//! The front of the embedded service: whom it lets in, and that it has the whole of a request before it begins.
//!
//! ferrokinesis answers any page of any site (`Access-Control-Allow-Origin: *`), any name that this machine is
//! reached by, and any access key. And a request whose other half never comes would hold the gate between puts and
//! reads for everybody.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

/// A PutRecords of 10 MiB is 13.4 MiB in base64.
pub(crate) const MAX_BODY: usize = 32 << 20;
/// From the head of a request to its last byte. Over the loopback interface the largest takes 50 ms.
const BODY_TIME: Duration = Duration::from_secs(20);

pub(crate) struct Front {
    port: u16,
    /// The one that calls must be made with; `None`: any.
    access_key: Option<String>,
}

impl Front {
    pub(crate) fn new(port: u16, access_key: Option<String>) -> Front {
        Front { port, access_key }
    }

    /// Why it is not let in.
    fn refuses(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        if headers.contains_key(header::ORIGIN) {
            let sentence =
                "a page in a browser may not call a local Kinesis: only programs of this machine may";
            return Some(refusal("AccessDeniedException", sentence));
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let named = [host, request.uri().authority().map(|authority| authority.as_str())];
        let known = named.iter().flatten().all(|host| self.is_ours(host));
        // One at least, in the header or in the first line (HTTP/2 has it there).
        if !known || named.iter().all(Option::is_none) || hosts.next().is_some() {
            return Some(refusal(
                "AccessDeniedException",
                &format!(
                    "a local Kinesis is called at http://127.0.0.1:{0} or http://localhost:{0}, and by no other name",
                    self.port
                ),
            ));
        }
        match &self.access_key {
            Some(key) if !has_key(request, key) => Some(refusal(
                "UnrecognizedClientException",
                "this local Kinesis takes only the access key that its program chose: open its URL with \
                 Kinesis::endpoint as the same user, or have the program open it with Local::new().port(4567), \
                 which takes any",
            )),
            _ => None,
        }
    }

    /// `127.0.0.1:4567`, as a client says it that called this machine by a name of its own. A page elsewhere can
    /// have its own site's name resolved to this machine (DNS rebinding); but then it says that name.
    fn is_ours(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            // The colons of an address of version 6 are inside its brackets.
            Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
            _ => (host, Some(80)),
        };
        port == Some(self.port)
            && ["127.0.0.1", "localhost", "[::1]"].iter().any(|ours| name.eq_ignore_ascii_case(ours))
    }
}

/// `Authorization: AWS4-HMAC-SHA256 Credential=KEY/20240301/us-east-1/kinesis/aws4_request, …`, or the same in the
/// query of a URL that was signed beforehand.
fn has_key(request: &Request, key: &str) -> bool {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let said = header.and_then(|value| after(value, "Credential=")).or_else(|| {
        let query = request.uri().query()?;
        after(query, "X-Amz-Credential=")
    });
    // Up to the slash, which a query may spell out.
    let said = said.map(|said| said.split(['/', ',', '&', '%']).next().unwrap_or_default());
    said.is_some_and(|said| same(said.as_bytes(), key.as_bytes()))
}

fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.find(name).map(|at| &text[at + name.len()..])
}

/// Takes the same time wherever they differ, so that a key can't be found letter by letter.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b))) == 0
}

/// In the form of the service's own, so that an SDK shows the sentence.
fn refusal(code: &str, sentence: &str) -> Response {
    answer(StatusCode::FORBIDDEN, code, sentence)
}

pub(crate) fn answer(status: StatusCode, code: &str, sentence: &str) -> Response {
    let body = serde_json::json!({ "__type": code, "message": sentence }).to_string();
    let kind = HeaderValue::from_static("application/x-amz-json-1.1");
    // A client that is still sending hears it, and goes.
    let close = HeaderValue::from_static("close");
    (status, [(header::CONTENT_TYPE, kind), (header::CONNECTION, close)], body).into_response()
}

pub(crate) async fn receive(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    if let Some(refused) = front.refuses(&request) {
        return refused;
    }
    let (mut parts, body) = request.into_parts();
    let body: Bytes = match timeout(BODY_TIME, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            let sentence = format!("the request is larger than 32 MiB, or broke off: {error}");
            return answer(StatusCode::PAYLOAD_TOO_LARGE, "InvalidArgumentException", &sentence);
        }
        Err(_) => {
            let sentence = "the request did not come whole within 20 seconds";
            return answer(StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException", sentence);
        }
    };
    // Without the authority that it may name: it was checked.
    if let Some(path) = parts.uri.path_and_query().cloned() {
        parts.uri = Uri::from(path);
    }
    // To its end, also when the client hangs up: half of it would be done otherwise.
    let whole = tokio::spawn(next.run(Request::from_parts(parts, Body::from(body)))).await;
    whole.unwrap_or_else(|_| {
        let sentence = "the local Kinesis failed in the middle of this call: try again, and please report it";
        answer(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", sentence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(front: &Front, headers: &[(&str, &str)], uri: &str) -> bool {
        let mut request = Request::builder().method("POST").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        front.refuses(&request.body(Body::empty()).unwrap()).is_some()
    }

    #[test]
    fn this_machine_under_its_own_name_and_no_page() {
        let front = Front::new(4567, None);
        for (host, uri) in
            [("127.0.0.1:4567", "/"), ("LOCALHOST:4567", "/?x"), ("[::1]:4567", "http://[::1]:4567/")]
        {
            assert!(!refused(&front, &[("host", host)], uri), "{host} {uri}");
        }
        assert!(!refused(&front, &[], "http://127.0.0.1:4567/"), "as HTTP/2 says it");
        for (host, uri) in [
            ("evil.example:4567", "/"),
            ("127.0.0.1", "/"),
            ("127.0.0.1:80", "/"),
            ("127.0.0.1:4567.evil.example", "/"),
            ("localhost.evil.example:4567", "/"),
            ("user@127.0.0.1:4567", "/"),
            ("", "/"),
            ("127.0.0.1:4567", "http://evil.example:4567/"),
        ] {
            assert!(refused(&front, &[("host", host)], uri), "{host} {uri}");
        }
        assert!(refused(&front, &[], "/"), "without a host");
        let two = [("host", "127.0.0.1:4567"), ("host", "evil.example")];
        assert!(refused(&front, &two, "/"));
        for origin in ["null", "https://evil.example", "http://127.0.0.1:4567", ""] {
            assert!(refused(&front, &[("host", "127.0.0.1:4567"), ("origin", origin)], "/"), "{origin}");
        }
        assert!(!refused(&Front::new(80, None), &[("host", "localhost")], "/"), "no port means 80");
    }

    #[test]
    fn the_access_key_is_read_from_the_signature() {
        let front = Front::new(4567, Some("KEY1".into()));
        let signed = |credential: &str| {
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0")
        };
        let refused = |authorization: Option<String>, uri: &str| {
            let mut headers = vec![("host", "127.0.0.1:4567")];
            headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
            refused(&front, &headers, uri)
        };
        let scope = "20240301/us-east-1/kinesis/aws4_request";
        assert!(!refused(Some(signed(&format!("KEY1/{scope}"))), "/"));
        assert!(!refused(None, "/?X-Amz-Credential=KEY1%2F20240301%2Fus-east-1"));
        for other in ["local", "KEY", "KEY12", "key1", ""] {
            assert!(refused(Some(signed(&format!("{other}/{scope}"))), "/"), "{other}");
        }
        assert!(refused(None, "/"));
        assert!(refused(Some("Bearer KEY1".into()), "/"));
    }
}
