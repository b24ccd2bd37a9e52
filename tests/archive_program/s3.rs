//! As much of S3 as an archive needs, in memory: create an object if there is none of its name, read one, list them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use fastrand::Rng;
use kinesis_lab::block_on;

/// So few that every listing has several pages.
const KEYS_A_PAGE: usize = 3;

#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// Every call is refused with this.
    pub(crate) refusal: Option<(u16, &'static str)>,
    /// How often, in percent, a put is answered by 500, of which one half is done all the same.
    pub(crate) failing: u8,
    /// So many of the next puts are answered by 500, and none of them is done.
    pub(crate) failing_next: u32,
    /// Calls that asked for an object to be created where there was one.
    pub(crate) taken: u64,
    pub(crate) failed: u64,
    rng: Option<Rng>,
}

pub(crate) struct SmallS3 {
    pub(crate) url: String,
    bucket: Arc<Mutex<Bucket>>,
}

impl SmallS3 {
    /// With one bucket, `shop-log`.
    pub(crate) fn start(seed: u64) -> SmallS3 {
        let bucket = Arc::new(Mutex::new(Bucket { rng: Some(Rng::with_seed(seed)), ..Bucket::default() }));
        let app = Router::new().fallback(answer).with_state(bucket.clone());
        let address: SocketAddr = block_on(async move {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move { axum::serve(listener, app).await });
            address
        });
        SmallS3 { url: format!("http://{address}"), bucket }
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Bucket) -> T) -> T {
        look(&mut self.bucket.lock().unwrap())
    }
}

async fn answer(State(bucket): State<Arc<Mutex<Bucket>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let signature =
        head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !signature.contains("Credential=AKIDEXAMPLE/") || !signature.contains("/eu-west-1/s3/aws4_request") {
        return refused(403, "SignatureDoesNotMatch");
    }
    let mut bucket = bucket.lock().unwrap();
    if let Some((status, code)) = bucket.refusal {
        return refused(status, code);
    }
    let Some(key) =
        head.uri.path().strip_prefix("/shop-log").map(|key| key.trim_start_matches('/').to_owned())
    else {
        return refused(404, "NoSuchBucket");
    };
    match head.method.as_str() {
        "PUT" => {
            let failing = bucket.failing;
            let (fails, done) = match &mut bucket.rng {
                Some(rng) => (rng.u8(0..100) < failing, rng.bool()),
                None => (false, true),
            };
            let (fails, done) = match bucket.failing_next {
                0 => (fails, done),
                left => {
                    bucket.failing_next = left - 1;
                    (true, false)
                }
            };
            bucket.failed += u64::from(fails);
            if fails && !done {
                return refused(500, "InternalError");
            }
            assert_eq!(head.headers.get("if-none-match").unwrap(), "*", "an object would be replaced");
            if bucket.objects.contains_key(&key) {
                bucket.taken += 1;
                return refused(412, "PreconditionFailed");
            }
            bucket.objects.insert(key, body.to_vec());
            match fails {
                true => refused(500, "InternalError"),
                false => answered(200, Vec::new()),
            }
        }
        "GET" if key.is_empty() => {
            let query: BTreeMap<String, String> = head
                .uri
                .query()
                .unwrap_or_default()
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), decoded(value)))
                .collect();
            answered(200, list(&bucket, &query).into_bytes())
        }
        "GET" => match bucket.objects.get(&key) {
            Some(object) => answered(200, object.clone()),
            None => refused(404, "NoSuchKey"),
        },
        _ => refused(405, "MethodNotAllowed"),
    }
}

fn list(bucket: &Bucket, query: &BTreeMap<String, String>) -> String {
    let of = |name: &str| query.get(name).cloned().unwrap_or_default();
    let (prefix, delimiter, after) = (of("prefix"), of("delimiter"), of("continuation-token"));
    let mut found: Vec<(String, bool, usize)> = Vec::new();
    for (key, object) in bucket.objects.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        let folder = (!delimiter.is_empty()).then(|| key[prefix.len()..].find(&delimiter)).flatten();
        let entry = match folder {
            Some(at) => (key[..prefix.len() + at + 1].to_owned(), true, 0),
            None => (key.clone(), false, object.len()),
        };
        if entry.0 > after && found.last() != Some(&entry) {
            found.push(entry);
        }
    }
    let more = found.len() > KEYS_A_PAGE;
    found.truncate(KEYS_A_PAGE);
    let mut xml = String::from("<?xml version=\"1.0\"?><ListBucketResult>");
    for (name, is_folder, size) in &found {
        xml += &match is_folder {
            true => format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"),
            false => format!(
                "<Contents><Key>{name}</Key><Size>{size}</Size><LastModified>2018-09-06T08:00:00.000Z</LastModified><ETag>\"e\"</ETag></Contents>"
            ),
        };
    }
    if more && let Some((last, ..)) = found.last() {
        xml +=
            &format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>");
    }
    xml + "</ListBucketResult>"
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| std::str::from_utf8(&after[..2]).unwrap());
        bytes.push(hex.map_or(*first, |hex| u8::from_str_radix(hex, 16).unwrap()));
        rest = if hex.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap()
}

fn answered(status: u16, body: Vec<u8>) -> Response {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header(header::ETAG, "\"e\"")
        .header(header::LAST_MODIFIED, "Thu, 06 Sep 2018 08:00:00 GMT")
        .body(Body::from(body))
        .unwrap()
}

fn refused(status: u16, code: &str) -> Response {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>injected</Message></Error>");
    answered(status, body.into_bytes())
}
