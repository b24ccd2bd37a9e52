//! Clocks that are ahead: a server whose clock is four minutes fast hides nobody else's attacker.

#![cfg(feature = "full")]

use std::fs;
use std::path::{Path, PathBuf};

use kinesis_lab::prelude::*;
use kinesis_lab::{Detection, Filter, Part, Pipeline, Playbook, Playbooks, ShardProgress};

const SHARD: &str = "shardId-000000000000";
/// More than any lateness here, less than the 10 minutes from which an event is refused.
const AHEAD: u64 = 240;

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clocks").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn noon() -> Timestamp {
    Timestamp::from_secs(1_536_235_200)
}

fn event(server: &str, ip: &str, time: Timestamp) -> Entry {
    Entry::new(ip, format!(r#"{{"v":1,"ip":"{ip}","time":"{time}","server":"{server}","path":"/login"}}"#))
}

/// A request a second and server for five minutes: of visitors on web-1, whose clock is so far ahead, and of
/// the attacker on web-2, whose clock is right.
fn requests(ahead: u64) -> Vec<Record> {
    let record = |entry: Entry, arrival| Record::new(entry.partition_key, entry.data, "1", arrival);
    (0..300)
        .flat_map(|second| {
            let arrival = noon() + secs(second);
            let visitor = format!("192.0.2.{}", second % 3);
            [
                record(event("web-1", &visitor, arrival + secs(ahead)), arrival),
                record(event("web-2", "203.0.113.66", arrival), arrival),
            ]
        })
        .collect()
}

/// As a consumer would drive it: ten seconds a poll.
fn drive(processor: &mut dyn RecordProcessor, records: &[Record]) {
    for records in records.chunks(20) {
        let mut context = Context::at(noon()).with_shards(&[ShardProgress::reading(SHARD, &[])]);
        processor.process(&Batch::new("log", SHARD, records.to_vec()), &mut context).unwrap();
        processor.tick(&mut context).unwrap();
    }
}

fn playbooks() -> Playbooks {
    Playbooks::new(vec![Playbook::new("too many requests", 50)]).unwrap()
}

#[test]
fn the_other_servers_attacker_is_found() {
    for ahead in [0, 31, AHEAD, 599] {
        let mut detection = Detection::new(&playbooks());
        drive(&mut detection, &requests(ahead));
        let keys: Vec<String> = detection.alerts().iter().map(|alert| alert.key.to_string()).collect();
        assert!(keys.contains(&"203.0.113.66".to_owned()), "{ahead} s ahead: {keys:?}");
        assert_eq!(detection.totals().late, 0, "{ahead} s ahead");
        let said = detection.clocks_ahead().to_string();
        assert_eq!(said.contains(&format!("web-1 by {ahead} s")), ahead > 0, "{said}");
        assert!(!said.contains("web-2"), "{said}");
    }
}

#[test]
fn every_counter_counts_the_others_events_in_time() {
    let folder = scratch("counters");
    let records = requests(AHEAD);
    let minutes = |windows: Vec<Window>| -> Vec<u64> {
        let of = |window: &Window| {
            window.counts.iter().find(|(key, _)| key.contains("203.0.113.66")).map(|found| found.1)
        };
        windows.iter().filter_map(of).collect()
    };
    let counter = || Counter::per_minute().lateness(secs(30));

    let mut plain = counter();
    drive(&mut plain, &records);
    assert_eq!((plain.late().count(), plain.refused().count()), (0, 0));
    assert_eq!(minutes(plain.take_completed()), [60; 4], "the fifth is still open");
    assert!(plain.to_string().ends_with("clocks ahead: web-1 by 240 s\n"), "{plain}");

    let mut printing = counter().printing();
    drive(&mut printing, &records);
    assert_eq!((printing.late().count(), minutes(printing.take_completed())), (0, vec![60; 4]));

    let kinesis = Kinesis::local().unwrap();
    let stream = kinesis.create_stream("late", 1).unwrap();
    let file = folder.join("counts.db");
    let mut stored = counter().stored_in(&file).unwrap();
    stream.consumer().trim_horizon().run_until_caught_up(&mut stored).unwrap(); // loads, and finds nothing
    drive(&mut stored, &records);
    assert_eq!(
        (stored.late().count(), minutes(Counts::open(&file).unwrap().windows().unwrap())),
        (0, vec![60; 4])
    );
}

/// Nobody can make a forwarded record say that event time is further than it is.
#[test]
fn a_forged_watermark_moves_nothing_past_its_arrival() {
    let mut detection = Detection::new(&playbooks());
    let mut records = requests(0);
    let origin = |number: u64, watermark: Timestamp| {
        format!(
            r#","origin":{{"stream":"x","shard":"y","sequence_number":"{number}","watermark":"{watermark}"}}}}"#
        )
    };
    for (n, record) in records.iter_mut().enumerate() {
        let text = String::from_utf8(record.data.to_vec()).unwrap();
        let data = text.strip_suffix('}').unwrap().to_owned() + &origin(n as u64 + 1, noon() + secs(86_400));
        let ahead = if n % 2 == 0 { secs(AHEAD) } else { secs(0) };
        let data = data.replace(&record.arrival.to_string(), &(record.arrival + ahead).to_string());
        *record = Record::new(record.partition_key.clone(), data, "1", record.arrival);
    }
    drive(&mut detection, &records);
    assert_eq!(detection.totals().late, 0);
    assert!(detection.alerts().iter().any(|alert| alert.key == "203.0.113.66"));
}

/// The whole way, on the wall clock: filter, counter and detection over the embedded service.
#[test]
fn a_pipeline_finds_the_attacker_and_names_the_server() {
    let folder = scratch("pipeline");
    let events = Kinesis::local().unwrap().create_stream("shop", 1).unwrap();
    let pipeline = || Pipeline::over(&events).folder(&folder).playbooks(&playbooks()).lateness(secs(10));
    // One server's, and then, in a second run, the other's: by then event time is where the first has put it.
    let now = Timestamp::now();
    let visitors = (0..40).map(|n| event("web-1", &format!("192.0.2.{n}"), now + secs(AHEAD)));
    events.put_many(visitors.collect()).send().unwrap();
    pipeline().run_until_caught_up().unwrap();
    let now = Timestamp::now();
    events.put_many((0..80).map(|_| event("web-2", "203.0.113.66", now)).collect()).send().unwrap();
    let status = pipeline().run_until_caught_up().unwrap();
    assert_eq!(status.alerts, 1, "{status}");
    assert!(status.parts.iter().all(|part| part.late == 0), "{status}");

    events.put("192.0.2.1", event("web-1", "192.0.2.1", Timestamp::now() + secs(AHEAD)).data).unwrap();
    events.put("192.0.2.1", event("web-1", "192.0.2.1", Timestamp::now() - secs(3_600)).data).unwrap();
    let status = pipeline().run_until_caught_up().unwrap();
    for part in &status.parts {
        let clock = part.clocks_ahead.first().unwrap_or_else(|| panic!("{status}"));
        assert!(clock.source == "web-1" && (200..=AHEAD).contains(&clock.by.as_secs()), "{clock:?}");
        assert!(part.summary.contains("clocks ahead: web-1 by 2"), "{status}");
        assert_eq!(part.late > 0, part.part != Part::Filter, "{status}");
    }
}

/// A log of years ago, put today: the arrival is no bound, and nothing is other than it was.
#[test]
fn a_replay_of_an_old_log_is_counted_by_its_own_time() {
    let log = Kinesis::local().unwrap().create_stream("old", 1).unwrap();
    log.put_many((0..300).map(|n| event("web-2", "203.0.113.66", noon() + secs(n))).collect())
        .send()
        .unwrap();
    let mut copy = Counter::per_minute().lateness(secs(30));
    let kinesis = Kinesis::local().unwrap();
    let second = kinesis.create_stream("copy", 1).unwrap();
    log.consumer().trim_horizon().run_until_caught_up(&mut Filter::new(&second, |_| true)).unwrap();
    second.consumer().trim_horizon().run_until_caught_up(&mut copy).unwrap();
    assert_eq!(copy.watermark(), noon() + secs(299 - 30));
    assert_eq!(
        (copy.take_completed().len(), copy.late().count(), copy.clocks_ahead().is_empty()),
        (4, 0, true)
    );
}
