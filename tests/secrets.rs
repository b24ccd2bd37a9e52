//! No credential reaches an output, an error or a debug print, whatever the service answers.

#![cfg(feature = "full")]

use std::error::Error as StdError;
use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kinesis_lab::block_on;
use kinesis_lab::prelude::*;

/// All begin alike, so that one search finds any.
const MARK: &str = "QQMARKQQ";
const KEY: &str = "QQMARKQQKEY";
const SECRET: &str = "QQMARKQQSECRET";
const TOKEN: &str = "QQMARKQQTOKEN";

/// Runs one of the `#[ignore]`d tests below in an environment of its own; what it printed, both streams.
fn child(test: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]).env_clear();
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
    command.env("AWS_REGION", "eu-west-1").env("RUST_BACKTRACE", "1");
    // A process of a profile is run by the shell.
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{}", text.replace(MARK, "<credential>"));
    text
}

/// Not in the text itself: a failure of this test would print it.
fn assert_clean(text: &str) {
    let shown = text.lines().find(|line| line.contains(MARK)).map(|line| line.replace(MARK, "<credential>"));
    assert_eq!(shown, None, "a credential was shown");
}

#[test]
fn nothing_shows_a_credential() {
    let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", TOKEN)];
    let text = child("child_provokes", &keys);
    assert_clean(&text);
    // What makes this a proof: the answers did hold them, and the errors were met.
    let shown = text.lines().filter(|line| line.starts_with("shown: ")).count();
    assert!(shown > 150, "{shown} things were shown\n{text}");
    assert!(text.contains("the service saw the key true and the token true"), "{text}");
    for met in
        ["cannot reach", "were refused in region", "did not answer in time", "(not shown", "status 502"]
    {
        assert!(text.contains(met), "{met}: {text}");
    }
}

/// In all the ways in which a program, a notebook or anyhow shows a thing.
fn show(thing: &impl Debug) {
    println!("shown: {thing:?}");
    println!("shown: {}", format!("{thing:#?}").replace('\n', "\nshown: "));
}

fn show_error(error: &impl StdError) {
    show(error);
    println!("shown: {error}");
    println!("shown: {error:#}");
    let mut next = error.source();
    while let Some(source) = next {
        println!("shown: {source}");
        println!("shown: {source:?}");
        next = source.source();
    }
}

#[test]
#[ignore = "run by another test, in an environment of its own"]
fn child_provokes() {
    let connect = |url: &str| Kinesis::aws().endpoint_url(url).connect().unwrap();
    show(&Kinesis::aws().profile("p").endpoint_url("http://127.0.0.1:9"));

    // What works.
    let local = Local::new().open().unwrap();
    let kinesis = connect(local.endpoint_url().unwrap());
    let stream = kinesis.create_stream("works", 1).unwrap();
    show(&kinesis);
    show(&stream);
    show(&stream.put("k", "1").unwrap());
    show(&stream.describe().unwrap());
    show(&stream.shards().unwrap());
    let producer = stream.producer("k").limit(1).start();
    show(&producer);
    show(&producer.join());
    let consumer = stream.consumer().trim_horizon();
    show(&consumer);
    let running = consumer.start(Counter::per_minute()).unwrap();
    show(&running);
    show(&running.stop().1.unwrap());
    show_error(&stream.put("", "").unwrap_err());
    show_error(&kinesis.stream("no-such-stream").unwrap_err());
    stream.delete().unwrap();
    show_error(&stream.put("k", "1").unwrap_err());
    show_error(&stream.consumer().run(&mut Echo::new()).unwrap_err());
    show(&stream.producer("k").limit(1).start().join());

    // What does not answer, at all or in time.
    show_error(&connect("http://127.0.0.1:9").list_streams().unwrap_err());
    let silent = connect(&echoing(Answer::Nothing)).attempt_timeout(millis(200)).stream("s").unwrap();
    show_puts(&silent);

    // What refuses, with the request's head in its words.
    let codes = [
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "ExpiredTokenException",
        "AccessDeniedException",
        "InvalidArgumentException",
        "ResourceInUseException",
        "LimitExceededException",
        "SomethingElseException",
    ];
    for answer in codes.map(Answer::Refused).into_iter().chain([Answer::ErrorPage, Answer::Garbled]) {
        let kinesis = connect(&echoing(answer));
        show_error(&kinesis.list_streams().unwrap_err());
        if let Err(error) = kinesis.create_stream("s", 1) {
            show_error(&error); // none where the stream exists already
        }
        let stream = kinesis.stream("s").unwrap();
        show_puts(&stream);
        show_error(&stream.consumer().trim_horizon().run_for(millis(300), &mut Echo::new()).unwrap_err());
    }
    println!("the service saw the key {} and the token {}", SAW_KEY.load(Relaxed), SAW_TOKEN.load(Relaxed));
}

fn show_puts(stream: &Stream) {
    let failure = stream.put_many(vec![Entry::new("k", "1")]).max_attempts(1).send().unwrap_err();
    show(&failure.failed);
    show_error(&failure);
    show_error(&Error::from(failure));
}

