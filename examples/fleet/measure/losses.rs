//! Workers that went, and after what time the last of their shards was read by another.

use std::time::Duration;

use super::notes::{Note, taken_over};

/// What happens to a worker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    KillLeader,
    Kill,
    Terminate,
    Pause,
}

impl Fault {
    const ALL: [Fault; 4] = [Fault::Kill, Fault::KillLeader, Fault::Terminate, Fault::Pause];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::KillLeader => "kill -9 of the worker that leads",
            Fault::Kill => "kill -9 of another worker",
            Fault::Terminate => "SIGTERM to another",
            Fault::Pause => "SIGSTOP of another, for 18 s",
        }
    }

    /// For so long: a stop is six times as long as a lease lasts.
    pub(crate) fn length(self) -> Duration {
        if self == Fault::Pause { Duration::from_secs(18) } else { Duration::ZERO }
    }
}

struct Loss {
    fault: Fault,
    worker: String,
    at: i64,
    shards: Vec<String>,
    /// Once they are all somebody's.
    took: Option<Duration>,
}

/// Of one fleet.
#[derive(Default)]
pub(crate) struct Losses(Vec<Loss>);

impl Losses {
    /// At this time (milliseconds since 1970) a worker had these shards.
    pub(crate) fn add(&mut self, fault: Fault, worker: &str, at: i64, shards: Vec<String>) {
        self.0.push(Loss { fault, worker: worker.to_owned(), at, shards, took: None });
    }

    /// By what was noted so far: the last of them, if it had a shard.
    pub(crate) fn are_over(&mut self, notes: &[Note]) -> bool {
        for loss in self.0.iter_mut().filter(|loss| loss.took.is_none()) {
            loss.took = taken_over(notes, &loss.worker, loss.at, &loss.shards);
        }
        self.0.last().is_none_or(|loss| loss.took.is_some() || loss.shards.is_empty())
    }

    /// A table of two fleets.
    pub(crate) fn beside(&self, other: &Losses) -> Vec<String> {
        let head =
            format!("{:34} {:24} {}", "seconds (shards)", "the protocol alone", "counting into PostgreSQL");
        let row = |fault: Fault| {
            format!("{:34} {:24} {}", fault.name(), self.of(fault), other.of(fault)).trim_end().to_owned()
        };
        std::iter::once(head).chain(Fault::ALL.into_iter().map(row)).collect()
    }

    fn of(&self, fault: Fault) -> String {
        let losses = self.0.iter().filter(|loss| loss.fault == fault);
        let each = losses.map(|loss| match (loss.took, loss.shards.len()) {
            (_, 0) => "it had none".to_owned(),
            (Some(took), shards) => format!("{:.1} ({shards})", took.as_secs_f64()),
            (None, shards) => format!("not taken over ({shards})"),
        });
        each.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_fleets_stand_beside_each_other() {
        let note = |worker: &str, shard: &str, ended: i64| Note {
            worker: worker.to_owned(),
            began: ended,
            ended,
            shard: shard.to_owned(),
            records: 1,
        };
        let (mut one, mut other) = (Losses::default(), Losses::default());
        one.add(Fault::Kill, "worker-1", 1_000, vec!["a".to_owned(), "b".to_owned()]);
        assert!(!one.are_over(&[note("worker-2", "a", 5_000)]));
        assert!(one.are_over(&[note("worker-2", "a", 5_000), note("worker-2", "b", 7_500)]));
        // What is known stays known.
        assert!(one.are_over(&[]));
        other.add(Fault::Kill, "worker-1", 1_000, Vec::new());
        assert!(other.are_over(&[]));
        other.add(Fault::Kill, "worker-2", 1_000, vec!["a".to_owned()]);
        assert!(!other.are_over(&[]));
        let table = one.beside(&other);
        assert_eq!(table.len(), 5);
        assert_eq!(
            table[1],
            "kill -9 of another worker          6.5 (2)                  it had none, not taken over (1)"
        );
    }
}
