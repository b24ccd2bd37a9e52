//! Names of objects, which sort as what is in them does, and of the folders that they are in. Pure.

use crate::error::{Error, ErrorKind, Result};
use crate::read::StreamId;
use crate::text::shown;

/// How the name of an object ends: JSON lines, gzipped.
pub(super) const ENDING: &str = ".jsonl.gz";
/// What is known of a shard before any record of it: its parents, and from when on it is read.
pub(super) const SHARD: &str = "shard.json";
/// It is there when all records of a shard are, and it has an end.
pub(super) const ENDED: &str = "ended.json";

/// Sequence numbers have up to 128 digits (API reference, PutRecord).
const MOST_DIGITS: usize = 128;
/// `.20180906T080456.468067Z`, behind the name of a stream.
const CREATED: usize = ".20180906T080456.468067Z".len();

/// A sequence number as a text that sorts as the number does: how many digits it has, in three digits, and itself,
/// `056-49590338271490256608559692538361571095…`. Of two numbers without leading zeros the one with more digits is
/// the larger, and of as many digits the texts sort as the numbers do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SequenceKey(String);

impl SequenceKey {
    /// # Errors
    /// For what is no number, which no service of Kinesis gives.
    pub(super) fn of(number: &str) -> Result<SequenceKey> {
        let digits = number.len();
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit())
            && (1..=MOST_DIGITS).contains(&digits)
            && (digits == 1 || !number.starts_with('0'));
        match is_number {
            true => Ok(SequenceKey(format!("{digits:03}-{number}"))),
            false => Err(Error::new(
                ErrorKind::Store,
                format!(
                    "{} is no sequence number of 1 to {MOST_DIGITS} digits: an archive is of a stream of Kinesis",
                    shown(number, 40)
                ),
            )),
        }
    }

    /// Of an object's name; `None` for what else may lie there.
    pub(super) fn of_object(name: &str) -> Option<SequenceKey> {
        let key = SequenceKey::of(name.strip_suffix(ENDING)?.get(4..)?).ok()?;
        (key.object() == name).then_some(key)
    }

    /// The name of the object that begins with this record.
    pub(super) fn object(&self) -> String {
        format!("{}{ENDING}", self.0)
    }

    /// The number itself.
    pub(super) fn number(&self) -> &str {
        &self.0[4..]
    }
}

/// The folder of a stream: its name and when it was created, for one created again is another.
pub(super) fn stream_folder(stream: &StreamId) -> String {
    let created: String = stream.created.to_string().chars().filter(|c| !"-:".contains(*c)).collect();
    format!("{}.{created}", stream.name)
}

/// The stream's name in that; `None` for other folders.
pub(super) fn stream_name(folder: &str) -> Option<&str> {
    let (name, created) = folder.split_at_checked(folder.len().checked_sub(CREATED)?)?;
    let digits = |range: std::ops::Range<usize>| created.as_bytes()[range].iter().all(u8::is_ascii_digit);
    let fits = created.starts_with('.')
        && digits(1..9)
        && digits(10..16)
        && digits(17..23)
        && created.ends_with('Z');
    (fits && !name.is_empty()).then_some(name)
}

/// A shard's id becomes a folder: one that would lead elsewhere is refused.
pub(super) fn check_shard(id: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    match (1..=128).contains(&id.len()) && id.bytes().all(plain) && id.bytes().any(|byte| byte != b'.') {
        true => Ok(()),
        false => {
            let sentence = format!("{} is no id of a shard: no object can be named after it", shown(id, 40));
            Err(Error::new(ErrorKind::Store, sentence))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::timestamp::Timestamp;

    proptest! {
        // 2,000 cases: of few digits, so that lengths and beginnings are often the same.
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn names_sort_as_their_numbers_do(one in 0u128..2_000, other in any::<u128>(), zeros in 0u32..38) {
            let other = other / 10u128.pow(zeros);
            let key = |number: u128| SequenceKey::of(&number.to_string()).unwrap();
            prop_assert_eq!(key(one).cmp(&key(other)), one.cmp(&other));
            prop_assert_eq!(key(one).object().cmp(&key(other).object()), one.cmp(&other));
            let read = SequenceKey::of_object(&key(other).object()).unwrap();
            prop_assert_eq!(read.number(), other.to_string());
        }
    }

    #[test]
    fn what_is_no_number_and_what_is_no_object() {
        let nines = "9".repeat(128);
        assert!(SequenceKey::of(&nines).is_ok() && SequenceKey::of("0").is_ok());
        for odd in ["", "07", "-7", "7a", "../7", "٧", &format!("{nines}9")] {
            assert_eq!(SequenceKey::of(odd).unwrap_err().kind(), ErrorKind::Store, "{odd}");
        }
        assert!(SequenceKey::of_object("001-7.jsonl.gz").is_some());
        for odd in [
            "7.jsonl.gz",
            "002-7.jsonl.gz",
            "001-7.jsonl",
            "001-7.jsonl.gz#1",
            SHARD,
            ENDED,
            "é01-7.jsonl.gz",
        ] {
            assert_eq!(SequenceKey::of_object(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_stream_has_a_folder_and_a_shard_can_not_leave_it() {
        let created: Timestamp = "2018-09-06T08:04:56.468067Z".parse().unwrap();
        for name in ["visits", "..", "a.b-c_d", ".20180906T080456.468067Z"] {
            let folder = stream_folder(&StreamId::new(name, created));
            assert_eq!(folder, format!("{name}.20180906T080456.468067Z"));
            assert_eq!(stream_name(&folder), Some(name));
        }
        for odd in [
            "",
            "visits",
            ".20180906T080456.468067Z",
            "visits.20180906T0804567468067Z.",
            "é".repeat(13).as_str(),
        ] {
            assert_eq!(stream_name(odd), None, "{odd}");
        }
        assert!(check_shard("shardId-000000000000").is_ok());
        for odd in ["", ".", "..", "a/b", "a\\b", "a#1", "a\n", &"a".repeat(129)] {
            assert!(check_shard(odd).is_err(), "{odd}");
        }
    }
}
