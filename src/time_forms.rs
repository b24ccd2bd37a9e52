//! Times in the other forms that producers write: tried where the strict parser of [`Timestamp`] has failed. Pure.
//!
//! Each form is read from left to right, once: nothing here takes longer than the text is long.

use std::fmt;

use chrono::{DateTime, NaiveDate};

use crate::epoch::{EpochNumber, within};
use crate::timestamp::Timestamp;

/// A longer text is no time; the longest that is met with has forty decimals or a zone's name.
const LONGEST: usize = 128;
const DAY: i64 = 86_400;

/// Any of these forms.
pub(crate) fn parse(text: &[u8]) -> Result<Timestamp, TimestampError> {
    if text.len() > LONGEST || !text.is_ascii() {
        return Err(TimestampError::no_time());
    }
    let found = match EpochNumber::read(text) {
        Some(number) => number.told_by_size(),
        None if text.iter().any(|byte| byte.is_ascii_alphabetic()) && (is_clf(text) || !is_dated(text)) => {
            of_server(text).or_else(|| of_mail(text))
        }
        None => return of_iso(text),
    };
    found.ok_or(TimestampError::no_time())
}

/// Whether it begins with a year, as ISO-8601 does.
fn is_dated(text: &[u8]) -> bool {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count() >= 4
}

fn is_clf(text: &[u8]) -> bool {
    matches!(text, [b'[', ..] | [_, _, b'/', ..])
}

/// `17/May/2015:10:05:03 +0000`, with its brackets or without, as a web server writes it.
fn of_server(text: &[u8]) -> Option<Timestamp> {
    let inside = text.strip_prefix(b"[").map_or(Some(text), |rest| rest.strip_suffix(b"]"))?;
    clf(inside)
}

/// The time of Apache's common log format, without its brackets: 26 bytes.
pub(crate) fn clf(text: &[u8]) -> Option<Timestamp> {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let text: &[u8; 26] = text.try_into().ok()?;
    if [2, 6, 11, 20].map(|at| text[at]) != *b"//: " {
        return None;
    }
    let month = 1 + MONTHS.iter().position(|name| *name == &text[3..6])? as u8;
    // The same time as ISO-8601, whose parser knows leap years, leap seconds and offsets.
    let mut iso = *b"YYYY-MM-DDThh:mm:ss+hhmm";
    iso[..4].copy_from_slice(&text[7..11]);
    iso[5..7].copy_from_slice(&[b'0' + month / 10, b'0' + month % 10]);
    iso[8..10].copy_from_slice(&text[..2]);
    iso[11..19].copy_from_slice(&text[12..20]);
    iso[19..].copy_from_slice(&text[21..26]);
    Timestamp::parse_strict(&iso)
}

/// `Fri, 01 Mar 2024 10:15:00 GMT`, as mail and HTTP have it.
fn of_mail(text: &[u8]) -> Option<Timestamp> {
    let text = str::from_utf8(text).ok()?;
    within(DateTime::parse_from_rfc2822(text).ok()?.timestamp_micros())
}

/// What ISO-8601 allows, RFC 3339 forbids, and languages' libraries write all the same.
pub(crate) fn of_iso(text: &[u8]) -> Result<Timestamp, TimestampError> {
    let mut rest = Rest(without_monotonic_clock(text));
    let (day, clock) = match rest.date().zip(rest.clock()) {
        Some((day, clock)) => (day, clock),
        None => return Err(TimestampError::no_time()),
    };
    let offset = rest.zone()?;
    let secs = day * DAY + clock.secs - offset;
    let micros = secs.checked_mul(1_000_000).and_then(|micros| micros.checked_add(clock.micros));
    micros.and_then(within).ok_or(TimestampError::no_time())
}

/// Go's `Time.String` adds the reading of another clock: ` m=+0.000012`.
fn without_monotonic_clock(text: &[u8]) -> &[u8] {
    let at = text.windows(4).position(|four| matches!(four, b" m=+" | b" m=-"));
    match at {
        Some(at) if text[at + 4..].iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') => &text[..at],
        _ => text,
    }
}

