//! What the embedded service keeps in a folder, how much it holds, and how far behind it says that one is.

#![cfg(all(feature = "full", unix))]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use kinesis_lab::prelude::*;

/// The example `local_kinesis` as a program; killed when this is dropped.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill(); // SIGKILL
        let _ = self.0.wait();
    }
}

/// With what the shell does before it becomes that program.
fn service(before: &str, folder: &Path) -> (Service, Kinesis) {
    // Beside the test's own folder; `cargo test` builds examples, `cargo test --test …` does not.
    let mut program = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    program.push("examples/local_kinesis");
    assert!(program.exists(), "it is there after `cargo build --features full --example local_kinesis`");
    let script = format!("{before} exec {} --folder {}", program.display(), folder.display());
    let mut child = Command::new("bash").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (Service(child), Kinesis::endpoint(url.trim()).unwrap())
}

/// Each record's data by its sequence number, of all shards.
fn all(stream: &Stream) -> BTreeMap<String, String> {
    struct Keep(BTreeMap<String, String>);
    impl RecordProcessor for Keep {
        fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
            for record in &batch.records {
                let data = String::from_utf8_lossy(&record.data[..]).into_owned();
                assert_eq!(self.0.insert(record.sequence_number.to_string(), data), None, "twice");
            }
            Ok(())
        }
    }
    let mut keep = Keep(BTreeMap::new());
    stream.consumer().trim_horizon().run_until_caught_up(&mut keep).unwrap();
    keep.0
}

/// In one attempt.
fn put_once(stream: &Stream, key: &str, data: &str) -> bool {
    stream.put_many(vec![kinesis_lab::Entry::new(key, data)]).max_attempts(1).send().is_ok()
}

fn shards(stream: &Stream) -> BTreeSet<String> {
    stream.shards().unwrap().iter().map(|shard| format!("{shard:?}")).collect()
}

