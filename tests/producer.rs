//! Producers in the background: their records, their ends, what they report.

#![cfg(feature = "full")]

use std::time::Instant;

use kinesis_lab::prelude::*;

struct All(Vec<Record>);

impl RecordProcessor for All {
    fn process(&mut self, batch: &Batch, _: &mut Context) -> Result<(), ProcessError> {
        self.0.extend(batch.records.iter().cloned());
        Ok(())
    }
}

fn records(stream: &Stream) -> Vec<Record> {
    let mut all = All(Vec::new());
    stream.consumer().trim_horizon().run_until_caught_up(&mut all).unwrap();
    all.0
}

fn stream(name: &str) -> Stream {
    Kinesis::local().unwrap().create_stream(name, 1).unwrap()
}

#[test]
fn a_live_producer_emits_the_time_until_it_is_stopped() {
    let stream = stream("live");
    let before = Timestamp::now();
    let producer = stream.producer("192.0.2.10").interval(millis(50)).start();
    wait_for(|| producer.sent() >= 3);
    assert!(producer.is_running());
    let report = producer.stop();
    let records = records(&stream);
    assert_eq!(records.len() as u64, report.sent);
    assert_eq!((report.ambiguous, report.failed.len()), (0, 0));
    for record in &records {
        let text = record.data.text().unwrap();
        let time: Timestamp = text.parse().unwrap();
        assert!(before <= time && time <= Timestamp::now());
        assert_eq!(
            (text.len(), record.partition_key.raw()),
            ("2018-09-06T08:04:56.468067Z".len(), "192.0.2.10")
        );
    }
}

#[test]
fn simulated_runs_are_finite_fast_and_the_same() {
    let stream = stream("simulated");
    let begun = Instant::now();
    // Ten minutes of event time in half a second.
    let producer = stream.producer("a").interval(secs(2)).seed(7).speed(1_200.0).limit(300).start();
    assert_eq!(producer.join().sent, 300);
    assert!(begun.elapsed() > millis(300), "compressed, not at once: {:?}", begun.elapsed());
    assert_eq!(stream.producer("a").interval(secs(2)).seed(7).at_once().limit(300).start().join().sent, 300);
    let data: Vec<Data> = records(&stream).into_iter().map(|record| record.data).collect();
    assert_eq!(data[..300], data[300..]);
}

#[test]
fn any_bytes_and_any_start() {
    let stream = stream("bytes");
    let start: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    let payload = |n: u64, time: Timestamp| format!("{n} {time}");
    stream
        .producer("k")
        .starting_at(start)
        .interval(secs(60))
        .at_once()
        .limit(2)
        .payload(payload)
        .start()
        .join();
    let data: Vec<String> =
        records(&stream).iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect();
    assert_eq!(data, ["0 2020-01-01T00:00:00.000000Z", "1 2020-01-01T00:01:00.000000Z"]);
}

#[test]
fn a_deleted_stream_ends_its_producers() {
    let stream = stream("deleted");
    let producer = stream.producer("k").interval(millis(20)).start();
    wait_for(|| producer.sent() > 0);
    stream.delete().unwrap();
    let report = producer.join();
    assert!(report.last_error.unwrap().is_stream_not_found());
    assert!(!report.failed.is_empty(), "the record that found no stream is handed back");
}

#[test]
fn a_dropped_handle_stops_the_producer() {
    let stream = stream("dropped");
    drop(stream.producer("k").interval(millis(10)).start());
    std::thread::sleep(millis(100));
    let count = records(&stream).len();
    std::thread::sleep(millis(200));
    assert_eq!(records(&stream).len(), count);
}

#[test]
fn a_bad_key_or_a_panicking_payload_ends_it_with_a_reason() {
    let stream = stream("bad");
    let report = stream.producer("").start().join();
    assert!(report.last_error.unwrap().to_string().contains("1 to 256 characters"));
    let panics = |n: u64, _: Timestamp| if n < 2 { "fine" } else { panic!("payload {n}") };
    let report = stream.producer("k").at_once().payload(panics).start().join();
    let error = report.last_error.unwrap().to_string();
    assert!(report.sent == 2 && error.contains("panicked at record 3: payload 2"), "{error}");
}

