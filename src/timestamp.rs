//! [`Timestamp`]: an instant in UTC, to the microsecond.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike, Timelike};

use crate::strict_time;
use crate::time_forms::{self, TimestampError};

/// An instant in UTC with a resolution of one microsecond, from year 0 to year 9999.
///
/// It stands for *event time* (when something happened, written in the data of a record) and for
/// *arrival time* (when Kinesis took the record). Python's `datetime.isoformat()`, RFC 3339 and the
/// usual ISO-8601 forms parse; without an offset the text is taken as UTC. So do others that producers write:
///
/// | form | example |
/// | --- | --- |
/// | without seconds; at the end of a day | `2024-03-01T10:15Z`, `2024-03-01T24:00:00Z` |
/// | a space before the offset; a name of UTC | `2024-03-01 10:15:00 +0000`, `2024-03-01 10:15:00 UTC` |
/// | the zone's name beside the offset, which counts | `2024-03-01T10:15:00+01:00[Europe/Paris]` |
/// | the basic form; slashes | `20240301T101500Z`, `20240301101500`, `2024/03/01 10:15:00` |
/// | more than six decimals, cut | `2024-03-01T10:15:00.123456789012Z` |
/// | an epoch number, its unit told by its size: [`EpochUnit`](crate::EpochUnit) | `1709288100.5`, `1709288100000` |
/// | a web server's; mail's and HTTP's | `01/Mar/2024:10:15:00 +0000`, `Fri, 01 Mar 2024 10:15:00 GMT` |
///
/// It is a type of this crate, not chrono's, so that notebook cells need no type annotation for it.
///
/// ```
/// use kinesis_lab::Timestamp;
/// use std::time::Duration;
///
/// let t: Timestamp = "2018-09-06T10:04:56.468067+02:00".parse()?;
/// assert_eq!(t.to_string(), "2018-09-06T08:04:56.468067Z");
/// assert_eq!(t.truncate(Duration::from_secs(60)).plain(0), "2018-09-06 08:04:00");
///
/// let later = t + Duration::from_millis(1_500);
/// assert_eq!((later.since(t), t.since(later)), (Duration::from_millis(1_500), Duration::ZERO));
/// assert_eq!(Timestamp::from_micros(t.as_micros()), t);
/// assert!(Timestamp::now() > Timestamp::from_secs(1_536_221_096));
/// # Ok::<(), kinesis_lab::TimestampError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    micros: i64,
}

impl Timestamp {
    /// 0000-01-01T00:00:00Z, the earliest timestamp that parses.
    pub const MIN: Timestamp = Timestamp { micros: -62_167_219_200_000_000 };
    /// 9999-12-31T23:59:59.999999Z, the latest.
    pub const MAX: Timestamp = Timestamp { micros: 253_402_300_799_999_999 };

    /// The wall clock's time.
    ///
    /// Only the edges of the crate call this (producers on live time, the loop of a consumer);
    /// windows and processors are handed their time, so that they can be tested without a clock.
    pub fn now() -> Timestamp {
        // A clock before 1970 is a broken clock; the epoch is as good an answer as any.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(since.as_micros().try_into().unwrap_or(i64::MAX))
    }

    /// For constants; the caller vouches for the range.
    pub(crate) const fn new_unchecked(micros: i64) -> Timestamp {
        Timestamp { micros }
    }

    /// Microseconds since 1970-01-01T00:00:00Z; clamped to [`MIN`](Self::MIN) … [`MAX`](Self::MAX).
    pub fn from_micros(micros: i64) -> Timestamp {
        Timestamp { micros: micros.clamp(Self::MIN.micros, Self::MAX.micros) }
    }

    /// Seconds since 1970-01-01T00:00:00Z; clamped as [`from_micros`](Self::from_micros) does.
    pub fn from_secs(secs: i64) -> Timestamp {
        Timestamp::from_micros(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn as_micros(self) -> i64 {
        self.micros
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.micros.saturating_sub(earlier.micros).max(0).unsigned_abs())
    }

    /// The start of the interval of length `size`, counted from the epoch, in which this lies.
    ///
    /// A `size` below one microsecond leaves it as it is.
    pub fn truncate(self, size: Duration) -> Timestamp {
        // Nanoseconds beyond the microsecond are dropped; 292,000 years are as good as any longer size.
        let size = size.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(size.subsec_micros()));
        match i64::try_from(size).unwrap_or(i64::MAX) {
            0 => self,
            size => Timestamp::from_micros(self.micros.saturating_sub(self.micros.rem_euclid(size))),
        }
    }