static SAW_KEY: AtomicBool = AtomicBool::new(false);
static SAW_TOKEN: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy)]
enum Answer {
    Refused(&'static str),
    /// Of a proxy, say.
    ErrorPage,
    /// A status of success, and no JSON.
    Garbled,
    Nothing,
}

/// A service that describes a stream, and answers all else with the head of the request.
fn echoing(answer: Answer) -> String {
    block_on(async move {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(move |headers: HeaderMap| echo(answer, headers));
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    })
}

async fn echo(answer: Answer, headers: HeaderMap) -> Response {
    let json = |status: StatusCode, body: String| {
        (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body).into_response()
    };
    let mut head = String::from("POST\n/\n\n");
    for (name, value) in &headers {
        head += &format!("{name}:{}\n", String::from_utf8_lossy(value.as_bytes()));
    }
    SAW_KEY.fetch_or(head.contains(KEY), Relaxed);
    SAW_TOKEN.fetch_or(head.contains(TOKEN), Relaxed);
    if head.contains("Kinesis_20131202.DescribeStreamSummary") {
        let summary = serde_json::json!({ "StreamDescriptionSummary": {
            "StreamName": "s", "StreamARN": "arn:aws:kinesis:eu-west-1:000000000000:stream/s", "StreamStatus": "ACTIVE",
            "RetentionPeriodHours": 24, "StreamCreationTimestamp": 1, "EnhancedMonitoring": [], "OpenShardCount": 1,
        }});
        return json(StatusCode::OK, summary.to_string());
    }
    match answer {
        Answer::Refused(code) => {
            let message = format!("The Canonical String for this request should have been\n'{head}'");
            let body = serde_json::json!({ "__type": code, "message": message });
            json(StatusCode::BAD_REQUEST, body.to_string())
        }
        Answer::ErrorPage => {
            (StatusCode::BAD_GATEWAY, format!("<html>Bad gateway. Your request:<pre>{head}</pre></html>"))
                .into_response()
        }
        Answer::Garbled => json(StatusCode::OK, format!("{{ {head}")),
        Answer::Nothing => std::future::pending().await,
    }
}

#[test]
fn an_endpoint_with_a_password_is_refused_and_not_shown() {
    let url = format!("http://user:{SECRET}@127.0.0.1:9");
    let error = Kinesis::endpoint(&url).unwrap_err();
    assert!(error.to_string().contains("no user and no password"));
    assert_clean(&format!("{error:?}"));
    let error = Kinesis::aws().region("eu-west-1").endpoint_url(&url).connect().unwrap_err();
    assert_clean(&format!("{error:?}"));
    let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_ENDPOINT_URL", &url)];
    let text = child("child_connects", &keys);
    assert!(text.contains("no user and no password"), "no such refusal");
    assert_clean(&text);
}

/// Gateways and tunnels take a token there.
#[test]
fn a_secret_behind_an_endpoints_path_is_not_shown() {
    let mut shown = Vec::new();
    let mut show = |error: &Error| {
        shown.push(format!("{error} {error:?} {error:#?}"));
        let mut next = error.source();
        while let Some(source) = next {
            shown.push(format!("{source} {source:?}"));
            next = source.source();
        }
    };
    let dead = ["?token=", "/?token=", "/path?token=", "#", "/x#"]
        .map(|before| format!("http://127.0.0.1:9{before}{SECRET}"));
    let refuses = echoing(Answer::ErrorPage);
    for url in dead.iter().chain([&format!("{refuses}/?token={SECRET}"), &format!("127.0.0.1:9?{SECRET}")]) {
        match Kinesis::endpoint(url) {
            Ok(kinesis) => {
                assert_clean(&format!(
                    "{kinesis:?} {:?}",
                    kinesis.stream("s").map(|stream| format!("{stream:?}"))
                ));
                show(&kinesis.attempt_timeout(secs(2)).list_streams().unwrap_err());
            }
            Err(error) => show(&error),
        }
        assert_clean(&format!("{:?} {0:#?}", Kinesis::aws().endpoint_url(url)));
    }
    let user = format!("http://user:{SECRET}@127.0.0.1:9");
    assert_clean(&format!("{:?}", Kinesis::aws().endpoint_url(&user)));
    assert!(shown.iter().any(|text| text.contains("127.0.0.1:9") && text.contains("?…")), "{}", shown.len());
    assert_clean(&shown.join("\n"));
}

/// A profile's process that fails half-way prints what it has.
#[test]
fn a_process_that_breaks_off_shows_nothing() {
    let folder = std::env::temp_dir().join(format!("kinesis-lab-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("config");
    let broken = format!(r#"echo '{{"Version":1,"AccessKeyId":"{KEY}","SecretAccessKey":"{SECRET}" '"#);
    let wrong = format!(r#"echo '{{"Version":1,"AccessKeyId":"{KEY}","SecretAccessKey":["{SECRET}"]}}'"#);
    let fails = format!("echo {SECRET} >&2; echo {TOKEN}; exit 3");
    for process in [broken, wrong, fails] {
        let script = folder.join("process");
        std::fs::write(&script, process).unwrap();
        std::fs::write(&config, format!("[profile p]\ncredential_process = sh {}\n", script.display()))
            .unwrap();
        let text = child("child_connects", &[("AWS_CONFIG_FILE", config.to_str().unwrap())]);
        assert!(text.contains("no usable AWS credentials for profile p"), "another error");
        assert_clean(&text);
    }
    // A credentials file with a line that is none.
    std::fs::write(&config, "[profile p]\n").unwrap();
    let credentials = folder.join("credentials");
    std::fs::write(&credentials, format!("[p]\naws_access_key_id = {KEY}\naws_secret_access_key {SECRET}\n"))
        .unwrap();
    let files = [config, credentials];
    let [config, credentials] = files.each_ref().map(|path| path.to_str().unwrap());
    let environment = [("AWS_CONFIG_FILE", config), ("AWS_SHARED_CREDENTIALS_FILE", credentials)];
    assert_clean(&child("child_connects", &environment));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
#[ignore = "run by another test, in an environment of its own"]
fn child_connects() {
    show_error(&Kinesis::aws().profile("p").region("eu-west-1").connect().unwrap_err());
    if let Err(error) = Kinesis::aws().connect() {
        show_error(&error);
    }
}
