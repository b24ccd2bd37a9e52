//! [`CountedPosition`]: up to which record of a shard is counted, also within an aggregate. Pure.

use crate::record::Record;
use crate::sequence_order::order;

/// The last record that is counted. Without a sub-sequence number, all that came in that record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CountedPosition {
    pub(crate) sequence_number: String,
    pub(crate) sub_sequence_number: Option<u64>,
}

impl CountedPosition {
    pub(crate) fn of(record: &Record) -> CountedPosition {
        CountedPosition {
            sequence_number: record.sequence_number.clone(),
            sub_sequence_number: record.sub_sequence_number,
        }
    }

    /// Whether a record is counted already: it comes again, because the lease table did not hear of it.
    pub(crate) fn covers(&self, record: &Record) -> bool {
        // The daemon gives a number to those of an aggregate, from 0, and none to what was put alone.
        order(&record.sequence_number, &self.sequence_number).then_with(|| match self.sub_sequence_number {
            None => std::cmp::Ordering::Equal,
            Some(last) => record.sub_sequence_number.unwrap_or(0).cmp(&last),
        }) != std::cmp::Ordering::Greater
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    #[test]
    fn what_is_counted_is_told_by_number_and_place() {
        let record = |number: &str, sub: Option<u64>| {
            let record = Record::new("k", "data", number, Timestamp::MIN);
            sub.map_or(record.clone(), |sub| record.in_aggregate(sub))
        };
        let alone = CountedPosition::of(&record("10", None));
        for (number, sub, counted) in [
            ("9", None, true),
            ("10", None, true),
            ("010", Some(7), true),
            ("11", None, false),
            ("100", Some(0), false),
        ] {
            assert_eq!(alone.covers(&record(number, sub)), counted, "{number} {sub:?}");
        }
        let within = CountedPosition::of(&record("10", Some(4)));
        for (number, sub, counted) in [
            ("9", Some(9), true),
            ("10", Some(4), true),
            ("10", Some(5), false),
            ("10", None, true),
            ("11", Some(0), false),
        ] {
            assert_eq!(within.covers(&record(number, sub)), counted, "{number} {sub:?}");
        }
    }
}
