//! Of the queue: nothing is lost, doubled, or sent out of order.

use super::*;
use crate::error::ErrorKind;
use fastrand::Rng;
use proptest::prelude::*;

/// Whether no key stands twice: what `ordered` promises of every batch.
fn distinct_keys(batch: &[Pending]) -> bool {
    let mut seen = std::collections::HashSet::new();
    batch.iter().all(|pending| seen.insert(pending.parcel.entry().partition_key.as_str()))
}

fn stored() -> Outcome {
    Outcome::Stored(PutReceipt { shard_id: "s".into(), sequence_number: "1".into() })
}

fn throttled() -> Outcome {
    Outcome::Retry(Error::new(ErrorKind::Throttled, "slow down"))
}

fn queue(ordered: bool) -> Queue {
    Queue::new(PutOptions { ordered, max_attempts: 3, ..PutOptions::default() })
}

#[test]
fn batches_stay_within_500_records_and_5_mib() {
    let mut q = queue(false);
    (0..501).for_each(|n| q.push(Entry::new("k", vec![0; n % 3])));
    assert_eq!([q.take(Duration::ZERO).len(), q.take(Duration::ZERO).len()], [500, 1]);
    (0..6).for_each(|_| q.push(Entry::new("k", vec![0; 1 << 20])));
    assert_eq!([q.take(Duration::ZERO).len(), q.take(Duration::ZERO).len()], [4, 2]);
    assert!(q.next_due().is_none());
}

/// A small one that would fit behind a large one that does not: of the same key, it must not overtake it.
#[test]
fn what_does_not_fit_is_not_overtaken() {
    let lanes = Lanes::new(2);
    for lane in [None, Some(0)] {
        let mut q = queue(false);
        [1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 10]
            .into_iter()
            .for_each(|size| q.push(Entry::new("k", vec![0; size])));
        let take = |q: &mut Queue| match lane {
            None => q.take(Duration::ZERO),
            Some(lane) => q.take_lane(Duration::ZERO, &lanes, lane),
        };
        assert_eq!([take(&mut q).len(), take(&mut q).len(), take(&mut q).len()], [4, 2, 0]);
    }
}

#[test]
fn only_what_failed_is_sent_again_and_handed_back_after_the_last_attempt() {
    let (mut q, mut rng) = (queue(false), Rng::with_seed(1));
    ["a", "b", "c"].into_iter().for_each(|key| q.push(Entry::new(key, "")));
    let batch = q.take(Duration::ZERO);
    let settled = q.settle(batch, vec![stored(), throttled(), stored()], Duration::ZERO, &mut rng);
    assert_eq!((settled.stored, settled.retried, settled.failed.len()), (2, 1, 0));
    for attempt in 2..=3 {
        let now = q.next_due().unwrap();
        let batch = q.take(now);
        assert_eq!(batch[0].parcel.entry().partition_key, "b");
        let settled = q.settle(batch, vec![throttled()], now, &mut rng);
        assert_eq!(settled.failed.len(), usize::from(attempt == 3));
    }
    assert!(q.next_due().is_none());
}

/// As the service does it: the whole call is refused when one of these numbers is in it.
fn put_all(q: &mut Queue, refused: &[usize]) -> (usize, Vec<usize>, u32) {
    let number = |entry: &Entry| String::from_utf8_lossy(&entry.data).parse::<usize>().unwrap();
    let (mut rng, mut calls, mut sent, mut back) = (Rng::with_seed(1), 0, 0, Vec::new());
    while let Some(now) = q.next_due() {
        let batch = q.take(now);
        calls += 1;
        let outcome = match batch.iter().any(|pending| refused.contains(&number(pending.parcel.entry()))) {
            true => Outcome::Refused(Error::new(ErrorKind::InvalidInput, "one of them is no record")),
            false => stored(),
        };
        let outcomes = vec![outcome; batch.len()];
        let settled = q.settle(batch, outcomes, now, &mut rng);
        sent += settled.stored as usize;
        back.extend(settled.failed.iter().map(|failed| number(&failed.entry)));
    }
    back.sort_unstable();
    (sent, back, calls)
}

#[test]
fn one_record_that_is_refused_does_not_fail_those_beside_it() {
    for refused in
        [vec![0], vec![317], vec![499], vec![3, 4, 250, 499], (0..100).collect(), (0..500).collect()]
    {
        for ordered in [false, true] {
            let mut q = queue(ordered);
            (0..500).for_each(|n| q.push(Entry::new(format!("{n}"), n.to_string())));
            let (sent, back, calls) = put_all(&mut q, &refused);
            assert_eq!((sent, &back), (500 - refused.len(), &refused));
            assert!(calls <= 19 * refused.len() as u32 && calls <= 999, "{calls} for {}", refused.len());
        }
    }
}

#[test]
fn a_short_answer_is_no_acknowledgement() {
    let (mut q, mut rng) = (queue(false), Rng::with_seed(1));
    ["a", "b"].into_iter().for_each(|key| q.push(Entry::new(key, "")));
    let batch = q.take(Duration::ZERO);
    let settled = q.settle(batch, vec![stored()], Duration::ZERO, &mut rng);
    assert_eq!((settled.stored, settled.retried), (1, 1));
}

