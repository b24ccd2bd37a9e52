//! Each refusal is one sentence, which says what to do and shows no key.

#![cfg(feature = "full")]

mod service;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kinesis_lab::prelude::*;
use service::{Answer, service, stored};

const SECRET: &str = "QQSECRETQQ";

fn answering(code: &'static str, message: &str) -> Kinesis {
    let message = message.to_owned();
    let (url, _) = service(move |_| Answer::Refused(code, message.clone()));
    Kinesis::endpoint(&url).unwrap()
}

#[test]
fn a_wrong_clock_is_told_from_a_wrong_key() {
    let answer: serde_json::Value =
        serde_json::from_str(include_str!("field/clock-wrong-reads-as-credentials/answer.json")).unwrap();
    let kinesis = answering("InvalidSignatureException", answer["message"].as_str().unwrap());
    let put = kinesis.stream("s").unwrap().put("k", "1").unwrap_err();
    for error in [kinesis.list_streams().unwrap_err(), put] {
        let sentence = error.to_string();
        assert!(
            sentence.starts_with("the clock of this machine is wrong: it is 7 h 50 min behind"),
            "{sentence}"
        );
    }
}

#[test]
fn a_missing_permission_names_action_and_resource() {
    let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/s";
    let said = format!(
        "User: arn:aws:iam::123456789012:user/learner is not authorized to perform: kinesis:PutRecords on resource: {arn} because no identity-based policy allows the kinesis:PutRecords action"
    );
    let kinesis = answering("AccessDeniedException", &said);
    let error = kinesis.stream("s").unwrap().put("k", "1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert!(
        error.to_string().contains(&format!("user/learner may not do kinesis:PutRecords on {arn}")),
        "{error}"
    );
}

#[test]
fn a_stream_is_opened_by_its_arn_and_created_by_its_name() {
    let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks";
    let (url, _) = service(move |call| match &call.body {
        body if body["StreamARN"] == arn && body["StreamName"].is_null() => stored(&call),
        body => Answer::Refused("InvalidArgumentException", format!("called by {body}")),
    });
    let kinesis = Kinesis::endpoint(&url).unwrap();
    let stream = kinesis.stream(arn).unwrap();
    assert_eq!(stream.name(), "clicks");
    stream.put("k", "1").unwrap();
    let error = kinesis.create_stream(arn, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("by its name, in the account of the connection: `clicks`"), "{error}");
    for odd in ["arn:", "arn:aws:s3:::bucket", "arn:aws:kinesis:eu-west-1:123456789012:stream/"] {
        assert_eq!(kinesis.stream(odd).unwrap_err().kind(), ErrorKind::InvalidInput, "{odd}");
    }
}

/// Runs one of the `#[ignore]`d tests below in an environment of its own.
fn child(test: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]).env_clear();
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
    // A process of a profile is run by the shell.
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(!text.contains(SECRET), "a secret was shown");
    assert!(output.status.success(), "{text}");
    text
}

#[test]
#[ignore = "run by another test, in an environment of its own"]
fn child_connects() {
    let mut aws = Kinesis::aws();
    if let Ok(profile) = std::env::var("LAB_PROFILE") {
        aws = aws.profile(&profile);
    }
    if let Ok(url) = std::env::var("LAB_ENDPOINT") {
        aws = aws.endpoint_url(&url);
    }
    match aws.connect() {
        Ok(kinesis) => println!("put: {:?}", kinesis.stream("s").and_then(|stream| stream.put("k", "1"))),
        Err(error) => {
            println!("{:?}: {error}", error.kind());
            println!(
                "because: {}",
                std::error::Error::source(&error).map(|cause| cause.to_string()).unwrap_or_default()
            );
        }
    }
}

