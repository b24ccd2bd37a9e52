//! The local service on a chosen port, used by a client in another language.

#![cfg(feature = "full")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
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
fn python_with(modules: &str) -> Option<Command> {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/.venv");
    let python = |program: String| {
        let mut command = Command::new(program);
        command.env("PYTHONPATH", format!("{venv}/for-tests")).arg("-c");
        command
    };
    let has_them = |program: &String| {
        let import = python(program.clone()).arg(format!("import {modules}")).output();
        import.is_ok_and(|output| output.status.success())
    };
    [format!("{venv}/bin/python"), "python3".to_owned()].into_iter().find(has_them).map(python)
}

#[test]
fn boto3_writes_and_reads_through_a_chosen_port() {
    let Some(mut python) = python_with("boto3") else {
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

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/on-demand";

/// Everything by ARN; and by both, as the KCL does.
const BY_ARN: &str = r#"
import sys, time, boto3
kinesis = boto3.client("kinesis", endpoint_url=sys.argv[1], region_name="us-east-1",
                       aws_access_key_id="any", aws_secret_access_key="any")
arn = sys.argv[2]
both = {"StreamName": "on-demand", "StreamARN": arn}
kinesis.create_stream(StreamName="on-demand", StreamModeDetails={"StreamMode": "ON_DEMAND"}, Tags={"team": "web"})
while kinesis.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
    time.sleep(0.05)
shards = kinesis.list_shards(**both)["Shards"]
kinesis.put_record(PartitionKey="a", Data=b"1", ExplicitHashKey=shards[2]["HashKeyRange"]["StartingHashKey"], **both)
kinesis.put_records(StreamARN=arn, Records=[
    {"PartitionKey": "b", "Data": b"2", "ExplicitHashKey": shards[2]["HashKeyRange"]["EndingHashKey"]}])
iterator = kinesis.get_shard_iterator(ShardId=shards[2]["ShardId"], ShardIteratorType="TRIM_HORIZON", **both)
page = kinesis.get_records(ShardIterator=iterator["ShardIterator"], StreamARN=arn)
print([record["Data"] for record in page["Records"]])
kinesis.add_tags_to_stream(StreamARN=arn, Tags={"cost": "low"})
kinesis.remove_tags_from_stream(StreamARN=arn, TagKeys=["cost"])
print(kinesis.list_tags_for_stream(StreamARN=arn)["Tags"], kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"])
kinesis.increase_stream_retention_period(StreamARN=arn, RetentionPeriodHours=48)
kinesis.decrease_stream_retention_period(RetentionPeriodHours=24, **both)
kinesis.enable_enhanced_monitoring(StreamARN=arn, ShardLevelMetrics=["ALL"])
kinesis.disable_enhanced_monitoring(StreamARN=arn, ShardLevelMetrics=["ALL"])
consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]
print(kinesis.list_stream_consumers(StreamARN=arn)["Consumers"][0]["ConsumerName"])
description = kinesis.describe_stream(StreamARN=arn)["StreamDescription"]
print(len(description["Shards"]), description["StreamModeDetails"]["StreamMode"])
kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "PROVISIONED"})
def settle():
    while kinesis.describe_stream_summary(**both)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
        time.sleep(0.05)
kinesis.update_shard_count(StreamARN=arn, TargetShardCount=2, ScalingType="UNIFORM_SCALING"); settle()
open_shards = [s for s in kinesis.list_shards(StreamARN=arn)["Shards"] if "EndingSequenceNumber" not in s["SequenceNumberRange"]]
first, second = (shard["ShardId"] for shard in open_shards)
kinesis.merge_shards(ShardToMerge=first, AdjacentShardToMerge=second, **both); settle()
last = kinesis.list_shards(StreamARN=arn)["Shards"][-1]
kinesis.split_shard(StreamARN=arn, ShardToSplit=last["ShardId"], NewStartingHashKey=str(1 << 127)); settle()
print(kinesis.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]["OpenShardCount"])
try:
    kinesis.put_record(StreamName="another", StreamARN=arn, PartitionKey="a", Data=b"1")
except kinesis.exceptions.InvalidArgumentException as error:
    print(error.response["Error"]["Message"])
kinesis.delete_stream(StreamARN=arn, EnforceConsumerDeletion=True)
"#;

