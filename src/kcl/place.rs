//! [`ExtendedSequenceNumber`]: which record, also within an aggregate. Pure.

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

#[cfg(test)]
mod tests {
    use super::*;

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
