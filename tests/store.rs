//! The database of a stored counter: what it goes on from, what it refuses, what it says.

#![cfg(feature = "full")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use kinesis_lab::prelude::*;
use kinesis_lab::{ErrorKind, JsonFormat, Pipeline, StoredCounter, block_on};
use serde_json::{Value, json};

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder.join("counts.db")
}

fn counter(file: &Path) -> StoredCounter {
    Counter::per_minute().lateness(secs(30)).stored_in(file).unwrap()
}

fn produce(stream: &Stream, key: &str, events: u64) {
    let report = stream.producer(key).interval(secs(10)).at_once().limit(events).start().join();
    assert_eq!(report.sent, events);
}

fn drain(stream: &Stream, counter: &mut StoredCounter) -> ConsumerReport {
    stream.consumer().trim_horizon().run_until_caught_up(counter).unwrap()
}

fn total(file: &Path) -> u64 {
    Counts::open(file).unwrap().windows().unwrap().iter().map(Window::total).sum()
}

#[test]
fn a_second_run_goes_on_where_the_first_was() {
    let file = scratch("goes on");
    let stream = Kinesis::local().unwrap().create_stream("s", 3).unwrap();
    produce(&stream, "192.0.2.10", 100);
    let mut first = counter(&file);
    assert_eq!(drain(&stream, &mut first).records, 100);
    assert_eq!(drain(&stream, &mut first).records, 0, "the same counter");
    drop(first);
    produce(&stream, "192.0.2.20", 50);
    let mut second = counter(&file);
    assert_eq!(drain(&stream, &mut second).records, 50, "another one, of another process for all it knows");
    // 192.0.2.10 has been to 08:16:30; what is open is the last window, and those within the lateness.
    let open: u64 = second.windows().iter().map(Window::total).sum();
    let late = second.late().count();
    assert_eq!(total(&file) + open + late, 150);
    assert!(late > 0, "192.0.2.20 began at 08:00 as well, after most windows were complete");
    second.flush().unwrap();
    assert_eq!(total(&file) + late, 150);
    assert_eq!(Counts::open(&file).unwrap().late().unwrap().iter().map(|row| row.2).sum::<u64>(), late);
    drain(&stream, &mut second);
    assert_eq!(total(&file) + late, 150, "a flushed counter has nothing left");
}

/// It wrote an empty state into the file, and no later run could use that: UNIQUE constraint failed.
#[test]
fn yesterdays_file_is_finished_without_its_stream() {
    for (name, slide) in [("finished", 60), ("finished sliding", 20), ("finished crooked", 45)] {
        let file = scratch(name);
        let counter = || Counter::sliding(secs(60), secs(slide)).lateness(secs(30)).stored_in(&file);
        let kinesis = Kinesis::local().unwrap();
        let stream = kinesis.create_stream("s", 2).unwrap();
        produce(&stream, "192.0.2.10", 100);
        let mut first = counter().unwrap();
        drain(&stream, &mut first);
        let open: u64 = first.windows().iter().map(Window::total).sum();
        drop(first);
        let before = total(&file);
        assert!(open > 0);

        counter().unwrap().flush().unwrap(); // another process, for all it knows
        assert_eq!(total(&file), before + open);
        let mut again = counter().unwrap();
        again.flush().unwrap();
        again.flush().unwrap();
        assert_eq!(total(&file), before + open, "once");
        assert_eq!(drain(&stream, &mut again).records, 0);
        again.flush().unwrap();
        drop(again);
        assert_eq!(total(&file), before + open);

        // And it goes on: what comes for windows that are complete is late, the rest is counted.
        produce(&stream, "192.0.2.20", 200);
        let mut next = counter().unwrap();
        assert_eq!(drain(&stream, &mut next).records, 200);
        next.flush().unwrap();
        let pairs = 300 * if slide == 20 { 3 } else { 1 };
        if slide != 45 {
            assert_eq!(total(&file) + next.late().count(), pairs);
        }
    }
}

#[test]
fn a_flush_writes_nothing_that_was_not_loaded() {
    let file = scratch("nothing loaded");
    let error = counter(&file).flush().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("run it over its stream first"), "{error}");
    let stream = Kinesis::local().unwrap().create_stream("s", 1).unwrap();
    produce(&stream, "192.0.2.10", 30);
    drain(&stream, &mut counter(&file));
    let before = total(&file);
    let mut other = Counter::tumbling(secs(30)).stored_in(&file).unwrap();
    let error = other.flush().unwrap_err().to_string();
    assert!(error.contains("window size"), "{error}");
    assert_eq!(total(&file), before);
}

