//! The local service on a chosen port, used by a client in another language.

#![cfg(feature = "full")]

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;

use kinesis_lab::prelude::*;

const PYTHON: &str = r#"
import sys, boto3
kinesis = boto3.client("kinesis", endpoint_url=sys.argv[1], region_name="us-east-1",
                       aws_access_key_id="any", aws_secret_access_key="any")
kinesis.put_record(StreamName="shared", PartitionKey="192.0.2.10", Data=b"2018-09-06T08:04:56.468067")
shard = kinesis.list_shards(StreamName="shared")["Shards"][0]["ShardId"]
iterator = kinesis.get_shard_iterator(StreamName="shared", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
for record in kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]:
    print(record["PartitionKey"], record["Data"].decode())
"#;

/// The lab's own Python first, with the packages that `cargo xtask test` puts beside it.
fn python_with_boto3() -> Option<Command> {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/.venv");
    let python = |program: String| {
        let mut command = Command::new(program);
        command.env("PYTHONPATH", format!("{venv}/for-tests")).arg("-c");
        command
    };
    let has_boto3 = |program: &String| {
        let import = python(program.clone()).arg("import boto3").output();
        import.is_ok_and(|output| output.status.success())
    };
    [format!("{venv}/bin/python"), "python3".to_owned()].into_iter().find(has_boto3).map(python)
}

#[test]
fn boto3_writes_and_reads_through_a_chosen_port() {
    let Some(mut python) = python_with_boto3() else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: no Python with boto3 here");
        return;
    };
    // A port that is free now; taken by somebody else in between, the test would say so.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let kinesis = Local::new().port(port).open().unwrap();
    assert_eq!(kinesis.endpoint_url(), Some(format!("http://127.0.0.1:{port}").as_str()));
    let stream = kinesis.create_stream("shared", 1).unwrap();
    stream.put("from rust", "hello").unwrap();

    let output = python.args([PYTHON, kinesis.endpoint_url().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let read = String::from_utf8_lossy(&output.stdout);
    assert_eq!(read, "from rust hello\n192.0.2.10 2018-09-06T08:04:56.468067\n");

    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!(counter.windows()[0].to_string(), "2018-09-06 08:04:00 : [('192.0.2.10', 1)]");
}
