//! A child of the KCL's daemon, as a process of its own; the daemon is played by the test.

#![cfg(all(feature = "full", unix))]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;
use kinesis_lab::{StreamId, kcl};
use serde_json::{Value, json};

/// Set where this program is the child: which of them.
const CHILD: &str = "KINESIS_LAB_TEST_CHILD";

/// Run by the tests below, in a process of its own; by itself, it does nothing.
#[test]
fn child() {
    let Ok(which) = std::env::var(CHILD) else { return };
    // Before anything of the library's has run: half a line, already on its way.
    print!("half a line");
    std::io::stdout().flush().unwrap();
    let outcome = match which.as_str() {
        "prints" => kcl::run(&mut Prints),
        "counts" => {
            let id = StreamId::new("visits", Timestamp::from_secs(1_536_220_800));
            let mut counter = Counter::per_minute();
            let outcome = kcl::Child::new().stream(&id).checkpoint_every(Duration::ZERO).run(&mut counter);
            counter.windows().iter().for_each(|window| println!("{window}"));
            outcome
        }
        "panics" => kcl::run(&mut Panics),
        "stops" => kcl::run(&mut Stops),
        "waits" => kcl::run(&mut Waits),
        "within async code" => {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async { kcl::run(&mut Prints) })
        }
        "twice" => kcl::run(&mut Prints).and_then(|_| kcl::run(&mut Prints)),
        other => panic!("{other}"),
    };
    // As `fn main() -> Result<(), Error>` does.
    std::process::exit(match outcome {
        Ok(report) => {
            eprintln!("ended: {:?} after {} records", report.ended.unwrap(), report.records);
            0
        }
        Err(error) => {
            eprintln!("Error: {error:?}");
            1
        }
    });
}

/// Does what it can to get between the daemon and the child.
struct Prints;

impl RecordProcessor for Prints {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        println!(r#"{{"action":"status","responseFor":"processRecords"}}"#);
        print!("and half a line");
        std::fs::OpenOptions::new().write(true).open("/dev/stdout")?.write_all(b"by another way ")?;
        // A program that it starts has the same stdin and stdout; this one would read the daemon's next message.
        let status = Command::new("sh").args(["-c", "echo from a program; cat"]).status()?;
        assert!(status.success());
        assert_eq!(std::io::stdin().read(&mut [0; 100])?, 0);
        println!("{} records of {}", batch.records.len(), batch.shard_id);
        Ok(())
    }
}

struct Panics;

impl RecordProcessor for Panics {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        panic!("{} is a bug", batch.records[0].data)
    }
}

struct Stops;

impl RecordProcessor for Stops {
    fn process(&mut self, _: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        Err(ProcessError::stop("enough is enough"))
    }
}

struct Waits;

impl RecordProcessor for Waits {
    fn process(&mut self, _: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        Err(ProcessError::wait("the database is away"))
    }
}

/// The test's side: what it says, and what it hears.
struct Daemon {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: JoinHandle<String>,
}

impl Daemon {
    fn of(which: &str) -> Daemon {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture"]).env(CHILD, which);
        Daemon::starting(command)
    }

