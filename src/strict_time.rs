//! The forms of ISO-8601 that programs write, read from bytes. Pure.
//!
//! It is written out, not left to chrono's parser, because whoever counts events spends much of the time here:
//! eight characters at a time, and the date only when it is another minute than the last one.

use std::cell::Cell;

use crate::timestamp::Timestamp;

/// `YYYY-MM-DD`, then `T`, `t` or a space, `HH:MM:SS`, up to nine decimals, and `Z` or an offset.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<Timestamp> {
    let (head, rest) = text.split_first_chunk::<16>()?;
    let (&[colon, tens, ones], rest) = rest.split_first_chunk::<3>()?;
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if colon != b':' || tens > 6 || ones > 9 {
        return None;
    }
    let minute = Minute::of(head)?;
    let mut second = i64::from(tens * 10 + ones);
    let (mut micros, east) = match micros(rest) {
        Some(micros) => (micros, 0),
        None => {
            let (micros, rest) = fraction(rest)?;
            (micros, offset(rest)?)
        }
    };
    if second >= 60 {
        if second > 60 {
            return None;
        }
        // A leap second. POSIX time has no number for it; the last microsecond of its minute keeps
        // the event in the window in which it happened.
        (second, micros) = (59, 999_999);
    }
    let secs = minute * 60 + second - i64::from(east);
    let micros = secs * 1_000_000 + i64::from(micros);
    let within = Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros();
    within.contains(&micros).then(|| Timestamp::new_unchecked(micros))
}

thread_local! {
    /// Timestamps that are read one after the other are nearly always of the same minute, whoever reads them.
    static LAST: Cell<Minute> = const { Cell::new(Minute { text: *b"1970-01-01T00:00", since_epoch: 0 }) };
}

/// A minute as it was written, and how many minutes after 1970 it is.
#[derive(Clone, Copy)]
struct Minute {
    text: [u8; 16],
    since_epoch: i64,
}

impl Minute {
    #[inline]
    fn of(text: &[u8; 16]) -> Option<i64> {
        let last = LAST.get();
        if last.text == *text {
            return Some(last.since_epoch);
        }
        let since_epoch = minute(text)?;
        LAST.set(Minute { text: *text, since_epoch });
        Some(since_epoch)
    }
}

/// `YYYY-MM-DDTHH:MM` → minutes since 1970.
fn minute(text: &[u8; 16]) -> Option<i64> {
    if !matches!(text[10], b'T' | b't' | b' ') {
        return None;
    }
    let date = Digits::read(eight(text), *b"0000-00-")?;
    let clock = eight(&text[8..]) & !0x00ff_0000 | u64::from(b'T') << 16;
    let clock = Digits::read(clock, *b"00T00:00")?;
    let (year, month, day) = (date.pair(0) * 100 + date.pair(2), date.pair(5), clock.pair(0));
    let (hour, minute) = (clock.pair(3), clock.pair(6));
    if hour > 23 || minute > 59 {
        return None;
    }
    Some(i64::from(days(year, month, day)?) * 1_440 + i64::from(hour * 60 + minute))
}

/// `.468067Z`, as this crate writes it, and most others.
#[inline]
fn micros(text: &[u8]) -> Option<u32> {
    if text.len() != 8 {
        return None;
    }
    let digits = Digits::read(eight(text), *b".000000Z")?;
    Some(digits.pair(1) * 10_000 + digits.pair(3) * 100 + digits.pair(5))
}

#[inline]
fn eight(text: &[u8]) -> u64 {
    text.first_chunk().map_or(0, |text| u64::from_le_bytes(*text))
}

/// Of eight characters, what every two neighbours say as a number, in the place of the first of the two.
#[derive(Clone, Copy)]
struct Digits(u64);

impl Digits {
    /// A digit where the pattern has a `0`, and as the pattern elsewhere.
    #[inline]
    fn read(text: u64, pattern: [u8; 8]) -> Option<Digits> {
        let fixed = u64::from_le_bytes(pattern.map(|c| if c == b'0' { 0 } else { 0xff }));
        // Each byte of it is what a digit says; 0 where a fixed character is right.
        let values = text ^ u64::from_le_bytes(pattern);
        // Adding 6 takes what is beyond 9 into the upper half of its byte; what is there already fails anyway.
        let beyond = (values | values.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0;
        (beyond | values & fixed == 0).then(|| Digits(values.wrapping_mul(10).wrapping_add(values >> 8)))
    }

    #[inline]
    fn pair(self, at: u32) -> u32 {
        (self.0 >> (8 * at) & 0xff) as u32
    }
}

/// Days since 1970-01-01, by Howard Hinnant's formula; `None` for what is no date.
#[inline]
fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    const LONGEST: [u8; 16] = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0];
    let longest = u32::from(*LONGEST.get(month as usize)?);
    if day == 0 || day > longest {
        return None;
    }
    let is_leap_year = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if month == 2 && day == 29 && !is_leap_year {
        return None;
    }
    // Years begin in March, and 400 of them earlier: no number is negative.
    let (year, month) = if month > 2 { (year + 400, month - 3) } else { (year + 399, month + 9) };
    let of_years = year * 365 + year / 4 - year / 100 + year / 400;
    Some((of_years + (153 * month + 2) / 5 + day - 1) as i32 - (719_468 + 146_097))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
}

/// `.468067` → microseconds; digits beyond the sixth are cut off, as the microsecond they fall in.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.' | b',', rest)) = text.split_first() else { return Some((0, text)) };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let (fraction, rest) = rest.split_at(digits);
    let kept = &fraction[..digits.min(6)];
    Some((number(kept)? * 10u32.pow(6 - kept.len() as u32), rest))
}

/// Seconds east of UTC: nothing or `Z` is 0; `+02:00`, `+0200`, `+02`.
fn offset(text: &[u8]) -> Option<i32> {
    let (sign, rest) = match text {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.len() {
        2 => (number(rest)?, 0),
        4 => (number(&rest[..2])?, number(&rest[2..])?),
        5 if rest[2] == b':' => (number(&rest[..2])?, number(&rest[3..])?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60) as i32)
}

/// The parser against chrono's: every date there is, and texts that are nearly a timestamp.
#[cfg(test)]
mod tests {
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
            && fields
                .bytes()
                .enumerate()
                .all(|(at, c)| [4, 7, 10, 13, 16].contains(&at) || c.is_ascii_digit());
        let fields: String =
            fields.chars().enumerate().map(|(at, c)| if at == 10 { 'T' } else { c }).collect();
        let seconds = NaiveDateTime::parse_from_str(&fields, "%Y-%m-%dT%H:%M:%S").ok().filter(|_| shape)?;
        let (micros, rest) = fraction(rest.as_bytes())?;
        let mut micros = i64::from(micros);
        if fields.ends_with("60") {
            micros = 999_999;
        }
        let all = (seconds.and_utc().timestamp() - i64::from(offset(rest)?)) * 1_000_000 + micros;
        let within = Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros();
        within.contains(&all).then(|| Timestamp::from_micros(all))
    }

    proptest! {
        // 20,000 cases, a second of them: each changes one of 27 characters into one of 22, at one of many times.
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn one_character_off(
            micros in Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros(),
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
}
