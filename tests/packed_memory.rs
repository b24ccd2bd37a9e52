//! What a record takes in memory while it is read, however many events or broken parts gzip has packed into it: the
//! bytes that are asked of the allocator, counted.

#![cfg(feature = "full")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use kinesis_lab::prelude::*;
use kinesis_lab::{AnyFormat, JsonFormat, LogFormat, Record};

/// The system's allocator, and how much it has handed out.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
/// Given back or not.
static ALL: AtomicUsize = AtomicUsize::new(0);

// SAFETY: each call is the system allocator's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(held, Ordering::Relaxed);
        ALL.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Of what is packed: a sixteenth of what is read at most, for the time that it takes.
const UNPACKED: usize = 1 << 20;
/// So many times as much may be held: the bytes themselves, twice while their place grows, and what is read of them.
const TIMES: usize = 8;

fn packed(data: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn many(part: &str) -> String {
    part.repeat(UNPACKED / part.len())
}

/// One test: another one beside it would be counted, too.
#[test]
fn a_record_takes_a_few_times_what_is_packed_in_it() {
    let event = r#"{"time":1709288100}"#;
    let message = r#"{"id":"1","timestamp":0,"message":"x"},"#;
    let envelope = |entries: &str| format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{entries}]}}"#);
    let line = r#"192.0.2.1 - - [01/Mar/2024:10:15:00 +0000] "GET / HTTP/1.1" 200 5"#;
    let json = AnyFormat::from(JsonFormat::new());
    let log = AnyFormat::from(LogFormat::combined());
    let known = AnyFormat::default();
    for (what, format, data, counted, unparsed) in [
        ("lines that are nothing", &known, many("x\n"), 0, 1),
        ("one line among others", &known, format!("{line}\n{}", many("x\n")), 1, UNPACKED as u64 / 2),
        ("others before the line", &log, format!("{}{line}\n", many("x\n")), 1, UNPACKED as u64 / 2),
        ("numbers", &json, format!("[{}1]", many("1,")), 0, 1),
        ("empty objects", &known, format!("[{}{event}]", many("{},")), 1, UNPACKED as u64 / 3),
        ("events", &json, many(event), UNPACKED as u64 / 19, 0),
        ("broken objects behind an event", &json, format!("{event}\n{}", many("{\n")), 1, u64::MAX),
        ("messages", &known, envelope(many(message).trim_end_matches(',')), 0, UNPACKED as u64 / 39),
        ("no messages", &known, envelope(&format!("{}1", many("1,"))), 0, 1),
    ] {
        let record = Record::new("192.0.2.1", packed(&data), "1", Timestamp::now());
        drop(data);
        let batch = Batch::new("events", "s", vec![record]);
        let mut counter = Counter::per_minute().reading(format.clone());
        let before = HELD.load(Ordering::Relaxed);
        MOST.store(before, Ordering::Relaxed);
        counter.process(&batch, &mut Context::at(Timestamp::now())).unwrap();
        let times = (MOST.load(Ordering::Relaxed) - before) as f64 / UNPACKED as f64;
        println!("{what}: {times:.1} times what is packed");
        assert!(times < TIMES as f64, "{what}: {times:.1} times what is packed");
        assert_eq!(counter.total(), counted, "{what}");
        assert!(unparsed == u64::MAX || counter.unparsed() == unparsed, "{what}: {}", counter.unparsed());
    }
    a_message_costs_its_own_size_whatever_it_came_in();
}

/// The record was copied for each of its messages, data and all.
fn a_message_costs_its_own_size_whatever_it_came_in() {
    let mut rng = fastrand::Rng::with_seed(7);
    // A megabyte and a half of gzip.
    let filling: String = std::iter::repeat_with(|| rng.alphanumeric()).take(2_000_000).collect();
    let spent = |messages: usize| {
        let message = r#"{"id":"1","timestamp":0,"message":"{\"time\":1709288100}"}"#;
        let entries = vec![message; messages].join(",");
        let data = format!(r#"{{"messageType":"DATA_MESSAGE","owner":"{filling}","logEvents":[{entries}]}}"#);
        let record = Record::new("any", packed(&data), "1", Timestamp::now());
        let (format, before) = (AnyFormat::from(JsonFormat::new()), ALL.load(Ordering::Relaxed));
        assert_eq!(format.events(&record).into_iter().filter(Result::is_ok).count(), messages);
        ALL.load(Ordering::Relaxed) - before
    };
    let (one, many) = (spent(1), spent(1_001));
    let each = many.saturating_sub(one) / 1_000;
    println!("a message more: {each} bytes");
    // With a copy, 1,500,000.
    assert!(each < 10_000, "a message more takes {each} bytes");
}
