//! Any pattern is taken or refused; by it, any line is an event or refused, and the same one each time.
#![no_main]

use kinesis_lab::{AnyFormat, LinePrefix, LogFormat, Record, Timestamp};
use libfuzzer_sys::fuzz_target;

// The first line is the pattern, the second one what stands before lines, the rest is the record.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let pattern = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let prefix = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let record = Record::new("192.0.2.10", parts.next().unwrap_or_default(), "1", Timestamp::MIN);
    match pattern.parse::<LogFormat>() {
        Ok(mut format) => {
            if let Ok(prefix) = prefix.parse::<LinePrefix>() {
                format = format.behind(prefix);
            }
            if let Ok(trusting) = format.clone().trusted_proxies(&["10.0.0.0/8"]) {
                check(trusting, &record);
            }
            check(format, &record);
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error:?}"),
    }
});

fn check(format: LogFormat, record: &Record) {
    let format = AnyFormat::from(format);
    let found = format.events(record);
    assert_eq!(found, format.events(record));
    for found in found {
        match found {
            Ok(event) => assert!((Timestamp::MIN..=Timestamp::MAX).contains(&event.time)),
            Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
        }
    }
}
