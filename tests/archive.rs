//! The program `archive`, killed at random moments, on a full disk and before a bucket that refuses: each record of
//! the stream is in the objects once, and what is put back is what there was.

#![cfg(feature = "full")]

mod archive_program;
mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use archive_program::s3::SmallS3;
use archive_program::{Records, SECRET, archived, in_stream, objects_in, program, run, scratch};
use common::small_disk::SmallDisk;
use common::stops_at_end::StopsAtEnd;
use common::{Faults, faulty};
use fastrand::Rng;
use kinesis_lab::Archive;
use kinesis_lab::prelude::*;

/// Files of 20 kB, or of a fifth of a second.
const SMALL: [&str; 4] = ["--bytes", "20000", "--every", "200ms"];

/// Visitors until told to stop: the time of an event, and some text so that files become full.
fn produce(stream: &Stream, seed: u64, stop: &AtomicBool) {
    let mut rng = Rng::with_seed(seed);
    let mut second = 6 * 3_600;
    while !stop.load(Ordering::Relaxed) && second < 20 * 3_600 {
        let entries = (0..rng.usize(1..100)).map(|_| {
            second += rng.i64(0..3);
            let time =
                format!("2018-09-06T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60);
            let path: String = std::iter::repeat_with(|| rng.lowercase()).take(60).collect();
            let key = format!("192.0.2.{}", rng.u8(0..40));
            Entry::new(key, format!("{{\"time\":\"{time}\",\"path\":\"/{path}\"}}"))
        });
        stream.put_many(entries.collect()).ordered().send().unwrap();
        std::thread::sleep(Duration::from_millis(rng.u64(1..30)));
    }
}

/// Splits and merges while records are put and read.
fn reshard(stream: &Stream, seed: u64, stop: &AtomicBool) -> u32 {
    let (mut rng, mut done) = (Rng::with_seed(seed), 0);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(rng.u64(200..900)));
        let mut open: Vec<Shard> = stream.shards().unwrap().into_iter().filter(Shard::is_open).collect();
        open.sort_by_key(|shard| shard.hash_range.0);
        let changed = if open.len() < 4 || (open.len() < 7 && rng.bool()) {
            stream.split_shard(&open[rng.usize(0..open.len())].id)
        } else {
            let at = rng.usize(0..open.len() - 1);
            stream.merge_shards(&open[at].id, &open[at + 1].id)
        };
        done += u32::from(changed.is_ok());
    }
    done
}

fn same(archived: &Records, stream: &Records) {
    let missing: Vec<_> = stream.iter().filter(|(place, _)| !archived.contains_key(*place)).take(3).collect();
    assert!(missing.is_empty(), "these are in the stream alone, for instance: {missing:?}");
    let wrong: Vec<_> =
        archived.iter().filter(|(place, record)| stream.get(*place) != Some(record)).take(3).collect();
    assert!(wrong.is_empty(), "these are not so in the stream, for instance: {wrong:?}");
}

/// Of each key its data, in the order in which they are read.
#[derive(Default)]
struct OfKeys(BTreeMap<String, Vec<String>>);

impl RecordProcessor for OfKeys {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            let data = String::from_utf8(record.data.to_vec())?;
            self.0.entry(record.partition_key.raw().to_owned()).or_default().push(data);
        }
        Ok(())
    }
}

fn of_keys(stream: &Stream) -> BTreeMap<String, Vec<String>> {
    let mut keys = OfKeys::default();
    stream.consumer().trim_horizon().run_until_caught_up(&mut keys).unwrap();
    keys.0
}

fn counts(stream: &Stream) -> String {
    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    counter.to_string()
}

/// Kills while records come and shards change; returns what is in the stream.
fn killed(
    kinesis: &Kinesis,
    direct: &Stream,
    to: &str,
    env: Option<(&str, &str)>,
    seed: u64,
    kills: u32,
) -> u32 {
    let (endpoint, stop) = (kinesis.endpoint_url().unwrap(), AtomicBool::new(false));
    let start = |more: &[&str]| {
        let arguments = [&["--to", to][..], &SMALL, more].concat();
        let mut command = program(endpoint, direct.name(), &arguments);
        command.envs(env);
        command
    };
    let mut rng = Rng::with_seed(seed);
    let resharded = std::thread::scope(|scope| {
        let stops = StopsAtEnd(&stop);
        for n in 0..2 {
            let (stream, stop) = (direct, &stop);
            scope.spawn(move || produce(stream, seed * 10 + n, stop));
        }
        let resharding = scope.spawn(|| reshard(direct, seed, &stop));
        for _ in 0..kills {
            let mut child = start(&[]).spawn().expect("the program is there after `cargo build --examples`");
            std::thread::sleep(Duration::from_millis(rng.u64(0..700)));
            child.kill().unwrap(); // SIGKILL: no handler, no clean-up
            child.wait().unwrap();
        }
        drop(stops);
        resharding.join().unwrap()
    });
    let (fine, said) = run(start(&["--until-caught-up"]));
    assert!(fine, "{said}");
    resharded
}

#[test]
fn fifty_kills_and_each_record_is_in_the_files_once_and_comes_back() {
    let kills = if std::env::var_os("KINESIS_LAB_FULL").is_some() { 200 } else { 50 };
    let service = faulty(17, Faults::FOR_PROGRAMS);
    let stream = service.direct.create_stream("visits", 2).unwrap();
    let folder = scratch("kills");
    let resharded = killed(&service.kinesis, &stream, folder.to_str().unwrap(), None, 17, kills);
    let (records, files) = archived(&objects_in(&folder));
    println!(
        "{kills} kills, {resharded} splits and merges: {} records in {files} files, each once",
        records.len()
    );
    assert!(records.len() > 1_000 && resharded > 0 && files > kills as usize / 2, "too little went on");
    same(&records, &in_stream(&stream));

    let again = service.direct.create_stream("again", 3).unwrap();
    let report = Archive::to(&folder).unwrap().replay(&again).unwrap();
    assert_eq!((report.sent, report.ambiguous), (records.len() as u64, 0));
    assert_eq!(of_keys(&again), of_keys(&stream), "in the order of each key");
    let counted = counts(&stream);
    println!("replayed: {} lines of counts are equal", counted.lines().count());
    assert!(counted.lines().count() > 3);
    assert_eq!(counts(&again), counted);
}