#[test]
fn boto3_names_streams_by_their_arn_in_every_call() {
    let Some(mut python) = python_with("boto3") else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: no Python with boto3 here");
        return;
    };
    let kinesis = Local::new().open().unwrap();
    let output = python.args([BY_ARN, kinesis.endpoint_url().unwrap(), ARN]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "[b'1', b'2']",
            "[{'Key': 'team', 'Value': 'web'}] [{'Key': 'team', 'Value': 'web'}]",
            "c",
            "4 ON_DEMAND",
            "2",
            "StreamName is another, and StreamARN is that of on-demand: name one stream",
        ]
    );
}

#[test]
fn the_aws_command_line_creates_an_on_demand_stream_and_names_it_by_its_arn() {
    let kinesis = Local::new().open().unwrap();
    let aws = |arguments: &str| {
        let mut command = Command::new("aws");
        command.args([
            "--endpoint-url",
            kinesis.endpoint_url().unwrap(),
            "--region",
            "us-east-1",
            "--output",
            "text",
        ]);
        command.arg("kinesis").args(arguments.split(' '));
        command.env("AWS_ACCESS_KEY_ID", "any").env("AWS_SECRET_ACCESS_KEY", "any").env_remove("AWS_PROFILE");
        command.output()
    };
    if !aws("list-streams").is_ok_and(|output| output.status.success()) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: no AWS CLI here");
        return;
    }
    let say = |arguments: &str| {
        let output = aws(arguments).unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    say("create-stream --stream-name on-demand --stream-mode-details StreamMode=ON_DEMAND --tags team=web");
    say(&format!("wait stream-exists --stream-arn {ARN}"));
    assert!(say(&format!("describe-stream-summary --stream-arn {ARN}")).contains("ON_DEMAND"));
    say(&format!("put-record --stream-arn {ARN} --partition-key k --data aGVsbG8="));
    assert_eq!(say(&format!("list-tags-for-stream --stream-arn {ARN} --query Tags[].Value")), "web");
    // And by the name, from here.
    assert_eq!(kinesis.describe_stream("on-demand").unwrap().open_shards, 4);
}

