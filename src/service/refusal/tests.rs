//! What services say, and what we make of it.

use super::*;

fn refusal<'a>(code: &'a str, message: &'a str, status: u16) -> Refusal<'a> {
    Refusal {
        stream: "s",
        region: "eu-west-1",
        service: "Kinesis in region eu-west-1",
        profile: Some("blogpost-kinesis"),
        code: Some(code),
        message: Some(message),
        status: Some(status),
    }
}

#[test]
fn each_code_has_its_kind_and_says_what_to_do() {
    for (code, status, kind, advice) in [
        (
            "ResourceNotFoundException",
            400,
            ErrorKind::StreamNotFound,
            "create it with create_stream(\"s\", 1)",
        ),
        ("ResourceInUseException", 400, ErrorKind::StreamInUse, "already exists"),
        ("LimitExceededException", 400, ErrorKind::LimitExceeded, "ask for fewer shards"),
        ("ProvisionedThroughputExceededException", 400, ErrorKind::Throttled, "spread the partition keys"),
        ("ExpiredIteratorException", 400, ErrorKind::ExpiredIterator, "5 minutes"),
        ("ExpiredTokenException", 400, ErrorKind::ExpiredCredentials, "of profile blogpost-kinesis"),
        ("UnrecognizedClientException", 400, ErrorKind::AccessDenied, "configure --profile blogpost-kinesis"),
        ("InvalidSignatureException", 400, ErrorKind::AccessDenied, "secret access key is not the one"),
        ("AccessDeniedException", 400, ErrorKind::AccessDenied, "the service's words"),
        ("InvalidArgumentException", 400, ErrorKind::InvalidInput, "the service's words"),
        ("KMSDisabledException", 400, ErrorKind::Refused, "KMSDisabledException (status 400)"),
        ("InternalFailure", 500, ErrorKind::Service, "InternalFailure (status 500)"),
    ] {
        let (found, sentence) = refusal(code, "the service's words", status).explain();
        assert_eq!(found, kind, "{code}");
        assert!(sentence.contains(advice), "{code}: {sentence}");
    }
}

#[test]
fn a_wrong_clock_is_no_refused_key() {
    for (said, by) in [
        (
            "Signature expired: 20240301T101500Z is now earlier than 20240301T180000Z (20240301T180500Z - 5 min.)",
            "it is 7 h 50 min behind that of AWS",
        ),
        (
            "Signature not yet current: 20240301T231530Z is still later than 20240301T181000Z (20240301T180500Z + 5 min.)",
            "it is 5 h 10 min ahead of that of AWS",
        ),
        (
            "Signature expired: 20240301T175900Z is now earlier than 20240301T180000Z (20240301T180500Z - 5 min.)",
            "it is 6 min 0 s behind",
        ),
        (
            "Signature expired: 20200301T175900Z is now earlier than 20240301T180000Z (20240301T180500Z - 5 min.)",
            "it is 1461 days 0 h behind",
        ),
        ("Signature expired: 99999999T999999Z is odd", "more than five minutes off"),
    ] {
        for code in
            ["InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "AccessDeniedException"]
        {
            let (_, sentence) = refusal(code, said, 400).explain();
            assert!(
                sentence.starts_with("the clock of this machine is wrong") && sentence.contains(by),
                "{sentence}"
            );
            assert!(sentence.contains("set the clock"), "{sentence}");
        }
    }
}

#[test]
fn a_wrong_region_is_no_refused_key() {
    let said = "Credential should be scoped to a valid region.";
    for code in ["InvalidSignatureException", "SignatureDoesNotMatch"] {
        let (_, sentence) = refusal(code, said, 403).explain();
        assert!(
            sentence.contains("give the region of the endpoint") && sentence.contains(said),
            "{sentence}"
        );
        assert!(!sentence.contains("secret"), "{sentence}");
    }
}

#[test]
fn what_is_denied_no_policy_allows() {
    let said = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: kinesis:PutRecords on resource: arn:aws:kinesis:eu-west-1:123456789012:stream/s with an explicit deny in a service control policy";
    for code in ["AccessDeniedException", "AccessDenied"] {
        let (_, sentence) = refusal(code, said, 400).explain();
        assert!(sentence.contains("a policy denies it") && !sentence.contains("add a policy"), "{sentence}");
        assert!(sentence.contains("in a service control policy"), "{sentence}");
    }
}

#[test]
fn a_missing_permission_is_named() {
    let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/s";
    let user = "arn:aws:iam::123456789012:user/learner";
    for (said, want) in [
        (
            format!(
                "User: {user} is not authorized to perform: kinesis:PutRecords on resource: {arn} because no identity-based policy allows the kinesis:PutRecords action"
            ),
            format!("{user} may not do kinesis:PutRecords on {arn}: "),
        ),
        (
            format!("User: {user} is not authorized to perform: kinesis:ListStreams"),
            format!("{user} may not do kinesis:ListStreams: "),
        ),
    ] {
        let (kind, sentence) = refusal("AccessDeniedException", &said, 400).explain();
        assert_eq!(kind, ErrorKind::AccessDenied);
        assert!(sentence.starts_with(&want), "{sentence}");
    }
}
