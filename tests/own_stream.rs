//! A stream of others' records, read by a format that a TOML file says. Three put at once: boto3 JSON of other names,
//! AWS' own module (`aws-kinesis-agg`) aggregates of it, and a subscription of CloudWatch Logs its envelopes in gzip.
//! The program `pipeline` is killed again and again meanwhile, every other time between a put of its filter and the
//! checkpoint behind it, where copies come about; what it has counted, sent on and found is what an independent count
//! says.

#![cfg(feature = "full")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;
use kinesis_lab::prelude::*;
use kinesis_lab::{Alert, Alerts, AnyFormat, Detection, Playbooks};

/// Both in one file, as a service would have them.
const TOML: &str = r#"
[format]
kind = "json"
key = "client.addr"
time = "@timestamp"
id = "requestId"
fields = { path = "http.path", status = "http.status" }

[[playbook]]
name = "many misses"
when = { status = 404 }
threshold = 8
window = "60s"
slide = "10s"
cool_down = "1m"
response = "block"

[[playbook]]
name = "crawler"
distinct = "page"
threshold = 15
response = "monitor"
"#;

/// Events, as others write them, and how they are packed. The script packs them itself: what is read was not
/// written by this library. Each producer has a thread and a client of its own.
const PYTHON: &str = r#"
import boto3, gzip, json, sys, time
from aws_kinesis_agg.aggregator import RecordAggregator
from concurrent.futures import ThreadPoolExecutor
def data(record):
    lines = [json.dumps(event) for event in record["events"]]
    if record["kind"] == "lines":
        return "\n".join(lines).encode()
    if record["kind"] == "array":
        return b"\xef\xbb\xbf" + ("[" + ", ".join(lines) + "]").encode()
    entries = [{"id": record["name"] + str(n), "timestamp": 0, "message": line} for n, line in enumerate(lines)]
    kind = "DATA_MESSAGE" if entries else "CONTROL_MESSAGE"
    envelope = {"messageType": kind, "owner": "000000000000", "logGroup": "shop", "logStream": "web",
                "subscriptionFilters": ["all"], "logEvents": entries}
    return gzip.compress(json.dumps(envelope).encode())
def entry(record):
    if record["kind"] != "aggregate":
        return {"Data": data(record), "PartitionKey": record["key"]}
    aggregator = RecordAggregator()
    for n, event in enumerate(record["events"]):
        aggregator.add_user_record(record["key"] + str(n % 2), json.dumps(event))
    key, hash_key, packed = aggregator.clear_and_get().get_contents()
    return {"Data": packed, "PartitionKey": key}
def feed(kinds):
    kinesis = boto3.client("kinesis", endpoint_url=sys.argv[1], region_name="us-east-1",
                           aws_access_key_id="any", aws_secret_access_key="any")
    mine = [record for record in records if record["kind"] in kinds]
    for start in range(0, len(mine), 10):
        time.sleep(float(sys.argv[3]) * 10 / len(mine))
        some = [entry(record) for record in mine[start:start + 10]]
        answer = kinesis.put_records(StreamName=sys.argv[2], Records=some)
        assert answer["FailedRecordCount"] == 0, answer
records = [json.loads(line) for line in sys.stdin]
with ThreadPoolExecutor() as threads:
    list(threads.map(feed, [["lines", "array"], ["aggregate"], ["cloudwatch"]]))
"#;

/// The lab's own Python first, with the packages that `cargo xtask test` puts beside it.
fn python_with_both() -> Option<Command> {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/.venv");
    let python = |program: String| {
        let mut command = Command::new(program);
        command.env("PYTHONPATH", format!("{venv}/for-tests")).arg("-c");
        command
    };
    let has_both = |program: &String| {
        let import = python(program.clone()).arg("import boto3, aws_kinesis_agg").output();
        import.is_ok_and(|output| output.status.success())
    };
    [format!("{venv}/bin/python"), "python3".to_owned()].into_iter().find(has_both).map(python)
}

/// Kills; 20 with `--full`.
fn kills() -> u32 {
    if std::env::var_os("KINESIS_LAB_FULL").is_some() { 20 } else { 4 }
}