#[test]
fn what_was_acknowledged_outlives_a_kill_at_any_moment() {
    let folder = kinesis_lab::temporary_folder("kills").unwrap();
    let (mut acknowledged, mut random) = (BTreeSet::new(), fastrand::Rng::with_seed(7));
    for life in 0..8 {
        let (service, kinesis) = service("", &folder);
        let stream = match kinesis.stream("kept") {
            Ok(stream) => stream,
            Err(error) if error.is_stream_not_found() => kinesis.create_stream("kept", 2).unwrap(),
            Err(error) => panic!("{error}"),
        };
        let (acks, received) = mpsc::channel();
        let (splits, at_split) = mpsc::channel();
        let putter = std::thread::spawn(move || {
            for n in 0.. {
                let data = format!("{life}/{n}");
                if !put_once(&stream, &format!("k{n}"), &data) {
                    return; // killed
                }
                acks.send(data).unwrap();
                // A change is under way, now and then, when the end comes.
                if n == 2 && life % 2 == 1 {
                    let Ok(shards) = stream.shards() else { return };
                    let open = shards.into_iter().find(|shard| shard.is_open());
                    let _ = splits.send(());
                    let _ = stream.split_shard(&open.unwrap().id);
                    let _ = splits.send(());
                }
            }
        });
        // However slow this machine is today: in the middle of a split; in the last life, after one.
        for _ in 0..(life % 2) + (life / 7) {
            at_split.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        std::thread::sleep(Duration::from_millis(random.u64(20..400)));
        drop(service);
        putter.join().unwrap();
        acknowledged.extend(received.iter());
    }
    assert!(acknowledged.len() >= 12, "{}", acknowledged.len());

    let kinesis = Local::new().folder(&folder).open().unwrap();
    let stream = kinesis.stream("kept").unwrap();
    let found = all(&stream);
    let data: BTreeSet<String> = found.values().cloned().collect();
    assert_eq!(acknowledged.difference(&data).next(), None, "lost");
    // At most the put that each life died in.
    assert!(found.len() - acknowledged.len() <= 8, "{} and {}", found.len(), acknowledged.len());
    // And it goes on behind them.
    let later = stream.put("k1", "later").unwrap();
    assert!(stream.shards().unwrap().len() > 2, "no split was ever done");
    let mut found = found;
    found.insert(later.sequence_number, "later".into());
    assert_eq!(all(&stream), found);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_change_of_the_shard_count_that_was_under_way_is_made_by_the_next_service() {
    let folder = kinesis_lab::temporary_folder("scaled").unwrap();
    Local::new().folder(&folder).open().unwrap().create_stream("kept", 2).unwrap();
    let kinesis = Local::new().folder(&folder).transition(secs(3_600)).open().unwrap();
    let client = kinesis.client().clone();
    let scaling = kinesis_lab::aws_sdk_kinesis::types::ScalingType::UniformScaling;
    let call = client.update_shard_count().stream_name("kept").target_shard_count(4).scaling_type(scaling);
    assert_eq!(block_on(call.send()).unwrap().current_shard_count(), Some(2));
    drop((client, kinesis));
    let kinesis = Local::new().folder(&folder).open().unwrap();
    let stream = kinesis.stream("kept").unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while stream.describe().unwrap().open_shards != 4 {
        assert!(Instant::now() < deadline, "{:?}", stream.describe());
        std::thread::sleep(Duration::from_millis(10));
    }
    let parents: Vec<Option<String>> =
        stream.shards().unwrap().into_iter().map(|shard| shard.parent).collect();
    assert_eq!(parents.iter().flatten().count(), 4, "{parents:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn all_that_a_stream_is_comes_back() {
    let folder = kinesis_lab::temporary_folder("back").unwrap();
    let open = || Local::new().folder(&folder).transition(millis(10)).open().unwrap();
    let (mut before, last) = {
        let kinesis = open();
        let stream = kinesis.create_stream("kept", 2).unwrap();
        kinesis.create_stream("gone", 1).unwrap().put("k", "gone").unwrap();
        kinesis.delete_stream("gone").unwrap();
        for n in 0..300 {
            stream.put(format!("{n}"), format!("{n}")).unwrap();
        }
        stream.split_shard(&stream.shards().unwrap()[0].id).unwrap();
        for n in 300..400 {
            stream.put(format!("{n}"), format!("{n}")).unwrap();
        }
        let client = kinesis.client().clone();
        block_on(async move {
            client
                .increase_stream_retention_period()
                .stream_name("kept")
                .retention_period_hours(48)
                .send()
                .await?;
            client.add_tags_to_stream().stream_name("kept").tags("team", "clicks").send().await?;
            let stream = client.describe_stream_summary().stream_name("kept").send().await?;
            let arn = stream.stream_description_summary.unwrap().stream_arn;
            let consumer =
                client.register_stream_consumer().stream_arn(arn).consumer_name("fast").send().await?;
            let arn = consumer.consumer.unwrap().consumer_arn;
            let tags = client.tag_resource().resource_arn(arn).tags("cost", "42").send();
            tags.await.map(|_| ()).map_err(kinesis_lab::aws_sdk_kinesis::Error::from)
        })
        .unwrap();
        let last = stream.put("last", "last").unwrap();
        ((stream.created(), shards(&stream), all(&stream)), last)
    };
    for _ in 0..2 {
        let kinesis = open();
        assert_eq!(kinesis.list_streams().unwrap(), ["kept"]);
        let stream = kinesis.stream("kept").unwrap();
        assert_eq!((stream.created(), shards(&stream), all(&stream)), before);
        let client = kinesis.client().clone();
        let (summary, tags) = block_on(async move {
            let summary = client.describe_stream_summary().stream_name("kept").send().await.unwrap();
            let tags = client.list_tags_for_stream().stream_name("kept").send().await.unwrap().tags;
            let arn = summary.stream_description_summary.as_ref().unwrap().stream_arn.clone();
            let consumers = client.list_stream_consumers().stream_arn(arn).send().await.unwrap();
            let arn = consumers.consumers()[0].consumer_arn.clone();
            let of_consumer = client.list_tags_for_resource().resource_arn(arn).send().await.unwrap().tags;
            (summary, [tags, of_consumer.unwrap_or_default()])
        });
        assert_eq!(summary.stream_description_summary.unwrap().retention_period_hours, 48);
        let tags = tags.iter().flatten().map(|tag| (tag.key(), tag.value())).collect::<Vec<_>>();
        assert_eq!(tags, [("team", Some("clicks")), ("cost", Some("42"))]);
        // Sequence numbers go on: one that was put now is behind the last one of its shard.
        let now = stream.put("last", "last").unwrap();
        assert_eq!(now.shard_id, last.shard_id);
        assert!(now.sequence_number > last.sequence_number, "{now:?} {last:?}");
        before.2 = all(&stream);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// A put looks up what it has stored, to write it down. Beside another put that locked up all puts and reads for good:
/// each waited for a thread that waited for the other.
#[test]
fn puts_side_by_side_do_not_lock_each_other_up() {
    let folder = kinesis_lab::temporary_folder("beside").unwrap();
    let (_service, kinesis) = service("", &folder);
    let stream = kinesis.create_stream("kept", 1).unwrap();
    let (done, told) = mpsc::channel();
    const PUTTERS: usize = 8;
    const CALLS: usize = 12;
    for n in 0..PUTTERS {
        let (stream, done) = (stream.clone(), done.clone());
        std::thread::spawn(move || {
            for _ in 0..CALLS {
                let entries = (0..500).map(|m| Entry::new(format!("{n} {m}"), "x".repeat(100))).collect();
                // An error means that the test has failed already.
                let _ = done.send(stream.put_many(entries).send().is_ok());
            }
        });
    }
    for call in 0..PUTTERS * CALLS {
        let came = told.recv_timeout(secs(60));
        assert_eq!(came, Ok(true), "after {call} calls");
    }
    assert_eq!(all(&stream).len(), PUTTERS * CALLS * 500);
    std::fs::remove_dir_all(folder).unwrap();
}

/// A stream is created some time after the call for it was answered. Nobody needs to call once more for that to be
/// kept: created anew, it would be another stream of its name.
#[test]
fn what_comes_about_later_is_kept_without_another_call() {
    let folder = kinesis_lab::temporary_folder("later").unwrap();
    let kinesis = Local::new().folder(&folder).open().unwrap();
    let stream = kinesis.create_stream("kept", 2).unwrap();
    let before = (stream.created(), shards(&stream));
    let begun = Instant::now();
    while !std::fs::read_to_string(folder.join("kinesis.log")).unwrap().contains("\"ACTIVE\"") {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is not written");
        std::thread::sleep(millis(10));
    }
    drop((stream, kinesis));
    let stream = Local::new().folder(&folder).open().unwrap().stream("kept").unwrap();
    assert_eq!((stream.created(), shards(&stream)), before);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_full_disk_needs_no_restart() {
    let prlimit = Command::new("prlimit").arg("--version").stdout(Stdio::null()).status();
    if !prlimit.is_ok_and(|status| status.success()) {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "SKIPPED: no prlimit here");
        return;
    }
    let folder = kinesis_lab::temporary_folder("full").unwrap();
    // Files of 256 KiB at most, and an error where a signal would end the process.
    let (service, kinesis) = service("trap '' XFSZ; ulimit -S -f 256;", &folder);
    let stream = kinesis.create_stream("kept", 1).unwrap();
    let mut put = Vec::new();
    for length in [20_000, 100] {
        loop {
            let data = format!("{}{}", put.len(), "x".repeat(length));
            if !put_once(&stream, "k", &data) {
                break;
            }
            put.push(data);
        }
    }
    let error = stream.put("k", "full").unwrap_err();
    assert!(put.len() >= 5 && error.to_string().contains("make room on that disk"), "{} {error}", put.len());
    let read = || all(&stream).into_values().collect::<Vec<_>>();
    assert_eq!(read(), put, "reads go on, and see what was acknowledged alone");
    let refused = kinesis.create_stream("another", 1).unwrap_err();
    assert!(refused.to_string().contains("make room"), "{refused}");
    assert_eq!(kinesis.list_streams().unwrap(), ["kept"], "and nothing was done");

    let pid = service.0.id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap().success());
    stream.put("k", "room").unwrap();
    put.push("room".into());
    assert_eq!(read(), put);
    drop(service);
    let kept = Local::new().folder(&folder).open().unwrap().stream("kept").unwrap();
    assert_eq!(all(&kept).into_values().collect::<Vec<_>>(), put);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_file_is_written_anew_when_most_of_it_is_of_the_past() {
    let folder = kinesis_lab::temporary_folder("compacted").unwrap();
    let kinesis = Local::new().folder(&folder).open().unwrap();
    let kept = kinesis.create_stream("kept", 2).unwrap();
    kept.put("k", "kept").unwrap();
    let length = || std::fs::metadata(folder.join("kinesis.log")).unwrap().len();
    let mut longest = 0;
    for round in 0..3 {
        let stream = kinesis.create_stream(&format!("past{round}"), 1).unwrap();
        for n in 0..14 {
            stream.put("k", vec![n; 700_000]).unwrap();
        }
        longest = longest.max(length());
        stream.delete().unwrap();
    }
    // 39 MB were put in all, as base64; with 13 MB at a time, it has twice that.
    assert!(longest < 30_000_000, "{longest}");
    kept.put("k", vec![0; 700_000]).unwrap();
    drop((kept, kinesis));
    let kept = Local::new().folder(&folder).open().unwrap().stream("kept").unwrap();
    assert_eq!(all(&kept).len(), 2);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn it_holds_no_more_than_it_may() {
    let kinesis = Local::new().memory_limit(3_000_000).open().unwrap();
    let (first, second) =
        (kinesis.create_stream("first", 1).unwrap(), kinesis.create_stream("second", 1).unwrap());
    let mut held = 0;
    let error = loop {
        match first.put("k", vec![0; 500_000]) {
            Ok(_) => held += 1,
            Err(error) => break error,
        }
        assert!(held < 20, "it has taken {held} records of 500 KB, and no end");
    };
    assert_eq!((held, error.kind()), (5, ErrorKind::LimitExceeded));
    let sentence = error.to_string();
    assert!(
        sentence.starts_with("the local Kinesis holds 2 MiB") && sentence.contains("delete a stream"),
        "{error}"
    );
    // Small ones, too, have their price.
    assert!(second.put("k", "1").is_err());
    assert_eq!(all(&first).len(), 5, "what it has, it gives");
    first.delete().unwrap();
    second.put("k", "1").unwrap();
}

#[test]
fn it_says_how_far_behind_one_is() {
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("behind", 1).unwrap();
    let entries = (0..2_500).map(|n| kinesis_lab::Entry::new("k", format!("{n}")));
    stream.put_many(entries.collect()).send().unwrap();
    std::thread::sleep(Duration::from_millis(1_100)); // the arrival of a record is told in whole seconds
    let begun = Instant::now();
    let client = kinesis.client().clone();
    let pages = block_on(async move {
        let iterator = client.get_shard_iterator().stream_name("behind").shard_id("shardId-000000000000");
        let iterator = iterator.shard_iterator_type("TRIM_HORIZON".into()).send().await.unwrap();
        let (mut iterator, mut pages) = (iterator.shard_iterator, Vec::new());
        for _ in 0..4 {
            let page = client.get_records().set_shard_iterator(iterator).limit(1_000).send().await.unwrap();
            pages.push((page.records.len(), page.millis_behind_latest.unwrap()));
            iterator = page.next_shard_iterator;
        }
        pages
    });
    let longest = 2_200 + begun.elapsed().as_millis() as i64;
    for (records, behind) in &pages[..2] {
        assert!(*records == 1_000 && (1_000..longest).contains(behind), "{pages:?}");
    }
    assert_eq!(pages[2..], [(500, 0), (0, 0)]);
}

/// `KINESIS_LAB_RECORDS=200000 cargo test --features full --test local_folder costs -- --nocapture` fills it further.
#[test]
fn a_put_costs_its_own_size_however_much_is_held() {
    let folder = kinesis_lab::temporary_folder("costs").unwrap();
    let kinesis = Local::new().folder(&folder).open().unwrap();
    let stream = kinesis.create_stream("filled", 1).unwrap();
    // The quickest of several: of other programs on this machine, some are always at work.
    let put = || {
        let once = || {
            let begun = Instant::now();
            stream.put("k", [b'x'; 100]).unwrap();
            begun.elapsed()
        };
        (0..50).map(|_| once()).min().unwrap()
    };
    let most = std::env::var("KINESIS_LAB_RECORDS").ok().and_then(|most| most.parse().ok()).unwrap_or(20_000);
    let (empty, mut held) = (put(), 0);
    println!("a put takes {empty:?} where nothing is held");
    for records in [20_000, most] {
        let entry = |n| kinesis_lab::Entry::new(format!("{n}"), [b'x'; 100]);
        stream.put_many((held..records).map(entry).collect()).send().unwrap();
        held = records;
        let full = put();
        println!("a put takes {full:?} where {records} records are held");
        assert!(full < 10 * empty, "{full:?} where {records} are held, {empty:?} where none is");
    }
    drop((stream, kinesis));
    let begun = Instant::now();
    let stream = Local::new().folder(&folder).open().unwrap().stream("filled").unwrap();
    println!("opened in {:?}", begun.elapsed());
    stream.put("k", "1").unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