    fn starting(mut command: Command) -> Daemon {
        command
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return; // nobody reads any more: the pipe breaks
                }
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut all = Vec::new();
            stderr.read_to_end(&mut all).unwrap();
            String::from_utf8_lossy(&all).into_owned()
        });
        let stdin = child.stdin.take();
        Daemon { child, stdin, lines, stderr }
    }

    fn write(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn say(&mut self, message: Value) {
        self.write(&format!("{message}\n"));
    }

    /// The child's next message. As the daemon does, it passes over what is none, and over one with a field too many.
    fn hear(&mut self) -> Value {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(30)).expect("the child says nothing");
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            let fields: Vec<&String> = message.as_object().into_iter().flat_map(|it| it.keys()).collect();
            if fields == ["action", "responseFor"]
                || fields == ["action", "sequenceNumber", "subSequenceNumber"]
            {
                return message;
            }
        }
    }

    fn initialize(&mut self) {
        self.say(json!({ "action": "initialize", "shardId": "shardId-000000000003", "sequenceNumber": "TRIM_HORIZON", "subSequenceNumber": 0 }));
        self.answered("initialize");
    }

    fn answered(&mut self, to: &str) {
        assert_eq!(self.hear(), json!({ "action": "status", "responseFor": to }));
    }

    fn records(&mut self, records: &[(u64, u64, &str)]) {
        let records: Vec<Value> = records
            .iter()
            .map(|(number, sub, time)| {
                let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, time);
                json!({
                    "action": "record", "data": data, "partitionKey": "192.0.2.10", "sequenceNumber": number.to_string(),
                    "subSequenceNumber": sub, "approximateArrivalTimestamp": 1_536_220_800_000_u64,
                })
            })
            .collect();
        self.say(json!({ "action": "processRecords", "records": records, "millisBehindLatest": 0 }));
    }

    fn checkpointed(&mut self, place: Value, error: Option<&str>) {
        let mut asked = self.hear();
        assert_eq!((&asked["action"], &asked["sequenceNumber"]), (&json!("checkpoint"), &place));
        asked["error"] = json!(error);
        self.say(asked);
    }

    /// Closes stdin, and waits: the exit code, and all of stderr.
    fn end(mut self) -> (i32, String) {
        drop(self.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(30);
        let code = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status.code().unwrap(),
                None => assert!(Instant::now() < deadline, "the child does not end"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        (code, self.stderr.join().unwrap())
    }
}

#[test]
fn a_processor_that_prints_cannot_break_it() {
    for which in ["prints", "within async code"] {
        let mut daemon = Daemon::of(which);
        daemon.initialize();
        for number in [7, 8] {
            daemon.records(&[(number, 0, "hello")]);
            daemon.answered("processRecords");
        }
        daemon.say(json!({ "action": "leaseLost" }));
        daemon.answered("leaseLost");
        let (code, stderr) = daemon.end();
        assert_eq!(code, 0, "{stderr}");
        for printed in [
            "and half a line",
            "by another way",
            "from a program",
            "1 records of shardId-000000000003",
            "ended: LeaseLost after 2 records",
        ] {
            assert!(stderr.contains(printed), "{printed}: {stderr}");
        }
    }
}

#[test]
fn a_counter_counts_a_shard_to_its_end() {
    let mut daemon = Daemon::of("counts");
    daemon.initialize();
    daemon.records(&[
        (7, 0, "2018-09-06T08:00:01"),
        (8, 0, "2018-09-06T08:00:02"),
        (8, 1, "2018-09-06T08:01:02"),
    ]);
    daemon.checkpointed(json!("8"), Some("ThrottlingException"));
    daemon.answered("processRecords");
    daemon.records(&[]);
    daemon.checkpointed(json!("8"), None);
    daemon.answered("processRecords");
    daemon.say(json!({ "action": "shardEnded" }));
    daemon.checkpointed(json!(null), None);
    daemon.answered("shardEnded");
    let (code, stderr) = daemon.end();
    assert_eq!(code, 0, "{stderr}");
    for line in [
        "2018-09-06 08:00:00 : [('192.0.2.10', 2)]",
        "2018-09-06 08:01:00 : [('192.0.2.10', 1)]",
        "a checkpoint of shardId-000000000003 failed (ThrottlingException)",
        "ended: ShardsEnded after 3 records",
    ] {
        assert!(stderr.contains(line), "{line}: {stderr}");
    }
}

#[test]
fn each_end_has_its_exit_code_and_a_sentence() {
    let end = |which: &str, script: &dyn Fn(&mut Daemon)| {
        let mut daemon = Daemon::of(which);
        daemon.initialize();
        script(&mut daemon);
        daemon.end()
    };
    let record = |daemon: &mut Daemon| daemon.records(&[(7, 0, "hello")]);
    // The daemon is killed: between two messages, in the middle of one, while the child is at work.
    let gone = "ended: DaemonGone after 0 records";
    assert_told(end("prints", &|_| {}), 0, &["the KCL's daemon is gone", gone]);
    assert_told(end("prints", &|daemon| daemon.write(r#"{"action":"processRec"#)), 0, &[gone]);
    assert_told(end("waits", &record), 0, &["waiting, and trying again: the database is away", gone]);
    assert_told(
        end("prints", &|daemon| daemon.say(json!({ "action": "shutdown" }))),
        1,
        &["Error: ", "`shutdown`"],
    );
    assert_told(end("prints", &|daemon| daemon.write("\u{1b}[2J\n")), 1, &["no JSON object", "\\x1b[2J"]);
    assert_told(end("stops", &record), 1, &["Error: the record processor asked to stop: enough is enough"]);
    let panic = [
        "hello is a bug",
        "panicked at `processRecords` of shardId-000000000003: nothing of that is checkpointed",
    ];
    assert_told(end("panics", &record), 101, &panic);
    let twice = end("twice", &|daemon| {
        daemon.say(json!({ "action": "leaseLost" }));
        daemon.answered("leaseLost");
    });
    assert_told(twice, 1, &["a child of the KCL's daemon already"]);
}

/// Nobody reads what the child says.
#[test]
fn a_broken_pipe_is_an_end() {
    let mut daemon = Daemon::of("prints");
    daemon.initialize();
    daemon.lines = channel().1;
    // The thread that reads its stdout notices with the first line, and lets go of the pipe; the second meets nobody.
    for number in 7..27 {
        let records = json!([{ "data": "", "partitionKey": "k", "sequenceNumber": number.to_string(), "subSequenceNumber": 0 }]);
        let message = json!({ "action": "processRecords", "records": records, "millisBehindLatest": 0 });
        if writeln!(daemon.stdin.as_mut().unwrap(), "{message}").is_err() {
            break; // it has ended
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let (code, stderr) = daemon.end();
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("the KCL's daemon is gone") && stderr.contains("ended: DaemonGone"), "{stderr}");
}

#[test]
fn the_example_is_such_a_child() {
    // Beside the test's own folder; `cargo test` builds examples, `cargo test --test …` does not.
    let mut program = PathBuf::from(std::env::current_exe().unwrap().parent().unwrap().parent().unwrap());
    program.push("examples/kcl_echo");
    assert!(program.exists(), "it is there after `cargo build --features full --example kcl_echo`");
    let mut daemon = Daemon::starting(Command::new(&program));
    daemon.initialize();
    daemon.records(&[(7, 0, "hello\u{1b}[2J")]);
    daemon.answered("processRecords");
    daemon.say(json!({ "action": "shutdownRequested" }));
    daemon.checkpointed(json!("7"), None);
    daemon.answered("shutdownRequested");
    daemon.say(json!({ "action": "leaseLost" }));
    daemon.answered("leaseLost");
    let told = ["192.0.2.10 : hello\\x1b[2J", "1 records, Some(Stopped)"];
    assert_told(daemon.end(), 0, &told);
    let mut daemon = Daemon::starting(Command::new(&program));
    daemon.say(json!({ "action": "leaseLost" }));
    assert_told(
        daemon.end(),
        1,
        &["Error: the KCL's daemon has sent `leaseLost` where `initialize` comes first"],
    );
}

/// By hand, somebody would wait for nothing.
#[cfg(target_os = "linux")] // elsewhere `script` has other options
#[test]
fn at_a_terminal_it_says_whose_child_it_is() {
    let mut program = PathBuf::from(std::env::current_exe().unwrap().parent().unwrap().parent().unwrap());
    program.push("examples/kcl_echo");
    let mut command = Command::new("script");
    command.args(["-qec", program.to_str().unwrap(), "/dev/null"]).stdin(Stdio::null());
    let Ok(output) = command.output() else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: no `script`, which makes a terminal, here");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && said.contains("here they are a terminal"), "{said}");
}

fn assert_told((code, stderr): (i32, String), expected: i32, sentences: &[&str]) {
    assert_eq!(code, expected, "{stderr}");
    for sentence in sentences {
        assert!(stderr.contains(sentence), "{sentence}: {stderr}");
    }
}