/// What stands between the program and the service, and can keep back the answer to a put into the log: the records
/// are stored then, and the program does not know it.
struct Gate {
    closed: AtomicBool,
    kept_back: Mutex<Sender<()>>,
}

/// Its address, itself, and what says that an answer was kept back.
fn gate(service_address: SocketAddr) -> (SocketAddr, Arc<Gate>, Receiver<()>) {
    let (sender, receiver) = channel();
    let gate = Arc::new(Gate { closed: AtomicBool::new(false), kept_back: Mutex::new(sender) });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (address, shared) = (listener.local_addr().unwrap(), gate.clone());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, gate) = (client.unwrap(), shared.clone());
            let service = TcpStream::connect(service_address).unwrap();
            // The call under way, from its first line on.
            let call = Arc::new(Mutex::new(Vec::new()));
            let (answers, calls) =
                ((service.try_clone().unwrap(), client.try_clone().unwrap()), call.clone());
            std::thread::spawn(move || carry_calls(client, service, &calls, [address, service_address]));
            std::thread::spawn(move || carry_answers(answers.0, answers.1, &call, &gate));
        }
    });
    (address, gate, receiver)
}

fn carry_calls(
    mut client: TcpStream,
    mut service: TcpStream,
    call: &Mutex<Vec<u8>>,
    hosts: [SocketAddr; 2],
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let bytes = client.read(&mut buffer).unwrap_or(0);
        if bytes == 0 {
            // The client hung up, or was killed.
            return service.shutdown(std::net::Shutdown::Both);
        }
        let mut some = buffer[..bytes].to_vec();
        let mut call = call.lock().unwrap();
        if some.starts_with(b"POST ") {
            call.clear();
            // The service is called by its own name alone.
            let [from, to] = hosts.map(|host| format!("host: {host}\r\n").into_bytes());
            if let Some(at) = some.windows(from.len()).position(|part| part.eq_ignore_ascii_case(&from)) {
                some.splice(at..at + from.len(), to);
            }
        }
        call.extend_from_slice(&some);
        drop(call);
        service.write_all(&some)?;
    }
}

fn carry_answers(
    mut service: TcpStream,
    mut client: TcpStream,
    call: &Mutex<Vec<u8>>,
    gate: &Gate,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let bytes = service.read(&mut buffer)?;
        if bytes == 0 {
            return client.shutdown(std::net::Shutdown::Both);
        }
        let call = String::from_utf8_lossy(&call.lock().unwrap()).into_owned();
        if call.contains("Kinesis_20131202.PutRecords")
            && call.contains("shop-log")
            && gate.closed.load(Ordering::SeqCst)
        {
            // The other half of the line stays open, until the program ends.
            return gate.kept_back.lock().unwrap().send(()).map_err(io::Error::other);
        }
        client.write_all(&buffer[..bytes])?;
    }
}

/// A record to be put: its kind, and its events as JSON.
struct Foreign {
    kind: &'static str,
    name: String,
    key: String,
    events: Vec<String>,
}

