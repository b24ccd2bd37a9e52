//! A worker of a fleet, with a program of a few lines in the place of Java: how it is started, again, and ended, and who
//! learns a password.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kinesis_lab::prelude::*;

use crate::running::{Running, endpoint, until};

const PASSWORD: &str = "QQMARKQQ";

/// Writes down what it was given. The first one ends at once, the second waits until it is asked to end.
const DAEMON: &str = r#"#!/bin/sh
for last; do :; done
n=1; [ -e "$FOLDER/properties.1" ] && n=2
env >"$FOLDER/environment.$n"
cp -p "$last" "$FOLDER/properties.$n"
echo "2026-11-26 22:00:00,000 [main] ERROR daemon number $n"
[ $n = 1 ] && { echo "last words"; exit 3; }
trap 'touch "$FOLDER/handed-on"; exit 0' TERM
touch "$FOLDER/waits"
while :; do sleep 0.05; done
"#;

/// In a folder whose path has no blank, as the checkout's may have, which the worker refuses.
fn worker(kinesis: &Kinesis) -> (Running, PathBuf) {
    let folder = temporary_folder("programs-worker").unwrap();
    let [java, lib, own] = ["java", "lib", "own"].map(|name| folder.join(name));
    fs::create_dir(&lib).unwrap();
    fs::create_dir(&own).unwrap();
    fs::write(lib.join("amazon-kinesis-client-multilang-3.1.3.jar"), "").unwrap();
    let built = std::env::current_exe().unwrap();
    let built = built.ancestors().nth(2).unwrap().join("examples/worker");
    // By another process: what this one has open to write, a program that another test starts holds for a moment, and
    // nobody can run it.
    let script = r#"cp "$1" "$2" && printf %s "$3" >"$4" && chmod 700 "$4""#;
    let mut made = Command::new("sh");
    made.args(["-c", script, "sh"]).arg(built).arg(folder.join("worker")).arg(DAEMON).arg(&java);
    assert!(made.status().unwrap().success(), "cargo build --examples --features full has to be first");
    let mut command = Command::new(folder.join("worker"));
    command.args(["--app", "visits-counter", "--stream", "worker", "--endpoint", &endpoint(kinesis)]);
    command.args(["--postgres", "postgres://ann@127.0.0.1:9/shop"]).arg("--java").arg(&java);
    command.arg("--jars").arg(&lib).arg("count").env("FOLDER", &folder).env("TMPDIR", &own);
    command.env("PGPASSWORD", PASSWORD).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut worker = Running::start(command);
    until(|| folder.join("waits").exists() || !worker.is_running());
    assert!(worker.is_running(), "{:?}", worker.ended());
    (worker, folder)
}

/// With a port it takes any key: the worker has another TMPDIR than the file with a service's own.
fn kinesis() -> Kinesis {
    let kinesis = Local::new().port(0).open().unwrap();
    kinesis.create_stream("worker", 1).unwrap();
    kinesis
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_daemon_is_started_again_and_asked_to_end_and_writes_no_password() {
    let kinesis = kinesis();
    let (mut worker, folder) = worker(&kinesis);
    assert_eq!(files(&folder.join("own")), 1);
    let ended = worker.end("TERM");
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(folder.join("handed-on").exists());
    assert_eq!(files(&folder.join("own")), 0, "the file of properties is left");
    for said in
        ["ERROR daemon number 1", "  last words", "exit status: 3; the next one starts in 1 s", "number 2"]
    {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    let properties = folder.join("properties.2");
    assert_eq!(fs::metadata(&properties).unwrap().permissions().mode() & 0o777, 0o600);
    let environment = fs::read_to_string(folder.join("environment.2")).unwrap();
    let with: Vec<&str> = environment.lines().filter(|line| line.contains(PASSWORD)).collect();
    assert_eq!(with, ["PGPASSWORD=QQMARKQQ"]);
    for text in [&fs::read_to_string(properties).unwrap(), &ended.stdout, &ended.stderr] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    fs::remove_dir_all(folder).unwrap();
}

/// Or it would go on beside that of the next worker.
#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_is_killed_takes_its_daemon_with_it() {
    let kinesis = kinesis();
    let (worker, folder) = worker(&kinesis);
    worker.signal("KILL");
    until(|| folder.join("handed-on").exists());
    fs::remove_dir_all(folder).unwrap();
}