struct Clock {
    secs: i64,
    micros: i64,
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn number(&mut self, digits: usize) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        let number =
            number.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))?;
        self.0 = rest;
        Some(number)
    }

    /// Days since 1970: `2024-03-01`, `2024/03/01` or `20240301`, and what stands between the day and the hour.
    fn date(&mut self) -> Option<i64> {
        let year = self.number(4)?;
        let separator = [b'-', b'/'].into_iter().find(|byte| self.take(*byte));
        let month = self.number(2)?;
        if separator.is_some_and(|byte| !self.take(byte)) {
            return None;
        }
        let day = self.number(2)?;
        if !(self.take(b'T') || self.take(b't') || self.take(b' ') || self.take(b'_')) {
            return None;
        }
        let date = NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day)?;
        Some(date.signed_duration_since(NaiveDate::default()).num_days())
    }

    /// `10:15`, `10:15:00`, `1015`, `101500`, decimals of a second; `24:00:00` is the next day's beginning.
    fn clock(&mut self) -> Option<Clock> {
        let hour = self.number(2)?;
        let parted = self.take(b':');
        let minute = self.number(2)?;
        let has_seconds =
            if parted { self.take(b':') } else { self.0.first().is_some_and(u8::is_ascii_digit) };
        let mut second = if has_seconds { self.number(2)? } else { 0 };
        let mut micros = if has_seconds { self.decimals()? } else { 0 };
        if second == 60 {
            // As the strict parser does: the last microsecond of the minute in which it was.
            (second, micros) = (59, 999_999);
        }
        let is_end_of_day = hour == 24 && (minute, second, micros) == (0, 0, 0);
        let possible = (hour <= 23 || is_end_of_day) && minute <= 59 && second <= 59;
        let secs = i64::from(hour * 3_600 + minute * 60 + second);
        possible.then_some(Clock { secs, micros })
    }

    /// Microseconds; of more than six decimals the first six.
    fn decimals(&mut self) -> Option<i64> {
        if !(self.take(b'.') || self.take(b',')) {
            return Some(0);
        }
        let (mut micros, mut digits) = (0, 0);
        while let Some(digit) = self.number(1) {
            if digits < 6 {
                micros = micros * 10 + i64::from(digit);
            }
            digits += 1;
        }
        (digits > 0).then(|| micros * 10i64.pow(6 - digits.min(6)))
    }

    /// Seconds east of UTC. An offset counts, and what names its zone beside it does not; a zone alone says
    /// nothing for sure, because its rules change, and a machine's copy of them grows old.
    fn zone(&mut self) -> Result<i64, TimestampError> {
        self.take(b' ');
        let offset = self.offset().ok_or(TimestampError::no_time())?;
        let before = self.0;
        self.take(b' ');
        match (self.0, offset) {
            ([], _) if before.is_empty() => Ok(offset.unwrap_or(0)),
            (name, offset) => {
                let name = name.strip_prefix(b"[").map_or(Some(name), |rest| rest.strip_suffix(b"]"));
                let name = name.filter(|name| is_zone(name)).ok_or(TimestampError::no_time())?;
                let is_utc = [&b"UTC"[..], b"GMT", b"Z", b"UT", b"Etc/UTC", b"Etc/GMT"].contains(&name);
                match offset {
                    Some(offset) => Ok(offset),
                    None if is_utc => Ok(0),
                    None => Err(TimestampError::without_offset()),
                }
            }
        }
    }

    /// `Z`, `+01:00`, `+0100`, `+01`; `None` inside where none is there, outside where it is broken.
    fn offset(&mut self) -> Option<Option<i64>> {
        if self.take(b'Z') || self.take(b'z') {
            return Some(Some(0));
        }
        let sign = match (self.take(b'+'), self.take(b'-')) {
            (true, false) => 1,
            (false, true) => -1,
            (false, false) => return Some(None),
            (true, true) => return None,
        };
        let hours = self.number(2)?;
        let minutes = match self.take(b':') {
            true => self.number(2)?,
            false if self.0.first().is_some_and(u8::is_ascii_digit) => self.number(2)?,
            false => 0,
        };
        (hours <= 23 && minutes <= 59).then_some(Some(sign * i64::from(hours * 3_600 + minutes * 60)))
    }
}

/// `Europe/Paris`, `CET`, `Etc/GMT+1`.
fn is_zone(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(byte))
}

/// The text is no date and time of any form that is read, or one of a zone that does not say how far from UTC
/// it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampError(Reason);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    NoTime,
    NoNumber,
    WithoutOffset,
}

impl TimestampError {
    pub(crate) const fn no_time() -> TimestampError {
        TimestampError(Reason::NoTime)
    }

    pub(crate) const fn no_number() -> TimestampError {
        TimestampError(Reason::NoNumber)
    }

    pub(crate) const fn without_offset() -> TimestampError {
        TimestampError(Reason::WithoutOffset)
    }

    pub(crate) fn is_without_offset(self) -> bool {
        self.0 == Reason::WithoutOffset
    }
}

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Reason::NoTime => "not a timestamp; expected ISO-8601 such as 2018-09-06T08:04:56.468067Z",
            Reason::NoNumber => "not a number such as 1709288100 or 1709288100.25, or of no time up to the year 9999",
            Reason::WithoutOffset => {
                "a time of a zone without its offset; write that too, such as 2018-09-06T10:04:56+02:00[Europe/Berlin]"
            }
        })
    }
}

impl std::error::Error for TimestampError {}

#[cfg(test)]
mod tests;
