//! Windows against counts that one would make by hand.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(millis * 1_000)
}

/// Every window that has an event, each counted by looking at every event.
fn by_hand(events: &[(u8, i64)], size: Duration, slide: Duration) -> Vec<(Timestamp, Vec<(String, u64)>)> {
    let (size, slide) = (size.as_millis() as i64, slide.as_millis() as i64);
    let mut windows: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
    for (key, time) in events {
        // All multiples of the slide that could be a start, by trial.
        let mut start = (time - size).div_euclid(slide) * slide;
        while start <= *time {
            if start + size > *time {
                *windows.entry(start).or_default().entry(key.to_string()).or_default() += 1;
            }
            start += slide;
        }
    }
    windows.into_iter().map(|(start, counts)| (at(start), counts.into_iter().collect())).collect()
}

fn plain(windows: impl IntoIterator<Item = Window>) -> Vec<(Timestamp, Vec<(String, u64)>)> {
    windows
        .into_iter()
        .map(|window| (window.start, window.counts.into_iter().map(|(key, n)| (key.into(), n)).collect()))
        .collect()
}

fn events() -> impl Strategy<Value = Vec<(u8, i64)>> {
    proptest::collection::vec((0u8..4, -200_000i64..200_000), 0..100)
}

proptest! {
    // 256 cases of up to 100 events; sizes and slides that divide each other and that don't.
    #[test]
    fn any_order_gives_the_count_by_hand(mut events in events(), size in 1u64..100, slide in 1u64..100) {
        let (size, slide) = (secs(size.max(slide)), secs(size.min(slide)));
        let count = |events: &[(u8, i64)]| {
            let mut windows = Windows::sliding(size, slide);
            events.iter().for_each(|(key, time)| drop(windows.add(key.to_string(), at(*time), 1)));
            prop_assert_eq!(windows.total(), events.len() as u64);
            Ok(plain(windows.iter()))
        };
        let forward = count(&events)?;
        prop_assert_eq!(&forward, &by_hand(&events, size, slide));
        events.reverse();
        prop_assert_eq!(count(&events)?, forward);
    }

    // Watermarks at random places: each (event, window) pair is in exactly one of a completed window, an
    // open one, the late list.
    #[test]
    fn no_pair_is_lost_or_doubled(
        events in events(),
        watermarks in proptest::collection::vec(-250_000i64..250_000, 100),
        size in 1u64..60,
        slide in 1u64..60,
    ) {
        let (size, slide) = (secs(size.max(slide)), secs(size.min(slide)));
        let mut windows = Windows::sliding(size, slide);
        let (mut completed, mut late) = (Vec::new(), BTreeMap::<(Timestamp, String), u64>::new());
        for ((key, time), watermark) in events.iter().zip(watermarks) {
            for start in windows.add(key.to_string(), at(*time), 1).late {
                *late.entry((start, key.to_string())).or_default() += 1;
            }
            completed.extend(windows.complete(at(watermark)));
        }
        prop_assert!(completed.windows(2).all(|pair| pair[0].start < pair[1].start), "in order, each once");
        completed.extend(windows.flush());
        prop_assert!(completed.windows(2).all(|pair| pair[0].start < pair[1].start));
        prop_assert_eq!((windows.pairs(), windows.total()), (0, 0));
        let mut sum: BTreeMap<(Timestamp, String), u64> = late;
        for window in completed {
            for (key, count) in window.counts {
                *sum.entry((window.start, key.into())).or_default() += count;
            }
        }
        let expected: BTreeMap<(Timestamp, String), u64> = by_hand(&events, size, slide)
            .into_iter()
            .flat_map(|(start, counts)| counts.into_iter().map(move |(key, n)| ((start, key), n)))
            .collect();
        prop_assert_eq!(sum, expected);
    }
}