/// Numbers that are kept, so that nobody counts a year's rows for a line of status.
#[test]
fn the_number_of_rows_is_there_without_counting_them() {
    let file = scratch("rows");
    let stream = Kinesis::local().unwrap().create_stream("s", 2).unwrap();
    let rows = || {
        let database = rusqlite::Connection::open(&file).unwrap();
        database
            .query_row("SELECT count(*) FROM windows", [], |row| row.get::<_, i64>(0))
            .unwrap()
            .unsigned_abs()
    };
    let pairs = || Counts::open(&file).unwrap().pairs().unwrap();
    for key in ["192.0.2.10", "192.0.2.20"] {
        produce(&stream, key, 100);
        let mut counter = counter(&file);
        drain(&stream, &mut counter);
        assert!(rows() > 0 && pairs() == rows());
        if key == "192.0.2.20" {
            counter.flush().unwrap();
            assert_eq!(pairs(), rows());
        }
    }
    // A file from before there was such a table: for who reads it, and for who writes it next.
    rusqlite::Connection::open(&file).unwrap().execute_batch("DROP TABLE totals").unwrap();
    assert_eq!(pairs(), rows());
    drop(counter(&file));
    assert_eq!(
        Counts::open(&file).unwrap().sql("SELECT count FROM totals").unwrap().rows[0][0],
        rows().to_string()
    );
}

#[test]
fn what_found_no_room_is_remembered_too() {
    let file = scratch("no room");
    let stream = Kinesis::local().unwrap().create_stream("s", 1).unwrap();
    for hour in 10..20 {
        stream.put("192.0.2.10", format!("2018-09-06T{hour}:00:00Z")).unwrap();
    }
    let counter = || Counter::per_minute().max_pairs(3).lateness(secs(86_400)).stored_in(&file).unwrap();
    let mut first = counter();
    drain(&stream, &mut first);
    assert_eq!((first.total(), first.unplaced()), (3, 7));
    drop(first);
    let mut second = counter();
    drain(&stream, &mut second);
    assert_eq!((second.total(), second.unplaced()), (3, 7));
    assert_eq!(Counts::open(&file).unwrap().totals().unwrap().unplaced, 7);
}

#[test]
fn it_follows_a_reshard_between_two_runs() {
    let file = scratch("reshard");
    let stream = Kinesis::local().unwrap().create_stream("s", 1).unwrap();
    let mut counter = Counter::per_minute().lateness(secs(3_600)).stored_in(&file).unwrap();
    produce(&stream, "192.0.2.10", 30);
    drain(&stream, &mut counter);
    stream.split_shard("shardId-000000000000").unwrap();
    produce(&stream, "192.0.2.20", 30);
    drain(&stream, &mut counter);
    let ended = |counter: &StoredCounter| counter.positions().filter(|shard| shard.ended).count();
    assert_eq!((ended(&counter), counter.positions().count()), (1, 3));
    stream.merge_shards("shardId-000000000001", "shardId-000000000002").unwrap();
    produce(&stream, "192.0.2.30", 30);
    assert_eq!(drain(&stream, &mut counter).records, 30);
    assert_eq!((ended(&counter), counter.positions().count()), (3, 4));
    counter.flush().unwrap();
    assert_eq!((total(&file), counter.late().count()), (90, 0));
}

#[test]
fn latest_means_when_it_was_first_said() {
    let file = scratch("latest");
    let stream = Kinesis::local().unwrap().create_stream("s", 2).unwrap();
    produce(&stream, "192.0.2.10", 10);
    std::thread::sleep(secs(1)); // the service tells its time in whole seconds, and so are arrivals
    let consumer = stream.consumer().latest();
    let mut first = counter(&file);
    assert_eq!(consumer.run_until_caught_up(&mut first).unwrap().records, 0);
    // Between two runs: the database remembers that it was waiting for this.
    std::thread::sleep(secs(1)); // arrival times are cut to seconds here
    produce(&stream, "192.0.2.20", 10);
    assert_eq!(consumer.run_until_caught_up(&mut first).unwrap().records, 10);
}

