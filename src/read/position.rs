//! [`Position`]: where reading a shard begins. Pure, but for the call that it goes into.

use aws_sdk_kinesis::operation::get_shard_iterator::builders::GetShardIteratorFluentBuilder;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{ShardIteratorType, StartingPosition};

use super::processor::Checkpoint;
use crate::timestamp::Timestamp;

/// The service's shard iterator types, and one of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    Latest,
    TrimHorizon,
    AtTimestamp(Timestamp),
    AtSequenceNumber(String),
    AfterSequenceNumber(String),
    /// After this record, which arrived then: if it is still there.
    Checkpoint(String, Timestamp),
}

/// The moments of a run that positions are made of, all on the service's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunMoments {
    /// When the run listed the shards: not after the moment that "latest" means.
    pub(super) began: Timestamp,
    /// When the stream was created: not after any of its records.
    pub(super) created: Timestamp,
}

impl Position {
    /// Where a shard that is there at the beginning is read from.
    ///
    /// The rule for one of which no record was processed: its checkpoint, if it has one, says from when on it
    /// was to be read, and that stands, however often the run was started since.
    pub(super) fn at_beginning(
        told: &Position,
        shard_id: &str,
        remembered: &[Checkpoint],
        origin: RunMoments,
    ) -> Position {
        if remembered.is_empty() {
            return told.clone();
        }
        match remembered.iter().find(|checkpoint| checkpoint.shard_id == shard_id) {
            Some(Checkpoint { sequence_number: Some(number), arrival, .. }) => {
                Position::Checkpoint(number.clone(), *arrival)
            }
            Some(checkpoint) if *told == Position::Latest => match checkpoint.arrival > origin.created {
                true => Position::AtTimestamp(checkpoint.arrival),
                false => Position::TrimHorizon,
            },
            Some(_) => told.clone(),
            None => Position::of_child(told),
        }
    }

    /// All that a child holds came after what its parents held; a start in the past stands.
    pub(super) fn of_child(told: &Position) -> Position {
        match told {
            Position::AtTimestamp(time) => Position::AtTimestamp(*time),
            _ => Position::TrimHorizon,
        }
    }

    /// From when on this reads, at the latest.
    pub(super) fn since(&self, origin: RunMoments) -> Timestamp {
        match self {
            Position::Latest => origin.began,
            Position::AtTimestamp(time) | Position::Checkpoint(_, time) => *time,
            _ => origin.created,
        }
    }

    /// Whether it names a record, of which the service knows whose it is.
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Position::AtSequenceNumber(_) | Position::AfterSequenceNumber(_))
    }

    /// For a SubscribeToShard.
    pub(super) fn starting(self) -> StartingPosition {
        use ShardIteratorType as Type;
        let (kind, number, time) = match self {
            Position::Latest => (Type::Latest, None, None),
            Position::TrimHorizon => (Type::TrimHorizon, None, None),
            Position::AtTimestamp(time) => (Type::AtTimestamp, None, Some(date_time(time))),
            Position::AtSequenceNumber(number) | Position::Checkpoint(number, _) => {
                (Type::AtSequenceNumber, Some(number), None)
            }
            Position::AfterSequenceNumber(number) => (Type::AfterSequenceNumber, Some(number), None),
        };
        let position =
            StartingPosition::builder().r#type(kind).set_sequence_number(number).set_timestamp(time);
        position.build().expect("it has a type")
    }

    pub(super) fn ask(self, call: GetShardIteratorFluentBuilder) -> GetShardIteratorFluentBuilder {
        use ShardIteratorType as Type;
        match self {
            Position::Latest => call.shard_iterator_type(Type::Latest),
            Position::TrimHorizon => call.shard_iterator_type(Type::TrimHorizon),
            Position::AtTimestamp(time) => {
                call.shard_iterator_type(Type::AtTimestamp).timestamp(date_time(time))
            }
            Position::AtSequenceNumber(number) | Position::Checkpoint(number, _) => {
                call.shard_iterator_type(Type::AtSequenceNumber).starting_sequence_number(number)
            }
            Position::AfterSequenceNumber(number) => {
                call.shard_iterator_type(Type::AfterSequenceNumber).starting_sequence_number(number)
            }
        }
    }
}

fn date_time(time: Timestamp) -> DateTime {
    let micros = time.as_micros();
    DateTime::from_secs_and_nanos(micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) as u32 * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn what_is_remembered_comes_before_what_was_told() {
        let origin = RunMoments { began: at(500), created: at(100) };
        let position = |told: &Position, remembered: &[Checkpoint]| {
            Position::at_beginning(told, "a", remembered, origin)
        };
        let (latest, oldest) = (Position::Latest, Position::TrimHorizon);
        assert_eq!(position(&latest, &[]), latest);
        let number = Checkpoint::new("a", Some("7"), at(200));
        assert_eq!(position(&latest, &[number]), Position::Checkpoint("7".into(), at(200)));
        // "Latest" was then, also for a shard that had no record since.
        let empty = Checkpoint::new("a", None, at(300));
        assert_eq!(position(&latest, std::slice::from_ref(&empty)), Position::AtTimestamp(at(300)));
        assert_eq!(position(&oldest, &[empty]), oldest);
        assert_eq!(position(&latest, &[Checkpoint::new("a", None, at(100))]), oldest);
        // One that came since is a child: all of it is new.
        let other = [Checkpoint::new("b", Some("7"), at(200))];
        assert_eq!(position(&latest, &other), oldest);
        assert_eq!(position(&Position::AtTimestamp(at(9)), &other), Position::AtTimestamp(at(9)));
        assert_eq!([latest.since(origin), oldest.since(origin)], [at(500), at(100)]);
    }
}