proptest! {
    // 256 cases of up to 400 events that come nearly in order, as they do: so nearly every window is made of the
    // sums of the one before it. Keys come and go, a late one disturbs the sums, a gap ends them.
    #[test]
    fn sums_that_are_kept_are_the_sums(
        steps in proptest::collection::vec((0i64..3_000, 0u8..12, 0u8..100), 1..400),
        (size, slide) in (1u64..60, 1u64..60),
        lateness in 0i64..20_000,
    ) {
        let (size, slide) = (secs(size.max(slide)), secs(size.min(slide)));
        let (mut windows, mut kept, mut completed) = (Windows::sliding(size, slide), Vec::new(), Vec::new());
        let mut newest = 0;
        for (step, key, dice) in steps {
            newest += if dice == 0 { 200_000 } else { step };
            // Which keys there are changes with time.
            let key = key.wrapping_add((newest / 30_000) as u8);
            let time = if dice > 95 { newest - step * 30 } else { newest };
            if windows.add(key.to_string(), at(time), 1).late.is_empty() {
                kept.push((key, time));
            } else {
                // It counts in those of its windows that are not complete: not a case for the table by hand.
                windows = Windows::sliding(size, slide);
                (kept, completed) = (Vec::new(), Vec::new());
            }
            completed.extend(windows.complete(at(newest - lateness)));
        }
        completed.extend(windows.flush());
        prop_assert_eq!(plain(completed), by_hand(&kept, size, slide));
    }
}

/// A late event counts in the windows that are still open, whatever was added up before it came.
#[test]
fn a_late_event_is_in_the_sums_that_follow() {
    let mut windows = Windows::sliding(secs(60), secs(10));
    for second in (0..100).step_by(5) {
        windows.add("a", at(second * 1_000), 1);
    }
    assert_eq!(windows.complete(at(60_000)).last().unwrap().counts, [("a".into(), 12)]);
    // Of six windows, those that end at 40, 50 and 60 s are complete.
    assert_eq!(windows.add("b", at(35_000), 7).late.len(), 3);
    let counts: Vec<_> = windows.complete(at(90_000)).into_iter().map(|window| window.counts).collect();
    assert_eq!(counts, vec![vec![("a".into(), 12), ("b".into(), 7)]; 3]);
}

#[test]
fn sums_beyond_their_type_stay_at_its_end() {
    let mut windows = Windows::sliding(secs(20), secs(10));
    windows.add("a", at(0), u64::MAX);
    windows.add("a", at(10_000), 5);
    windows.add("a", at(20_000), 5);
    windows.add("a", at(0), 5);
    assert_eq!(windows.total(), u64::MAX);
    let counts: Vec<u64> = windows.complete(at(30_000)).iter().map(|window| window.counts[0].1).collect();
    assert_eq!(counts, [u64::MAX, u64::MAX, 10]);
    assert_eq!(windows.total(), 5);
    assert_eq!(windows.complete(at(60_000))[0].counts, [("a".into(), 5)]);
}

#[test]
fn more_keys_than_sums_are_kept_of_are_counted_all_the_same() {
    let mut windows = Windows::sliding(secs(20), secs(10));
    for n in 0..100_001 {
        windows.add(n.to_string(), at(n % 20 * 1_000), 1);
    }
    windows.add("7", at(25_000), 1);
    let completed: Vec<(usize, u64)> =
        windows.complete(at(60_000)).iter().map(|window| (window.counts.len(), window.total())).collect();
    assert_eq!(completed, [(50_001, 50_001), (100_001, 100_001), (50_001, 50_001), (1, 1)]);
}

/// It is asked for by every status. In a debug build, the sum of these keys takes some 10 ms: minutes in all.
#[test]
fn the_total_is_at_hand() {
    let mut windows = Windows::tumbling(secs(60));
    for n in 0..300_000 {
        windows.add(n.to_string(), at(n * 100), 2);
    }
    let begun = std::time::Instant::now();
    for _ in 0..10_000 {
        assert_eq!(std::hint::black_box(&windows).total(), 600_000);
        assert!(begun.elapsed() < secs(10), "10,000 times are not done after {:?}", begun.elapsed());
    }
    let saved = windows.panes().map(|(start, pane)| (start, pane.changes().unwrap())).collect();
    windows.restore(Timestamp::MIN, saved);
    assert_eq!(windows.total(), 600_000);
    windows.complete(at(299_999 * 100));
    assert_eq!(windows.total(), windows.iter().map(|window| window.total()).sum::<u64>());
    windows.flush();
    assert_eq!(windows.total(), 0);
}

