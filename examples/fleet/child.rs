//! With `--postgres`: what a child does with its shard. It writes down what it is given, counts it, and watches it.

use std::path::Path;

use kinesis_lab::prelude::*;
use kinesis_lab::{Checkpoint, SharedCounter, SharedDetection, StreamId};

use crate::journal::Journal;
use crate::{alerts, counting};

/// In the environment of a daemon, which its children inherit: the database, and where the streams are.
pub(crate) const DATABASE: &str = "KINESIS_LAB_FLEET_POSTGRES";
pub(crate) const ENDPOINT: &str = "KINESIS_LAB_FLEET_KINESIS";
/// And whether it is a lesson.
pub(crate) const WITHOUT_FENCE: &str = "KINESIS_LAB_FLEET_WITHOUT_FENCE";

/// Written into its journal before it is counted: what is in the database, somebody was given. Counts and alerts have
/// transactions and epochs of their own: whichever of the two is behind after a crash is given again what it has not.
pub(crate) struct FleetChild {
    journal: Journal,
    counter: SharedCounter,
    detection: SharedDetection,
}

impl FleetChild {
    pub(crate) fn open(file: &Path, database: &str) -> Result<FleetChild, Error> {
        let kinesis = Kinesis::endpoint(&std::env::var(ENDPOINT).unwrap_or_default())?;
        let stream = kinesis.stream("fleet")?;
        let counter = counting::counter().shared_in(database, &stream)?;
        let detection = alerts::detection()?.alerts_to(&kinesis.stream(alerts::STREAM)?);
        let detection = detection.shared_in(database, &stream)?;
        let (counter, detection) = match std::env::var_os(WITHOUT_FENCE) {
            None => (counter, detection),
            Some(_) => (counter.without_fence(), detection.without_fence()),
        };
        Ok(FleetChild { journal: Journal::open(file)?, counter, detection })
    }
}

/// Each leaves out what it has, and after [`ProcessError::wait`] all are called again: who had nothing to wait for finds
/// nothing to do.
impl RecordProcessor for FleetChild {
    fn shard_taken(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.shard_taken(shard_id, ctx)?;
        self.detection.shard_taken(shard_id, ctx)
    }

    fn checkpoints(&mut self, stream: &StreamId) -> Result<Vec<Checkpoint>, ProcessError> {
        let (counted, watched) = (self.counter.checkpoints(stream)?, self.detection.checkpoints(stream)?);
        // Each has the one shard.
        Ok(counted.into_iter().zip(watched).map(|(counted, watched)| both(counted, watched)).collect())
    }

    fn process(&mut self, batch: &Batch, ctx: &mut Context) -> Result<(), ProcessError> {
        self.journal.process(batch, ctx)?;
        self.counter.process(batch, ctx)?;
        self.detection.process(batch, ctx)
    }

    fn tick(&mut self, ctx: &mut Context) -> Result<(), ProcessError> {
        self.counter.tick(ctx)?;
        self.detection.tick(ctx)
    }

    fn shard_ended(&mut self, shard_id: &str, ctx: &mut Context) -> Result<(), ProcessError> {
        self.journal.shard_ended(shard_id, ctx)?;
        self.counter.shard_ended(shard_id, ctx)?;
        self.detection.shard_ended(shard_id, ctx)
    }
}

/// Up to where both have processed a shard.
fn both(one: Checkpoint, other: Checkpoint) -> Checkpoint {
    let ended = one.ended && other.ended;
    // Decimal numbers, and nothing before the first of them.
    let number = |place: &Checkpoint| {
        let digits = place.sequence_number.as_deref()?.trim_start_matches('0').to_owned();
        Some((digits.len(), digits))
    };
    // At the end of a shard it is as far as anybody can be, whatever number it has.
    let mut place = match (one.ended, other.ended) {
        (true, false) => other,
        (false, true) => one,
        _ if number(&one) <= number(&other) => one,
        _ => other,
    };
    place.ended = ended;
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: Option<&str>) -> Checkpoint {
        Checkpoint::new("shard", number, Timestamp::MIN)
    }

    #[test]
    fn what_both_have_is_what_the_slower_one_has() {
        for (slower, faster) in [
            (at(None), at(Some("5"))),
            (at(Some("9")), at(Some("10"))),
            (at(Some("5")), at(Some("5"))),
            (at(Some("9")), at(Some("9")).ended()),
            (at(None), at(None).ended()),
            (at(Some("9")).ended(), at(Some("10")).ended()),
        ] {
            assert_eq!(both(slower.clone(), faster.clone()), slower);
            assert_eq!(both(faster, slower.clone()), slower);
        }
    }
}
