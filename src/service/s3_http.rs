//! S3 through the SDK's HTTP client: `object_store` makes and signs the requests, and this sends them by the same
//! connections, proxies and certificates as those to Kinesis.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest as SdkRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_types::service_config::ServiceConfigKey;
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3Builder, AwsCredential};
use object_store::client::{
    CredentialProvider, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use super::aws::{Aws, AwsSettings};
use super::cause::Cause;
use super::credentials::Renewable;
use super::http::{check_url, connector};
use super::place::Place;
use super::s3_answers::{S3Answer, S3Answers};
use crate::error::{Error, ErrorKind, Result};

/// How long one attempt may take: an object of 16 MiB that gzip does not make smaller goes through in this time at
/// 2.2 Mbit/s.
const ATTEMPT: Duration = Duration::from_secs(60);
/// `object_store` itself tries again only what is over in a moment: a run waits, and can be stopped.
const RETRIES: usize = 2;

pub(super) async fn open(aws: &Aws, bucket: &str) -> Result<(Arc<dyn ObjectStore>, S3Answers)> {
    let AwsSettings { config, credentials, place } = aws.settings().await?;
    // An endpoint of S3's own, before one of all services; what was said in code comes before both.
    let of_s3 =
        ServiceConfigKey::builder().service_id("S3").profile("endpoint_url").env("AWS_ENDPOINT_URL").build();
    let of_s3 = config.service_config().zip(of_s3.ok()).and_then(|(config, key)| config.load_config(key));
    let endpoint = match aws.names_endpoint() {
        true => place.endpoint.clone(),
        false => of_s3.or(place.endpoint.clone()),
    };
    endpoint.as_deref().map_or(Ok(()), check_url)?;
    let region = place.region.clone();
    // China's have another domain; a bucket with a dot in its name has no certificate as a host.
    let (endpoint, is_host) = match endpoint {
        Some(url) => (Some(url), false),
        None if region.starts_with("cn-") => {
            (Some(format!("https://{bucket}.s3.{region}.amazonaws.com.cn")), true)
        }
        None => (None, !bucket.contains('.')),
    };
    let answers = S3Answers::default();
    let connection = S3Connection {
        connector: connector(endpoint.as_deref().unwrap_or("https://"))?,
        credentials: credentials.clone(),
        answers: answers.clone(),
    };
    let is_plain = endpoint.as_ref().is_some_and(|url| url.starts_with("http://"));
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_credentials(Arc::new(S3Credentials { credentials, place }))
        .with_http_connector(connection)
        .with_allow_http(is_plain)
        .with_virtual_hosted_style_request(is_host)
        .with_retry(RetryConfig { max_retries: RETRIES, retry_timeout: ATTEMPT, ..RetryConfig::default() });
    if let Some(url) = endpoint {
        builder = builder.with_endpoint(url);
    }
    let store = builder.build().map_err(|error| {
        Error::with_source(
            ErrorKind::InvalidInput,
            format!("the bucket {bucket} can't be used: {error}"),
            error,
        )
    })?;
    Ok((Arc::new(store), answers))
}

/// The credentials of Kinesis, for S3.
#[derive(Debug)]
struct S3Credentials {
    credentials: Arc<Renewable>,
    place: Place,
}

#[async_trait]
impl CredentialProvider for S3Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let found = self.credentials.credentials().await.map_err(|error: CredentialsError| {
            let source = self.place.no_credentials(Cause::of(&error)).into();
            object_store::Error::Generic { store: "S3", source }
        })?;
        Ok(Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        }))
    }
}

#[derive(Debug, Clone)]
struct S3Connection {
    connector: SharedHttpConnector,
    credentials: Arc<Renewable>,
    answers: S3Answers,
}

impl HttpConnector for S3Connection {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for S3Connection {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let outcome = tokio::time::timeout(ATTEMPT, self.send(request)).await;
        let outcome = outcome.unwrap_or_else(|late| Err(HttpError::new(HttpErrorKind::Timeout, late)));
        if outcome.is_err() {
            self.answers.tell(Some(S3Answer { status: None, code: None, region: None }));
        }
        outcome
    }
}

impl S3Connection {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let unknown =
            |error: aws_smithy_runtime_api::http::HttpError| HttpError::new(HttpErrorKind::Unknown, error);
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let mut request = SdkRequest::new(SdkBody::from(body));
        request.set_method(head.method.as_str()).map_err(unknown)?;
        request.set_uri(head.uri.to_string()).map_err(unknown)?;
        for (name, value) in &head.headers {
            let value = value.to_str().map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
            request.headers_mut().try_append(name.as_str().to_owned(), value.to_owned()).map_err(unknown)?;
        }
        let answer = self.connector.call(request).await.map_err(|error| {
            let kind = match (error.is_timeout(), error.is_io()) {
                (true, _) => HttpErrorKind::Timeout,
                (_, true) => HttpErrorKind::Interrupted,
                _ => HttpErrorKind::Unknown,
            };
            HttpError::new(kind, error)
        })?;
        let status = answer.status().as_u16();
        let mut response = http::Response::builder().status(status);
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        let region = answer.headers().get("x-amz-bucket-region").map(str::to_owned);
        let body = ByteStream::new(answer.into_body()).collect().await;
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?.into_bytes();
        let refusal = (!(200..300).contains(&status)).then(|| S3Answer {
            status: Some(status),
            code: code(&body).map(str::to_owned),
            region,
        });
        if refusal.as_ref().is_some_and(|refusal| refusal.code.as_deref() == Some("ExpiredToken")) {
            self.credentials.refused();
        }
        self.answers.tell(refusal);
        response
            .body(HttpResponseBody::from(body))
            .map_err(|error| HttpError::new(HttpErrorKind::Decode, error))
    }
}

/// What stands between `<Code>` and `</Code>`.
fn code(body: &[u8]) -> Option<&str> {
    let (_, rest) = str::from_utf8(body).ok()?.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_refusal() {
        let body = b"<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>no</Message></Error>";
        assert_eq!(code(body), Some("NoSuchBucket"));
        for none in [&b""[..], b"<Code>cut", b"\xff<Code>a</Code>", b"<html>"] {
            assert_eq!(code(none), None);
        }
    }
}
