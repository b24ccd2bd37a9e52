//! The program `count`, killed at random moments: the counts in its database equal the stream's records.

#![cfg(feature = "full")]

mod common;
mod count_program;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::small_disk::SmallDisk;
use common::stops_at_end::StopsAtEnd;
use common::{Faults, faulty};
use count_program::{Counts, counts, databases, finish, has_committed, is_there, scratch, start, started};
use fastrand::Rng;
use kinesis_lab::prelude::*;

/// What the stream holds, each record in every window of `size` seconds that begins every `slide`.
struct Expected {
    size: i64,
    slide: i64,
    counts: Counts,
    records: u64,
}

impl RecordProcessor for Expected {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        for record in &batch.records {
            // The time by hand: all events are of one day, at whole seconds.
            let text = std::str::from_utf8(&record.data).unwrap();
            let number = |at: usize| text[at..at + 2].parse::<i64>().unwrap();
            let second = number(11) * 3_600 + number(14) * 60 + number(17);
            let mut start = second - second % self.slide;
            while start > second - self.size {
                let iso =
                    format!("{}T{:02}:{:02}:{:02}Z", &text[..10], start / 3_600, start / 60 % 60, start % 60);
                *self.counts.entry((iso, String::from(&record.partition_key))).or_default() += 1;
                start -= self.slide;
            }
            self.records += 1;
        }
        Ok(())
    }
}

fn expected(stream: &Stream, size: i64, slide: i64) -> Expected {
    let mut expected = Expected { size, slide, counts: Counts::new(), records: 0 };
    stream.consumer().trim_horizon().run_until_caught_up(&mut expected).unwrap();
    expected
}

