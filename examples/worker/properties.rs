//! What the daemon is told. Nothing secret: the database is for its children, who have it from the environment.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::Path;

use kinesis_lab::prelude::*;

use crate::Arguments;

/// With this program as the child.
pub(crate) fn of_this_program(arguments: &Arguments) -> Result<String, Error> {
    let region = std::env::var("AWS_REGION").or_else(|_| std::env::var("AWS_DEFAULT_REGION")).ok();
    of(arguments, &std::env::current_exe()?, region.filter(|region| !region.is_empty()).as_deref())
}

fn of(arguments: &Arguments, program: &Path, region: Option<&str>) -> Result<String, Error> {
    if arguments.app.len() < 3 {
        return Err(invalid("--app has 3 characters or more: a table of DynamoDB has its name"));
    }
    let failover = arguments.failover.as_millis();
    if !(3_000..=3_600_000).contains(&failover) {
        return Err(invalid("--failover is from 3s to 1h: leases are renewed three times in it"));
    }
    let name = arguments.name.clone().unwrap_or_else(own_name);
    for (option, name) in [("--app", &arguments.app), ("--stream", &arguments.stream), ("--name", &name)] {
        if !is_name(name) {
            return Err(invalid(format!("{option} is of letters, digits, dots, dashes and underscores")));
        }
    }
    for (option, url) in [("--endpoint", &arguments.endpoint), ("--dynamodb", &arguments.dynamodb)] {
        if url.as_ref().is_some_and(|url| !is_address(url)) {
            return Err(invalid(format!(
                "{option} is an address as http://127.0.0.1:4567, without a user's name or a password"
            )));
        }
    }
    if region.is_some_and(|region| !is_name(region)) {
        return Err(invalid("AWS_REGION is no region's name"));
    }
    let program = program.to_str().filter(|path| is_plain(path)).ok_or_else(|| {
        invalid(
            "the daemon splits executableName at blanks: put this program into a folder whose path has none, and is of \
             plain letters",
        )
    })?;
    let mut lines = vec![
        format!("executableName = {program}"),
        format!("streamName = {}", arguments.stream),
        format!("applicationName = {}", arguments.app),
        format!("workerId = {name}"),
        "AwsCredentialsProvider = DefaultCredentialsProvider".into(),
        "initialPositionInStream = TRIM_HORIZON".into(),
        "processingLanguage = rust".into(),
        format!("retrievalMode = {}", if arguments.fan_out { "FANOUT" } else { "POLLING" }),
        format!("failoverTimeMillis = {failover}"),
        // The leader gives a shard to whoever has reported within twice this time, and be it one that is gone: with the
        // 30 s of the default, the shards of a worker that had ended stood still for 44 s.
        format!("workerMetricsReporterFreqInMillis = {}", failover / 3),
        // Instead of twice the failover; it costs the leader a look at the table of leases.
        format!("leaseAssignmentIntervalMillis = {}", failover / 2),
        // A shard on which nothing comes says so, or windows wait for it.
        "callProcessRecordsEvenForEmptyRecordList = true".into(),
        // Time for a last checkpoint: leases move in seconds, not after their failover.
        "shutdownGraceMillis = 10000".into(),
        // A lease that is asked for by another worker before its shard has begun stays with the first one, which renews it
        // and reads nothing, for ever (awslabs/amazon-kinesis-client, pull request 1729, not in 3.1.3; seen here). Without
        // the handing over, the other takes it, and the epoch in the database refuses what is late of the first.
        "isGracefulLeaseHandoffEnabled = false".into(),
        "metricsLevel = NONE".into(),
    ];
    // Otherwise one worker leads, whose lock is free only 120 s after it was killed.
    if arguments.compatible_with_2x {
        lines.push("clientVersionConfig = CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X".into());
    }
    lines.extend(region.map(|region| format!("regionName = {region}")));
    lines.extend(arguments.endpoint.as_ref().map(|url| format!("kinesisEndpoint = {url}")));
    lines.extend(arguments.dynamodb.as_ref().map(|url| format!("dynamoDBEndpoint = {url}")));
    // Those of a machine of AWS; elsewhere the daemon would ask an address in vain that is not there.
    if arguments.dynamodb.is_some() {
        lines.push("disableWorkerMetrics = true".into());
    }
    Ok(lines.join("\n"))
}

/// What Kinesis and DynamoDB take; a line break would be a property more.
fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// A backslash is an escape in such a file, which is read as Latin-1.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != '\\')
}

