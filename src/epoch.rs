//! [`EpochUnit`]: numbers that are times, and what they count. Pure.

use crate::time_forms::{self, TimestampError};
use crate::timestamp::Timestamp;

/// What an epoch number counts.
///
/// Without one, it is told by the number's size: 9 or 10 digits before the decimal point are seconds, 12 or 13
/// milliseconds, 15 or 16 microseconds, 18 or 19 nanoseconds. So all four are read from 3 March 1973 on, up
/// to the year 2262 at least, and no number is two of them. What has another number of digits is none: a year,
/// a status, a day such as `20240301`. Fourteen digits are a date and a time (`20240301101500`).
///
/// ```
/// use kinesis_lab::{EpochUnit, Timestamp};
///
/// let t = Timestamp::from_secs(1_709_288_100);
/// for text in ["1709288100", "1709288100.0", "1709288100000", "1709288100000000", "1709288100000000000"] {
///     assert_eq!(text.parse(), Ok(t));
/// }
/// // Told, it may be any number, also before 1970:
/// assert_eq!(EpochUnit::Millis.parse("-1500")?.to_string(), "1969-12-31T23:59:58.500000Z");
/// assert_eq!(EpochUnit::Seconds.parse("1.5e2")?, Timestamp::from_secs(150));
/// # Ok::<(), kinesis_lab::TimestampError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EpochUnit {
    /// Seconds since 1970, as nginx' `$msec` and most of Unix count.
    Seconds,
    /// Milliseconds, as JavaScript, Java and CloudWatch count.
    Millis,
    /// Microseconds, as Python's and databases' tools often count.
    Micros,
    /// Nanoseconds, as Go and OpenTelemetry count.
    Nanos,
}

impl EpochUnit {
    /// The time that a number of this unit means, integer or decimal; what is less than a microsecond is cut off.
    ///
    /// ```
    /// use kinesis_lab::EpochUnit;
    ///
    /// assert_eq!(EpochUnit::Nanos.parse("1709288100123456789")?.plain(6), "2024-03-01 10:15:00.123456");
    /// assert!(EpochUnit::Seconds.parse("soon").is_err());
    /// # Ok::<(), kinesis_lab::TimestampError>(())
    /// ```
    ///
    /// # Errors
    /// When it is no number, or not within the years 0 to 9999.
    pub fn parse(self, number: &str) -> Result<Timestamp, TimestampError> {
        let number = EpochNumber::read(number.as_bytes()).ok_or(TimestampError::no_number())?;
        number.since_epoch(self).ok_or(TimestampError::no_number())
    }

    /// `s`, `ms`, `us` or `ns`, as files have it.
    #[cfg(feature = "playbooks")]
    pub(crate) fn named(name: &str) -> Option<EpochUnit> {
        Some(match name {
            "s" => EpochUnit::Seconds,
            "ms" => EpochUnit::Millis,
            "us" | "µs" => EpochUnit::Micros,
            "ns" => EpochUnit::Nanos,
            _ => return None,
        })
    }

    /// How many decimal places a microsecond is away.
    fn places(self) -> i32 {
        match self {
            EpochUnit::Seconds => 6,
            EpochUnit::Millis => 3,
            EpochUnit::Micros => 0,
            EpochUnit::Nanos => -3,
        }
    }
}

/// A decimal number: `1709288100.5`, `-3`, `1.7092881e9`.
pub(crate) struct EpochNumber {
    negative: bool,
    /// Its digits without the point, leading zeros dropped; at most 38, which a `u128` holds.
    digits: u128,
    /// How many of them stand before the point, before an exponent moved it.
    before: usize,
    /// How far behind the last digit the point stands: `1.5` has -1.
    exponent: i32,
}

impl EpochNumber {
    pub(crate) fn read(text: &[u8]) -> Option<EpochNumber> {
        let (negative, rest) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            _ => (false, text),
        };
        let (mut digits, mut exponent, mut point) = (0u128, 0i32, false);
        let mut before = 0;
        let mut all = rest.iter();
        let mut any = false;
        while let Some(byte) = all.as_slice().first() {
            match byte {
                b'0'..=b'9' => {
                    any = true;
                    before += usize::from(!point);
                    // More digits than any unit has are cut behind the point, and no time before it.
                    if digits < 10u128.pow(36) {
                        digits = digits * 10 + u128::from(byte - b'0');
                        exponent -= i32::from(point);
                    } else if !point {
                        return None;
                    }
                }
                b'.' if !point && any => point = true,
                _ => break,
            }
            all.next();
        }
        let rest = all.as_slice();
        if !any || rest.is_empty() && text.last() == Some(&b'.') {
            return None;
        }
        if let Some((b'e' | b'E', power)) = rest.split_first() {
            let power = str::from_utf8(power).ok().filter(|power| power.len() <= 4)?;
            exponent = exponent.checked_add(power.parse().ok()?)?;
        } else if !rest.is_empty() {
            return None;
        }
        Some(EpochNumber { negative, digits, before, exponent })
    }

    fn since_epoch(&self, unit: EpochUnit) -> Option<Timestamp> {
        let places = self.exponent + unit.places();
        let power = 10u128.checked_pow(places.unsigned_abs());
        let (micros, rest) = match (places >= 0, power) {
            (true, power) if self.digits > 0 => (self.digits.checked_mul(power?)?, 0),
            (false, Some(power)) => (self.digits / power, self.digits % power),
            // Less than a microsecond, or nothing at all.
            (_, _) => (0, self.digits),
        };
        let micros = i64::try_from(micros).ok()?;
        // Cut towards the past, as the decimals of a date are.
        let micros = if self.negative { -micros - i64::from(rest > 0) } else { micros };
        within(micros)
    }

    pub(crate) fn told_by_size(&self) -> Option<Timestamp> {
        // Of `1.7092881e9`, it is the digits that it would have without its exponent.
        let digits = self.digits.checked_ilog10()? as i32 + 1 + self.exponent;
        let unit = match digits {
            9 | 10 => EpochUnit::Seconds,
            12 | 13 => EpochUnit::Millis,
            14 if self.exponent == 0 && self.before == 14 => return self.calendar(),
            15 | 16 => EpochUnit::Micros,
            18 | 19 => EpochUnit::Nanos,
            _ => return None,
        };
        // Leading zeros are no epoch number's.
        let plain = !self.negative && (self.before as i32 == digits || self.before == 1);
        if plain { self.since_epoch(unit) } else { None }
    }

    /// `20240301101500`.
    fn calendar(&self) -> Option<Timestamp> {
        let text = self.digits.to_string();
        let iso = format!("{}T{}Z", text.get(..8)?, text.get(8..)?);
        if self.negative { None } else { time_forms::of_iso(iso.as_bytes()).ok() }
    }
}

/// The instant, if it is one of the years 0 to 9999.
pub(crate) fn within(micros: i64) -> Option<Timestamp> {
    let range = Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros();
    range.contains(&micros).then(|| Timestamp::from_micros(micros))
}
