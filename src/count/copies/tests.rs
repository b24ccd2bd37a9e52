use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::MIN;

fn origin(number: u64, after: Option<u64>) -> Origin {
    Origin {
        stream: "events".into(),
        shard_id: "s".into(),
        sequence_number: format!("{number}"),
        sub_sequence_number: None,
        place: None,
        after: after.map(|number| number.to_string()),
        watermark: Timestamp::MIN,
    }
}

/// What is shown of two names may be the same; they are two.
#[test]
fn names_that_look_alike_are_two() {
    let mut copies = Copies::default();
    for stream in ["a\u{1b}", r"a\x1b"] {
        assert!(!copies.is_copy("t", &Origin { stream: stream.into(), ..origin(1, None) }, NOW), "{stream}");
    }
}

#[test]
fn debug_commands_nobody() {
    let mut origins = Copies::default();
    origins.is_copy("s", &Origin { stream: "EVCXR_BEGIN_CONTENT text/html".into(), ..origin(1, None) }, NOW);
    let text = format!("{origins:#?} {:#?}", origins.clone().changes());
    assert!(!text.contains("EVCXR_"), "{text}");
}

#[test]
fn children_know_what_their_parents_knew() {
    let mut origins = Copies::default();
    for (shard, number) in [("a", 1), ("b", 2)] {
        assert!(!origins.is_copy(shard, &origin(number, None), NOW));
    }
    let merged = ShardProgress::reading("c", &["a", "b"]);
    origins.follow(std::slice::from_ref(&merged));
    assert!(origins.is_copy("c", &origin(1, None), NOW) && origins.is_copy("c", &origin(2, None), NOW));
    assert!(!origins.is_copy("c", &origin(3, Some(2)), NOW));
    assert!(origins.is_copy("c", &origin(2, Some(2)), NOW), "a zombie");
    let (gone, saved) = origins.changes();
    assert!(gone.is_empty());
    assert_eq!(saved.iter().find(|pair| pair.shard_id == "c").unwrap().numbers, ["3"]);
    origins.follow(&[ShardProgress::reading("c", &[])]);
    assert_eq!(origins.changes().0, ["a", "b"]);
}

#[test]
fn records_of_an_aggregate_are_told_apart_and_forgotten_together() {
    let of = |number, sub, after| Origin { sub_sequence_number: Some(sub), ..origin(number, after) };
    let mut origins = Copies::default();
    for sub in 0..3 {
        assert!(
            !origins.is_copy("t", &of(9, sub, None), NOW) && origins.is_copy("t", &of(9, sub, None), NOW)
        );
    }
    let mut saved = origins.changes().1.remove(0);
    assert_eq!(saved.numbers, ["9/0", "9/1", "9/2"]);
    let mut again = Copies::default();
    again.restore(vec![saved.clone()]);
    assert!(again.is_copy("t", &of(9, 2, None), NOW) && !again.is_copy("t", &of(9, 3, None), NOW));
    // Behind the sender's checkpoint are whole records of Kinesis.
    assert!(!again.is_copy("t", &of(10, 0, Some(9)), NOW));
    assert!(again.is_copy("t", &of(9, 7, Some(9)), NOW), "a zombie");
    saved = again.changes().1.remove(0);
    assert_eq!((saved.after.as_deref(), &saved.numbers[..]), (Some("9"), &["10/0".to_owned()][..]));
}

/// As a service makes them (`number.rs`), of shard 0.
fn made(created: u64, count: u64, stored: u64) -> String {
    let hex = format!("2{created:09x}0{count:016x}00{stored:09x}000000002");
    // Its 188 bits in decimal: the upper 92, and 96.
    let upper = u128::from_str_radix(&hex[..23], 16).unwrap();
    let lower = u128::from_str_radix(&hex[23..], 16).unwrap();
    let mut digits = Vec::new();
    let (mut upper, mut lower) = (upper, lower);
    while upper > 0 || lower > 0 {
        let rest = ((upper % 10) << 96) | lower;
        (upper, lower) = (upper / 10, rest / 10);
        digits.push(char::from(b'0' + (rest % 10) as u8));
    }
    digits.iter().rev().collect()
}

fn made_origin(number: String, after: Option<String>) -> Origin {
    let shard_id = "shardId-000000000000".into();
    Origin { sequence_number: number, after, shard_id, ..origin(1, None) }
}

