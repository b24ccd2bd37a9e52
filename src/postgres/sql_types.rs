//! Times as PostgreSQL has them: `timestamptz`, and `interval` for a length.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::timestamp::Timestamp;

type Converted<T> = Result<T, Box<dyn StdError + Sync + Send>>;

/// PostgreSQL counts microseconds as well, from 2000-01-01T00:00:00Z on (PostgreSQL manual, "Date/Time Types").
const SINCE_1970: i64 = 946_684_800_000_000;
const DAY_MICROS: i64 = 86_400_000_000;

impl ToSql for Timestamp {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Converted<IsNull> {
        // From year 0 to year 9999: far from either end of an i64.
        (self.as_micros() - SINCE_1970).to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Timestamp {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Converted<Timestamp> {
        // What a hand wrote can be outside of ours; then it is the first or the last.
        Ok(Timestamp::from_micros(i64::from_sql(ty, raw)?.saturating_add(SINCE_1970)))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }
}

/// A length of time; in the database an `interval` without days or months, so that it is always as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Length(pub(super) Duration);

impl ToSql for Length {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Converted<IsNull> {
        out.extend_from_slice(&i64::try_from(self.0.as_micros())?.to_be_bytes());
        out.extend_from_slice(&[0; 8]);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::INTERVAL
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Length {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Converted<Length> {
        let (Some(micros), Some(days), true) = (raw.first_chunk(), raw.get(8..12), raw.len() == 16) else {
            return Err("an interval of another form".into());
        };
        let days = i64::from(i32::from_be_bytes(days.try_into()?));
        let micros = i64::from_be_bytes(*micros).saturating_add(days.saturating_mul(DAY_MICROS));
        Ok(Length(Duration::from_micros(micros.max(0).unsigned_abs())))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::INTERVAL
    }
}

/// PostgreSQL's integers are signed.
pub(super) fn signed(count: u64) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// And back.
pub(super) fn unsigned(count: i64) -> u64 {
    count.max(0).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_lengths_come_back() {
        let mut out = BytesMut::new();
        for time in [Timestamp::MIN, Timestamp::MAX, Timestamp::from_secs(1_536_220_800)] {
            out.clear();
            time.to_sql(&Type::TIMESTAMPTZ, &mut out).unwrap();
            assert_eq!(Timestamp::from_sql(&Type::TIMESTAMPTZ, &out).unwrap(), time);
        }
        for length in [1, 60_000_000, i64::MAX as u64 / 4].map(Duration::from_micros) {
            out.clear();
            Length(length).to_sql(&Type::INTERVAL, &mut out).unwrap();
            assert_eq!(Length::from_sql(&Type::INTERVAL, &out).unwrap(), Length(length));
        }
        let a_day = [[0; 8].as_slice(), &1i32.to_be_bytes(), &[0; 4]].concat();
        let read = Length::from_sql(&Type::INTERVAL, &a_day).unwrap();
        assert_eq!(read, Length(Duration::from_secs(86_400)));
        assert!(Length::from_sql(&Type::INTERVAL, &a_day[..9]).is_err());
    }
}
