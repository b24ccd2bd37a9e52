//! [`Number`]: a sequence number, and what can be read off it. Pure.

use std::cmp::Ordering;
use std::fmt;

use crate::event::Origin;
use crate::timestamp::Timestamp;

/// A sequence number, in the order of numbers: they have up to 128 digits, which no integer holds. Of a record that
/// came in an aggregate, with its number there; a checkpoint has none, and is behind all of its aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    digits: Box<str>,
    sub: Option<u64>,
    /// Of one of several events of a record, its place there; a checkpoint has none, and is behind all of them.
    place: Option<u64>,
}

/// How far the clocks of a service's machines may be apart, in seconds.
const CLOCKS: u64 = 10;

/// When a shard was created and a record stored there, in whole seconds since 1970, and the shard's own number: what
/// Kinesis puts into its sequence numbers today.
///
/// It is documented nowhere. Numbers in the API reference read so, in 47 hexadecimal digits (that of GetShardIterator,
/// 49590338271490256608559692538361571095921575989136588898, was stored in shard 6 on 2018-12-17 at 22:10:50): a 2,
/// 9 of the shard's creation, 1 of the shard, 16 that count records, 2, 9 of the record's time, 8 of the shard, a 2.
/// The emulators kinesalite, kinesis-mock and ferrokinesis make theirs in the same way. A number that does not read so
/// has no inside for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SequenceParts {
    pub(super) created: u64,
    pub(super) stored: u64,
    pub(super) shard: u32,
}

impl Number {
    /// Digits, of one in an aggregate `digits/sub`, and of an event behind these `#place`, as `Display` writes it.
    pub(crate) fn new(text: &str) -> Number {
        let (number, place) = text.split_once('#').unwrap_or((text, ""));
        let (digits, sub) = number.split_once('/').unwrap_or((number, ""));
        let digits = digits.trim_start_matches('0').into();
        Number { digits, sub: sub.parse().ok(), place: place.parse().ok() }
    }

    /// That of a record, or of one event of several in it.
    pub(super) fn of(origin: &Origin) -> Number {
        let number = Number::new(&origin.sequence_number);
        Number { sub: origin.sub_sequence_number, place: origin.place, ..number }
    }

    /// The greatest number of this record of Kinesis and what is in it.
    pub(super) fn last_of_aggregate(&self) -> Number {
        Number { sub: Some(u64::MAX), place: Some(u64::MAX), ..self.clone() }
    }

    /// Whether this record of Kinesis, or one in it, is up to a checkpoint.
    pub(super) fn is_up_to(&self, checkpoint: &Number) -> bool {
        compare(&self.digits, &checkpoint.digits).is_le()
    }

    /// See [`SequenceParts`].
    pub(super) fn inside(&self) -> Option<SequenceParts> {
        // 2 * 16^46 has 56 digits, and so has 3 * 16^46.
        if self.digits.len() != 56 {
            return None;
        }
        // The upper and the lower 96 bits, of 188.
        let (mut upper, mut lower) = (0u128, 0u128);
        for digit in self.digits.bytes() {
            lower = lower * 10 + u128::from(digit.wrapping_sub(b'0'));
            upper = upper * 10 + (lower >> 96);
            lower &= (1 << 96) - 1;
        }
        let hex = |from: u32, digits: u32| {
            // Counted from the right, of which 24 are in the lower part.
            let bits = if from < 24 {
                (lower >> (4 * from)) | (upper << (96 - 4 * from))
            } else {
                upper >> (4 * (from - 24))
            };
            (bits & ((1 << (4 * digits)) - 1)) as u64
        };
        let inside = SequenceParts { created: hex(37, 9), stored: hex(9, 9), shard: hex(1, 8) as u32 };
        let reads_so = hex(46, 1) == 2 && hex(0, 1) == 2 && hex(36, 1) == u64::from(inside.shard & 15);
        (reads_so && inside.stored >= inside.created).then_some(inside)
    }

    /// Whether a record of this number can be in the shard, and be put again at that time. True where nothing can be
    /// read off it.
    pub(super) fn can_be(&self, shard_id: &str, by: Timestamp) -> bool {
        let Some(inside) = self.inside() else { return true };
        let of_shard = shard_id.strip_prefix("shardId-").and_then(|shard| shard.parse::<u32>().ok());
        let by = by.as_micros().div_euclid(1_000_000).saturating_add_unsigned(CLOCKS);
        of_shard.is_none_or(|shard| shard == inside.shard)
            && i64::try_from(inside.stored).is_ok_and(|time| time <= by)
    }

    /// Whether this and a smaller number can be of one shard: the smaller one was stored before. A number counts
    /// records; one that is ahead of its time counts some that there never were.
    pub(super) fn agrees(&self, smaller: &Number) -> bool {
        match (self.inside(), smaller.inside()) {
            (Some(this), Some(that)) => this.created == that.created && that.stored <= this.stored,
            (this, that) => this.is_some() == that.is_some(),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits)?;
        self.sub.map_or(Ok(()), |sub| write!(f, "/{sub}"))?;
        self.place.map_or(Ok(()), |place| write!(f, "#{place}"))
    }
}

fn compare(digits: &str, other: &str) -> Ordering {
    digits.len().cmp(&other.len()).then_with(|| digits.cmp(other))
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        compare(&self.digits, &other.digits)
            .then_with(|| (self.sub, self.place).cmp(&(other.sub, other.place)))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(Number::new("9") < Number::new("10"));
        assert!(Number::new("0010") == Number::new("10"));
        let long = "4".repeat(56);
        assert!(Number::new(&long) < Number::new(&format!("{long}0")));
        let number = Number::new;
        assert!(
            number("9") < number("9/0") && number("9/9") < number("9/10") && number("9/10") < number("10")
        );
        assert_eq!(["10", "10/7"].map(|text| number(text).to_string()), ["10", "10/7"]);
        assert!(number("9/10").is_up_to(&number("9")) && !number("10/0").is_up_to(&number("9")));
    }

    /// Of AWS's API reference (GetShardIterator, PutRecords, GetRecords), and their decimal and hexadecimal forms by
    /// another program.
    #[test]
    fn numbers_of_aws_tell_their_shard_and_time() {
        for (digits, created, stored, shard) in [
            ("49590338271490256608559692538361571095921575989136588898", 0x5bf4_e5c2, 0x5c18_1eea, 6),
            ("49543463076548007577105092703039560359975228518395019266", 0x5420_50cd, 0x5420_bb34, 0),
            ("49546986683135544286507457936321625675700192471156785154", 0x54b6_fffe, 0x54b7_009a, 0),
        ] {
            assert_eq!(
                Number::new(digits).inside(),
                Some(SequenceParts { created, stored, shard }),
                "{digits}"
            );
        }
        for odd in ["", "1", "21269319989652663814458848515492872193", &"9".repeat(56), &"4".repeat(56)] {
            assert_eq!(Number::new(odd).inside(), None, "{odd}");
        }
    }

    #[test]
    fn a_number_is_of_its_shard_and_of_the_past() {
        let number = Number::new("49543463076548007577105092703039560359975228518395019266");
        let stored = Timestamp::from_secs(0x5420_bb34);
        let clocks = std::time::Duration::from_secs(CLOCKS);
        let more = std::time::Duration::from_secs(CLOCKS + 1);
        assert!(number.can_be("shardId-000000000000", stored - clocks) && number.can_be("s", stored + more));
        assert!(!number.can_be("shardId-000000000000", stored - more));
        assert!(!number.can_be("shardId-000000000001", stored));
        assert!(Number::new("7").can_be("shardId-000000000001", stored));
    }
}
