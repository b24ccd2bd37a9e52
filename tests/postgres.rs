//! A counter in PostgreSQL: each record once whatever happens to the connection, what it refuses, what it says.

#![cfg(all(feature = "full", unix))]

#[path = "common/certificates.rs"]
mod certificates;
mod cut_line;
#[path = "common/postgres.rs"]
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use certificates::{copy_certificate, make_certificates};
use cut_line::{Cut, CutLine};
use kinesis_lab::prelude::*;
use kinesis_lab::{
    Alert, Alerts, Change, Checkpoint, Detection, Filter, Fingerprint, Live, Playbook, Playbooks, Postgres,
    SavedOrigin, Sqlite, Store, StoredCounter, StreamId,
};
use server::{PASSWORD, connect, execute, postgres, query};

fn minute(n: i64) -> Timestamp {
    Timestamp::from_secs(1_536_220_800 + n * 60)
}

fn fingerprint() -> Fingerprint {
    Fingerprint::new(StreamId::new("visits", minute(0)), secs(60), secs(60))
}

/// One late event of a key, and a place behind it: twice in the database, it would be two.
fn change(number: u64) -> Change {
    let mut change = Change::default();
    change.watermark = minute(0);
    change.checkpoints = vec![Checkpoint::new("shard", Some(&number.to_string()), minute(0))];
    change.late.insert((minute(-1), "192.0.2.10".into()), 1);
    change
}

fn late(url: &str) -> u64 {
    Counts::open(url).unwrap().late().unwrap().iter().map(|row| row.2).sum()
}

fn produce(stream: &Stream, key: &str, events: u64) {
    let report = stream.producer(key).interval(secs(10)).at_once().limit(events).start().join();
    assert_eq!(report.sent, events);
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < secs(60), "waited in vain: {what}");
        std::thread::sleep(millis(20));
    }
}

/// Commits as a run would: what goes by is tried again.
fn commit(store: &mut Postgres, change: &Change) -> u32 {
    for attempt in 1..100 {
        match store.commit(change) {
            Ok(()) => return attempt,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        std::thread::sleep(millis(20));
    }
    panic!("a hundred attempts");
}

/// The answer to a COMMIT is lost, or the COMMIT is: nobody on this side can tell.
#[test]
fn a_commit_in_doubt_is_settled_and_not_made_twice() {
    let Some(server) = postgres() else { return };
    let url = server.database("in doubt");
    let line = CutLine::to(server.port);
    let mut store = Postgres::open(&line.url(&url)).unwrap();
    store.load(&fingerprint()).unwrap();
    let mut number = 0;
    for cut in [Cut::Answer, Cut::Commit, Cut::Answer, Cut::Nothing, Cut::Commit, Cut::Answer] {
        number += 1;
        line.cut_next(cut);
        let attempts = commit(&mut store, &change(number));
        assert_eq!(attempts > 1, cut != Cut::Nothing, "{cut:?}");
        assert_eq!(late(&url), number, "{cut:?}");
    }
    let saved = store.load(&fingerprint()).unwrap();
    assert_eq!(saved.checkpoints[0].sequence_number.as_deref(), Some("6"));
}

/// Its line was cut, and another process has gone on: what it has counted since is not what is in the database.
#[test]
fn a_writer_that_was_replaced_writes_nothing_more() {
    let Some(server) = postgres() else { return };
    let url = server.database("replaced");
    let mut first = Postgres::open(&url).unwrap();
    first.load(&fingerprint()).unwrap();
    first.commit(&change(1)).unwrap();
    let admin = connect(&url);
    let cut = || {
        execute(
            &admin,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'kinesis-lab counts %'",
        );
    };
    cut();
    let mut second = Postgres::open(&url).unwrap();
    // It waits for its turn no longer, but has not taken it.
    assert!(commit(&mut first, &change(2)) <= 2);
    assert_eq!(second.load(&fingerprint()).unwrap().checkpoints[0].sequence_number.as_deref(), Some("2"));
    let error = first.commit(&change(3)).unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Store, false));
    assert!(error.to_string().contains("another program has taken"), "{error}");
    second.commit(&change(3)).unwrap();
    assert!(first.commit(&change(3)).is_err());
    assert_eq!(late(&url), 3);
    // Not beside the other, either.
    let error = first.load(&fingerprint()).unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("another process counts into"), "{error}");
    drop(second);
    until("the lock", || first.load(&fingerprint()).is_ok());
    first.commit(&change(4)).unwrap();
    assert_eq!(late(&url), 4);
}

