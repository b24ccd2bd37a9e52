//! The parser against chrono's: every date there is, and texts that are nearly a timestamp.

use chrono::{Datelike, NaiveDate, NaiveDateTime};
use proptest::prelude::*;

use super::*;

#[test]
fn every_day_is_chronos() {
    for year in 0..10_000 {
        for month in 0..=13 {
            for day in 0..=32 {
                let chrono = NaiveDate::from_ymd_opt(year, month, day);
                let chrono = chrono.map(|day| day.num_days_from_ce() - 719_163);
                assert_eq!(days(year as u32, month, day), chrono, "{year}-{month}-{day}");
            }
        }
    }
    assert_eq!((days(2018, 99, 1), days(2018, 1, 99)), (None, None));
}

#[test]
fn every_minute_of_a_day_is_chronos() {
    for hour in 0..100 {
        for minute in 0..100 {
            let text = format!("2018-09-06T{hour:02}:{minute:02}:07Z");
            let chrono = NaiveDate::from_ymd_opt(2018, 9, 6).unwrap().and_hms_opt(hour, minute, 7);
            let chrono = chrono.map(|time| Timestamp::from_secs(time.and_utc().timestamp()));
            assert_eq!(parse(text.as_bytes()), chrono, "{text}");
            assert_eq!(parse(text.as_bytes()), chrono, "{text} again, from what was kept");
        }
    }
}

/// What was kept of the last minute is never taken for another one.
#[test]
fn no_other_text_is_the_last_minute() {
    let zeros = [&[0; 16][..], b":00.000000Z"].concat();
    assert_eq!(parse(&zeros), None, "nothing was kept yet");
    let good = b"2018-09-06T08:04:56.468067Z";
    for at in 0..16 {
        for byte in 0..=255 {
            let mut text = *good;
            text[at] = byte;
            assert!(parse(good).is_some());
            let after_good = parse(&text);
            assert!(parse(b"1970-01-01T00:01:00Z").is_some());
            assert_eq!(after_good, parse(&text), "{}", String::from_utf8_lossy(&text));
        }
    }
}

/// By chrono, where it reads the same forms.
fn by_chrono(text: &[u8]) -> Option<Timestamp> {
    let text = str::from_utf8(text).ok()?;
    let (fields, rest) = (text.get(..19)?, text.get(19..)?);
    let separators = [4, 7, 10, 13, 16].map(|at| fields.as_bytes()[at]);
    let shape = matches!(separators, [b'-', b'-', b'T' | b't' | b' ', b':', b':'])
        && fields.bytes().enumerate().all(|(at, c)| [4, 7, 10, 13, 16].contains(&at) || c.is_ascii_digit());
    let fields: String = fields.chars().enumerate().map(|(at, c)| if at == 10 { 'T' } else { c }).collect();
    let seconds = NaiveDateTime::parse_from_str(&fields, "%Y-%m-%dT%H:%M:%S").ok().filter(|_| shape)?;
    let (micros, rest) = fraction(rest.as_bytes())?;
    let mut micros = i64::from(micros);
    if fields.ends_with("60") {
        micros = 999_999;
    }
    let all = (seconds.and_utc().timestamp() - i64::from(offset(rest)?)) * 1_000_000 + micros;
    (Timestamp::MIN.micros..=Timestamp::MAX.micros).contains(&all).then_some(Timestamp { micros: all })
}

proptest! {
    // 20,000 cases, a second of them: each changes one of 27 characters into one of 22, at one of many times.
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn one_character_off(
        micros in Timestamp::MIN.micros..=Timestamp::MAX.micros,
        at in 0..27usize,
        byte in prop::sample::select(b"0123456789-:.TtZz +,/;\0\xff\xfa".to_vec()),
    ) {
        let mut text = Timestamp::from_micros(micros).to_string().into_bytes();
        text[at] = byte;
        prop_assert_eq!(parse(&text), by_chrono(&text), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn any_characters_of_timestamps(text in "[0-9]{4}[-0-9]{1}[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}[-+.,0-9Zz:]{0,12}") {
        prop_assert_eq!(parse(text.as_bytes()), by_chrono(text.as_bytes()), "{}", text);
    }
}