#[test]
fn throttled_records_arrive_late_but_all_of_them() {
    let kinesis = Local::new().enforce_limits(true).open().unwrap();
    let stream = kinesis.create_stream("throttled", 1).unwrap();
    // 2,500 records at once into a shard that takes 1,000 a second.
    let report = stream.producer("k").at_once().limit(2_500).start().join();
    assert_eq!((report.sent, report.failed.len()), (2_500, 0), "{:?}", report.last_error);
    assert!(report.retried > 0);
    assert_eq!(records(&stream).len(), 2_500);
}

#[test]
fn a_log_is_replayed_line_by_line() {
    let log = "\
192.0.2.1 - - [06/Sep/2018:08:04:56 +0000] \"GET / HTTP/1.1\" 200 5
192.0.2.2 - - [06/Sep/2018:08:04:55 +0000] \"GET /a HTTP/1.1\" 404 5
no line of a log
192.0.2.1 - - [06/Sep/2018:08:05:00 +0000] \"GET /b HTTP/1.1\" 200 5
";
    let stream = stream("log");
    let log = AccessLog::from_reader(std::io::Cursor::new(log)).quiet();
    let report = stream.replay(log).speed(60.0).ordered().start().join();
    assert_eq!((report.sent, report.last_error.is_none()), (3, true));
    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!(
        counter.to_string(),
        "2018-09-06 08:04:00 : [('192.0.2.1', 1), ('192.0.2.2', 1)]\n2018-09-06 08:05:00 : [('192.0.2.1', 1)]\n"
    );
}

#[test]
fn lines_that_no_stream_takes_are_left_out_and_the_rest_goes_on() {
    let line = |client: &str, path: &str| {
        format!("{client} - - [06/Sep/2018:08:04:56 +0000] \"GET {path} HTTP/1.1\" 200 5\n")
    };
    // Under the log's limit, and with its key over the stream's.
    let large = |client: &str| line(client, &"x".repeat((1 << 20) - 65));
    let odd = [large("192.0.2.9"), large("192.0.2.1")];
    let log = [&line("192.0.2.1", "/"), &odd[0], &line("192.0.2.2", "/"), &odd[1], &line("192.0.2.3", "/")];
    let log = log.map(String::as_str).concat();
    for ordered in [false, true] {
        let stream = stream("odd-lines");
        let replay = stream.replay(AccessLog::from_reader(std::io::Cursor::new(log.clone())));
        let report = if ordered { replay.ordered() } else { replay }.start().join();
        assert_eq!((report.sent, report.left_out, report.given_up), (3, 2, 0));
        let first = report.first_left_out.unwrap();
        assert!(first.number == 2 && first.to_string().contains("(1 MiB)"), "{first}");
        assert!(report.last_error.is_none());
        assert_eq!(records(&stream).len(), 3);
    }
}

#[test]
fn what_does_not_parse_is_counted_kept_and_shown() {
    let stream = stream("unparsed");
    stream.put("192.0.2.10", "2018-09-06T08:04:56Z").unwrap();
    stream.put("evil\n##### Last run", b"\xff\x1b[2J\nEVCXR_BEGIN_CONTENT text/html").unwrap();
    let mut counter = Counter::per_minute();
    stream.consumer().trim_horizon().run_until_caught_up(&mut counter).unwrap();
    assert_eq!((counter.total(), counter.unparsed(), counter.unparsed_samples().len()), (1, 1, 1));
    assert_eq!(counter.unparsed_samples()[0].record.data[0], 0xff);
    let text = counter.to_string();
    assert!(text.contains("1 record did not parse"), "{text}");
    assert!(!text.contains("EVCXR_BEGIN_CONTENT") && !text.contains('\x1b'), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

fn wait_for(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < secs(30), "it did not come about within 30 s");
        std::thread::sleep(millis(10));
    }
}
