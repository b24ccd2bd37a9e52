//! The whole of it over real HTTP: a website with an agent, visitors of whom some attack, the pipeline
//! between them. Who attacks is refused, soon; nobody else is; and what was served is what is counted.

#![cfg(feature = "full")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;
use kinesis_lab::{Alert, Alerts, Pipeline, Playbooks, block_on};

#[path = "../examples/visitors/plan.rs"]
#[allow(dead_code, reason = "the program uses the rest")]
mod plan;
#[path = "../examples/visitors/send.rs"]
#[allow(dead_code, reason = "the program uses the rest")]
mod send;

use plan::{Kind, Options};

const SLIDE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(500);
/// How often the website's agent reads the stream of alerts.
const FEED: Duration = Duration::from_secs(1);
/// Windows of 10 s, so that the test needn't take minutes. Nobody who is a normal visitor comes near.
const PLAYBOOKS: &str = r#"
[[playbook]]
name = "too many requests"
threshold = 100
window = "10s"
slide = "2s"
block_for = "10m"

[[playbook]]
name = "same page"
key = ["ip", "page"]
threshold = 60
window = "10s"
slide = "2s"
block_for = "10m"

[[playbook]]
name = "password guesser"
when = { status = 401 }
threshold = 20
window = "10s"
slide = "2s"
block_for = "10m"

[[playbook]]
name = "looking for holes"
when = { status = 404 }
threshold = 30
window = "10s"
slide = "2s"
block_for = "10m"
"#;

/// 50,000 requests in 50 s with `--full`; a machine that compiles beside it has its hands full with fewer.
fn options() -> Options {
    let full = std::env::var_os("KINESIS_LAB_FULL").is_some();
    // A burst takes a tenth of the time: it must last until its block can have reached the agent.
    let (requests, seconds) = if full { (50_000, 50) } else { (10_000, 40) };
    Options {
        clients: 500,
        attackers: 5,
        requests,
        attacks_percent: 20,
        time: Duration::from_secs(seconds),
        seed: 1,
    }
}

/// The program `website`; killed when the test fails.
struct Website {
    child: Child,
    address: SocketAddr,
}

impl Website {
    fn start(events: &Stream, alerts: &Stream) -> Website {
        let mut path = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        let program = path.join("examples").join(format!("website{}", std::env::consts::EXE_SUFFIX));
        let mut child = Command::new(program)
            .args(["--endpoint", events.kinesis().endpoint_url().unwrap(), "--stream", events.name()])
            .args(["--alerts", alerts.name(), "--trust-proxy", "127.0.0.1"])
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is there after `cargo build --examples --features full`");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit("http://").next().unwrap().trim_end_matches('/').parse().unwrap();
        Website { child, address }
    }

    /// As an administrator does it: what is in the queue is sent before it ends.
    fn end(&mut self) {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success() && self.child.wait().unwrap().success());
    }
}

impl Drop for Website {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The events of the stream, in its order, each id once.
#[derive(Default)]
struct Served {
    ids: HashSet<String>,
    events: Vec<Seen>,
}

struct Seen {
    ip: String,
    time: Timestamp,
    page: String,
    status: String,
    blocked: bool,
}

impl RecordProcessor for Served {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            let event = Event::parse(record)?;
            if self.ids.insert(event.id.as_ref().map(Text::raw).unwrap().to_owned()) {
                self.events.push(Seen {
                    ip: event.key.to_string(),
                    time: event.time,
                    page: event.fields["path"].raw().split('?').next().unwrap().to_owned(),
                    status: event.fields["status"].to_string(),
                    blocked: event.fields.contains_key("blocked"),
                });
            }
        }
        Ok(())
    }
}

/// Who attacks is refused, nobody else is, and what was served is what is counted: always. *How soon* an attacker is
/// refused is what a machine with time for it shows, and one that compiles beside it does not: the best of three.
#[test]
fn those_who_attack_are_refused_soon_and_nobody_else_is() {
    let slow: Vec<String> = (1..=3).map_while(|_| refused_soon().err()).collect();
    assert!(slow.len() < 3, "{slow:#?}");
}