    /// `2018-09-06 08:04:56.468067`, with `decimals` digits (0 to 6) after the second.
    pub fn plain(self, decimals: usize) -> String {
        let text = self.text(' ');
        match decimals {
            0 => text[..19].to_owned(),
            n => text[..20 + n.min(6)].to_owned(),
        }
    }

    fn text(self, separator: char) -> String {
        // Every value within MIN..=MAX is one that chrono knows; see `from_micros`.
        let t = DateTime::from_timestamp_micros(self.micros).unwrap_or_default();
        let micros = t.nanosecond() / 1_000;
        let (y, mo, d, h, mi, s) = (t.year(), t.month(), t.day(), t.hour(), t.minute(), t.second());
        format!("{y:04}-{mo:02}-{d:02}{separator}{h:02}:{mi:02}:{s:02}.{micros:06}")
    }

    /// The inverse of `text` and its relatives, over bytes because records are bytes.
    #[inline]
    pub(crate) fn parse_bytes(text: &[u8]) -> Result<Timestamp, TimestampError> {
        match strict_time::parse(text) {
            Some(time) => Ok(time),
            None => time_forms::parse(text),
        }
    }

    /// The first form alone: where another parser has brought the text into it.
    pub(crate) fn parse_strict(text: &[u8]) -> Option<Timestamp> {
        strict_time::parse(text)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Timestamp, TimestampError> {
        Timestamp::parse_bytes(text.as_bytes())
    }
}

/// RFC 3339 in UTC with six decimals: `2018-09-06T08:04:56.468067Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}Z", self.text('T'))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Saturates at [`Timestamp::MAX`].
impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, later: Duration) -> Timestamp {
        let later = i64::try_from(later.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.micros.saturating_add(later))
    }
}

/// Saturates at [`Timestamp::MIN`].
impl Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, earlier: Duration) -> Timestamp {
        let earlier = i64::try_from(earlier.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.micros.saturating_sub(earlier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn t(text: &str) -> Timestamp {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn the_usual_forms_are_one_instant() {
        let want = t("2018-09-06T08:04:56.468067Z");
        for form in [
            "2018-09-06 08:04:56.468067",
            "2018-09-06t08:04:56.468067z",
            "2018-09-06T08:04:56.468067999Z",
            "2018-09-06T10:04:56.468067+02:00",
            "2018-09-06T10:04:56,468067+0200",
            "2018-09-05T22:04:56.468067-10",
        ] {
            assert_eq!(t(form), want, "{form}");
        }
        assert_eq!(want.as_micros(), 1_536_221_096_468_067);
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "now",
            "2018-09-06",
            "2018-9-6T08:04:56Z",
            "2018-02-29T00:00:00Z",
            "2018-09-06T24:00:01Z",
            "2018-09-06T08:60:00Z",
            "2018-09-06T08:04:61Z",
            "2018-09-06T08:04:56.Z",
            "2018-09-06T08:04:56+2",
            "2018-09-06T08:04:56+02:00 ",
            "2018-09-06T08:04:56+24:00",
            "0000-01-01T00:00:00+00:01",
            "+018-09-06T08:04:56Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_ends_of_the_range_and_leap_seconds() {
        assert_eq!(t("0000-01-01T00:00:00Z"), Timestamp::MIN);
        assert_eq!(t("9999-12-31T23:59:59.999999Z"), Timestamp::MAX);
        assert_eq!(t("2016-12-31T23:59:60.5Z"), t("2016-12-31T23:59:59.999999Z"));
        assert_eq!(Timestamp::MAX + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::MIN - Duration::MAX, Timestamp::MIN);
    }

    #[test]
    fn truncation_counts_from_the_epoch_also_before_it() {
        let minute = Duration::from_secs(60);
        assert_eq!(t("1969-12-31T23:59:59.5Z").truncate(minute), t("1969-12-31T23:59:00Z"));
        assert_eq!(t("2018-09-06T08:04:56Z").truncate(minute).plain(0), "2018-09-06 08:04:00");
        assert_eq!(t("2018-09-06T08:04:56.5Z").truncate(Duration::ZERO), t("2018-09-06T08:04:56.5Z"));
    }

    proptest! {
        // 256 cases (the default): each covers one of ~3·10¹⁷ instants; the edges have tests above.
        #[test]
        fn text_and_back(micros in Timestamp::MIN.micros..=Timestamp::MAX.micros) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
            let chrono = DateTime::parse_from_rfc3339(&time.to_string()).unwrap();
            prop_assert_eq!(chrono.timestamp_micros(), micros);
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Timestamp::parse_bytes(&bytes);
        }
    }
}