#[test]
fn our_own_client_names_a_stream_as_it_was_opened() {
    let kinesis = Local::new().open().unwrap();
    let by_name = kinesis.new_stream("on-demand").on_demand().tag("team", "web").create().unwrap();
    let stream = kinesis.stream(ARN).unwrap();
    assert_eq!((stream.name(), stream.created()), ("on-demand", by_name.created()));
    let description = kinesis.describe_stream(ARN).unwrap();
    assert!(description.on_demand && description.arn == ARN && description == stream.describe().unwrap());
    let shards = stream.shards().unwrap();
    let entry = |key, shard: &Shard| Entry::new(key, "data").explicit_hash_key(shard.hash_range.0);
    stream.put_many(shards.iter().map(|shard| entry("k", shard)).collect()).send().unwrap();
    for shard in &shards {
        let read =
            stream.consumer().shard(&shard.id).trim_horizon().run_until_caught_up(&mut Echo::new()).unwrap();
        assert_eq!(read.records, 1, "{}", shard.id);
    }
    stream.set_retention(48).unwrap();
    stream.update_shard_count(2).unwrap();
    let open: Vec<String> =
        stream.shards().unwrap().into_iter().filter(Shard::is_open).map(|shard| shard.id).collect();
    stream.merge_shards(&open[0], &open[1]).unwrap();
    let merged = stream.shards().unwrap().pop().unwrap();
    stream.split_shard(&merged.id).unwrap();
    assert_eq!(by_name.describe().unwrap().open_shards, 2);
    assert_eq!(stream.update_shard_count(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    let error = kinesis.create_stream(ARN, 1).unwrap_err().to_string();
    assert!(error.contains("created by its name"), "{error}");
    stream.delete().unwrap();
    assert!(kinesis.describe_stream(ARN).unwrap_err().is_stream_not_found());
}

/// As the SDKs for Java do, by hand.
#[test]
fn a_client_that_speaks_cbor_puts_and_reads() {
    let folder = kinesis_lab::temporary_folder("cbor").unwrap();
    let kinesis = Local::new().folder(&folder).open().unwrap();
    let stream = kinesis.create_stream("cbor", 1).unwrap();
    let host = kinesis.endpoint_url().unwrap().strip_prefix("http://").unwrap().to_owned();
    let ask = |operation: &str, body: &[u8]| {
        let mut socket = TcpStream::connect(&host).unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\nx-amz-target: Kinesis_20131202.{operation}\r\n\
             content-type: application/x-amz-cbor-1.1\r\nx-amz-date: 20180906T080000Z\r\nconnection: close\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=any/20180906/us-east-1/kinesis/aws4_request, \
             SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        answer
    };
    // A map of so many, texts of less than 24 bytes, or with a length of one byte; bytes likewise.
    let text = |text: &str| match text.len() {
        0..24 => [&[0x60 | text.len() as u8], text.as_bytes()].concat(),
        _ => [&[0x78, text.len() as u8], text.as_bytes()].concat(),
    };
    let mut put = vec![0xa3];
    put.extend([text("StreamARN"), text("arn:aws:kinesis:us-east-1:000000000000:stream/cbor")].concat());
    put.extend(
        [text("PartitionKey"), text("k"), text("Data"), [&[0x45], &b"\x00\xffabc"[..]].concat()].concat(),
    );
    let answer = ask("PutRecord", &put);
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    let has = |answer: &[u8], part: &[u8]| answer.windows(part.len()).any(|window| window == part);
    assert!(has(&answer, &text("SequenceNumber")) && has(&answer, b"x-amz-cbor"), "{answer:?}");
    // What was put so is in the folder, too; what is refused is told in CBOR.
    let refused = ask("PutRecord", &[vec![0xa1], text("PartitionKey"), text("k")].concat());
    assert!(refused.starts_with(b"HTTP/1.1 400") && has(&refused, &text("__type")), "{refused:?}");
    assert!(ask("PutRecord", b"\xff").starts_with(b"HTTP/1.1 400"));

    // Times are in milliseconds, on both ways; they need eight bytes (0x1b), seconds would need four.
    let shards = stream.shards().unwrap();
    let now = (Timestamp::now().as_micros() / 1_000) as u64;
    let iterator = |millis: u64| {
        let mut asked = vec![0xa4];
        for (name, value) in
            [("StreamName", "cbor"), ("ShardId", &shards[0].id), ("ShardIteratorType", "AT_TIMESTAMP")]
        {
            asked.extend([text(name), text(value)].concat());
        }
        asked.extend([text("Timestamp"), vec![0xc1, 0x1b], millis.to_be_bytes().to_vec()].concat());
        ask("GetShardIterator", &asked)
    };
    let refused = iterator(now + 3_600_000);
    assert!(refused.starts_with(b"HTTP/1.1 400"), "an hour ahead: {}", String::from_utf8_lossy(&refused));
    let answer = iterator(now - 3_600_000);
    let name = text("ShardIterator");
    let at = answer.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    let page = ask("GetRecords", &[&[0xa1], &name[..], &answer[at..]].concat());
    let name = text("ApproximateArrivalTimestamp");
    let at = page.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    assert_eq!(page[at], 0x1b);
    let arrived = u64::from_be_bytes(page[at + 1..at + 9].try_into().unwrap());
    assert!(arrived.abs_diff(now) < 60_000, "{arrived} {now}");
    drop((stream, kinesis));
    let stream = Local::new().folder(&folder).open().unwrap().stream("cbor").unwrap();
    let mut read = Vec::new();
    struct Keep<'a>(&'a mut Vec<u8>);
    impl RecordProcessor for Keep<'_> {
        fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
            batch.records.iter().for_each(|record| self.0.extend_from_slice(&record.data[..]));
            Ok(())
        }
    }
    stream.consumer().trim_horizon().run_until_caught_up(&mut Keep(&mut read)).unwrap();
    assert_eq!(read, b"\x00\xffabc");
    std::fs::remove_dir_all(folder).unwrap();
}

/// What the Kinesis Client Library does on a stream that is resharded: reads shards to their ends, where it is told
/// their children, and lists those that were open at a moment.
const RESHARDED: &str = r#"
import sys, time, boto3
kinesis = boto3.client("kinesis", endpoint_url=sys.argv[1], region_name="us-east-1",
                       aws_access_key_id="any", aws_secret_access_key="any")
name = {"StreamName": "resharded"}
def settle():
    while kinesis.describe_stream_summary(**name)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
        time.sleep(0.05)