#[test]
fn what_it_is_not_for_it_refuses() {
    let file = scratch("refuses");
    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("s", 1).unwrap();
    drain(&stream, &mut counter(&file));
    let refused = |stream: &Stream, counter: Counter, words: &str| {
        let mut counter = counter.stored_in(&file).unwrap();
        let error = stream.consumer().run_until_caught_up(&mut counter).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("a file of its own"), "{error}");
    };
    refused(&stream, Counter::tumbling(secs(30)), "another window size");
    refused(&stream, Counter::sliding(secs(60), secs(10)), "another window slide");
    // Pages would be counted beside clients, and what was read before would be missing.
    let pages = JsonFormat::new().key(&["path", "status"]);
    refused(&stream, Counter::per_minute().reading(pages), "another key (client; this one's is path status)");
    refused(
        &stream,
        Counter::per_minute().network(32, 64),
        "another key (client; this one's is client/32/64)",
    );
    refused(&kinesis.create_stream("other", 1).unwrap(), Counter::per_minute(), "another stream (s;");
    // One from before there were formats has it not written down.
    let forget = "DELETE FROM meta WHERE name = 'key'";
    assert_eq!(rusqlite::Connection::open(&file).unwrap().execute(forget, []).unwrap(), 1);
    refused(&stream, Counter::per_minute().reading(JsonFormat::new().key(&["path"])), "another key (client;");
    drain(&stream, &mut counter(&file));
    stream.delete().unwrap();
    std::thread::sleep(secs(1)); // a stream is its name and the second of its creation
    let again = kinesis.create_stream("s", 1).unwrap();
    refused(&again, Counter::per_minute(), "created at another time");
    refused(&again, Counter::per_minute(), "delete that file if the earlier stream is gone");

    let error = |file: &Path| Counter::per_minute().stored_in(file).map(drop).unwrap_err();
    let held = counter(&file);
    assert!(error(&file).to_string().contains("open in this program already"), "{}", error(&file));
    drop(held);
    fs::write(&file, "Dear diary, today I counted visitors, and there were many of them. ".repeat(100))
        .unwrap();
    assert!(error(&file).to_string().contains("is no SQLite database"), "{}", error(&file));
    fs::remove_file(&file).unwrap();
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE songs (title)").unwrap();
    assert!(error(&file).to_string().contains("another program's database"), "{}", error(&file));
    assert!(error(Path::new("/no/such/folder/counts.db")).to_string().contains("is its folder there"));
    assert_eq!(error(&file).kind(), ErrorKind::Store);
    fs::remove_file(&file).unwrap();
    drop(counter(&file));
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(error(&file).to_string().contains("layout 99"), "{}", error(&file));
}

#[test]
fn a_query_changes_nothing() {
    let file = scratch("query");
    let stream = Kinesis::local().unwrap().create_stream("query", 1).unwrap();
    produce(&stream, "192.0.2.10", 60);
    drain(&stream, &mut counter(&file));
    let before = fs::read(&file).unwrap();
    let counts = Counts::open(&file).unwrap();
    let other = file.with_file_name("other.db");
    for query in [
        "DELETE FROM windows",
        "DROP TABLE windows",
        "UPDATE windows SET count = 0",
        "CREATE TABLE mine (n)",
        "PRAGMA user_version = 9",
        &format!("VACUUM INTO '{}'", other.display()),
    ] {
        let error = counts.sql(query).expect_err(query);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{query}: {error}");
    }
    assert_eq!(counts.sql("SELECT count(*) FROM windows").unwrap().rows.len(), 1);
    drop(counts);
    assert!(fs::read(&file).unwrap() == before && !other.exists());
}

#[test]
fn a_damaged_or_locked_file_is_a_sentence_and_loses_nothing() {
    let file = scratch("damaged");
    let stream = Kinesis::local().unwrap().create_stream("s", 1).unwrap();
    let mut ours = counter(&file);
    produce(&stream, "192.0.2.10", 60);
    drain(&stream, &mut ours);
    let before = total(&file);
    produce(&stream, "192.0.2.10", 60);

    // Of a run, which waits, see tests/locked.rs.
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = ours.flush().unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::StoreUnavailable, true));
    assert!(error.to_string().contains("another program holds a lock"), "{error}");
    assert_eq!(total(&file), before);
    other.execute_batch("ROLLBACK").unwrap();
    drain(&stream, &mut ours);
    ours.flush().unwrap();
    assert_eq!(total(&file) + ours.late().count(), 120, "and the next run counts what that one could not");
    // Without a run in between: what could not be written is written first.
    produce(&stream, "192.0.2.10", 60);
    drain(&stream, &mut ours);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    ours.flush().unwrap_err();
    other.execute_batch("ROLLBACK").unwrap();
    ours.flush().unwrap();
    assert_eq!(total(&file) + ours.late().count(), 180);
    drop((ours, other));

    let mut bytes = fs::read(&file).unwrap();
    bytes[4096..].iter_mut().for_each(|byte| *byte = 0x5a);
    fs::write(&file, bytes).unwrap();
    let error = Counter::per_minute().lateness(secs(30)).stored_in(&file).unwrap_err().to_string();
    assert!(error.contains("is damaged"), "{error}");
}

