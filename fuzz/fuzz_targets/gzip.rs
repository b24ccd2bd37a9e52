//! What gzip packed, lines of CloudWatch Logs among it, is an event or refused, and so are broken bytes.
#![no_main]

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use kinesis_lab::{Event, Record, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("memory takes it");
    let packed = encoder.finish().expect("memory takes it");
    let plain = Event::parse(&record(data.to_vec()));
    match Event::parse(&record(packed)) {
        // The same that it was; or the line that CloudWatch sent in it.
        Ok(event) => assert!(plain.is_err() || plain == Ok(event) || is_cloudwatch(data)),
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
    let broken = [&b"\x1f\x8b\x08"[..], data].concat();
    if let Err(error) = Event::parse(&record(broken)) {
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
});

fn record(data: Vec<u8>) -> Record {
    Record::new("192.0.2.10", data, "1", Timestamp::MIN)
}

fn is_cloudwatch(data: &[u8]) -> bool {
    data.windows(9).any(|part| part == b"logEvents")
}
