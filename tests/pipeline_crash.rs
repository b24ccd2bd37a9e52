//! The program `pipeline`, a part at a time, killed at random moments: counts and alerts are those of a run
//! that nobody disturbed, and the other parts do not notice.

#![cfg(feature = "full")]

#[path = "common/stops_at_end.rs"]
mod stops_at_end;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use kinesis_lab::prelude::*;
use kinesis_lab::{Alert, Alerts, Detection, Filter, Part, Pipeline, Playbooks};
use stops_at_end::StopsAtEnd;

const PLAYBOOKS: &str = r#"
[[playbook]]
name = "many"
threshold = 12
cool_down = "2m"
response = "block"

[[playbook]]
name = "missing"
when = { status = 404 }
threshold = 4
window = "2m"
slide = "20s"
cool_down = "1m"

[[playbook]]
name = "different pages"
distinct = "page"
threshold = 10
cool_down = "5m"
response = "monitor"
"#;
/// What the parts that nobody kills may be behind at the most. On a quiet machine it is some milliseconds.
const FLAT: u64 = 3_000;

fn playbooks() -> Playbooks {
    Playbooks::parse("playbooks.toml", PLAYBOOKS).unwrap()
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pipeline").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("playbooks.toml"), PLAYBOOKS).unwrap();
    folder
}

/// Kills of each part; 50 with `--full`.
fn kills() -> u32 {
    if std::env::var_os("KINESIS_LAB_FULL").is_some() { 50 } else { 5 }
}

/// Visitors that go on until they are told to stop; some of them do too much.
fn produce(events: &Stream, seed: u64, stop: &AtomicBool, put: &AtomicU64) {
    let (mut rng, mut second, mut number) = (Rng::with_seed(seed), 0, 0u64);
    while !stop.load(Ordering::Relaxed) {
        let entries = (0..rng.usize(1..60)).map(|_| {
            second += rng.i64(0..2);
            number += 1;
            // A few come often; out of order, well within the lateness.
            let visitor = if rng.u8(0..3) == 0 { rng.u8(0..4) } else { rng.u8(0..60) };
            let time = Timestamp::from_secs(1_536_220_800 + second - rng.i64(0..20));
            let (page, status) = if rng.u8(0..6) == 0 { ("gone", 404) } else { ("page", 200) };
            let data = format!(
                r#"{{"v":1,"id":"{seed}-{number}","time":"{time}","path":"/{page}/{}?q={number}","status":{status}}}"#,
                rng.u8(0..40)
            );
            Entry::new(format!("192.0.2.{visitor}"), data)
        });
        events.put_many(entries.collect()).send().unwrap();
        put.store(number, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(rng.u64(1..40)));
    }
}