/// What the stream's retention has taken: the number of the last record of shard 0 that is gone, or the
/// whole shard.
#[derive(Default)]
struct Trimmed {
    through: Option<String>,
    shard: bool,
}

/// A day passes in no test; so this answers as the service does once it has.
async fn trim(State(trimmed): State<Arc<Mutex<Trimmed>>>, request: Request, next: Next) -> Response {
    let target = request.headers().get("x-amz-target").map(|v| v.to_str().unwrap_or_default().to_owned());
    let call = target.unwrap_or_default();
    let (parts, body) = request.into_parts();
    let mut body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    if call.ends_with("GetShardIterator")
        && let Some(through) = trimmed.lock().unwrap().through.clone()
    {
        let mut asked: Value = serde_json::from_slice(&body).unwrap();
        if asked["ShardIteratorType"] == "AT_SEQUENCE_NUMBER" {
            asked["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
            asked["StartingSequenceNumber"] = json!(through);
        }
        body = asked.to_string().into_bytes();
    }
    let mut request = Request::from_parts(parts, Body::from(body));
    request.headers_mut().remove("content-length");
    let response = next.run(request).await;
    if !(call.ends_with("ListShards") && trimmed.lock().unwrap().shard) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let mut listed: Value = serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap();
    let shards = listed["Shards"].as_array_mut().unwrap();
    shards.retain(|shard| shard["ShardId"] != "shardId-000000000000");
    parts.headers.remove("content-length");
    Response::from_parts(parts, Body::from(listed.to_string()))
}

fn trimming() -> (Kinesis, Arc<Mutex<Trimmed>>) {
    let trimmed = Arc::<Mutex<Trimmed>>::default();
    let shared = trimmed.clone();
    let url = block_on(async move {
        let options = ferrokinesis::store::StoreOptions {
            create_stream_ms: 0,
            update_stream_ms: 0,
            ..ferrokinesis::store::StoreOptions::default()
        };
        let (app, _store) = ferrokinesis::create_app(options);
        let app = app.layer(DefaultBodyLimit::max(32 << 20)).layer(from_fn_with_state(shared, trim));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    });
    (Kinesis::endpoint(&url).unwrap(), trimmed)
}

#[test]
fn a_checkpoint_older_than_the_retention_is_reported() {
    let file = scratch("retention");
    let (kinesis, trimmed) = trimming();
    let stream = kinesis.create_stream("s", 1).unwrap();
    let put = |n: u32| {
        let time = format!("2018-09-06T08:{n:02}:00Z");
        stream.put("192.0.2.10", time).unwrap().sequence_number
    };
    (0..3).for_each(|n| drop(put(n)));
    let mut ours = counter(&file);
    assert_eq!(drain(&stream, &mut ours).lost, []);
    put(3);
    trimmed.lock().unwrap().through = Some(put(4));
    (5..8).for_each(|n| drop(put(n)));
    let report = drain(&stream, &mut ours);
    assert_eq!(report.records, 3, "reading goes on with the oldest record");
    let [lost] = &report.lost[..] else { panic!("{:?}", report.lost) };
    assert!(lost.before.is_some() && lost.to_string().contains("has outlived the stream's retention"));
    trimmed.lock().unwrap().through = None;
    assert_eq!(drain(&stream, &mut ours).lost, [], "once");
}

#[test]
fn a_shard_that_is_gone_with_unread_records_is_reported() {
    let file = scratch("gone");
    let (kinesis, trimmed) = trimming();
    let stream = kinesis.create_stream("s", 1).unwrap();
    stream.put("192.0.2.10", "2018-09-06T08:00:00Z").unwrap();
    let mut ours = counter(&file);
    drain(&stream, &mut ours);
    stream.put("192.0.2.10", "2018-09-06T08:00:01Z").unwrap();
    stream.split_shard("shardId-000000000000").unwrap();
    stream.put("192.0.2.10", "2018-09-06T08:00:02Z").unwrap();
    trimmed.lock().unwrap().shard = true;
    let report = drain(&stream, &mut ours);
    assert_eq!((report.records, report.lost.len()), (1, 1), "its child is read from the beginning");
    assert!(report.lost[0].to_string().contains("shardId-000000000000 is gone"));
    assert_eq!(drain(&stream, &mut ours).lost, [], "once");
}

#[test]
fn completed_windows_go_to_another_stream_and_are_counted_once() {
    let kinesis = Kinesis::local().unwrap();
    let (stream, counts) =
        (kinesis.create_stream("s", 1).unwrap(), kinesis.create_stream("counts", 1).unwrap());
    produce(&stream, "192.0.2.10", 60);
    let mut counter = Counter::per_minute().lateness(secs(0));
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    counter.flush();
    let records: Vec<Entry> = counter.take_completed().iter().flat_map(Window::entries).collect();
    assert_eq!(records.len(), 10);
    // Sent twice, as after a crash between two commits.
    for _ in 0..2 {
        counts.put_many(records.clone()).send().unwrap();
    }
    let mut of_windows = Counter::tumbling(secs(3_600));
    counts.consumer().trim_horizon().run_until_caught_up(&mut of_windows).unwrap();
    assert_eq!((of_windows.total(), of_windows.duplicates()), (10, 10));
}

/// A database that is not bounded grows with the years.
#[test]
fn old_windows_are_dropped_in_the_commit_that_moves_the_watermark() {
    for slide in [60, 20] {
        let file = scratch(&format!("dropped {slide}"));
        dropped(file.to_str().unwrap(), slide);
    }
}

fn dropped(database: &str, slide: u64) {
    let stream = Kinesis::local().unwrap().create_stream("s", 1).unwrap();
    // Now and then one key too many.
    let pairs = if slide == 60 { 15 } else { 18 };
    let counter = || {
        let counter = Counter::sliding(secs(60), secs(slide)).lateness(secs(0)).max_pairs(pairs);
        counter.stored_in(database).unwrap().keep_for(secs(300))
    };
    let mut records = 0;
    for hour in 0..2 {
        let time = |n: i64| Timestamp::from_secs(1_536_220_800 + hour * 3_600 + n * 20);
        let entries = |n: i64| {
            let time = time(n);
            let time = if n % 7 == 6 { time - secs(240) } else { time }; // late
            [n % 3, 100 + n % 3].map(|host| Entry::new(format!("192.0.2.{host}"), time.to_string()))
        };
        stream.put_many((0..120).flat_map(entries).collect()).send().unwrap();
        let mut counter = counter();
        let consumer = stream.consumer().trim_horizon().limit(20);
        records += consumer.run_until_caught_up(&mut counter).unwrap().records;
        let counts = Counts::open(database).unwrap();
        let windows = counts.windows().unwrap();
        let watermark = time(119);
        assert!(windows.iter().all(|window| window.end + secs(300) >= watermark), "{windows:?}");
        let kept = windows.iter().any(|window| window.end + secs(240) <= watermark);
        assert!(kept, "no more is dropped than was asked: {windows:?}");
        assert!(counts.late().unwrap().iter().all(|(start, _, _)| *start + secs(360) >= watermark));
        let overflow = format!("SELECT count(*), min(start) >= '{}' FROM overflow", watermark - secs(360));
        let overflow = counts.sql(&overflow).unwrap();
        assert!(overflow.rows[0][0] != "0" && overflow.rows[0][1] == "1", "{overflow}");
        let rows: u64 = windows.iter().map(|window| window.counts.len() as u64).sum();
        assert_eq!(counts.pairs().unwrap(), rows);
        assert!(counts.totals().unwrap().late > 0 && counts.bytes().unwrap() > 0);
    }
    assert_eq!(records, 480);
}

#[test]
fn a_pipeline_keeps_windows_as_long_as_it_is_told_and_says_what_they_take() {
    let stream = Kinesis::local().unwrap().create_stream("kept", 1).unwrap();
    produce(&stream, "192.0.2.10", 60); // ten minutes
    let file = scratch("kept by a pipeline");
    let folder = file.parent().unwrap();
    let pipeline = Pipeline::over(&stream).folder(folder).lateness(secs(0)).keep_for(secs(180));
    let status = pipeline.run_until_caught_up().unwrap();
    let counts = Counts::open(&file).unwrap();
    let starts: Vec<String> = counts.windows().unwrap().iter().map(|window| window.start.plain(0)).collect();
    // The watermark is at 08:09:50.
    assert_eq!(starts, ["2018-09-06 08:06:00", "2018-09-06 08:07:00", "2018-09-06 08:08:00"]);
    let files =
        ["filter.db", "counts.db", "alerts.db"].map(|name| fs::metadata(folder.join(name)).unwrap().len());
    assert!(status.database_bytes >= files.iter().sum() && files[1] == counts.bytes().unwrap(), "{status:?}");
}
