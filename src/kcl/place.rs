//! [`ExtendedSequenceNumber`]: which record, also within an aggregate. Pure.

use std::cmp::Ordering;

/// The KCL's name for it. User records of an aggregate share its sequence number, and count from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExtendedSequenceNumber {
    pub(crate) sequence_number: String,
    pub(crate) sub_sequence_number: u64,
}

impl ExtendedSequenceNumber {
    /// And no `TRIM_HORIZON`, `LATEST` or `AT_TIMESTAMP`.
    pub(crate) fn is_a_record(&self) -> bool {
        is_number(&self.sequence_number)
    }
}

/// Digits alone.
pub(crate) fn is_number(sequence_number: &str) -> bool {
    !sequence_number.is_empty() && sequence_number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Which of two comes first in its shard: they are numbers of up to 129 digits.
pub(crate) fn order(one: &str, other: &str) -> Ordering {
    let digits = |number: &str| number.trim_start_matches('0').len();
    digits(one)
        .cmp(&digits(other))
        .then_with(|| one.trim_start_matches('0').cmp(other.trim_start_matches('0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_in_the_order_of_numbers(one: u128, other: u128, zeros in 0_usize..3) {
            let one_written = format!("{}{one}", "0".repeat(zeros));
            prop_assert_eq!(order(&one_written, &other.to_string()), one.cmp(&other));
        }
    }

    #[test]
    fn a_place_is_a_record_or_a_word() {
        let place =
            |text: &str| ExtendedSequenceNumber { sequence_number: text.into(), sub_sequence_number: 0 };
        assert!(place("49590338271490256608559692538361571095").is_a_record());
        for other in ["", "TRIM_HORIZON", "LATEST", "SHARD_END", "4959\"", "-1", "4 9"] {
            assert!(!place(other).is_a_record(), "{other}");
        }
    }
}
