//! Which faults, and when: drawn by a seed, before anything runs. Pure.

use std::fmt;
use std::time::Duration;

/// From what a worker is cut off: what it sends there is lost, and so is what comes from there. Nothing is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Everything,
    Dynamodb,
    Postgres,
    /// From PostgreSQL, while it has a transaction open.
    InTransaction,
    /// From DynamoDB; and what it sends to PostgreSQL is held, and delivered when others have its shards.
    Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9 of one of a worker's children; the draw chooses which.
    KillChild(usize, usize),
    KillDaemon(usize),
    /// Of whichever worker leads then.
    KillLeader,
    CutOff(usize, From, Duration),
    /// SIGSTOP of a daemon and its children.
    Pause(usize, Duration),
    Terminate(usize),
    RestartPostgres,
    Split,
    Merge,
    /// One worker more, for a time.
    Join(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
}

/// A daemon is there again, and has shards, after some time.
const RECOVERY: Duration = Duration::from_secs(9);
/// Leases are others' after 3 s, and somebody has to notice.
const SHORTEST: u64 = 8;
const LONGEST: u64 = 16;
const SHARDS: std::ops::RangeInclusive<u32> = 3..=6;

/// So many faults over a time, on workers 1, 2, … of a stream with so many shards. Of each kind there are about as many;
/// without `network`, none that need one. Mostly one worker at least is left alone; what the deck has left decides.
pub(crate) fn faults(
    seed: u64,
    count: usize,
    over: Duration,
    workers: usize,
    mut shards: u32,
    network: bool,
) -> Vec<Planned> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut busy_until = vec![Duration::ZERO; workers];
    let (mut deck, mut planned): (Vec<u8>, Vec<Planned>) = (Vec::new(), Vec::new());
    let kinds = if network { 13 } else { 8 };
    for n in 0..count {
        // Somewhere in its own part of the time.
        let part = over.as_secs_f64() / count.max(1) as f64;
        let at = Duration::from_secs_f64(part * (n as f64 + random.f64()));
        let free: Vec<usize> = (0..workers).filter(|worker| busy_until[*worker] <= at).collect();
        if deck.is_empty() {
            deck = (0..kinds).collect();
            random.shuffle(&mut deck);
        }
        // The next of the deck that is possible now; of the rest, its turn comes.
        let needs_nobody = |kind: &u8| matches!(kind, 0..4);
        let place = deck.iter().position(|kind| needs_nobody(kind) || free.len() > 1).unwrap_or(0);
        let kind = deck.remove(place);
        let length = Duration::from_secs(random.u64(SHORTEST..=LONGEST));
        let worker = match free.len() {
            0 => random.usize(0..workers),
            _ => free[random.usize(0..free.len())],
        };
        let (number, draw) = (worker + 1, random.usize(0..8));
        let fault = match kind {
            0 | 1 if shards <= *SHARDS.start() => Fault::Split,
            0 | 1 if shards >= *SHARDS.end() => Fault::Merge,
            0 => Fault::Split,
            1 => Fault::Merge,
            2 => Fault::RestartPostgres,
            3 => Fault::Join(length * 2),
            4 => Fault::KillChild(number, draw),
            5 => Fault::KillDaemon(number),
            6 => Fault::Terminate(number),
            7 => Fault::Pause(number, length),
            8 => Fault::CutOff(number, From::Everything, length),
            9 => Fault::CutOff(number, From::Dynamodb, length),
            10 => Fault::CutOff(number, From::Postgres, length),
            11 => Fault::CutOff(number, From::InTransaction, length),
            _ => Fault::CutOff(number, From::Held, length),
        };
        // The leader is whoever it is then.
        let fault = if kind == 5 && draw < 4 { Fault::KillLeader } else { fault };
        match fault {
            Fault::Split => shards += 1,
            Fault::Merge => shards -= 1,
            Fault::CutOff(.., length) | Fault::Pause(_, length) => {
                busy_until[worker] = at + length + RECOVERY;
            }
            Fault::KillChild(..) | Fault::KillDaemon(_) | Fault::Terminate(_) => {
                busy_until[worker] = at + RECOVERY
            }
            _ => {}
        }
        planned.push(Planned { at, fault });
    }
    planned
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::KillChild(worker, _) => write!(f, "kill -9 of a child of worker-{worker}"),
            Fault::KillDaemon(worker) => write!(f, "kill -9 of worker-{worker}"),
            Fault::KillLeader => write!(f, "kill -9 of the worker that leads"),
            Fault::CutOff(worker, from, length) => {
                if *from == From::Held {
                    let length = length.as_secs();
                    return write!(f, "what worker-{worker} sends to PostgreSQL is held for {length} s");
                }
                let from = match from {
                    From::Everything => "everything",
                    From::Dynamodb => "DynamoDB",
                    From::Postgres => "PostgreSQL",
                    From::Held | From::InTransaction => "PostgreSQL inside a transaction",
                };
                write!(f, "worker-{worker} is cut off from {from} for {} s", length.as_secs())
            }
            Fault::Pause(worker, length) => {
                write!(f, "worker-{worker} stands still for {} s", length.as_secs())
            }
            Fault::Terminate(worker) => write!(f, "SIGTERM to worker-{worker}"),
            Fault::RestartPostgres => write!(f, "PostgreSQL is killed and started again"),
            Fault::Split => write!(f, "a shard is split"),
            Fault::Merge => write!(f, "two shards are merged"),
            Fault::Join(length) => write!(f, "a worker joins for {} s", length.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_MINUTES: Duration = Duration::from_secs(600);

    fn whole(seed: u64, network: bool) -> Vec<Planned> {
        faults(seed, 100, TEN_MINUTES, 3, 4, network)
    }

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(whole(1, true), whole(1, true));
        assert_ne!(whole(1, true), whole(2, true));
    }

    #[test]
    fn each_kind_is_in_it_and_shards_stay_few() {
        for seed in 0..50 {
            let planned = whole(seed, true);
            assert_eq!(planned.len(), 100);
            assert!(planned.is_sorted_by_key(|one| one.at) && planned[99].at < TEN_MINUTES);
            let kind = |fault: &Fault| {
                let text = fault.to_string();
                text.replace(|c: char| c.is_ascii_digit(), "")
            };
            let kinds: std::collections::BTreeSet<String> =
                planned.iter().map(|one| kind(&one.fault)).collect();
            assert_eq!(kinds.len(), 14, "seed {seed}: {kinds:?}");
            let mut shards = 4_i32;
            for one in &planned {
                shards += match one.fault {
                    Fault::Split => 1,
                    Fault::Merge => -1,
                    _ => 0,
                };
                assert!((3..=6).contains(&shards), "seed {seed}");
            }
        }
    }

    #[test]
    fn without_a_network_nobody_is_cut_off() {
        for seed in 0..50 {
            assert!(!whole(seed, false).iter().any(|one| matches!(one.fault, Fault::CutOff(..))));
        }
    }

    #[test]
    fn mostly_somebody_is_left_alone() {
        for seed in 0..50 {
            let planned = whole(seed, true);
            let all_away = planned.iter().enumerate().filter(|(n, one)| {
                let away = planned[..=*n].iter().filter(|before| match before.fault {
                    Fault::CutOff(.., length) | Fault::Pause(_, length) => before.at + length > one.at,
                    _ => false,
                });
                away.count() >= 3
            });
            let all_away = all_away.count();
            assert!(all_away <= 12, "seed {seed}: {all_away}");
        }
    }
}