/// A folder with these as its config; its path, and that of the config.
fn config(name: &str, text: &str) -> (PathBuf, String) {
    let folder = std::env::temp_dir().join(format!("kinesis-lab-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("config");
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap().to_owned();
    (folder, config)
}

fn remove(folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_mistyped_profile_is_no_missing_region() {
    let (folder, config) = config(
        "profiles",
        "[default]\nregion = eu-west-1\n[profile blog]\nregion = eu-west-1\n[profile chained]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = blgo\n",
    );
    for (name, variable) in [("blgo", "LAB_PROFILE"), ("blgo", "AWS_PROFILE"), ("chained", "LAB_PROFILE")] {
        let text = child("child_connects", &[("AWS_CONFIG_FILE", &config), (variable, name)]);
        let want = "NoCredentials: there is no profile blgo in ~/.aws/config or ~/.aws/credentials (there are: blog, chained, default)";
        assert!(text.contains(want), "{name} {variable}: {text}");
    }
    remove(&folder);
}

#[test]
fn a_profile_of_aws_login_says_what_to_do() {
    let (folder, config) = config(
        "login",
        "[profile new]\nregion = eu-west-1\nlogin_session = arn:aws:iam::123456789012:user/x\n",
    );
    let text = child("child_connects", &[("AWS_CONFIG_FILE", &config), ("LAB_PROFILE", "new")]);
    assert!(text.contains("NoCredentials: profile new signs in with `aws login`"), "{text}");
    assert!(text.contains("aws configure export-credentials --profile new --format process"), "{text}");
    remove(&folder);
}

#[test]
fn a_key_with_a_line_break_is_a_sentence_and_no_panic() {
    let (url, calls) = service(|call| stored(&call));
    for (key, secret, token, said) in [
        ("AKIDEXAMPLE\nX", SECRET, "", "the access key id has a line break"),
        ("AKIDEXAMPLE", "QQSECRETQQ\r\nX", "", "the secret access key has a line break"),
        ("AKIDEXAMPLE", SECRET, "to\nken", "the session token has a line break"),
    ] {
        let mut environment = vec![
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "eu-west-1"),
            ("LAB_ENDPOINT", &url),
        ];
        environment.extend((!token.is_empty()).then_some(("AWS_SESSION_TOKEN", token)));
        let text = child("child_connects", &environment);
        assert!(
            text.contains("NoCredentials: the AWS credentials can't be right") && text.contains(said),
            "{text}"
        );
        assert!(!text.contains("panicked") && !text.contains("AKIDEXAMPLE"), "{text}");
    }
    assert_eq!(calls.made.load(Ordering::SeqCst), 0);
}

/// STS is asked by TLS, whatever Kinesis is asked by: nothing listens there, and that is what is said.
#[test]
fn an_assumed_role_at_a_plain_endpoint_asks_sts_by_tls() {
    let text = format!(
        "[profile base]\naws_access_key_id = AKID\naws_secret_access_key = {SECRET}\n[profile role]\nregion = eu-west-1\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n"
    );
    let (folder, config) = config("role", &text);
    let text = child(
        "child_connects",
        &[("AWS_CONFIG_FILE", &config), ("LAB_PROFILE", "role"), ("LAB_ENDPOINT", "http://127.0.0.1:9")],
    );
    assert!(text.contains("NoCredentials: "), "{text}");
    assert!(text.contains("because: ") && !text.contains("scheme"), "{text}");
    remove(&folder);
}

/// The service says that they have expired before their time: a put is made again with what the profile has now.
#[test]
fn expired_credentials_are_renewed_and_the_put_made_again() {
    let renewed = Arc::new(AtomicBool::new(false));
    let seen = renewed.clone();
    let (url, calls) = service(move |call| match call.access_key.as_str() {
        "AKIDNEW" => {
            seen.store(true, Ordering::SeqCst);
            stored(&call)
        }
        _ => Answer::Refused(
            "ExpiredTokenException",
            "The security token included in the request is expired".into(),
        ),
    });
    // By a process: the first time it gives the old ones, good for a year, and then the new ones.
    let (folder, path) = config("renewed", "");
    let script = folder.join("process");
    let answer = |key: &str| {
        format!(
            r#"{{\"Version\":1,\"AccessKeyId\":\"{key}\",\"SecretAccessKey\":\"{SECRET}\",\"SessionToken\":\"t\",\"Expiration\":\"2099-01-01T00:00:00Z\"}}"#
        )
    };
    let once = folder.join("once");
    std::fs::write(
        &script,
        format!(
            "if [ -e {0} ]; then echo \"{1}\"; else touch {0}; echo \"{2}\"; fi\n",
            once.display(),
            answer("AKIDNEW"),
            answer("AKIDOLD")
        ),
    )
    .unwrap();
    std::fs::write(
        &path,
        format!("[profile p]\nregion = eu-west-1\ncredential_process = sh {}\n", script.display()),
    )
    .unwrap();
    let text =
        child("child_connects", &[("AWS_CONFIG_FILE", &path), ("LAB_PROFILE", "p"), ("LAB_ENDPOINT", &url)]);
    assert!(text.contains("put: Ok("), "{text}");
    assert!(renewed.load(Ordering::SeqCst) && calls.made.load(Ordering::SeqCst) == 2, "{text}");

    // The same with keys in a file that another program writes anew: here, while the first call is answered.
    remove(&folder);
    let (folder, path) = config("rewritten", "");
    let keys = |key: &str| {
        format!(
            "[profile p]\nregion = eu-west-1\naws_access_key_id = {key}\naws_secret_access_key = {SECRET}\naws_session_token = t\n"
        )
    };
    std::fs::write(&path, keys("AKIDOLD")).unwrap();
    let (file, new) = (path.clone(), keys("AKIDNEW"));
    let (url, calls) = service(move |call| match call.access_key.as_str() {
        "AKIDNEW" => stored(&call),
        _ => {
            std::fs::write(&file, &new).unwrap();
            Answer::Refused("ExpiredTokenException", "expired".into())
        }
    });
    let text =
        child("child_connects", &[("AWS_CONFIG_FILE", &path), ("LAB_PROFILE", "p"), ("LAB_ENDPOINT", &url)]);
    assert!(text.contains("put: Ok(") && calls.made.load(Ordering::SeqCst) == 2, "{text}");
    remove(&folder);
}