/// What is put, and the independent count of it: by minute and client, each request once.
fn records(rng: &mut Rng) -> (Vec<Foreign>, BTreeMap<(i64, String), u64>) {
    let (mut records, mut counts) = (Vec::new(), BTreeMap::new());
    let (mut number, mut second) = (0u64, 1_709_288_100i64);
    let mut before: Vec<String> = Vec::new();
    for n in 0..600 {
        let kind = ["lines", "array", "aggregate", "cloudwatch"][rng.usize(0..4)];
        let mut events = Vec::new();
        for _ in 0..rng.usize(if kind == "cloudwatch" { 0..6 } else { 1..6 }) {
            // A request that is told twice, as when a put was made again.
            if !before.is_empty() && rng.u8(0..12) == 0 {
                events.push(before[before.len() - 1 - rng.usize(0..before.len().min(20))].clone());
                continue;
            }
            number += 1;
            second += i64::from(rng.u8(0..3) == 0);
            let (at, client) =
                (second - rng.i64(0..10), if rng.u8(0..3) == 0 { rng.u8(0..3) } else { rng.u8(0..40) });
            let (millis, address) = (rng.i64(0..1_000), format!("198.51.100.{client}"));
            let time = Timestamp::from_micros(at * 1_000_000 + millis * 1_000);
            let time = match rng.u8(0..4) {
                0 => format!("{}", at * 1_000 + millis),
                1 => format!("{at}.{millis:03}"),
                2 => format!("\"{} +0000\"", time.plain(3)),
                _ => format!("\"{time}\""),
            };
            let written = if rng.bool() { format!("::ffff:{address}") } else { address.clone() };
            let (page, status) = if rng.u8(0..4) == 0 { ("gone", 404) } else { ("page", 200) };
            // Without an id, only where it comes from tells a copy in the log.
            let id = if rng.u8(0..3) > 0 { format!(r#","requestId":"r{number}""#) } else { String::new() };
            let event = format!(
                r#"{{"@timestamp":{time},"client":{{"addr":"{written}","port":{number}}}{id},"http":{{"path":"/{page}/{}","status":{status}}}}}"#,
                rng.u8(0..40)
            );
            *counts.entry((at - at.rem_euclid(60), address)).or_default() += 1;
            if !id.is_empty() {
                before.push(event.clone());
            }
            events.push(event);
        }
        records.push(Foreign { kind, name: format!("e{n}-"), key: format!("k{}", rng.u8(0..9)), events });
    }
    (records, counts)
}

/// By Python's modules where they are there, else the same by this library; over the time of all kills.
fn feed(stream: &Stream, records: &[Foreign]) {
    let time = 0.95 * f64::from(kills());
    let Some(mut python) = python_with_both() else {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: the foreign producers: no Python with boto3 and aws_kinesis_agg here, fed from Rust"
        );
        for some in records.chunks(10) {
            std::thread::sleep(Duration::from_secs_f64(time * 10.0 / records.len() as f64));
            let (together, alone): (Vec<_>, Vec<_>) =
                some.iter().partition(|record| record.kind == "aggregate");
            let entries = alone.iter().map(|record| Entry::new(record.key.as_str(), packed(record)));
            stream.put_many(entries.collect()).ordered().send().unwrap();
            for Foreign { key, events, .. } in together {
                let entries = events.iter().map(|event| Entry::new(key.as_str(), event.as_str()));
                stream.put_many(entries.collect()).aggregated().send().unwrap();
            }
        }
        return;
    };
    let url = stream.kinesis().endpoint_url().unwrap().to_owned();
    let mut child = python
        .args([PYTHON, &url, stream.name(), &time.to_string()])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for Foreign { kind, name, key, events } in records {
        let events = events.join(",");
        writeln!(stdin, r#"{{"kind":"{kind}","name":"{name}","key":"{key}","events":[{events}]}}"#).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn packed(record: &Foreign) -> Vec<u8> {
    match record.kind {
        "lines" => record.events.join("\n").into_bytes(),
        "array" => format!("\u{feff}[{}]", record.events.join(", ")).into_bytes(),
        _ => {
            let escaped = |text: &String| text.replace('"', "\\\"");
            let entries: Vec<String> = record
                .events
                .iter()
                .enumerate()
                .map(|(n, event)| {
                    format!(r#"{{"id":"{}{n}","timestamp":0,"message":"{}"}}"#, record.name, escaped(event))
                })
                .collect();
            let kind = if entries.is_empty() { "CONTROL_MESSAGE" } else { "DATA_MESSAGE" };
            let envelope = format!(r#"{{"messageType":"{kind}","logEvents":[{}]}}"#, entries.join(","));
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(envelope.as_bytes()).unwrap();
            encoder.finish().unwrap()
        }
    }
}

fn pipeline(url: &str, events: &Stream, folder: &Path, more: &[&str]) -> Child {
    // Beside the test's own folder; cargo builds examples before it runs tests.
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let mut command =
        Command::new(path.join("examples").join(format!("pipeline{}", std::env::consts::EXE_SUFFIX)));
    let file = folder.join("shop.toml");
    command.args(["--endpoint", url, "--stream", events.name()]);
    command.args(["--lateness", "10m", "--poll", "200ms", "--folder"]).arg(folder);
    command.arg("--format").arg(&file).arg("--playbooks").arg(&file).args(more);
    command
        .env("AWS_ACCESS_KEY_ID", "any")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_REGION", "us-east-1");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    // `cargo test` builds examples; `cargo test --test …` does not.
    command.spawn().expect("the program is there after `cargo build --examples --features full`")
}

fn scratch() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-stream");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("shop.toml"), TOML).unwrap();
    folder
}

fn by_minute(windows: Vec<Window>) -> BTreeMap<(i64, String), u64> {
    windows
        .into_iter()
        .flat_map(|window| {
            let start = window.start.as_micros() / 1_000_000;
            window.counts.into_iter().map(move |(key, count)| ((start, key.into()), count))
        })
        .collect()
}

#[test]
fn others_records_are_counted_exactly_however_often_it_is_killed() {
    let (folder, mut rng) = (scratch(), Rng::with_seed(16));
    let (records, counts) = records(&mut rng);
    // On a port of its own choice it takes any credentials. One that is free now; taken by somebody else in between,
    // the test would say so.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let kinesis = Local::new().port(port).open().unwrap();
    let events = kinesis.create_stream("shop", 1).unwrap();
    let (address, gate, kept_back) = gate((Ipv4Addr::LOCALHOST, port).into());
    let url = format!("http://{address}");
    let mut unchecked = 0;
    std::thread::scope(|scope| {
        let fed = scope.spawn(|| feed(&events, &records));
        for n in 0..kills() {
            gate.closed.store(n % 2 == 0, Ordering::SeqCst);
            let mut child = pipeline(&url, &events, &folder, &[]);
            match n % 2 {
                // The log has what the filter sent, and the filter's place is before it.
                0 => unchecked += u32::from(kept_back.recv_timeout(Duration::from_secs(20)).is_ok()),
                // Before it has begun, while it begins, in the middle of its work.
                _ => std::thread::sleep(Duration::from_millis(rng.u64(100..1_800))),
            }
            child.kill().unwrap();
            child.wait().unwrap();
            // Those of one batch more, if it had been put at the same moment.
            while kept_back.try_recv().is_ok() {}
        }
        fed.join().unwrap();
    });
    gate.closed.store(false, Ordering::SeqCst);
    let output = pipeline(&url, &events, &folder, &["--until-caught-up"]).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    // The counter, beside the filter.
    let format = AnyFormat::parse("shop.toml", TOML).unwrap();
    let counter = Counter::per_minute().lateness(secs(600)).reading(format.clone());
    counter.stored_in(folder.join("counts.db")).unwrap().flush().unwrap();
    let counted = Counts::open(folder.join("counts.db")).unwrap();
    assert_eq!(by_minute(counted.windows().unwrap()), counts, "{said}");
    let totals = counted.totals().unwrap();
    assert_eq!((totals.unparsed, totals.late, totals.refused), (0, 0, 0));
    let told: u64 = records.iter().map(|record| record.events.len() as u64).sum();
    assert_eq!(totals.duplicates, told - counts.values().sum::<u64>(), "requests that were told twice");

    // What the filter sent on, read by whoever knows nothing of the format: copies of it are counted once.
    let log = kinesis.stream("shop-log").unwrap();
    let mut counter = Counter::per_minute();
    log.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!((by_minute(counter.windows()), counter.unparsed()), (counts, 0));
    let copies = counter.duplicates() - totals.duplicates;
    println!(
        "{told} events in {} records, {} kills, {unchecked} of them between a put and its checkpoint, {copies} copies \
         in the log",
        records.len(),
        kills()
    );
    assert!(unchecked > 0 && copies > 0, "no copy was met: this proves nothing of copies");

    // Detection, behind the filter, against one that nobody disturbed and that reads the events themselves.
    let playbooks = Playbooks::parse("shop.toml", TOML).unwrap();
    let mut undisturbed = Detection::new(&playbooks).lateness(secs(600)).reading(format);
    events.consumer().trim_horizon().run_until_caught_up(&mut undisturbed).unwrap();
    // Three producers do not keep each other's order of times; the file is in that, the memory in that of coming.
    let ids = |alerts: Vec<Alert>| alerts.into_iter().map(|alert| alert.id).collect::<BTreeSet<_>>();
    let found = Alerts::open(folder.join("alerts.db")).unwrap().all().unwrap();
    assert!(found.len() > 5, "{found:?}");
    assert_eq!(ids(found), ids(undisturbed.alerts()));
}
