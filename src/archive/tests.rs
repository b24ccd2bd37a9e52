//! The archive in a folder, without a stream: batches by hand, and what two writers do to each other.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Archive;
use super::extent::{Extent, ObjectLines};
use super::names::{ENDED, SHARD};
use crate::error::ErrorKind;
use crate::folder::temporary_folder;
use crate::read::{Checkpoint, Context, RecordProcessor, StreamId};
use crate::record::{Batch, Record};
use crate::stream::ShardProgress;
use crate::timestamp::Timestamp;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn stream() -> StreamId {
    StreamId::new("visits", at(1_536_220_800))
}

fn batch(numbers: std::ops::RangeInclusive<i64>) -> Batch {
    let record = |n: i64| Record::new(format!("key {}", n % 3), format!("data {n}"), n.to_string(), at(n));
    Batch::new("visits", "a", numbers.map(record).collect())
}

fn ctx(now: i64) -> Context {
    Context::at(at(now)).with_shards(&[ShardProgress::reading("a", &["z"]).since(at(5))])
}

/// Three of the records are an object: their lines have 103 bytes and more.
fn archive(folder: &Path) -> Archive {
    let mut archive = Archive::to(folder).unwrap().object_bytes(250).object_every(Duration::from_secs(60));
    archive.checkpoints(&stream()).unwrap();
    archive
}