/// An error is what took too long.
fn refused_soon() -> Result<(), String> {
    let kinesis = Kinesis::local().unwrap();
    let events = kinesis.create_stream("shop", 2).unwrap();
    let alerts = kinesis.create_stream("shop-alerts", 1).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pipeline").join("site");
    let _ = fs::remove_dir_all(&folder);
    let playbooks = Playbooks::parse("playbooks.toml", PLAYBOOKS).unwrap();
    let pipeline = Pipeline::over(&events)
        .folder(&folder)
        .playbooks(&playbooks)
        .window(secs(10))
        .poll_every(POLL)
        .shards(2);
    let running = pipeline.start().unwrap();
    let mut website = Website::start(&events, &alerts);

    let plan = Arc::new(plan::plan(&options()));
    let (sent, site) = (plan.clone(), website.address);
    let answers = block_on(async move { send::send(sent, site, false, Arc::default()).await });
    assert!(answers.iter().all(|answer| answer.status.is_some()), "every request is answered");
    website.end();
    let began = Instant::now();
    drop(running);
    let status = pipeline.run_until_caught_up().unwrap();
    println!("{} requests; caught up after {:?}\n{status}", answers.len(), began.elapsed());

    // Who was refused, and who was to be.
    let address = |client: usize| plan.clients[client].address.to_string();
    let refused: BTreeSet<String> = answers
        .iter()
        .filter(|answer| answer.status == Some(403))
        .map(|answer| address(answer.client))
        .collect();
    let attackers: BTreeSet<String> = plan
        .clients
        .iter()
        .filter(|client| client.kind != Kind::Normal)
        .map(|client| client.address.to_string())
        .collect();
    assert_eq!(attackers.len(), 5);
    assert!(refused.is_subset(&attackers), "{refused:?}");

    let mut served = Served::default();
    events.consumer().trim_horizon().run_until_caught_up(&mut served).unwrap();
    assert_eq!(served.ids.len(), answers.len(), "an event for each request that was answered");
    let mut per_client: BTreeMap<String, u64> = BTreeMap::new();
    answers.iter().for_each(|answer| *per_client.entry(address(answer.client)).or_default() += 1);
    let counts = Counts::open(folder.join("counts.db")).unwrap();
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for window in counts.windows().unwrap().into_iter().chain(counts.early().unwrap()) {
        window.counts.into_iter().for_each(|(ip, n)| *counted.entry(ip.into()).or_default() += n);
    }
    assert_eq!(counts.late().unwrap(), []);
    assert_eq!(counted, per_client, "counts in the database and requests served");

    // How soon: from the event that was one too many to the first request that was refused.
    let written = Alerts::open(folder.join("alerts.db")).unwrap().all().unwrap();
    let mut slow = None;
    for attacker in &attackers {
        let crossed = crossing(&served.events, attacker);
        let alert = written.iter().find(|alert| alert.ip.as_ref().is_some_and(|ip| ip == attacker)).unwrap();
        assert_eq!(alert.time, crossed, "{alert}");
        let first = served.events.iter().find(|event| event.ip == *attacker && event.blocked);
        assert_eq!(first.is_some(), refused.contains(attacker), "{alert}");
        let Some(first) = first else {
            slow.get_or_insert(format!("it was over before it was refused: {alert}"));
            continue;
        };
        let took = first.time.since(crossed);
        println!("{alert}\n  refused {} ms later", took.as_millis());
        if took > SLIDE + POLL + FEED {
            slow.get_or_insert(format!("refused {took:?} after the threshold: {alert}"));
        }
    }
    let innocent: Vec<&Alert> = written
        .iter()
        .filter(|alert| alert.ip.as_ref().is_some_and(|ip| !attackers.contains(ip.raw())))
        .collect();
    assert!(innocent.is_empty(), "{innocent:?}");
    slow.map_or(Ok(()), Err)
}

/// When an address first does too much of anything, by the playbooks above read by hand.
fn crossing(events: &[Seen], ip: &str) -> Timestamp {
    type Key = fn(&Seen) -> Option<&str>;
    let rules: [(u64, Key); 4] = [
        (100, |_| Some("")),
        (60, |event| Some(&event.page)),
        (20, |event| (event.status == "401").then_some("")),
        (30, |event| (event.status == "404").then_some("")),
    ];
    let (slide, size) = (2_000_000, 10_000_000);
    let mut windows: HashMap<(usize, &str, i64), u64> = HashMap::new();
    for event in events.iter().filter(|event| event.ip == ip) {
        for (n, (threshold, key)) in rules.iter().enumerate() {
            let Some(key) = key(event) else { continue };
            let micros = event.time.as_micros();
            let last = micros - micros % slide;
            for start in (0..size / slide).map(|n| last - n * slide) {
                let count = windows.entry((n, key, start)).or_default();
                *count += 1;
                if *count >= *threshold {
                    return event.time;
                }
            }
        }
    }
    panic!("{ip} never did too much")
}

/// What visitors did is in them.
#[test]
fn its_files_are_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let events = Kinesis::local().unwrap().create_stream("shop", 1).unwrap();
    events.put("192.0.2.10", "2018-09-06T08:04:56Z").unwrap();
    let folder = kinesis_lab::temporary_folder("pipeline").unwrap().join("its/state");
    let running = Pipeline::over(&events).folder(&folder).poll_every(millis(50)).start().unwrap();
    let begun = std::time::Instant::now();
    // The log of changes beside each database is SQLite's own.
    while !folder.join("counts.db-wal").exists() || !folder.join("alerts.db-wal").exists() {
        assert!(begun.elapsed() < secs(30), "{:?}", fs::read_dir(&folder).unwrap().collect::<Vec<_>>());
        std::thread::sleep(millis(20));
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(folder.parent().unwrap())), (0o700, 0o700));
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    drop(running);
    fs::remove_dir_all(folder.ancestors().nth(2).unwrap()).unwrap();
}