def shard(n): return "shardId-%012d" % n
def digits(shards): return "".join(s["ShardId"][-1] for s in shards)
def filtered(**filter): return digits(kinesis.list_shards(ShardFilter=filter, **name)["Shards"])
kinesis.create_stream(ShardCount=2, **name); settle()
created = kinesis.describe_stream_summary(**name)["StreamDescriptionSummary"]["StreamCreationTimestamp"]
arn = kinesis.describe_stream_summary(**name)["StreamDescriptionSummary"]["StreamARN"]
kinesis.put_record(PartitionKey="a", Data=b"1", ExplicitHashKey="0", **name)
kinesis.split_shard(ShardToSplit=shard(0), NewStartingHashKey=str(1 << 126), **name); settle()
kinesis.merge_shards(ShardToMerge=shard(3), AdjacentShardToMerge=shard(1), **name); settle()
kinesis.update_shard_count(TargetShardCount=4, ScalingType="UNIFORM_SCALING", **name); settle()
for n in (0, 1, 3, 4, 5):
    iterator = kinesis.get_shard_iterator(ShardId=shard(n), ShardIteratorType="TRIM_HORIZON", **name)["ShardIterator"]
    records = 0
    while True:
        page = kinesis.get_records(ShardIterator=iterator)
        records += len(page["Records"])
        iterator = page.get("NextShardIterator")
        if iterator is None: break
        assert "ChildShards" not in page, page
        time.sleep(0.05)
    children = [(c["ShardId"][-1], "".join(p[-1] for p in c["ParentShards"]), len(c["HashKeyRange"])) for c in page["ChildShards"]]
    print(n, records, children)
print(filtered(Type="AT_LATEST"), filtered(Type="AT_TRIM_HORIZON"), filtered(Type="FROM_TRIM_HORIZON"),
      filtered(Type="AFTER_SHARD_ID", ShardId=shard(6)), filtered(Type="AT_TIMESTAMP", Timestamp=created),
      filtered(Type="AT_TIMESTAMP", Timestamp=time.time() + 5), filtered(Type="FROM_TIMESTAMP", Timestamp=time.time() + 5),
      filtered(Type="FROM_TIMESTAMP", Timestamp=created))
pages = [kinesis.list_shards(MaxResults=4, **name)]  # boto3's paginator repeats the name, which AWS refuses
while "NextToken" in pages[-1]:
    pages.append(kinesis.list_shards(MaxResults=4, NextToken=pages[-1]["NextToken"]))
print([digits(page["Shards"]) for page in pages])
first = kinesis.list_shards(StreamARN=arn, MaxResults=2, ShardFilter={"Type": "AT_LATEST"})
print(digits(first["Shards"]), digits(kinesis.list_shards(StreamARN=arn, NextToken=first["NextToken"])["Shards"]))
for call in ({"NextToken": "shardId-000000000003"}, {"NextToken": first["NextToken"], **name}):
    try:
        kinesis.list_shards(**call)
    except kinesis.exceptions.InvalidArgumentException as error:
        print(error.response["Error"]["Message"])
for target, error in ((4, "InvalidArgumentException"), (20000, "LimitExceededException")):
    try:
        kinesis.update_shard_count(TargetShardCount=target, ScalingType="UNIFORM_SCALING", **name)
    except getattr(kinesis.exceptions, error) as error:
        print(target, error.response["Error"]["Code"])
"#;

#[test]
fn a_resharded_stream_names_children_and_lists_what_was_open_at_a_moment() {
    let Some(mut python) = python_with("boto3") else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: no Python with boto3 here");
        return;
    };
    let kinesis = Local::new().open().unwrap();
    let output = python.args([RESHARDED, kinesis.endpoint_url().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "0 1 [('2', '0', 2), ('3', '0', 2)]",
            "1 0 [('4', '31', 2)]",
            "3 0 [('4', '31', 2)]",
            "4 0 [('5', '4', 2), ('6', '4', 2)]",
            "5 0 [('7', '5', 2), ('8', '5', 2)]",
            "2678 01 012345678 78 01 2678 2678 012345678",
            "['0123', '4567', '8']",
            "26 78",
            "NextToken is invalid.",
            "NextToken and StreamName cannot be provided together.",
            "4 InvalidArgumentException",
            "20000 LimitExceededException",
        ]
    );
}