#[test]
fn a_bucket_that_fails_and_loses_answers_has_each_record_once() {
    let (service, s3) = (faulty(18, Faults::default()), SmallS3::start(18));
    let stream = service.direct.create_stream("visits", 2).unwrap();
    s3.with(|bucket| bucket.failing = 20);
    let endpoint = Some(("AWS_ENDPOINT_URL_S3", s3.url.as_str()));
    killed(&service.kinesis, &stream, "s3://shop-log/a/b", endpoint, 18, 10);
    let (records, files) = s3.with(|bucket| archived(&bucket.objects));
    let (failed, taken) = s3.with(|bucket| (bucket.failed, bucket.taken));
    println!(
        "{} records in {files} objects; {failed} puts failed, {taken} found their name taken",
        records.len()
    );
    assert!(records.len() > 500 && failed > 3 && taken > 0, "too little went on");
    same(&records, &in_stream(&stream));

    let arguments = ["--from", "s3://shop-log/a/b", "--of", "visits"];
    let mut command = program(service.direct.endpoint_url().unwrap(), "again", &arguments);
    command.envs(endpoint);
    let (fine, said) = run(command);
    assert!(fine && said.contains(&format!("{} records put", records.len())), "{said}");
    assert_eq!(counts(&service.direct.stream("again").unwrap()), counts(&stream));
}

#[test]
fn a_bucket_that_refuses_is_a_sentence_and_nothing_is_lost() {
    let (kinesis, s3) = (Kinesis::local().unwrap(), SmallS3::start(19));
    let stream = kinesis.create_stream("visits", 1).unwrap();
    stream.producer("192.0.2.10").interval(secs(1)).at_once().limit(500).start().join();
    let attempt = |to: &str| {
        let arguments = [&["--to", to, "--until-caught-up"][..], &SMALL].concat();
        let mut command = program(kinesis.endpoint_url().unwrap(), "visits", &arguments);
        command.env("AWS_ENDPOINT_URL_S3", &s3.url);
        let (fine, said) = run(command);
        assert!(!said.contains(SECRET) && !said.contains("AWS4-HMAC"), "{said}");
        (fine, said)
    };
    let (fine, said) = attempt("s3://other-log/a");
    assert!(!fine && said.contains("there is no bucket other-log: make it"), "{said}");
    for (refusal, words) in [
        ((403, "AccessDenied"), "s3:PutObject"),
        ((403, "RequestTimeTooSkewed"), "the clock of this machine is wrong"),
        ((400, "AuthorizationHeaderMalformed"), "is in another region"),
    ] {
        s3.with(|bucket| bucket.refusal = Some(refusal));
        let (fine, said) = attempt("s3://shop-log/a");
        assert!(!fine && said.contains(words), "{said}");
    }
    s3.with(|bucket| bucket.refusal = None);
    let (fine, said) = attempt("s3://shop-log/a");
    assert!(fine, "{said}");
    let (records, _) = s3.with(|bucket| archived(&bucket.objects));
    assert_eq!(records.len(), 500);
    same(&records, &in_stream(&stream));
}

/// Nobody calls the last write of all again, as a run does the others.
#[test]
fn what_is_written_last_is_tried_again_too() {
    let (kinesis, s3) = (Kinesis::local().unwrap(), SmallS3::start(20));
    let stream = kinesis.create_stream("visits", 1).unwrap();
    stream.put("192.0.2.10", "the only one").unwrap();
    // More often than the bucket's client asks by itself; so few records wait for the end of the run.
    s3.with(|bucket| bucket.failing_next = 4);
    let mut command =
        program(kinesis.endpoint_url().unwrap(), "visits", &["--to", "s3://shop-log/a", "--until-caught-up"]);
    command.env("AWS_ENDPOINT_URL_S3", &s3.url);
    let (fine, said) = run(command);
    assert!(fine && said.contains("1 objects of 1 records, 0 unwritten"), "{said}");
    assert_eq!(s3.with(|bucket| (archived(&bucket.objects).0.len(), bucket.failed)), (1, 4));
}

/// On a file system of a few hundred kilobytes, in a mount namespace of its own.
#[test]
fn a_full_disk_is_a_sentence_and_it_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::under(&scratch("full")) else { return };
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("visits", 2).unwrap();
    produce(&stream, 20, &AtomicBool::new(false));
    let (small, out) = (disk.path(), disk.carried_out());
    let arguments = [&["--to", small.to_str().unwrap(), "--until-caught-up"][..], &SMALL].concat();
    let said = disk.run(300_000, &program(kinesis.endpoint_url().unwrap(), "visits", &arguments));
    assert!(
        said.contains("nothing that was archived is lost") && said.contains("going on after a wait"),
        "{said}"
    );
    let (records, files) = archived(&objects_in(&out));
    println!("{} records in {files} files, on a disk that was full", records.len());
    assert!(total(&out) > 300_000, "the disk was never full: this proves nothing");
    same(&records, &in_stream(&stream));
}

fn total(folder: &Path) -> usize {
    objects_in(folder).values().map(Vec::len).sum()
}
