//! What goes wrong, and when: a function of a seed.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL, and another one is started at once.
    Kill(&'static [&'static str]),
    /// The site is asked to end, as for a new version, and another one is started.
    NewVersion,
    /// Another program holds the database's lock, for longer than SQLite waits.
    Locked(&'static str),
    /// The disk with the databases has no byte left.
    FullDisk,
    /// Nobody reads what the programs say any more.
    ClosedPipes,
    /// The clock of a second server steps to so many seconds from the true time.
    Clock(i64),
    /// A client of the local service sends half a request, and waits.
    HalfRequest,
}

/// Each of them comes once before any comes again.
pub(crate) const ALL: [Fault; 16] = [
    Fault::Kill(&["filter"]),
    Fault::Kill(&["counter"]),
    Fault::Kill(&["detection"]),
    Fault::Kill(&["filter", "counter", "detection"]),
    Fault::Kill(&["live"]),
    Fault::Kill(&["site"]),
    Fault::NewVersion,
    Fault::Locked("counts.db"),
    Fault::Locked("filter.db"),
    Fault::Locked("alerts.db"),
    Fault::FullDisk,
    Fault::ClosedPipes,
    // Ahead by more than the lateness, behind by more than it, and further ahead than any event is believed.
    Fault::Clock(240),
    Fault::Clock(-240),
    Fault::Clock(3_600),
    Fault::HalfRequest,
];

impl Fault {
    /// How long it lasts; zero for what is over at once.
    fn lasts(self, rng: &mut Rng) -> Duration {
        match self {
            Fault::Locked(_) | Fault::FullDisk => Duration::from_millis(rng.u64(6_000..9_000)),
            Fault::HalfRequest => Duration::from_secs(5),
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill(names) => write!(f, "{} killed", names.join(", ")),
            Fault::NewVersion => f.write_str("site ended and started"),
            Fault::Locked(file) => write!(f, "{file} locked"),
            Fault::FullDisk => f.write_str("disk full"),
            Fault::ClosedPipes => f.write_str("pipes closed"),
            Fault::Clock(seconds) => write!(f, "clock at {seconds:+} s"),
            Fault::HalfRequest => f.write_str("half a request"),
        }
    }
}

/// A fault at its time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
    pub(crate) lasts: Duration,
}

/// When all begins, and at the end, nothing goes wrong: what is behind has time to catch up.
const CALM: Duration = Duration::from_secs(8);

/// The faults of a run, by time. Some begin while an earlier one still lasts.
pub(crate) fn plan(seed: u64, time: Duration) -> Vec<Planned> {
    let (mut rng, mut at, mut planned) = (Rng::with_seed(seed), CALM, Vec::new());
    let mut left = Vec::new();
    loop {
        if left.is_empty() {
            left = ALL.to_vec();
            rng.shuffle(&mut left);
        }
        let Some(fault) = left.pop() else { return planned };
        let lasts = fault.lasts(&mut rng);
        if at + lasts + CALM > time {
            return planned;
        }
        planned.push(Planned { at, fault, lasts });
        at += lasts * 6 / 10 + Duration::from_millis(rng.u64(1_500..4_000));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_minutes_have_each_kind_whatever_the_seed() {
        for seed in 0..1_000 {
            let planned = plan(seed, Duration::from_secs(120));
            assert_eq!(planned, plan(seed, Duration::from_secs(120)));
            for fault in ALL {
                assert!(planned.iter().any(|one| one.fault == fault), "seed {seed} has no: {fault}");
            }
        }
        assert_ne!(plan(1, Duration::from_secs(120)), plan(2, Duration::from_secs(120)));
    }
}