fn shard_folder(folder: &Path) -> PathBuf {
    folder.join("visits.20180906T080000.000000Z").join("a")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(shard_folder(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The numbers of the records in all objects, in the order of these.
fn stored(folder: &Path) -> Vec<i64> {
    let mut numbers = Vec::new();
    for name in names(folder).iter().filter(|name| name.ends_with(".gz")) {
        let mut lines = ObjectLines::new(fs::read(shard_folder(folder).join(name)).unwrap());
        while let Some((key, record)) = lines.next().unwrap() {
            assert_eq!(record.data, format!("data {}", key.number()));
            numbers.push(key.number().parse().unwrap());
        }
    }
    numbers
}

fn numbers(of: std::ops::RangeInclusive<i64>) -> Vec<i64> {
    of.collect()
}

#[test]
fn objects_are_written_when_they_are_full_old_or_the_last() {
    let folder = temporary_folder("archive-when").unwrap();
    let mut archive = archive(&folder);
    archive.process(&batch(8..=11), &mut ctx(100)).unwrap();
    assert_eq!(names(&folder), ["001-8.jsonl.gz", SHARD]);
    assert_eq!((archive.objects(), archive.records(), archive.unwritten()), (1, 3, 1));
    archive.tick(&mut ctx(159)).unwrap();
    assert_eq!(archive.objects(), 1);
    archive.tick(&mut ctx(160)).unwrap();
    assert_eq!(names(&folder), ["001-8.jsonl.gz", "002-11.jsonl.gz", SHARD]);
    archive.process(&batch(12..=12), &mut ctx(161)).unwrap();
    archive.shard_ended("a", &mut ctx(162)).unwrap();
    assert_eq!(names(&folder)[2..], ["002-12.jsonl.gz", ENDED, SHARD]);
    archive.process(&Batch::new("visits", "b", batch(20..=20).records), &mut ctx(163)).unwrap();
    archive.flush().unwrap();
    assert_eq!((archive.objects(), archive.records(), archive.unwritten()), (4, 6, 0));
    assert_eq!(stored(&folder), numbers(8..=12));
    let positions: Vec<Checkpoint> = archive.positions().collect();
    let want = [Checkpoint::new("a", Some("12"), at(12)).ended(), Checkpoint::new("b", Some("20"), at(20))];
    assert_eq!(positions, want);
    let mut again = Archive::to(&folder).unwrap();
    assert_eq!(again.checkpoints(&stream()).unwrap(), want);
    fs::remove_dir_all(&folder).unwrap();
}

/// Of a shard without a record it is remembered from when on it is read; another stream is another.
#[test]
fn where_a_shard_began_is_remembered() {
    let folder = temporary_folder("archive-began").unwrap();
    // Two that begin at once, one of them a little later.
    let (mut one, mut other) = (archive(&folder), archive(&folder));
    one.tick(&mut ctx(100)).unwrap();
    let later = ShardProgress::reading("a", &[]).since(at(150));
    other.tick(&mut Context::at(at(200)).with_shards(&[later])).unwrap();
    let mut again = Archive::to(&folder).unwrap();
    assert_eq!(again.checkpoints(&stream()).unwrap(), [Checkpoint::new("a", None, at(5))]);
    assert_eq!(other.positions().next(), Some(Checkpoint::new("a", None, at(5))));
    // A stream of that name that was created at another time is another.
    assert_eq!(again.checkpoints(&StreamId::new("visits", at(7))).unwrap(), []);
    fs::remove_dir_all(&folder).unwrap();
}

/// One that was taken for dead writes beside the one that took over, or a write arrives when its writer is gone.
#[test]
fn two_writers_leave_each_record_once() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let folder = temporary_folder("archive-two").unwrap();
        let mut writers = [archive(&folder), archive(&folder)];
        let mut next = [1, 1];
        while next.iter().any(|next| *next <= 60) {
            let who = rng.usize(0..2);
            let (writer, from) = (&mut writers[who], next[who]);
            match rng.u8(0..10) {
                0 => writer.flush().unwrap(),
                1 => {
                    // Killed, and back: it goes on where the objects end.
                    *writer = archive(&folder);
                    let last = writer.positions().find_map(|place| place.sequence_number);
                    next[who] = last.map_or(1, |last| last.parse::<i64>().unwrap() + 1);
                }
                _ if from <= 60 => {
                    let to = (from + rng.i64(0..5)).min(60);
                    writer.process(&batch(from..=to), &mut ctx(100)).unwrap();
                    next[who] = to + 1;
                }
                _ => {}
            }
        }
        let [one, other] = &mut writers;
        one.flush().unwrap();
        other.flush().unwrap();
        assert_eq!(stored(&folder), numbers(1..=60), "seed {seed}");
        fs::remove_dir_all(&folder).unwrap();
    }
}

/// What it was given before, and could not write, is not taken twice.
#[test]
fn a_batch_that_comes_again_is_taken_once() {
    let folder = temporary_folder("archive-again").unwrap();
    let mut archive = archive(&folder);
    archive.process(&batch(1..=2), &mut ctx(100)).unwrap();
    // A file where its folder was: nothing can be written.
    let (shard, aside) = (shard_folder(&folder), folder.join("aside"));
    fs::rename(&shard, &aside).unwrap();
    fs::write(&shard, "").unwrap();
    for _ in 0..3 {
        assert!(archive.process(&batch(3..=4), &mut ctx(100)).is_err());
    }
    fs::remove_file(&shard).unwrap();
    fs::rename(&aside, &shard).unwrap();
    archive.process(&batch(3..=4), &mut ctx(100)).unwrap();
    archive.flush().unwrap();
    assert_eq!((stored(&folder), archive.records()), (numbers(1..=4), 4));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_aggregate_is_in_one_object() {
    let folder = temporary_folder("archive-aggregate").unwrap();
    let mut archive = archive(&folder);
    let user_record = |n: u64| Record::new("k", "data 7", "7", at(7)).in_aggregate(n);
    let batch = Batch::new("visits", "a", (0..20).map(user_record).collect());
    archive.process(&batch, &mut ctx(100)).unwrap();
    archive.process(&batch, &mut ctx(100)).unwrap();
    assert_eq!(names(&folder), ["001-7.jsonl.gz", SHARD]);
    let extent = Extent::of(&fs::read(shard_folder(&folder).join("001-7.jsonl.gz")).unwrap()).unwrap();
    assert_eq!((extent.records, archive.records()), (20, 20));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_is_damaged_is_named_and_its_deletion_mends_it() {
    let folder = temporary_folder("archive-damaged").unwrap();
    let mut archive = archive(&folder);
    archive.process(&batch(1..=6), &mut ctx(100)).unwrap();
    assert_eq!(names(&folder), ["001-1.jsonl.gz", "001-4.jsonl.gz", SHARD]);
    let last = shard_folder(&folder).join("001-4.jsonl.gz");
    let whole = fs::read(&last).unwrap();
    for (damage, want) in [
        (whole[..whole.len() - 5].to_vec(), "no gzip, or broken"),
        (fs::read(shard_folder(&folder).join("001-1.jsonl.gz")).unwrap(), "it begins with record 1"),
        (Vec::new(), "no gzip, or broken"),
    ] {
        fs::write(&last, damage).unwrap();
        let error = format!("{:?}", Archive::to(&folder).unwrap().checkpoints(&stream()).unwrap_err());
        assert!(error.starts_with("Stop: ") && error.contains("001-4.jsonl.gz is damaged"), "{error}");
        assert!(error.contains(want), "{error}");
    }
    fs::remove_file(&last).unwrap();
    let places = Archive::to(&folder).unwrap().checkpoints(&stream()).unwrap();
    assert_eq!(places, [Checkpoint::new("a", Some("3"), at(3))]);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn names_that_would_lead_elsewhere_and_numbers_that_are_none_stop_it() {
    let folder = temporary_folder("archive-odd").unwrap();
    let mut archive = archive(&folder);
    for (shard, number) in [("../b", "7"), ("..", "7"), ("a", "../7"), ("a", "x")] {
        let record = Record::new("k", "d", number, at(7));
        let error = archive.process(&Batch::new("visits", shard, vec![record]), &mut ctx(100)).unwrap_err();
        assert!(format!("{error:?}").starts_with("Stop: "), "{error:?}");
    }
    let without_a_run = Archive::to(&folder).unwrap().process(&batch(1..=1), &mut ctx(100)).unwrap_err();
    assert!(format!("{without_a_run:?}").contains("run it with a consumer"));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_is_no_archive_is_not_replayed() {
    let folder = temporary_folder("archive-none").unwrap();
    for place in [folder.clone(), folder.join("missing")] {
        let error = Archive::to(&place).unwrap().folders_of(None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        assert!(error.to_string().contains("there is no archive in"), "{error}");
    }
    assert!(!folder.join("missing").exists(), "it is not made by looking for it");
    fs::remove_dir_all(&folder).unwrap();
}
