//! Which of two sequence numbers comes first. Pure.

use std::cmp::Ordering;

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
}
