//! The life of a stream, and the sentences that a learner meets on the way.

#![cfg(feature = "full")]

use std::process::Command;

use kinesis_lab::MAX_RECORD_BYTES;
use kinesis_lab::prelude::*;

#[test]
fn a_stream_from_creation_to_deletion() {
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("life", 3).unwrap();
    assert_eq!(kinesis.list_streams().unwrap(), ["life"]);

    let description = stream.describe().unwrap();
    assert_eq!((description.status.as_str(), description.open_shards), ("ACTIVE", 3));
    assert_eq!((description.retention_hours, description.created), (24, stream.created()));
    stream.set_retention(48).unwrap();
    assert_eq!(stream.describe().unwrap().retention_hours, 48);
    stream.set_retention(24).unwrap();
    assert_eq!(stream.describe().unwrap().retention_hours, 24);
    assert!(stream.set_retention(23).unwrap_err().to_string().contains("24 to 8,760 hours"));

    stream.delete().unwrap();
    assert!(kinesis.list_streams().unwrap().is_empty());
    let gone = kinesis.describe_stream("life").unwrap_err();
    assert!(gone.is_stream_not_found());
    assert!(gone.to_string().starts_with("stream life not found in region us-east-1"), "{gone}");
}

#[test]
fn a_stream_that_exists_is_used_as_it_is() {
    let kinesis = Kinesis::local().unwrap();
    let first = kinesis.create_stream("twice", 1).unwrap();
    first.put("k", "kept").unwrap();
    let second = kinesis.create_stream("twice", 5).unwrap();
    assert_eq!(second.created(), first.created());
    assert_eq!(second.shards().unwrap().len(), 1);
}

#[test]
fn shards_share_the_hashes_among_them() {
    let stream = Kinesis::local().unwrap().create_stream("hashes", 4).unwrap();
    let shards = stream.shards().unwrap();
    assert_eq!((shards[0].hash_range.0, shards[3].hash_range.1), (0, u128::MAX));
    assert!(shards.windows(2).all(|pair| pair[0].hash_range.1 + 1 == pair[1].hash_range.0));
    // What we compute is where the service puts it.
    for n in 0..50 {
        let key = format!("192.0.2.{n}");
        assert_eq!(stream.put(&key, "x").unwrap().shard_id, stream.shard_for(&key).unwrap().id);
    }
}

#[test]
fn wrong_input_is_refused_before_anything_is_sent() {
    // Nothing listens there: an error of another kind would show that something was sent.
    let nowhere = Kinesis::endpoint("http://127.0.0.1:9").unwrap();
    let kinesis = Kinesis::local().unwrap();
    for (name, shards, sentence) in
        [("", 1, "1 to 128"), ("a b", 1, "`a b` can't be"), ("ok", 0, "at least 1 shard")]
    {
        let error = nowhere.create_stream(name, shards).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(sentence), "{error}");
    }
    let stream = kinesis.create_stream("sizes", 1).unwrap();
    let long = "k".repeat(257);
    assert!(stream.put(&long, "").unwrap_err().to_string().contains("1 to 256 characters"));
    assert!(stream.put("", "").unwrap_err().to_string().contains("1 to 256 characters"));
    let data = vec![0; MAX_RECORD_BYTES];
    assert!(stream.put("k", data).unwrap_err().to_string().contains("1 MiB"));

    // In a batch, what is wrong comes back and the rest goes out.
    let entries = vec![Entry::new("k", "good"), Entry::new("", "bad")];
    let failure = stream.put_many(entries).send().unwrap_err();
    assert_eq!((failure.report.sent, failure.failed.len()), (1, 1));
    assert_eq!(failure.failed[0].entry.data, b"bad");
    assert!(failure.to_string().starts_with("1 of 2 records were not stored"), "{failure}");
}

#[test]
fn the_largest_batches_go_through() {
    let stream = Kinesis::local().unwrap().create_stream("large", 2).unwrap();
    let entries = (0..12).map(|n| Entry::new(format!("{n}"), vec![b'x'; MAX_RECORD_BYTES - 2])).collect();
    assert_eq!(stream.put_many(entries).send().unwrap().sent, 12);
}

#[test]
fn more_shards_than_the_account_may_have() {
    let error = Kinesis::local().unwrap().create_stream("huge", 10_001).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(error.to_string().contains("Delete streams that you no longer need"), "{error}");
}

#[test]
fn an_endpoint_where_nothing_listens() {
    let kinesis = Kinesis::endpoint("http://127.0.0.1:9").unwrap();
    let error = kinesis.list_streams().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().starts_with("cannot reach http://127.0.0.1:9: is the service"), "{error}");
    assert!(Kinesis::endpoint("localhost:4567").unwrap_err().to_string().contains("expected one such as"));
}