/// As the SDK for Java subscribes to shards: HTTP/2, without having asked whether it is spoken.
#[test]
fn a_client_with_prior_knowledge_of_http_2_calls() {
    let kinesis = Local::new().access_key("KEY1").open().unwrap();
    kinesis.create_stream("two", 1).unwrap();
    let host = kinesis.endpoint_url().unwrap().strip_prefix("http://").unwrap().to_owned();
    let ask = async |key: &str, body: &'static str| {
        let socket = tokio::net::TcpStream::connect(&host).await.unwrap();
        let (mut client, connection) = h2::client::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        let request = axum::http::Request::post(format!("http://{host}/"))
            .header("x-amz-target", "Kinesis_20131202.PutRecord")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-date", "20180906T080000Z")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential={key}/20180906/us-east-1/kinesis/aws4_request, \
                     SignedHeaders=host, Signature=0"
                ),
            );
        let (answer, mut stream) = client.send_request(request.body(()).unwrap(), false).unwrap();
        stream.send_data(body.into(), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.version(), axum::http::Version::HTTP_2);
        let (status, mut body, mut text) = (answer.status(), answer.into_body(), Vec::new());
        while let Some(part) = body.data().await {
            text.extend(part.unwrap());
        }
        (status.as_u16(), String::from_utf8(text).unwrap())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let put = r#"{"StreamName":"two","PartitionKey":"k","Data":"aGVsbG8="}"#;
        let (status, answer) = ask("KEY1", put).await;
        assert!(status == 200 && answer.contains("SequenceNumber"), "{status} {answer}");
        // The front stands there, too.
        let (status, answer) = ask("KEY2", put).await;
        assert!(status == 403 && answer.contains("takes only the access key"), "{status} {answer}");
    });
    let stream = kinesis.stream("two").unwrap();
    let report = stream.consumer().trim_horizon().run_until_caught_up(&mut Echo::new()).unwrap();
    assert_eq!(report.records, 1);
}

/// AWS' module for aggregates, in both directions: its own 200 visits are put, and all that the stream has is
/// printed as it unpacks it.
const AGGREGATES: &str = r#"
import sys, base64, boto3
from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import iter_deaggregate_records
kinesis = boto3.client("kinesis", endpoint_url=sys.argv[1], region_name="us-east-1",
                       aws_access_key_id="any", aws_secret_access_key="any")
def put(aggregate):
    key, hash_key, data = aggregate.get_contents()
    place = {"ExplicitHashKey": hash_key} if hash_key else {}
    kinesis.put_record(StreamName="shared", PartitionKey=key, Data=data, **place)
aggregator = RecordAggregator(3000)
for n in range(200):
    hash_key = str(n << 100) if n % 10 == 3 else None
    time = "2018-09-06T08:%02d:%02d" % (n // 60, n % 60)
    full = aggregator.add_user_record("192.0.2.%d" % (n % 7), time, hash_key)
    if full: put(full)
put(aggregator.clear_and_get())
for shard in kinesis.list_shards(StreamName="shared")["Shards"]:
    iterator = kinesis.get_shard_iterator(StreamName="shared", ShardId=shard["ShardId"],
                                          ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    page = kinesis.get_records(ShardIterator=iterator)["Records"]
    for record in iter_deaggregate_records(page, data_format="Boto3"):
        record = record["kinesis"]
        data = base64.b64decode(record["data"]).decode() if "aggregated" in record else record["data"].decode()
        print(record["sequenceNumber"], record.get("subSequenceNumber", "-"), record["partitionKey"], data)
"#;

#[test]
fn aggregates_of_awss_own_module_are_read_and_ours_by_it() {
    let Some(mut python) = python_with("boto3, aws_kinesis_agg") else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: no Python with boto3 and aws_kinesis_agg here");
        return;
    };
    let kinesis = Local::new().open().unwrap();
    let stream = kinesis.create_stream("shared", 2).unwrap();
    let ours = (0..500_u64).map(|n| {
        let entry = Entry::new(format!("198.51.100.{}", n % 9), format!("2018-09-06T09:00:{:02}", n % 60));
        if n % 10 == 3 { entry.explicit_hash_key(u128::from(n) << 115) } else { entry }
    });
    let put = stream.put_many(ours.collect()).aggregated_up_to(5_000).send().unwrap();
    assert!((4..20).contains(&put.kinesis_records), "{put:?}");
    stream.put("203.0.113.1", "2018-09-06T09:00:00").unwrap(); // alone

    let output = python.args([AGGREGATES, kinesis.endpoint_url().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let mut theirs: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();

    #[derive(Default)]
    struct Lines(Vec<String>);
    impl RecordProcessor for Lines {
        fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
            for record in &batch.records {
                let sub = record.sub_sequence_number.map_or("-".to_owned(), |sub| sub.to_string());
                let (number, key, data) = (&record.sequence_number, &record.partition_key, &record.data);
                self.0.push(format!("{number} {sub} {key} {data}"));
            }
            Ok(())
        }
    }
    let mut lines = Lines::default();
    let report = stream.consumer().trim_horizon().run_until_caught_up(&mut lines).unwrap();
    assert_eq!((report.records, report.misplaced), (701, 0));
    theirs.sort();
    lines.0.sort();
    assert_eq!(lines.0, theirs);

    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    let counts: u64 = counter.windows().iter().map(Window::total).sum();
    assert_eq!((counts, counter.unparsed()), (701, 0));
}