#[test]
fn in_a_hurry_there_are_four_attempts_a_second_and_no_last_one() {
    let (mut q, mut rng) = (Queue::new(PutOptions::default()), Rng::with_seed(1));
    q.push(Entry::new("a", ""));
    let mut now = Duration::ZERO;
    let mut fail = |q: &mut Queue, now| {
        let batch = q.take(now);
        let outcomes = vec![throttled(); batch.len()];
        assert!(q.settle(batch, outcomes, now, &mut rng).failed.is_empty());
    };
    for _ in 0..13 {
        fail(&mut q, now);
        now = q.next_due().unwrap();
    }
    fail(&mut q, now);
    q.hurry(now);
    now += HURRY;
    assert_eq!(q.next_due(), Some(now), "what waits already, waits no longer");
    for _ in 0..100 {
        fail(&mut q, now);
        let next = q.next_due().unwrap();
        assert!(next - now <= HURRY);
        now = next;
    }
    assert!(now > HURRY * 50, "no faster than four times a second, about");
}

/// After a full disk, what an agent had tried often waited up to 5 s more, while what came later was taken at once.
#[test]
fn a_call_that_comes_through_ends_the_waits_of_calls_that_did_not() {
    let (mut q, mut rng) = (Queue::new(PutOptions::default()), Rng::with_seed(1));
    let call_failed = || Outcome::CallFailed(Error::new(ErrorKind::Service, "no room on its disk"));
    let key = |batch: &[Pending]| -> Vec<String> {
        batch.iter().map(|pending| pending.parcel.entry().partition_key.clone()).collect()
    };
    ["failed", "throttled"].into_iter().for_each(|key| q.push(Entry::new(key, "")));
    let mut now = Duration::ZERO;
    for _ in 0..8 {
        now = q.next_due().unwrap();
        let batch = q.take(now);
        q.settle(batch, vec![call_failed(), throttled()], now, &mut rng);
    }
    assert!(q.next_due().unwrap() > now + Duration::from_millis(500), "both wait");
    q.push(Entry::new("fresh", ""));
    let batch = q.take(now);
    assert_eq!(key(&batch), ["fresh"]);
    q.settle(batch, vec![stored()], now, &mut rng);
    assert_eq!(key(&q.take(now)), ["failed"], "the shard of the other one has not been heard");
}

proptest! {
    // 256 cases of up to 60 records and any pattern of failures: the state is small, so this
    // meets every branch many times over.
    #[test]
    fn nothing_is_lost_doubled_or_out_of_order(
        keys in proptest::collection::vec(0u8..5, 1..60),
        answers in proptest::collection::vec(0u8..12, 400),
        ordered: bool,
    ) {
        let (mut q, mut rng) = (queue(ordered), Rng::with_seed(3));
        for (n, key) in keys.iter().enumerate() {
            q.push(Entry::new(key.to_string(), n.to_string()));
        }
        let mut answers = answers.into_iter().cycle();
        let mut done: Vec<(String, Vec<u8>)> = Vec::new();
        while let Some(now) = q.next_due() {
            let batch = q.take(now);
            prop_assert!(!batch.is_empty());
            prop_assert!(!ordered || distinct_keys(&batch));
            let outcomes: Vec<Outcome> = batch.iter().map(|_| match answers.next() {
                Some(0) => throttled(),
                Some(1) => Outcome::Failed(Error::new(ErrorKind::InvalidInput, "no")),
                Some(2) => Outcome::Refused(Error::new(ErrorKind::InvalidInput, "one of them")),
                Some(3) => Outcome::CallFailed(Error::new(ErrorKind::Service, "not now")),
                _ => stored(),
            }).collect();
            let refused = batch.len() > 1 && outcomes.iter().any(|o| matches!(o, Outcome::Refused(_)));
            for (pending, outcome) in batch.iter().zip(&outcomes).filter(|_| !refused) {
                if matches!(outcome, Outcome::Stored(_)) {
                    done.push((pending.parcel.entry().partition_key.clone(), pending.parcel.entry().data.clone()));
                }
            }
            let settled = q.settle(batch, outcomes, now, &mut rng);
            let failed = settled.failed.into_iter().map(|f| f.entry);
            done.extend(failed.map(|entry| (entry.partition_key, entry.data)));
        }
        let mut all: Vec<usize> = done.iter().map(|(_, n)| String::from_utf8_lossy(n).parse().unwrap()).collect();
        if ordered {
            for key in 0..5u8 {
                let of_key: Vec<usize> = done.iter().zip(&all).filter(|((k, _), _)| *k == key.to_string()).map(|(_, n)| *n).collect();
                prop_assert!(of_key.is_sorted());
            }
        }
        all.sort_unstable();
        prop_assert_eq!(all, (0..keys.len()).collect::<Vec<_>>());
    }
}