#[test]
fn a_completed_window_is_gone_and_what_comes_for_it_is_late() {
    let mut windows = Windows::sliding(secs(60), secs(20));
    windows.add("a", at(65_000), 1);
    assert_eq!(windows.complete(at(60_000)), []);
    let completed = windows.complete(at(80_000));
    assert_eq!(plain(completed), [(at(20_000), vec![("a".into(), 1)])]);
    assert_eq!(windows.complete(at(80_000)), [], "each comes once");
    // 70 s lies in the windows from 20 s, 40 s and 60 s, of which the first is complete.
    assert_eq!(windows.add("a", at(70_000), 1), Added { late: vec![at(20_000)], ..Added::default() });
    assert_eq!(
        plain(windows.iter()),
        [(at(40_000), vec![("a".into(), 2)]), (at(60_000), vec![("a".into(), 2)])]
    );
    // 10 s lies in three windows, all of them complete, though they never had an event.
    assert_eq!(windows.add("a", at(10_000), 1).late, [at(-40_000), at(-20_000), at(0)]);
    assert_eq!(windows.total(), 2);
}

#[test]
fn an_id_counts_once() {
    let mut windows = Windows::tumbling(secs(60));
    assert!(!windows.add_with_id("a", at(0), 1, Some("x")).duplicate);
    assert!(windows.add_with_id("a", at(0), 1, Some("x")).duplicate);
    assert!(!windows.add_with_id("a", at(0), 1, Some("y")).duplicate);
    assert_eq!((windows.total(), windows.pairs()), (2, 3));
    windows.complete(at(60_000));
    assert_eq!(windows.pairs(), 0, "ids go with their window");
}

#[test]
fn a_flood_of_keys_is_counted_without_them() {
    let mut windows = Windows::tumbling(secs(60)).max_pairs(1_000);
    let overflow = (0..1_000_000).filter(|n| windows.add(n.to_string(), at(0), 1).overflow).count();
    assert_eq!((overflow, windows.pairs(), windows.total()), (999_000, 1_000, 1_000_000));
    assert!(!windows.add("7", at(1), 1).overflow, "a key that is known still counts");
    assert_eq!(windows.complete(at(60_000))[0].total(), 1_000_001);
    assert!(!windows.add("another", at(60_000), 1).overflow, "and there is room again");
}

/// An event an hour: each opened a pane of its own, also when there was room for no key.
#[test]
fn the_number_of_panes_is_bounded_too() {
    let mut windows = Windows::sliding(secs(60), Duration::from_millis(1)).max_pairs(100);
    let hour = |n: i64| at(n * 3_600_000);
    for n in 0..10_000 {
        windows.add("a", hour(n), 2);
    }
    assert_eq!((windows.panes().count(), windows.total(), windows.unplaced()), (100, 200, 19_800));
    assert!(!windows.add("a", hour(7), 1).unplaced, "a pane that is there still counts");
    windows.complete(hour(99));
    assert!(!windows.add("a", hour(10_001), 1).unplaced, "and there is room again");
    assert_eq!(windows.unplaced(), 19_800);
    let mut none = Windows::tumbling(secs(60)).max_pairs(0);
    assert!(none.add("a", at(0), 1).overflow);
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    let mut windows = Windows::sliding(secs(3_600), secs(7));
    for time in [Timestamp::MIN, Timestamp::MAX] {
        windows.add("a", time, 1);
    }
    assert_eq!(windows.complete(Timestamp::MAX).iter().map(Window::total).max(), Some(1));
    windows.flush();
    assert_eq!(windows.total(), 0);
    let mut windows = Windows::tumbling(Duration::MAX);
    windows.add("a", Timestamp::now(), 1);
    assert_eq!(windows.iter().count(), 1);
}
