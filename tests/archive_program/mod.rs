//! The example program `archive`, started by tests, and what it leaves: in files, and in a small S3.

pub(crate) mod s3;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::read::GzDecoder;
use kinesis_lab::prelude::*;

/// Of each shard and sequence number: partition key and data.
pub(crate) type Records = BTreeMap<(String, String), (String, String)>;

pub(crate) const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYSECRET";

pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("archive").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Small files, written often, so that there are many.
pub(crate) fn program(endpoint: &str, stream: &str, arguments: &[&str]) -> Command {
    // Beside the test's own folder; cargo builds examples before it runs tests.
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let mut command =
        Command::new(path.join("examples").join(format!("archive{}", std::env::consts::EXE_SUFFIX)));
    command
        .args(["--endpoint", endpoint, "--stream", stream])
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_REGION", "eu-west-1")
        .env_remove("AWS_PROFILE")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Runs to its end, and says with which outcome and what it wrote.
pub(crate) fn run(mut command: Command) -> (bool, String) {
    let output =
        command.spawn().expect("the program is there after `cargo build --examples --features full`");
    let output = output.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

pub(crate) struct InStream(pub(crate) Records);

impl RecordProcessor for InStream {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            let place = (batch.shard_id.to_string(), record.sequence_number.clone());
            let before = self.0.insert(place, (record.partition_key.raw().to_owned(), text(&record.data)));
            assert!(before.is_none(), "the stream gave a record twice");
        }
        Ok(())
    }
}

fn text(data: &[u8]) -> String {
    String::from_utf8(data.to_vec()).unwrap()
}

/// What the stream holds.
pub(crate) fn in_stream(stream: &Stream) -> Records {
    let mut all = InStream(Records::new());
    stream.consumer().trim_horizon().run_until_caught_up(&mut all).unwrap();
    all.0
}

/// The objects of a folder, as a bucket would have them.
pub(crate) fn objects_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut objects = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                    objects.insert(name, fs::read(path).unwrap());
                }
            }
        }
    }
    objects
}

/// What is in objects: each record once, and in the order of its shard, or the test fails. With how many they are.
pub(crate) fn archived(objects: &BTreeMap<String, Vec<u8>>) -> (Records, usize) {
    let (mut records, mut files) = (Records::new(), 0);
    let mut before: BTreeMap<String, (usize, String)> = BTreeMap::new();
    // In the order of their names, which is that of what is in them.
    for (path, object) in objects.iter().filter(|(path, _)| path.ends_with(".jsonl.gz")) {
        files += 1;
        let mut lines = String::new();
        GzDecoder::new(&object[..]).read_to_string(&mut lines).unwrap();
        let shard = path.rsplit('/').nth(1).unwrap();
        for (n, line) in lines.lines().enumerate() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let field = |name: &str| line[name].as_str().unwrap().to_owned();
            let number = field("sequence_number");
            if n == 0 {
                assert!(
                    path.ends_with(&format!("/{:03}-{number}.jsonl.gz", number.len())),
                    "{path}: {number}"
                );
            }
            let place = (number.len(), number.clone());
            let last = before.insert(shard.to_owned(), place.clone()).unwrap_or_default();
            assert!(last < place, "{path}: line {n} is not behind the one before it");
            let twice = records.insert((shard.to_owned(), number), (field("partition_key"), field("data")));
            assert!(twice.is_none(), "{path}: line {n} is in the archive twice");
        }
    }
    (records, files)
}
