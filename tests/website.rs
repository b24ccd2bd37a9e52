//! The example `website` as a program: asked by `visitors`' sender, ended by a signal.

#![cfg(all(feature = "full", unix))]

#[path = "../examples/visitors/plan.rs"]
#[allow(dead_code)]
mod plan;
#[path = "../examples/visitors/send.rs"]
#[allow(dead_code)]
mod send;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use kinesis_lab::prelude::*;

fn command(kinesis: &Kinesis, more: &[&str]) -> Command {
    // Beside the test's own folder; cargo builds examples before it runs tests.
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let mut command = Command::new(path.join("examples/website"));
    command
        .args(["--endpoint", kinesis.endpoint_url().unwrap(), "--stream", "site"])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn website(kinesis: &Kinesis, more: &[&str]) -> Child {
    // `cargo test` builds examples; `cargo test --test …` does not.
    command(kinesis, more)
        .spawn()
        .expect("the program is there after `cargo build --examples --features full`")
}

#[test]
fn it_serves_and_leaves_no_event_behind() {
    let kinesis = Kinesis::local().unwrap();
    let mut site = website(&kinesis, &["--create", "--alerts", "site-alerts", "--trust-proxy", "127.0.0.1"]);
    let mut said = String::new();
    BufReader::new(site.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address =
        said.trim().strip_prefix("listening on http://").expect("where it listens").parse().unwrap();

    let options = plan::Options {
        clients: 30,
        attackers: 4,
        requests: 1_500,
        attacks_percent: 40,
        time: millis(500),
        seed: 1,
    };
    let plan = Arc::new(plan::plan(&options));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answers = runtime.block_on(send::send(plan.clone(), address, false, Arc::default()));
    // At once after the last answer: its event is in the queue at best.
    assert!(Command::new("kill").args(["-TERM", &site.id().to_string()]).status().unwrap().success());
    let mut summary = String::new();
    site.stderr.take().unwrap().read_to_string(&mut summary).unwrap();
    assert!(site.wait().unwrap().success(), "{summary}");
    assert!(summary.contains("1,500 events: 1,500 sent, 0 dropped, 0 failed, 0 waiting"), "{summary}");

    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    answers.iter().for_each(|answer| *statuses.entry(answer.status.unwrap()).or_default() += 1);
    assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [200, 401, 404]);
    assert!(statuses[&401] >= 150, "{statuses:?}");

    let mut events = Events::default();
    let stream = kinesis.stream("site").unwrap();
    stream.consumer().trim_horizon().run_until_caught_up(&mut events).unwrap();
    let mut served: BTreeMap<String, u64> = BTreeMap::new();
    for answer in &answers {
        let request = &plan.requests[answer.request];
        let client = &plan.clients[answer.client].address;
        let told = format!("{client} {} {} {}", request.method, request.path, answer.status.unwrap());
        *served.entry(told).or_default() += 1;
    }
    assert_eq!(events.seen, served);
    assert!(events.users.contains("admin"), "{:?}", events.users);
}

#[test]
fn it_ends_with_its_parent_when_told_to() {
    let kinesis = Kinesis::local().unwrap();
    kinesis.create_stream("site", 1).unwrap();
    let mut site = command(&kinesis, &["--until-stdin-closes"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(site.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert!(site.try_wait().unwrap().is_none());
    drop(site.stdin.take());
    let output = site.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("0 events"), "{said}");
}

#[derive(Default)]
struct Events {
    seen: BTreeMap<String, u64>,
    users: std::collections::BTreeSet<Text>,
}

impl RecordProcessor for Events {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            let event = Event::parse(record)?;
            let field = |name: &str| event.fields[name].clone();
            let told = format!("{} {} {} {}", event.key, field("method"), field("path"), field("status"));
            *self.seen.entry(told).or_default() += 1;
            self.users.extend(event.fields.get("user").cloned());
        }
        Ok(())
    }
}

#[test]
fn it_creates_nothing_unasked() {
    let kinesis = Kinesis::local().unwrap();
    let output = website(&kinesis, &[]).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("site"), "{said}");
    assert!(kinesis.list_streams().unwrap().is_empty());
}
