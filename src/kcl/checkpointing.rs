//! When a checkpoint is due, and what follows from one that failed. Pure.

use std::time::Duration;

use super::place::ExtendedSequenceNumber;

/// Up to where all is processed, and when the lease table last heard of it. Times are since the child's start.
#[derive(Debug)]
pub(crate) struct CheckpointSchedule {
    every: Duration,
    last: Duration,
    /// Processed, and not in the lease table yet.
    pending: Option<ExtendedSequenceNumber>,
}

impl CheckpointSchedule {
    pub(crate) fn new(every: Duration) -> CheckpointSchedule {
        CheckpointSchedule { every, last: Duration::ZERO, pending: None }
    }

    /// All up to this is processed.
    pub(crate) fn processed(&mut self, place: ExtendedSequenceNumber) {
        self.pending = Some(place);
    }

    /// What is to be in the lease table now.
    pub(crate) fn due(&self, now: Duration) -> Option<&ExtendedSequenceNumber> {
        self.pending.as_ref().filter(|_| now.saturating_sub(self.last) >= self.every)
    }

    /// What is to be in the lease table before the child ends.
    pub(crate) fn pending(&self) -> Option<&ExtendedSequenceNumber> {
        self.pending.as_ref()
    }

    /// It was asked for; what failed is asked for again when it is due again.
    pub(crate) fn asked(&mut self, now: Duration, failed: bool) {
        self.last = now;
        if !failed {
            self.pending = None;
        }
    }
}

/// What a checkpoint's error means; the daemon gives the name of a Java class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setback {
    /// The lease table is busy, or out of reach: later. Meanwhile, processing goes on.
    Later,
    /// Another worker has the shard. What was processed since the last checkpoint, it processes again.
    LeaseLost,
    /// It would fail the same way again.
    Final,
}

impl Setback {
    pub(crate) fn of(class: &str) -> Setback {
        // Some versions give it with its package.
        match class.rsplit('.').next().unwrap_or_default() {
            "ShutdownException" => Setback::LeaseLost,
            "InvalidStateException" | "IllegalArgumentException" => Setback::Final,
            // ThrottlingException, KinesisClientLibDependencyException; RuntimeException where DynamoDB does not
            // answer for 30 s; what nobody has seen yet. A lease that can't be written down is lost in the end, and
            // the daemon says so.
            _ => Setback::Later,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: &str) -> ExtendedSequenceNumber {
        ExtendedSequenceNumber { sequence_number: number.into(), sub_sequence_number: 2 }
    }

    #[test]
    fn a_checkpoint_is_due_after_its_time_and_only_where_something_was_processed() {
        let secs = Duration::from_secs;
        let mut schedule = CheckpointSchedule::new(secs(5));
        assert_eq!((schedule.due(secs(9)), schedule.pending()), (None, None));
        schedule.processed(place("7"));
        assert_eq!((schedule.due(secs(4)), schedule.pending()), (None, Some(&place("7"))));
        assert_eq!(schedule.due(secs(5)), Some(&place("7")));
        schedule.asked(secs(6), true); // refused: not at once again
        assert_eq!(schedule.due(secs(10)), None);
        schedule.processed(place("8"));
        assert_eq!(schedule.due(secs(11)), Some(&place("8")));
        schedule.asked(secs(11), false);
        assert_eq!((schedule.due(secs(99)), schedule.pending()), (None, None));
        let mut each = CheckpointSchedule::new(Duration::ZERO);
        each.processed(place("1"));
        assert_eq!(each.due(Duration::ZERO), Some(&place("1")));
    }

    #[test]
    fn each_class_of_error_has_its_consequence() {
        for (class, setback) in [
            ("ThrottlingException", Setback::Later),
            ("KinesisClientLibDependencyException", Setback::Later),
            ("RuntimeException", Setback::Later),
            ("", Setback::Later),
            ("ShutdownException", Setback::LeaseLost),
            ("software.amazon.kinesis.exceptions.ShutdownException", Setback::LeaseLost),
            ("InvalidStateException", Setback::Final),
            ("IllegalArgumentException", Setback::Final),
        ] {
            assert_eq!(Setback::of(class), setback, "{class}");
        }
    }
}