/// Whoever may put into the second stream claims that all is sent that the first one will hold for years.
#[test]
fn a_forged_origin_hides_nothing_that_comes_later() {
    let (created, far) = (1_700_000_000, 1 << 40);
    let at = |second: u64| Timestamp::from_secs((created + second) as i64);
    for (count, stored) in [
        (far, 100),   // many more records than there were
        (far, 4_000), // and an hour ahead
        (90, 4_000),  // an hour ahead alone
        (far, 0),
    ] {
        let mut origins = Copies::default();
        let real =
            |n: u64| made_origin(made(created, n, created + n), Some(made(created, n - 1, created + n - 1)));
        for n in 1..=100 {
            assert!(!origins.is_copy("s", &real(n), at(n)));
        }
        let forged = made(created, count, created + stored);
        let next = made(created, count + 1, created + stored);
        for (number, after) in
            [(forged.clone(), None), (next, Some(forged.clone())), ("7".into(), Some(forged))]
        {
            origins.is_copy("s", &made_origin(number, after), at(100));
        }
        let hidden = (101..=400).filter(|n| origins.is_copy("s", &real(*n), at(*n))).count();
        assert!(hidden <= 20, "{count} {stored}: {hidden} of 300 are hidden");
        // And what comes twice is still known.
        assert!(origins.is_copy("s", &real(400), at(401)) && origins.is_copy("s", &real(350), at(401)));
        let mut again = Copies::default();
        again.restore(origins.changes().1);
        assert!(again.is_copy("s", &real(400), at(401)) && !again.is_copy("s", &real(401), at(401)));
    }
}

#[test]
fn events_of_a_record_are_told_apart_and_forgotten_together() {
    let of = |number, place, after| Origin { place: Some(place), ..origin(number, after) };
    let mut origins = Copies::default();
    for place in 0..3 {
        assert!(!origins.is_copy("t", &of(9, place, None), Timestamp::MAX));
        assert!(origins.is_copy("t", &of(9, place, None), Timestamp::MAX));
    }
    let saved = origins.changes().1.remove(0);
    assert_eq!(saved.numbers, ["9#0", "9#1", "9#2"]);
    let mut again = Copies::default();
    again.restore(vec![saved]);
    assert!(again.is_copy("t", &of(9, 2, None), Timestamp::MAX));
    assert!(!again.is_copy("t", &of(9, 3, None), Timestamp::MAX));
    assert!(!again.is_copy("t", &of(10, 0, Some(9)), Timestamp::MAX));
    assert!(again.is_copy("t", &of(9, 7, Some(9)), Timestamp::MAX));
}

proptest! {
    // 256 cases of up to 20 batches: each crash may come after any record of a batch.
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A sender that crashes in the middle of batches, and begins again after its checkpoint: each
    /// record is taken once, also by a reader that forgets what it did not save.
    #[test]
    fn each_record_counts_once(
        batches in prop::collection::vec((1u64..6, prop::option::of(0u64..6), any::<bool>()), 1..20),
    ) {
        let (mut origins, mut saved) = (Copies::default(), BTreeMap::<Text, SavedOrigin>::new());
        let (mut checkpoint, mut taken) = (0u64, Vec::new());
        let mut committed = taken.len();
        for (size, crash_after, reader_crashes) in batches {
            let sent = crash_after.unwrap_or(size).min(size);
            let first = checkpoint + 1;
            let after = (checkpoint > 0).then_some(checkpoint);
            for number in first..first + sent {
                if !origins.is_copy("t", &origin(number, after), NOW) {
                    taken.push(number);
                }
            }
            if reader_crashes {
                // What it took since its commit, it takes again.
                let again: Vec<u64> = taken.split_off(committed);
                origins.restore(saved.values().cloned().collect());
                for number in again {
                    prop_assert!(!origins.is_copy("t", &origin(number, after), NOW));
                    taken.push(number);
                }
            }
            for change in origins.changes().1 {
                let of = saved.entry(change.origin.clone()).or_insert_with(|| SavedOrigin { numbers: vec![], ..change.clone() });
                of.after = change.after.clone();
                of.numbers.extend(change.numbers);
                let after = of.after.as_deref().map(Number::new);
                of.numbers.retain(|number| after.as_ref().is_none_or(|after| Number::new(number) > *after));
            }
            committed = taken.len();
            if crash_after.is_none() {
                checkpoint += size;
            }
        }
        let mut once = taken.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), taken.len());
        prop_assert!((1..=checkpoint).all(|number| taken.contains(&number)));
    }
}