#[test]
fn a_database_from_an_older_state_is_noticed() {
    let Some(server) = postgres() else { return };
    let url = server.database("restored");
    let admin = connect(&url);
    let mut store = Postgres::open(&url).unwrap();
    for harm in [
        "UPDATE progress SET commits = commits - 1",
        "UPDATE progress SET owner = 'another', epoch = epoch - 1",
        "UPDATE progress SET commits = commits + 1",
        "DELETE FROM progress",
    ] {
        store.load(&fingerprint()).unwrap();
        store.commit(&change(1)).unwrap();
        let before = late(&url);
        execute(&admin, harm);
        let error = store.commit(&change(2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store, "{harm}: {error}");
        assert!(error.to_string().contains("tart"), "{error}");
        assert_eq!(late(&url), before, "{harm}");
    }
}

/// A program that is stopped in the middle of a transaction would hold everybody up.
#[test]
fn one_that_stands_still_frees_its_locks() {
    let Some(server) = postgres() else { return };
    let url = server.database("still");
    let line = CutLine::to(server.port);
    let mut first = Postgres::open(&line.url(&url)).unwrap();
    first.load(&fingerprint()).unwrap();
    line.cut_next(Cut::Silence);
    std::thread::scope(|scope| {
        let began = Instant::now();
        let waits = scope.spawn(|| first.commit(&change(1)));
        until("it stands still in its transaction", || line.is_silent());
        let admin = connect(&url);
        let held = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'";
        until("the server ends it", || query(&admin, held)[0][0] == "0");
        assert!(began.elapsed() < secs(15));
        let mut second = Postgres::open(&url).unwrap();
        second.load(&fingerprint()).unwrap();
        second.commit(&change(1)).unwrap();
        line.hang_up();
        assert!(waits.join().unwrap().is_err());
    });
    assert_eq!(late(&url), 1);
    assert!(first.commit(&change(1)).unwrap_err().to_string().contains("another program has taken"));
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    let Some(server) = server::Postgres::start(&[]) else { return };
    let url = server.database("away");
    let stream = Kinesis::local().unwrap().create_stream("visits", 2).unwrap();
    produce(&stream, "192.0.2.10", 100);
    let counter = Counter::per_minute().lateness(secs(30)).stored_in(&url).unwrap();
    let running = stream.consumer().trim_horizon().poll_every(millis(100)).start(counter).unwrap();
    until("the first records", || running.report().records == 100);
    for (key, total) in [("192.0.2.20", 200), ("192.0.2.30", 300)] {
        server.stop();
        produce(&stream, key, 100);
        until("it waits", || running.report().waiting.is_some());
        let why = running.report().waiting.unwrap();
        assert!(!why.contains(PASSWORD) && !why.contains("s3cret"), "{why}");
        std::thread::sleep(millis(300));
        assert!(running.is_running());
        server.start_again();
        until("it goes on", || running.report().waiting.is_none() && running.report().records == total);
    }
    let (mut counter, outcome) = running.stop();
    outcome.unwrap();
    counter.flush().unwrap();
    let counts = Counts::open(&url).unwrap();
    let completed: u64 = counts.windows().unwrap().iter().map(Window::total).sum();
    assert_eq!(completed + late(&url), 300);
    // Nobody answers: at once a sentence, of which one can tell that it goes by.
    drop(counter);
    server.stop();
    let error = Postgres::open(&url).unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("nobody answers at"), "{error}");
    assert!(Counts::open(&url).unwrap_err().is_transient());
    assert!(counts.windows().unwrap_err().is_transient());
    server.start_again();
    assert_eq!(counts.windows().unwrap().iter().map(Window::total).sum::<u64>(), completed);
}

/// Whoever may write to the stream chooses the keys.
#[test]
fn no_key_stops_it_and_no_two_are_one() {
    let Some(server) = postgres() else { return };
    let url = server.database("keys");
    let stream = Kinesis::local().unwrap().create_stream("visits", 1).unwrap();
    let long = "x".repeat(300_000);
    let keys = [
        "",
        "\0",
        "a\0b",
        "ab",
        "\u{10ffff}",
        "\u{10ffff}0",
        "a\u{10ffff}0b",
        "' OR 1=1 --",
        "ключ",
        "\u{1b}[2J",
    ];
    let mut keys: Vec<String> = keys.map(str::to_owned).to_vec();
    keys.extend([format!("{long}1"), format!("{long}2"), "y".repeat(2_700), "z".repeat(1_001)]);
    let put = |n: i64| {
        let records = keys.iter().enumerate().flat_map(|(at, key)| {
            let data = serde_json::json!({"ip": key, "time": minute(n).to_string()}).to_string();
            (0..=at).map(move |_| Entry::new("k", data.clone()))
        });
        stream.put_many(records.collect()).send().unwrap();
    };
    let read = stream.consumer().trim_horizon();
    let mut counter = Counter::per_minute().lateness(secs(60)).stored_in(&url).unwrap();
    put(0);
    read.run_until_caught_up(&mut counter).unwrap();
    // Written and read again: open windows, completed ones, and what came too late for these.
    drop(counter);
    let counts = Counts::open(&url).unwrap();
    let expected: Vec<(Text, u64)> = {
        // The first two are no keys: their events have that of their record.
        let all = keys.iter().enumerate().skip(2);
        let mut all: Vec<(Text, u64)> = all.map(|(at, key)| (Text::from(key), at as u64 + 1)).collect();
        all.push(("k".into(), 3));
        all.sort_unstable();
        all
    };
    assert!(counts.early().unwrap()[0].counts == expected);
    let mut counter = Counter::per_minute().lateness(secs(60)).stored_in(&url).unwrap();
    put(9);
    read.run_until_caught_up(&mut counter).unwrap();
    assert!(counts.windows().unwrap()[0].counts == expected);
    put(0);
    put(0);
    read.run_until_caught_up(&mut counter).unwrap();
    let late: Vec<(Text, u64)> = {
        let mut late = counts.late().unwrap();
        late.sort_unstable();
        late.into_iter().map(|(_, key, count)| (key, count / 2)).collect()
    };
    assert!(late == expected);
}