fn is_address(url: &str) -> bool {
    is_plain(url) && !url.contains('@') && (url.starts_with("http://") || url.starts_with("https://"))
}

/// Two machines may have one name, and processes the same numbers (in containers all of them), so digits are drawn.
fn own_name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host: String = host.trim().chars().filter(|c| is_name(&c.to_string())).take(64).collect();
    let drawn = RandomState::new().build_hasher().finish();
    format!("{}-{drawn:016x}", if host.is_empty() { "worker" } else { &host })
}

fn invalid(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, why.into())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const LINE: [&str; 9] = [
        "worker",
        "--app=visits-counter",
        "--stream=visits",
        "--postgres=postgres://ann@db/shop",
        "--name=here",
        "--endpoint=http://127.0.0.1:4567",
        "--dynamodb=http://127.0.0.1:8000",
        "--failover=3s",
        "count",
    ];

    /// Options after it win over those of the line.
    fn with(more: &[&str]) -> Result<String, Error> {
        let names: Vec<&str> = more.iter().filter_map(|option| option.split('=').next()).collect();
        let kept = LINE[..8].iter().filter(|option| !names.iter().any(|name| option.starts_with(name)));
        let line: Vec<&str> = kept.chain(more).copied().chain(["count"]).collect();
        of(&Arguments::parse_from(line), Path::new("/opt/worker/worker"), Some("eu-west-1"))
    }

    #[test]
    fn the_whole_text_of_a_command_line() {
        assert_eq!(
            with(&[]).unwrap(),
            "\
executableName = /opt/worker/worker
streamName = visits
applicationName = visits-counter
workerId = here
AwsCredentialsProvider = DefaultCredentialsProvider
initialPositionInStream = TRIM_HORIZON
processingLanguage = rust
retrievalMode = POLLING
failoverTimeMillis = 3000
workerMetricsReporterFreqInMillis = 1000
leaseAssignmentIntervalMillis = 1500
callProcessRecordsEvenForEmptyRecordList = true
shutdownGraceMillis = 10000
isGracefulLeaseHandoffEnabled = false
metricsLevel = NONE
regionName = eu-west-1
kinesisEndpoint = http://127.0.0.1:4567
dynamoDBEndpoint = http://127.0.0.1:8000
disableWorkerMetrics = true"
        );
    }

    #[test]
    fn on_aws_it_names_no_address() {
        let line = [
            "worker",
            "--app=abc",
            "--stream=s",
            "--postgres=postgres://ann@db/shop",
            "--fan-out",
            "--compatible-with-2x",
            "count",
        ];
        let text = of(&Arguments::parse_from(line), Path::new("/worker"), None).unwrap();
        for absent in ["Endpoint", "regionName", "disableWorkerMetrics", "postgres"] {
            assert!(!text.contains(absent), "{text}");
        }
        assert!(text.contains("\nretrievalMode = FANOUT\nfailoverTimeMillis = 10000\n"), "{text}");
        assert!(text.ends_with("\nclientVersionConfig = CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X"), "{text}");
        // Whoever starts two of them has two names.
        let again = of(&Arguments::parse_from(line), Path::new("/worker"), None).unwrap();
        assert_ne!(text, again);
    }

    #[test]
    fn what_would_be_read_otherwise_is_refused() {
        for (option, why) in [
            ("--app=ab", "3 characters"),
            ("--app=a b c", "--app is of letters"),
            ("--stream=visits\nexecutableName = /tmp/evil", "--stream is of letters"),
            ("--stream=", "--stream is of letters"),
            ("--name=here\r", "--name is of letters"),
            ("--name=h\\u0065re", "--name is of letters"),
            ("--endpoint=http://127.0.0.1:4567\nx = y", "--endpoint is an address"),
            ("--endpoint=http://ann:s3cret@127.0.0.1:4567", "--endpoint is an address"),
            ("--failover=2999ms", "from 3s"),
            ("--dynamodb=127.0.0.1:8000", "--dynamodb is an address"),
        ] {
            let error = with(&[option]).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("s3cret"), "{option}: {error}");
        }
        let arguments = Arguments::parse_from(LINE);
        for program in
            ["/my programs/worker", "/a\tb/worker", "/a\nb/worker", "/a\\b/worker", "/häuser/worker"]
        {
            let error = of(&arguments, Path::new(program), None).unwrap_err().to_string();
            assert!(error.contains("splits executableName at blanks"), "{program}: {error}");
        }
        let error = of(&arguments, Path::new("/worker"), Some("eu\nx = y")).unwrap_err();
        assert!(error.to_string().contains("AWS_REGION"), "{error}");
    }
}
