//! Any text is a timestamp or refused; what is one, is written and read as the same instant.
#![no_main]

use kinesis_lab::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    match text.parse::<Timestamp>() {
        Ok(time) => {
            assert!((Timestamp::MIN..=Timestamp::MAX).contains(&time));
            assert_eq!(time.to_string().parse(), Ok(time));
            assert_eq!(time.plain(6).parse(), Ok(time));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
});