#[test]
fn what_is_not_its_own_is_refused_with_a_sentence() {
    let Some(server) = postgres() else { return };
    let url = server.database("other");
    let mut store = Postgres::open(&url).unwrap();
    store.load(&fingerprint()).unwrap();
    let of = |stream: &str, created: i64, size: u64, slide: u64| {
        Fingerprint::new(StreamId::new(stream, minute(created)), secs(size), secs(slide))
    };
    let mut key = fingerprint();
    key.key = "path".to_owned();
    for (fingerprint, what) in [
        (of("others", 0, 60, 60), "of another stream (visits; this one's is others)"),
        (of("visits", 1, 60, 60), "of another stream of that name, created at another time"),
        (of("visits", 0, 30, 30), "of another window size (60 s; this one's is 30 s)"),
        (of("visits", 0, 60, 20), "of another window slide (60 s; this one's is 20 s)"),
        (key, "of another key (client; this one's is path)"),
    ] {
        let error = store.load(&fingerprint).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        assert!(error.to_string().contains(what), "{error}");
    }
    store.load(&fingerprint()).unwrap();
    let error = Postgres::open(&url).unwrap_err().to_string();
    assert!(error.contains("is open in this program already"), "{error}");
    drop(store);
    until("it is closed", || Postgres::open(&url).is_ok());

    let admin = connect(&url);
    execute(&admin, "UPDATE kinesis_lab SET layout = 99");
    for error in [Postgres::open(&url).unwrap_err(), Counts::open(&url).unwrap_err()] {
        assert!(error.to_string().contains("layout 99"), "{error}");
    }
    let foreign = server.database("foreign");
    let error = Counts::open(&foreign).unwrap_err().to_string();
    assert!(error.contains("has no counts yet"), "{error}");
    execute(&connect(&foreign), "CREATE TABLE progress (done int)");
    let error = Postgres::open(&foreign).unwrap_err().to_string();
    assert!(error.contains("a table progress of another program"), "{error}");
    // Beside it, in a schema of its own.
    let aside = format!("{foreign}?options=-csearch_path%3Daside");
    let error = Postgres::open(&aside).unwrap_err().to_string();
    assert!(error.contains("CREATE SCHEMA"), "{error}");
    execute(&connect(&foreign), "CREATE SCHEMA aside");
    Postgres::open(&aside).unwrap().load(&fingerprint()).unwrap();

    execute(&admin, "DROP DATABASE IF EXISTS latin");
    execute(&admin, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
    let error = Postgres::open(&server.url("latin")).unwrap_err().to_string();
    assert!(error.contains("encoding LATIN1"), "{error}");
}

#[test]
fn no_error_and_no_debug_shows_the_password() {
    let Some(server) = postgres() else { return };
    let url = server.database("secret");
    let store = Postgres::open(&url).unwrap();
    let counter: StoredCounter = Counter::per_minute().stored(Box::new(store));
    let mut shown = vec![format!("{counter:?}")];
    drop(counter);
    until("it is closed", || {
        Postgres::open(&url).is_ok_and(|store| {
            shown.push(format!("{store:?}"));
            true
        })
    });
    shown.push(format!("{:?}", Counts::open(&url).unwrap()));
    let refused = [
        (url.replace("kinesis:", "nobody:"), "refuses this user or password"),
        (url.replace("s3cret", "s3cret9"), "refuses this user or password"),
        (server.url("nowhere"), "CREATE DATABASE"),
        (url.replace("127.0.0.1", "host.invalid") + "?sslmode=disable", "no connection to"),
        (url.clone() + "?sslmode=require", "TLS"),
        (url.clone() + "?nonsense=1", "does not read as one"),
    ];
    for (url, what) in refused {
        for error in [Postgres::open(&url).unwrap_err(), Counts::open(&url).unwrap_err()] {
            assert!(error.to_string().contains(what), "{error}");
            shown.push(format!("{error} {error:?}"));
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                shown.push(format!("{error} {error:?}"));
                source = error.source();
            }
        }
    }
    for text in &shown {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

/// What a fleet's workers have counted by shard, one process adds up; and whoever reads does.
#[test]
fn one_process_goes_on_from_what_a_fleet_has_counted() {
    let Some(server) = postgres() else { return };
    let url = server.database("fleet");
    let mut store = Postgres::open(&url).unwrap();
    store.load(&fingerprint()).unwrap();
    let mut first = change(1);
    let mut pane = kinesis_lab::SavedPane::default();
    pane.counts = vec![("a".into(), 1), ("b".into(), 1)];
    pane.overflow = 2;
    first.panes = vec![(minute(1), pane)];
    store.commit(&first).unwrap();
    let admin = connect(&url);
    execute(
        &admin,
        "INSERT INTO open_counts VALUES ('2018-09-06T08:01:00Z', 's1', 'a', NULL, 10), ('2018-09-06T08:01:00Z', 's2', 'a', NULL, 100),
             ('2018-09-06T08:01:00Z', 's2', 'c', NULL, 5);
         INSERT INTO open_overflow VALUES ('2018-09-06T08:01:00Z', 's1', 7);
         INSERT INTO open_ids VALUES ('2018-09-06T08:01:00Z', 's1', decode(repeat('07', 16), 'hex')),
             ('2018-09-06T08:01:00Z', 's2', decode(repeat('07', 16), 'hex'));
         INSERT INTO shard_late SELECT start, \"end\", key, rest, 's1', 20 FROM shard_late;
         INSERT INTO shard_totals VALUES ('s1', 'refused', 3), ('s2', 'refused', 4);
         INSERT INTO shards (shard, epoch, owner, sequence, arrival) VALUES ('s1', 8, 'worker', '77', now());
         INSERT INTO shards (shard) VALUES ('s3')",
    );
    let counts = Counts::open(&url).unwrap();
    let seen = |counts: &Counts| {
        let early = counts.early().unwrap();
        (early[0].to_string(), counts.late().unwrap(), counts.totals().unwrap())
    };
    let before = seen(&counts);
    assert!(before.0.contains("('a', 111), ('b', 1), ('c', 5)"), "{}", before.0);
    assert_eq!((before.1[0].2, before.2.refused), (21, 7));
    let saved = store.load(&fingerprint()).unwrap();
    assert_eq!((saved.panes[0].1.overflow, saved.panes[0].1.ids.len(), saved.checkpoints.len()), (9, 1, 2));
    assert_eq!(seen(&counts), before);
    // Its sums replace all of theirs, and their workers find themselves replaced.
    let mut pane = kinesis_lab::SavedPane::default();
    pane.counts = vec![("a".into(), 112)];
    let mut next = change(2);
    next.panes = vec![(minute(1), pane)];
    store.commit(&next).unwrap();
    assert!(seen(&counts).0.contains("('a', 112), ('b', 1), ('c', 5)"));
    assert_eq!(query(&admin, "SELECT epoch, owner = 'worker' FROM shards WHERE shard = 's1'")[0], ["9", "f"]);
    // A worker that takes a shard replaces the process.
    execute(&admin, "UPDATE progress SET owner = 'worker', epoch = epoch + 1");
    assert!(store.commit(&change(3)).unwrap_err().to_string().contains("another program has taken"));
}

/// What is read of it is what is read of SQLite.
#[test]
fn it_holds_what_a_file_holds() {
    let Some(server) = postgres() else { return };
    for (name, slide) in [("same", 60), ("same sliding", 20)] {
        let url = server.database(name);
        let folder = temporary_folder("postgres-same").unwrap();
        let file = folder.join("counts.db");
        // One shard: both read the same, in the same order.
        let stream = Kinesis::local().unwrap().create_stream("visits", 1).unwrap();
        let places = [url.as_str(), file.to_str().unwrap()];
        let counter = |place: &str| {
            Counter::sliding(secs(60), secs(slide)).lateness(secs(30)).max_pairs(40).stored_in(place).unwrap()
        };
        for round in 0..3 {
            for (key, events) in [("192.0.2.10", 100), ("192.0.2.20", 50), ("2001:db8::1", 20 * (round + 1))]
            {
                produce(&stream, key, events);
            }
            stream.put("k", "nothing that could be counted").unwrap();
            stream.put("k", "2999-01-01T00:00:00Z").unwrap();
            // A counter each round: it goes on from what is there.
            for place in places {
                until("the last one is closed", || {
                    let Ok(mut counter) = std::panic::catch_unwind(|| counter(place)) else { return false };
                    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
                    if round == 2 {
                        counter.flush().unwrap();
                    }
                    true
                });
            }
            let [ours, theirs] = places.map(|place| Counts::open(place).unwrap());
            assert_eq!(ours.windows().unwrap(), theirs.windows().unwrap());
            assert_eq!(ours.early().unwrap(), theirs.early().unwrap());
            assert_eq!(ours.late().unwrap(), theirs.late().unwrap());
            assert_eq!(ours.totals().unwrap(), theirs.totals().unwrap());
            assert_eq!(ours.pairs().unwrap(), theirs.pairs().unwrap());
            let same = [
                "SELECT key, sum(count) AS n FROM windows GROUP BY key ORDER BY key",
                "SELECT shard, sequence_number, ended FROM checkpoints ORDER BY shard",
                "SELECT count(*) AS n FROM windows WHERE start >= '2018-09-06T08:01:00Z'",
            ];
            for query in same {
                let (ours, theirs) = (ours.sql(query).unwrap(), theirs.sql(query).unwrap());
                assert_eq!(ours.rows.len(), theirs.rows.len());
                assert_eq!(ours.columns, theirs.columns);
            }
            if round == 2 {
                assert!(ours.windows().unwrap().len() > 3 && !ours.late().unwrap().is_empty());
                assert!(ours.totals().unwrap().refused > 0 && ours.totals().unwrap().unparsed > 0);
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_query_reads_and_writes_nothing() {
    let Some(server) = postgres() else { return };
    let url = server.database("queries");
    Postgres::open(&url).unwrap().load(&fingerprint()).unwrap();
    let counts = Counts::open(&url).unwrap();
    let rows =
        counts.sql("SELECT n, NULL AS none, n % 2 = 0 AS even FROM generate_series(1, 3) AS n;").unwrap();
    assert_eq!(rows.to_string(), "n  none  even\n1        f\n2        t\n3        f");
    let many = counts.sql("SELECT n FROM generate_series(1, 10000000) AS n").unwrap();
    assert_eq!((many.rows.len(), many.more), (1_000, true));
    assert_eq!(counts.sql("SHOW timezone").unwrap().rows, [["UTC"]]);
    for wrong in [
        "SELEC",
        "DELETE FROM progress",
        "INSERT INTO kinesis_lab VALUES ('x', 1)",
        "COMMIT; DELETE FROM progress",
        "SELECT 1; DELETE FROM progress",
        "CREATE TABLE mine (n int)",
        "SELECT * FROM nowhere",
    ] {
        let error = counts.sql(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wrong}: {error}");
    }
    for allowed in [
        "COMMIT",
        "ROLLBACK",
        "SET default_transaction_read_only = off",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    ] {
        let _ = counts.sql(allowed);
        assert!(counts.sql("DELETE FROM progress").is_err(), "{allowed}");
    }
    assert_eq!(counts.sql("SELECT count(*) FROM progress").unwrap().rows, [["1"]]);
}

#[test]
fn it_blocks_wherever_it_is_called() {
    let Some(server) = postgres() else { return };
    let url = server.database("blocks");
    let work = || {
        let mut store = Postgres::open(&url).unwrap();
        let saved = store.load(&fingerprint()).unwrap();
        store.commit(&change(saved.totals.late + 1)).unwrap();
        drop(store);
        late(&url)
    };
    let runtime = |mut builder: tokio::runtime::Builder| builder.enable_all().build().unwrap();
    let mut last = work();
    for runtime in [
        runtime(tokio::runtime::Builder::new_current_thread()),
        runtime(tokio::runtime::Builder::new_multi_thread()),
    ] {
        until("the last one is closed", || Postgres::open(&url).is_ok());
        until("and this one", || {
            query(&connect(&url), "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'").is_empty()
        });
        let next = runtime.block_on(async { work() });
        assert_eq!(next, last + 1);
        last = next;
    }
}

/// Durations in the database are as long as they are said to be.
#[test]
fn the_tables_can_be_read_by_people() {
    let Some(server) = postgres() else { return };
    let url = server.database("people");
    let mut store = Postgres::open(&url).unwrap();
    let stream = StreamId::new("visits", minute(0));
    store
        .load(&Fingerprint::new(stream, Duration::from_micros(1_500_000), Duration::from_micros(500_000)))
        .unwrap();
    store.commit(&change(5)).unwrap();
    let shown = "SET timezone = 'UTC'; SELECT stream, created, size, slide, watermark, commits FROM progress";
    let row = &query(&connect(&url), shown)[0];
    assert_eq!(row[..4], ["visits", "2018-09-06 08:00:00+00", "00:00:01.5", "00:00:00.5"]);
    assert_eq!(row[4..], ["2018-09-06 08:00:00+00", "1"]);
    assert_eq!(query(&connect(&url), "SELECT sequence_number FROM checkpoints")[0], ["5"]);
}

/// An address where a file is wanted was a path, and its password in the error.
#[test]
fn what_is_for_files_refuses_an_address_without_showing_it() {
    let url = "postgres://ann:s3cret@localhost/shop";
    let live = Live::of(url).alerts(url);
    assert!(!format!("{live:?}").contains("s3cret"), "{live:?}");
    let broken = Live::of("postgres://ann:s3cret");
    assert!(!format!("{broken:?}").contains("s3cret"), "{broken:?}");
    for error in [Sqlite::open(url).unwrap_err(), broken.start().unwrap_err(), {
        let stream = Kinesis::local().unwrap().create_stream("log", 1).unwrap();
        Filter::new(&stream, |_| true).stored_in(url).unwrap_err()
    }] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[test]
fn a_page_shows_it_as_it_grows() {
    let Some(server) = postgres() else { return };
    let url = server.database("page");
    let live = Live::of(&url).title("Shop").start().unwrap();
    assert!(!format!("{live:?}").contains("s3cret"), "{live:?}");
    assert!(live.chart().unwrap().text().starts_with("No counts yet"));
    let stream = Kinesis::local().unwrap().create_stream("visits", 1).unwrap();
    let mut counter = Counter::per_minute().lateness(secs(30)).stored_in(&url).unwrap();
    let mut page = page(&live.url());
    let mut until_it_says = |words: &str| {
        let began = Instant::now();
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(
                began.elapsed() < secs(30) && std::io::BufRead::read_line(&mut page, &mut line).unwrap() > 0,
                "{words}"
            );
        }
        line
    };
    assert!(!until_it_says("is not there yet").contains("s3cret"));
    for events in [12, 30] {
        stream
            .producer(format!("192.0.2.{events}"))
            .interval(secs(10))
            .at_once()
            .limit(events)
            .start()
            .join();
        stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
        until_it_says(&format!("192.0.2.{events}"));
    }
    assert!(live.chart().unwrap().text().contains("192.0.2.30"));
    assert!(Counts::open(&url).unwrap().chart().unwrap().text().contains("192.0.2.12"));
}

/// The events that the page of a live view follows.
fn page(url: &str) -> impl std::io::BufRead + use<> {
    let (host, token) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(secs(30))).unwrap();
    write!(stream, "GET /{token}events HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    std::io::BufReader::new(stream)
}

#[test]
fn tls_is_what_sslmode_says() {
    let folder = temporary_folder("postgres-tls").unwrap();
    let Some(()) = make_certificates(&folder) else { return };
    let copy = |data: &Path| copy_certificate(&folder, data);
    let Some(server) = server::Postgres::start_with(&["ssl=on"], copy) else { return };
    let here = server.database("tls");
    let named = here.replace("127.0.0.1", "localhost");
    let root =
        |name: &str| format!("&sslrootcert={}", folder.join(name).display().to_string().replace('/', "%2F"));
    let (ours, other, none) = (root("ca.pem"), root("other.pem"), root("name"));
    let admin = connect(&here);
    for (url, options, encrypted) in [
        (&here, "?sslmode=disable".to_owned(), false),
        (&here, String::new(), true),
        (&here, "?sslmode=prefer".to_owned(), true),
        (&here, "?sslmode=require".to_owned(), true),
        (&here, format!("?sslmode=verify-ca{ours}"), true),
        (&here, format!("?sslmode=require{ours}"), true),
        (&named, format!("?sslmode=verify-full{ours}"), true),
    ] {
        let url = format!("{url}{options}");
        let mut store = Postgres::open(&url).unwrap();
        store.load(&fingerprint()).unwrap();
        store.commit(&change(1)).unwrap();
        let sql = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'kinesis-lab counts %'";
        assert_eq!(query(&admin, sql), [[if encrypted { "t" } else { "f" }]], "{options}");
        drop(store);
        until("it is closed", || query(&admin, sql).is_empty());
    }
    for (url, options, what) in [
        (&here, format!("?sslmode=verify-full{ours}"), "not valid for"),
        (&named, "?sslmode=verify-full".to_owned(), "UnknownIssuer"),
        (&named, format!("?sslmode=verify-full{other}"), "UnknownIssuer"),
        (&here, format!("?sslmode=verify-ca{other}"), "UnknownIssuer"),
        (&here, format!("?sslmode=require{other}"), "UnknownIssuer"),
        (&here, format!("?sslmode=verify-ca{none}"), "sslrootcert"),
        (&here, format!("?sslmode=verify-ca{ours}9"), "can't be read as PEM"),
    ] {
        for error in [
            Postgres::open(&format!("{url}{options}")).unwrap_err(),
            Counts::open(format!("{url}{options}")).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Store, "{options}: {error}");
            assert!(
                error.to_string().contains(what) && !error.to_string().contains("s3cret"),
                "{options}: {error}"
            );
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

/// Alerts and counts in one database, beside each other; and the page lists them.
#[test]
fn alerts_are_in_it_too() {
    let Some(server) = postgres() else { return };
    let url = server.database("alerts");
    let playbooks = Playbooks::new(vec![Playbook::new("many", 20).block_for(secs(600))]).unwrap();
    let live = Live::of(&url).alerts(&url).start().unwrap();
    let error = Alerts::open(&url).unwrap_err().to_string();
    assert!(error.contains("has no alerts yet") && !error.contains("s3cret"), "{error}");
    let stream = Kinesis::local().unwrap().create_stream("visits", 2).unwrap();
    let detection = || Detection::new(&playbooks).stored_in(&url).unwrap();
    let mut counter = Counter::per_minute().lateness(secs(30)).stored_in(&url).unwrap();
    let mut page = page(&live.url());
    let mut line = String::new();
    for (ip, alerts) in [("192.0.2.66", 1), ("192.0.2.77", 2)] {
        stream.producer(ip).interval(secs(1)).at_once().limit(30).start().join();
        let mut detection = detection();
        stream.consumer().trim_horizon().run_until_caught_up(&mut detection).unwrap();
        if alerts == 1 {
            // The second time, it is the alerts alone that change.
            stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
        }
        assert_eq!((detection.totals().alerts, detection.undelivered()), (alerts, 0));
        let began = Instant::now();
        while !(line.contains("watch") && line.contains(&format!("\"key\":\"{ip}\""))) {
            line.clear();
            let read = std::io::BufRead::read_line(&mut page, &mut line).unwrap();
            assert!(began.elapsed() < secs(30) && read > 0);
        }
        // Another one would replace it.
        assert!(!Alerts::open(&url).unwrap().positions().unwrap().is_empty());
    }
    let alerts = Alerts::open(&url).unwrap();
    let all = alerts.all().unwrap();
    let keys: Vec<&str> = all.iter().map(|alert| alert.key.raw()).collect();
    assert_eq!((keys, alerts.count().unwrap()), (vec!["192.0.2.66", "192.0.2.77"], 2));
    assert_eq!(alerts.recent(1).unwrap()[0].blocked_until().unwrap(), all[1].time + secs(600));
    assert!(alerts.recent(0).unwrap().is_empty());
    assert!(!format!("{alerts:?}").contains("s3cret"));
}

/// As of counts: whether it was written is asked before it is written again.
#[test]
fn an_alert_in_doubt_is_settled() {
    let Some(server) = postgres() else { return };
    let url = server.database("alert in doubt");
    let line = CutLine::to(server.port);
    let playbooks = Playbooks::new(vec![Playbook::new("many", 5)]).unwrap();
    let stream = Kinesis::local().unwrap().create_stream("visits", 1).unwrap();
    let detection = Detection::new(&playbooks).stored_in(line.url(&url)).unwrap();
    let running = stream.consumer().trim_horizon().poll_every(millis(100)).start(detection).unwrap();
    let cuts = [Cut::Nothing, Cut::Answer, Cut::Commit, Cut::Answer, Cut::Nothing];
    for (number, cut) in cuts.into_iter().enumerate() {
        line.cut_next(cut);
        stream.producer(format!("192.0.2.{number}")).interval(secs(1)).at_once().limit(5).start().join();
        until("the alert", || Alerts::open(&url).unwrap().count().unwrap() > number as u64);
    }
    let (detection, outcome) = running.stop();
    outcome.unwrap();
    assert_eq!((detection.totals().alerts, detection.alerts().len()), (5, 5));
    let ids =
        |alerts: &[Alert]| alerts.iter().map(|alert| alert.id.raw().to_owned()).collect::<BTreeSet<String>>();
    assert_eq!(ids(&Alerts::open(&url).unwrap().all().unwrap()), ids(&detection.alerts()));
}

/// What detects is fenced as what counts is.
#[test]
fn a_detection_that_was_replaced_writes_nothing_more() {
    let Some(server) = postgres() else { return };
    let url = server.database("replaced detection");
    let playbooks = Playbooks::new(vec![Playbook::new("many", 5)]).unwrap();
    let stream = Kinesis::local().unwrap().create_stream("visits", 1).unwrap();
    let visit = |ip: &str| {
        stream.producer(ip).interval(secs(1)).at_once().limit(5).start().join();
    };
    let first = Detection::new(&playbooks).stored_in(&url).unwrap();
    let running = stream.consumer().trim_horizon().poll_every(millis(100)).start(first).unwrap();
    visit("192.0.2.1");
    until("the first alert", || Alerts::open(&url).unwrap().count().unwrap() == 1);
    let admin = connect(&url);
    execute(
        &admin,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'kinesis-lab alerts %'",
    );
    let mut second = Detection::new(&playbooks).stored_in(&url).unwrap();
    visit("192.0.2.2");
    until("the second alert", || {
        // Whoever was quicker has found it.
        stream.consumer().trim_horizon().run_until_caught_up(&mut second).unwrap();
        Alerts::open(&url).unwrap().count().unwrap() == 2
    });
    visit("192.0.2.3");
    until("the first finds itself replaced", || !running.is_running());
    let (_, outcome) = running.stop();
    assert!(outcome.unwrap_err().to_string().contains("another program has taken"));
    stream.consumer().trim_horizon().run_until_caught_up(&mut second).unwrap();
    let alerts = Alerts::open(&url).unwrap();
    assert_eq!((alerts.count().unwrap(), alerts.all().unwrap().len()), (3, 3));
}

/// As of a file (tests/store.rs).
#[test]
fn old_windows_are_dropped() {
    let Some(server) = postgres() else { return };
    let url = server.database("dropped");
    let stream = Kinesis::local().unwrap().create_stream("visits", 1).unwrap();
    produce(&stream, "192.0.2.10", 600);
    let mut counter = Counter::per_minute().lateness(secs(0)).stored_in(&url).unwrap().keep_for(secs(600));
    stream.consumer().trim_horizon().limit(50).run_until_caught_up(&mut counter).unwrap();
    let counts = Counts::open(&url).unwrap();
    let windows = counts.windows().unwrap();
    // From 08:00 to 09:39:50, and the last one is open.
    let (first, last) = (windows[0].start.plain(0), windows[windows.len() - 1].start.plain(0));
    assert_eq!((first.as_str(), last.as_str()), ("2018-09-06 09:29:00", "2018-09-06 09:38:00"));
    assert_eq!(counts.pairs().unwrap(), windows.len() as u64);
    let tables = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE relkind = 'r' AND relname <> 'kinesis_lab' \
        AND relnamespace = 'public'::regnamespace";
    assert_eq!(counts.sql(tables).unwrap().rows[0][0], counts.bytes().unwrap().to_string());
}

/// Which records of another stream were counted: remembered until they can't come again.
#[test]
fn origins_are_remembered_and_forgotten() {
    let Some(server) = postgres() else { return };
    let url = server.database("origins");
    let mut store = Postgres::open(&url).unwrap();
    store.load(&fingerprint()).unwrap();
    let mut names = ["s/b".to_owned(), "\0".to_owned(), "o".repeat(5_000)].to_vec();
    names.sort();
    let mut first = change(1);
    for name in &names {
        let mut saved = SavedOrigin::new("a", name);
        saved.numbers =
            ["99", "99/7", "99#3", "99/7#3", "98#12", "100", "100#3", "100/0"].map(str::to_owned).to_vec();
        saved.after = Some("99".to_owned());
        first.origins.push(saved);
    }
    store.commit(&first).unwrap();
    let mut saved = store.load(&fingerprint()).unwrap().origins;
    saved.sort_by(|a, b| a.origin.cmp(&b.origin));
    assert!(saved.iter().map(|pair| pair.origin.raw()).eq(&names));
    for pair in &mut saved {
        pair.numbers.sort();
        assert_eq!(
            (pair.after.as_deref(), pair.numbers.join(" ")),
            (Some("99"), "100 100#3 100/0".to_owned())
        );
    }
    let mut second = change(2);
    second.gone_origins = vec!["a".to_owned()];
    store.commit(&second).unwrap();
    assert!(store.load(&fingerprint()).unwrap().origins.is_empty());
}

/// A network that was cut: the server keeps the lock for a connection that nobody has any more, for 40 s.
#[test]
fn its_own_lost_connection_is_no_other_process() {
    let Some(server) = postgres() else { return };
    let url = server.database("vanished");
    let line = CutLine::to(server.port);
    let mut store = Postgres::open(&line.url(&url)).unwrap();
    store.load(&fingerprint()).unwrap();
    store.commit(&change(1)).unwrap();
    line.vanish();
    let began = Instant::now();
    // The first may find that its connection is gone.
    let saved = store.load(&fingerprint()).or_else(|_| store.load(&fingerprint())).unwrap();
    assert_eq!(saved.checkpoints[0].sequence_number.as_deref(), Some("1"));
    store.commit(&change(2)).unwrap();
    assert!(began.elapsed() < secs(10));
    let writers = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'kinesis-lab counts %' AND datname = 'vanished'";
    assert_eq!(query(&connect(&url), writers)[0][0], "1");
    let settings = "SELECT current_setting('tcp_keepalives_idle')::int + 3 * current_setting('tcp_keepalives_interval')::int";
    assert!(Counts::open(&url).unwrap().sql(settings).unwrap().rows[0][0] == "40");
}