fn start(events: &Stream, folder: &Path, part: Part) -> Child {
    // Beside the test's own folder; cargo builds examples before it runs tests.
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let program = path.join("examples").join(format!("pipeline{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(program);
    command
        .args(["--endpoint", events.kinesis().endpoint_url().unwrap(), "--stream", events.name()])
        .args(["--lateness", "10m", "--poll", "200ms", "--only", &part.to_string(), "--folder"])
        .arg(folder)
        .arg("--playbooks")
        .arg(folder.join("playbooks.toml"))
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // `cargo test` builds examples; `cargo test --test …` does not.
    command.spawn().expect("the program is there after `cargo build --examples --features full`")
}

fn pipeline(events: &Stream, folder: &Path) -> Pipeline {
    Pipeline::over(events)
        .folder(folder)
        .playbooks(&playbooks())
        .lateness(Duration::from_secs(600))
        .poll_every(millis(200))
}

#[test]
fn each_part_is_killed_again_and_again_and_nobody_notices() {
    let kinesis = Kinesis::local().unwrap();
    for (n, killed) in Part::ALL.into_iter().enumerate() {
        let name = format!("killed-{killed}");
        let events = kinesis.create_stream(&name, 2).unwrap();
        let folder = scratch(&name);
        let (stop, put, seed) = (AtomicBool::new(false), AtomicU64::new(0), n as u64 + 1);
        std::thread::scope(|scope| {
            let stops = StopsAtEnd(&stop);
            scope.spawn(|| produce(&events, seed, &stop, &put));
            let others: Vec<Part> = Part::ALL.into_iter().filter(|part| *part != killed).collect();
            let mut running = pipeline(&events, &folder).only(&others).start().unwrap();
            let mut rng = Rng::with_seed(seed);
            // Behind in time, as the status says it; and how many of the events put 3 s ago are not read yet. A busy
            // machine leaves every part behind for a while; one that waits for the killed part stays so.
            let (mut worst, mut unread, mut before) = (0, 0, VecDeque::from([(Instant::now(), 0)]));
            let (began, mut kills_so_far, mut lags) = (Instant::now(), 0, false);
            while kills_so_far < kills() || began.elapsed() < 2 * Duration::from_millis(FLAT) || lags {
                kills_so_far += 1;
                assert!(
                    kills_so_far < kills() + 100,
                    "{killed} was killed, and another part lagged: {worst} ms, {unread}"
                );
                let mut child = start(&events, &folder, killed);
                // Before it has begun, while it begins, in the middle of its work.
                let until = Instant::now() + Duration::from_millis(rng.u64(20..900));
                while Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(20));
                    let status = running.status();
                    assert!(status.parts.iter().all(|part| part.running), "{status}");
                    before.push_back((Instant::now(), put.load(Ordering::Relaxed)));
                    while before.len() > 1 && before[1].0.elapsed() >= Duration::from_millis(FLAT) {
                        before.pop_front();
                    }
                    // What detection reads stands still while nobody filters; the others read the events.
                    let of_events = status.parts.iter().filter(|part| part.part != Part::Detection);
                    let left =
                        of_events.map(|part| before[0].1.saturating_sub(part.records)).max().unwrap_or(0);
                    let behind =
                        status.parts.iter().filter_map(|part| part.millis_behind_latest).max().unwrap_or(0);
                    lags = left > 0 || behind >= FLAT;
                    (worst, unread) = (worst.max(behind), unread.max(left));
                }
                child.kill().unwrap();
                child.wait().unwrap();
            }
            drop(stops);
            drop(running);
            println!(
                "{killed} killed {kills_so_far} times, {} events; the others: {worst} ms behind at the most, {unread} \
                 events of {FLAT} ms ago unread",
                put.load(Ordering::Relaxed)
            );
        });
        pipeline(&events, &folder).run_until_caught_up().unwrap();
        check(&events, &folder);
    }
}

/// Counts and alerts against a run that nobody disturbed.
fn check(events: &Stream, folder: &Path) {
    let mut truth = Counter::per_minute();
    events.consumer().trim_horizon().run_until_caught_up(&mut truth).unwrap();
    assert!(truth.total() > 100, "{} events: this proves little", truth.total());
    let counts = Counts::open(folder.join("counts.db")).unwrap();
    assert_eq!(counts.late().unwrap(), []);
    let stored: Vec<Window> = counts.windows().unwrap().into_iter().chain(counts.early().unwrap()).collect();
    let table = |windows: &[Window]| -> BTreeMap<(Timestamp, Text), u64> {
        let rows = windows.iter().flat_map(|w| w.counts.iter().map(move |(k, n)| ((w.start, k.clone()), *n)));
        rows.collect()
    };
    assert_eq!(table(&stored), table(&truth.windows()));

    let calm = events.kinesis().create_stream(&format!("{}-calm", events.name()), 1).unwrap();
    let mut filter = Filter::new(&calm, |_| true);
    events.consumer().trim_horizon().run_until_caught_up(&mut filter).unwrap();
    let mut detection = Detection::new(&playbooks()).lateness(Duration::from_secs(600));
    calm.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
    let sorted = |mut alerts: Vec<Alert>| {
        alerts.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        alerts
    };
    let undisturbed = sorted(detection.alerts());
    for name in ["many", "missing", "different pages"] {
        assert!(
            undisturbed.iter().any(|alert| alert.playbook == name),
            "{name} never fired: this proves little"
        );
    }
    let written = Alerts::open(folder.join("alerts.db")).unwrap().all().unwrap();
    assert_eq!(sorted(written), undisturbed);

    /// The ids that were delivered, however often.
    #[derive(Default)]
    struct Delivered(BTreeMap<Text, u64>);
    impl RecordProcessor for Delivered {
        fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
            for record in &batch.records {
                *self.0.entry(Alert::parse(record)?.id).or_default() += 1;
            }
            Ok(())
        }
    }
    let mut delivered = Delivered::default();
    let alerts = events.kinesis().stream(&format!("{}-alerts", events.name())).unwrap();
    alerts.consumer().trim_horizon().run_until_caught_up(&mut delivered).unwrap();
    let told: Vec<&Alert> = undisturbed.iter().filter(|alert| alert.playbook != "different pages").collect();
    assert!(told.iter().all(|alert| delivered.0.contains_key(&alert.id)), "an alert was never delivered");
    assert_eq!(delivered.0.len(), told.len(), "an alert was delivered that is not in the database");
}