/// Visitors that go on until they are told to stop, over half a day of event time.
fn produce(stream: &Stream, seed: u64, stop: &AtomicBool) {
    let mut rng = Rng::with_seed(seed);
    let mut second: i64 = 6 * 3_600;
    while !stop.load(Ordering::Relaxed) && second < 20 * 3_600 {
        let entries = (0..rng.usize(1..200)).map(|_| {
            second += rng.i64(0..3);
            // Out of order, well within the lateness.
            let at = second - rng.i64(0..30);
            let time = format!("2018-09-06T{:02}:{:02}:{:02}", at / 3_600, at / 60 % 60, at % 60);
            Entry::new(format!("192.0.2.{}", rng.u8(0..40)), time)
        });
        stream.put_many(entries.collect()).send().unwrap();
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

/// 200 kills with `--full`, over runs of 20.
fn runs() -> u64 {
    if std::env::var_os("KINESIS_LAB_FULL").is_some() { 10 } else { 1 }
}

#[test]
fn counts_are_exact_however_often_it_is_killed() {
    let mut kills = 0;
    for seed in 0..runs() {
        for database in databases(&format!("seed {seed}")) {
            kills += killed_again_and_again(seed, &database, if runs() == 1 { 10 } else { 20 });
        }
    }
    println!("{kills} kills, counts exact each time");
}

fn killed_again_and_again(seed: u64, database: &Path, kills: u32) -> u32 {
    let mut rng = Rng::with_seed(seed);
    let service = faulty(seed, Faults::FOR_PROGRAMS);
    let direct = service.direct.create_stream("crash", 2).unwrap();
    let endpoint = service.kinesis.endpoint_url().unwrap().to_owned();
    // Tumbling and sliding in turn.
    let (slide, window): (i64, &[&str]) =
        if seed.is_multiple_of(2) { (60, &[]) } else { (20, &["--window", "60s", "--slide", "20s"]) };
    let stop = AtomicBool::new(false);
    let resharded = std::thread::scope(|scope| {
        let stops = StopsAtEnd(&stop);
        let producers: Vec<_> = (0..2)
            .map(|n| {
                let (stream, stop) = (&direct, &stop);
                scope.spawn(move || produce(stream, seed * 10 + n, stop))
            })
            .collect();
        let resharding = scope.spawn(|| reshard(&direct, seed, &stop));
        let mut done = 0;
        // On a busy machine, none of them may come to a commit: then there are more, and they have longer.
        while done < kills || (done < 3 * kills && !has_committed(database)) {
            let mut child = start(&endpoint, database, window);
            std::thread::sleep(Duration::from_millis(rng.u64(0..1_200) * u64::from(1 + done / kills)));
            child.kill().unwrap(); // SIGKILL: no handler, no clean-up
            child.wait().unwrap();
            done += 1;
        }
        drop(stops);
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        resharding.join().unwrap()
    });
    let said = finish(&endpoint, database, window);
    let expected = expected(&direct, 60, slide);
    let counted = counts(database);
    println!(
        "{}, seed {seed}: {kills} kills, {resharded} splits and merges, {} shards, {} records, {} windows and keys; {}",
        if database.exists() { "a file" } else { "PostgreSQL" },
        direct.shards().unwrap().len(),
        expected.records,
        counted.len(),
        said.lines().last().unwrap_or_default()
    );
    let last: u64 = said.lines().last().and_then(|line| line.split(' ').next()?.parse().ok()).unwrap();
    assert!(
        expected.records > 1_000 && resharded > 0 && last < expected.records,
        "too little went on: this proves nothing"
    );
    let wrong: Vec<_> =
        expected.counts.iter().filter(|(pair, n)| counted.get(pair) != Some(n)).take(5).collect();
    assert!(wrong.is_empty(), "seed {seed}: these are wrong, for instance: {wrong:?}");
    assert_eq!(counted.len(), expected.counts.len(), "seed {seed}: nothing else was counted");
    kills
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_after_a_commit() {
    databases("ctrl-c").iter().for_each(|database| ctrl_c_ends(database));
}

#[cfg(unix)]
fn ctrl_c_ends(database: &Path) {
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("crash", 2).unwrap();
    let endpoint = kinesis.endpoint_url().unwrap();
    let stop = AtomicBool::new(false);
    let said = std::thread::scope(|scope| {
        let stops = StopsAtEnd(&stop);
        scope.spawn(|| produce(&stream, 3, &stop));
        let child = start(endpoint, database, &[]);
        // Some progress, however busy the machine is; before, it has no handler yet.
        let began = Instant::now();
        while !has_committed(database) {
            assert!(began.elapsed() < Duration::from_secs(60), "nothing is committed");
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(500));
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        drop(stops);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    });
    assert!(said.contains("ending, after a commit") && said.contains("records read and committed"), "{said}");
    let read: u64 = said.lines().last().and_then(|line| line.split(' ').next()?.parse().ok()).unwrap();
    let rest = finish(endpoint, database, &[]);
    let after: u64 = rest.lines().last().and_then(|line| line.split(' ').next()?.parse().ok()).unwrap();
    let expected = expected(&stream, 60, 60);
    assert!(read > 0 && read + after == expected.records, "{read} and {after}: nothing is read twice");
    assert_eq!(counts(database), expected.counts);
}

/// On a file system of a few hundred kilobytes, in a mount namespace of its own.
#[test]
fn a_full_disk_is_a_sentence_and_it_goes_on_when_there_is_room() {
    let database = scratch("full");
    let Some(disk) = SmallDisk::under(database.parent().unwrap()) else { return };
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("crash", 2).unwrap();
    produce(&stream, 7, &AtomicBool::new(false));
    let endpoint = kinesis.endpoint_url().unwrap();
    let caught_up = start(endpoint, &disk.brought().join("counts.db"), &["--until-caught-up"]);
    assert!(caught_up.wait_with_output().unwrap().status.success());
    let before = counts(&disk.brought().join("counts.db"));
    assert!(!before.is_empty(), "nothing was committed before the disk was full: this proves nothing");
    // As much again, on a disk with room for a tenth of it.
    produce(&stream, 8, &AtomicBool::new(false));
    let size = std::fs::metadata(disk.brought().join("counts.db")).unwrap().len() + 250_000;
    let said = disk.run(size, &started(endpoint, &disk.path().join("counts.db"), &["--until-caught-up"]));
    assert!(
        said.contains("nothing that was committed is lost") && said.contains("going on after a wait"),
        "{said}"
    );
    let database = disk.carried_out().join("counts.db");
    let kept = counts(&database);
    assert!(before.iter().all(|(pair, n)| kept.get(pair) >= Some(n)), "a commit was lost");
    finish(endpoint, &database, &[]);
    assert_eq!(counts(&database), expected(&stream, 60, 60).counts);
}

#[test]
fn a_second_process_takes_over() {
    databases("two").iter().for_each(|database| takes_over(database));
}

fn takes_over(database: &Path) {
    let service = faulty(1, Faults::default());
    let stream = service.direct.create_stream("crash", 2).unwrap();
    let endpoint = service.kinesis.endpoint_url().unwrap().to_owned();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stops = StopsAtEnd(&stop);
        scope.spawn(|| produce(&stream, 1, &stop));
        let mut first = start(&endpoint, database, &[]);
        while !is_there(database) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let second = start(&endpoint, database, &["--until-caught-up"]);
        std::thread::sleep(Duration::from_millis(1_500));
        first.kill().unwrap();
        first.wait().unwrap();
        drop(stops);
        let began = Instant::now();
        let output = second.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(said.contains("another process counts into") && said.contains("it has ended"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(30));
    });
    finish(&endpoint, database, &[]);
    assert_eq!(counts(database), expected(&stream, 60, 60).counts);
}

#[test]
fn it_keeps_windows_as_long_as_it_is_told() {
    for database in databases("keep") {
        let kinesis = Kinesis::local().unwrap();
        let stream = kinesis.create_stream("crash", 1).unwrap();
        stream.producer("192.0.2.10").interval(secs(10)).at_once().limit(60).start().join(); // ten minutes
        finish(kinesis.endpoint_url().unwrap(), &database, &["--keep", "3m"]);
        let counted: Vec<(String, u64)> =
            counts(&database).into_iter().map(|((start, _), count)| (start, count)).collect();
        let kept = ["08:06", "08:07", "08:08", "08:09"].map(|start| (format!("2018-09-06T{start}:00Z"), 6));
        assert_eq!(counted, kept);
    }
}