#[test]
fn a_client_of_ones_own_and_a_port_of_ones_choice() {
    let kinesis = Kinesis::local().unwrap();
    kinesis.create_stream("shared", 1).unwrap();
    let other = Kinesis::from_client(kinesis.client().clone());
    assert_eq!(other.list_streams().unwrap(), ["shared"]);

    let port: u16 = kinesis.endpoint_url().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    let error = Local::new().port(port).open().unwrap_err();
    assert!(error.to_string().contains("another program may have the port"), "{error}");
}

#[test]
fn the_state_in_a_folder_outlives_the_service() {
    let folder = std::env::temp_dir().join(format!("kinesis-lab-test-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    {
        let kinesis = Local::new().folder(&folder).open().unwrap();
        kinesis.create_stream("durable", 1).unwrap().put("k", "kept").unwrap();
    }
    let stream = Local::new().folder(&folder).open().unwrap().stream("durable").unwrap();
    let mut counted = 0;
    stream.consumer().trim_horizon().run_until_caught_up(&mut Tally(&mut counted)).unwrap();
    assert_eq!(counted, 1);
    std::fs::remove_dir_all(&folder).unwrap();
}

struct Tally<'a>(&'a mut usize);

impl RecordProcessor for Tally<'_> {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        *self.0 += batch.records.len();
        Ok(())
    }
}

/// Runs one of the `#[ignore]`d tests below in a process with nothing of ours in its environment.
fn child(test: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]).env_clear();
    // No instance role to ask for: that would take seconds to find out.
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn no_credentials_and_no_region_are_sentences() {
    let text = child("child_connects", &[]);
    assert!(
        text.contains("no usable AWS credentials for profile nobody: run `aws configure --profile nobody`"),
        "{text}"
    );
    assert!(text.contains("no AWS region: add .region(\"eu-west-1\")"), "{text}");

    // A profile that is asked for by name is that profile or none, whoever's keys lie around.
    let keys = [("AWS_ACCESS_KEY_ID", "somebody"), ("AWS_SECRET_ACCESS_KEY", "else")];
    let text = child("child_connects", &keys);
    assert!(text.contains("no usable AWS credentials for profile nobody"), "{text}");
}

#[test]
#[ignore = "run by another test, in an environment of its own"]
fn child_connects() {
    println!("{}", Kinesis::aws().profile("nobody").region("eu-west-1").connect().unwrap_err());
    println!("{}", Kinesis::aws().connect().unwrap_err());
    // Its region is looked for in the profile, and then with the instance's, if this ran on one.
    println!("{}", Kinesis::aws().profile("nobody").connect().unwrap_err());
}

#[test]
fn the_environment_is_read_as_the_aws_cli_reads_it_and_no_secret_is_shown() {
    let kinesis = Local::new().open().unwrap();
    kinesis.create_stream("through-the-chain", 1).unwrap();
    let text = child(
        "child_lists",
        &[
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret-that-must-not-appear"),
            ("AWS_REGION", "eu-west-1"),
            ("LAB_ENDPOINT", kinesis.endpoint_url().unwrap()),
        ],
    );
    assert!(text.contains("through-the-chain"), "{text}");
    assert!(!text.contains("a-secret-that-must-not-appear"), "{text}");
}

#[test]
#[ignore = "run by another test, in an environment of its own"]
fn child_lists() {
    let url = std::env::var("LAB_ENDPOINT").unwrap();
    let kinesis = Kinesis::aws().endpoint_url(&url).connect().unwrap();
    println!("{kinesis:?} {:?}", kinesis.list_streams().unwrap());
    println!("{:?}", kinesis.stream("no-such-stream").unwrap_err());
    let unreachable = Kinesis::aws().endpoint_url("http://127.0.0.1:9").connect().unwrap();
    println!("{:?}", unreachable.list_streams().unwrap_err());
}

/// As two parts of a pipeline do that begin at the same time. Seen: the one who did not create it read a stream
/// without shards to its end, and was done.
#[test]
fn a_stream_that_somebody_is_creating_is_waited_for() {
    let kinesis = Kinesis::local().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| kinesis.create_stream("coming", 2).unwrap());
        let found = loop {
            match kinesis.stream("coming") {
                Err(error) if error.is_stream_not_found() => std::thread::yield_now(),
                found => break found.unwrap(),
            }
        };
        assert_eq!(found.describe().unwrap().status, "ACTIVE");
        let running = found.consumer().trim_horizon().start(Counter::per_minute()).unwrap();
        found.put("192.0.2.10", "2018-09-06T08:04:56Z").unwrap();
        while running.is_running() && running.report().records == 0 {
            std::thread::sleep(millis(10));
        }
        assert_eq!(running.stop().0.total(), 1);
    });
}
