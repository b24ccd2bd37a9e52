use crate::harmless::Text;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::detect::Playbook;

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(1_536_220_800 + second)
}

fn event(key: &str, second: i64, path: &str) -> Event {
    Event {
        key: key.into(),
        time: at(second),
        id: None,
        origin: None,
        fields: [("path".into(), path.into())].into(),
    }
}

fn detector(playbook: Playbook) -> Detector {
    Detector::new(&Playbooks::new(vec![playbook]).unwrap())
}

#[test]
fn it_fires_at_the_event_that_is_one_too_many() {
    let mut detector = detector(Playbook::new("a", 3));
    for second in [5, 30] {
        assert!(detector.observe(&event("k", second, "/")).alerts.is_empty());
    }
    assert!(detector.observe(&event("other", 40, "/")).alerts.is_empty());
    // 61 s after the first: no window of 60 s has all three.
    assert!(detector.observe(&event("k", 66, "/")).alerts.is_empty());
    let alerts = detector.observe(&event("k", 67, "/")).alerts;
    let alert = &alerts[0];
    assert_eq!((alert.count, alert.time, alert.start, alert.end), (3, at(67), at(10), at(70)));
    assert_eq!((alert.ip.as_ref().map(Text::raw), alert.evidence.raw()), (Some("k"), "/"));
    assert!(detector.observe(&event("k", 68, "/")).alerts.is_empty(), "its cool-down");
}

#[test]
fn after_the_cool_down_it_may_fire_again() {
    let mut detector = detector(Playbook::new("a", 2).cool_down(Duration::from_secs(100)));
    let mut fired = |second| detector.observe(&event("k", second, "/")).alerts.len();
    assert_eq!((fired(0), fired(1), fired(99), fired(100), fired(101)), (0, 1, 0, 0, 1));
}

#[test]
fn different_values_are_counted_once_in_a_window() {
    let mut detector = detector(Playbook::new("a", 3).distinct("page"));
    let mut fired = |second, path| detector.observe(&event("k", second, path)).alerts.len();
    // In different panes, with different queries: one page.
    assert_eq!((fired(0, "/a?1"), fired(15, "/a?2"), fired(25, "/b"), fired(26, "/a")), (0, 0, 0, 0));
    assert_eq!(fired(27, "/c"), 1);
}

#[test]
fn what_is_late_counts_in_its_open_windows_alone() {
    let mut detector = detector(Playbook::new("a", 1));
    detector.complete(at(60));
    let observed = detector.observe(&event("k", 55, "/"));
    assert_eq!(observed.late, 1, "the window that ended at 60");
    assert_eq!((observed.alerts.len(), observed.alerts[0].start), (1, at(10)));
    assert_eq!(detector.observe(&event("l", -5, "/")).late, 6);
    assert_eq!(detector.observe(&event("l", -5, "/")).alerts.len(), 0);
}

#[test]
fn memory_is_what_is_open() {
    let mut detector = detector(Playbook::new("a", 1_000_000).distinct("path"));
    for second in 0..100_000 {
        detector.observe(&event("k", second, "/"));
        detector.complete(at(second - 30));
    }
    assert!(detector.bytes <= 11 * 200, "{}", detector.bytes);
    detector.complete(at(200_000));
    assert_eq!(detector.bytes, 0);
}

/// A hundred thousand different pages of one client, of all kinds that playbooks keep apart, leave room for others.
#[test]
fn one_client_takes_only_so_much_room() {
    let books = vec![
        Playbook::new("pages", 100).distinct("path"),
        Playbook::new("page", 60).key(&["ip", "page"]),
        Playbook::new("all", 20),
    ];
    let mut detector = Detector::new(&Playbooks::new(books).unwrap());
    let (mut alerts, mut overflow) = (Vec::new(), 0);
    for n in 0..100_000 {
        let observed = detector.observe(&event("192.0.2.66", n % 60, &format!("/{n}")));
        alerts.extend(observed.alerts);
        overflow += observed.overflow;
    }
    let names: Vec<&str> = alerts.iter().map(|alert| alert.playbook.raw()).collect();
    assert_eq!(names, ["all", "pages"]);
    assert!(detector.bytes < 2 << 20, "{} bytes", detector.bytes);
    assert_eq!(overflow, 100_000 - 6 * 1_000);
    assert_eq!(detector.beyond_memory().collect::<Vec<_>>(), [("page", overflow)]);

    let other: Vec<Alert> =
        (0..60).flat_map(|n| detector.observe(&event("192.0.2.7", n, "/login")).alerts).collect();
    assert_eq!(other.iter().map(|alert| alert.playbook.raw()).collect::<Vec<_>>(), ["all", "page"]);
}

#[test]
fn who_is_refused_already_takes_less() {
    let mut detector = detector(Playbook::new("page", 60).key(&["ip", "page"]));
    let refused = |n: i64| {
        let mut event = event("192.0.2.66", 0, &format!("/{n}"));
        event.fields.insert("blocked".into(), "true".into());
        event
    };
    let overflow: u64 = (0..1_000).map(|n| detector.observe(&refused(n)).overflow).sum();
    assert_eq!(overflow, 950);
}

/// Many clients, each with little: the oldest go, and who comes now is counted.
#[test]
fn when_all_is_full_the_oldest_go_first() {
    let mut detector = detector(Playbook::new("a", 10)).max_bytes(100_000);
    let mut overflow = 0;
    for n in 0..100_000_i64 {
        overflow += detector.observe(&event(&format!("k{n}"), n / 2_000, "/")).overflow;
        assert!(detector.bytes <= 100_000);
    }
    assert!(overflow > 90_000, "{overflow}");
    assert_eq!((0..10).map(|_| detector.observe(&event("last", 49, "/")).alerts.len()).sum::<usize>(), 1);
    // A store hears of it once.
    let oldest = detector.oldest_panes();
    assert_eq!(oldest[0].1, at(50));
    assert_eq!(detector.oldest_panes()[0].1, Timestamp::MIN);
}

/// What others have counted decides; room is taken by whom a key is new to.
#[cfg(feature = "postgres")]
#[test]
fn what_a_store_knows_is_in_place_of_what_is_held() {
    let mut detector = detector(Playbook::new("a", 3).key(&["ip", "page"]));
    let known = |key: &str, n| SavedTally {
        playbook: "a".into(),
        pane: at(0),
        key: key.into(),
        n,
        items: Vec::new(),
    };
    let (key, none) = (detector.keys_of(&event("k", 5, "/")).next().unwrap().1, at(-100));
    assert!(detector.observe(&event("k", 5, "/")).alerts.is_empty());
    let room = detector.bytes;
    // Nothing of it was written: it does not count.
    detector.refresh(none, Vec::new(), Vec::new());
    assert!(detector.observe(&event("k", 6, "/")).alerts.is_empty());
    detector.refresh(none, vec![known(&key, 2)], Vec::new());
    let before = detector.bytes;
    assert_eq!(detector.observe(&event("k", 7, "/")).alerts[0].count, 3);
    assert_eq!(detector.bytes, before, "it is there already");
    assert!(before > room, "as new, twice");
    detector.refresh(none, vec![known(&key, 7)], vec![("a".into(), key.clone(), at(7))]);
    assert!(detector.observe(&event("k", 8, "/")).alerts.is_empty(), "the cool-down of another's alert");
    assert_eq!(detector.changes(), [known(&key, 8)]);
    // How many keys a client made is remembered, and goes with the pane.
    let mut beyond = 0;
    for n in 0..1_100 {
        detector.refresh(none, Vec::new(), Vec::new());
        beyond += detector.observe(&event("k", 9, &format!("/{n}"))).overflow;
    }
    assert!(beyond >= 100, "{beyond}");
    detector.refresh(at(200), Vec::new(), Vec::new());
    assert_eq!(detector.bytes, 0);
}

/// The same by trial: all events are kept, and each window is counted from the beginning.
fn by_trial(events: &[(u8, i64, u8)], playbook: &Playbook, lateness: i64) -> Vec<(String, i64)> {
    let (size, slide) = (playbook.window.as_secs() as i64, playbook.slide.as_secs() as i64);
    let (mut alerts, mut last): (Vec<(String, i64)>, HashMap<u8, i64>) = Default::default();
    let mut watermark = i64::MIN;
    let mut counted: Vec<(u8, i64, u8, i64)> = Vec::new();
    for (key, second, path) in events {
        counted.push((*key, *second, *path, watermark));
        let mut fires = false;
        for start in
            (second - size + 1..=*second).filter(|start| (start + 1_536_220_800).rem_euclid(slide) == 0)
        {
            // An event counts in a window when the window was open as it came.
            let inside = counted.iter().filter(|(k, s, _, watermark)| {
                k == key && (start..start + size).contains(s) && start + size > *watermark
            });
            let open = start + size > watermark;
            let n = match playbook.distinct {
                None => inside.count(),
                Some(_) => inside.map(|(_, _, path, _)| path).collect::<BTreeSet<_>>().len(),
            };
            fires |= open && n as u64 >= playbook.threshold;
        }
        let cool_down = playbook.cool_down.as_secs() as i64;
        if fires && last.get(key).is_none_or(|last| *second >= last + cool_down) {
            last.insert(*key, *second);
            alerts.push((key.to_string(), *second));
        }
        watermark = watermark.max(second - lateness);
    }
    alerts
}

proptest! {
    // 300 cases of up to 120 events of 3 keys within 5 minutes: thresholds are crossed in most.
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn it_fires_when_a_count_by_trial_does(
        events in prop::collection::vec((0u8..3, 0i64..300, 0u8..4), 0..120),
        (slides, slide) in (1u64..7, 1u64..15),
        threshold in 1u64..8,
        distinct: bool,
        cool_down in 1u64..200,
        lateness in 0i64..300,
        restart_at in 0usize..120,
    ) {
        let mut playbook = Playbook::new("a", threshold)
            .window(Duration::from_secs(slides * slide))
            .slide(Duration::from_secs(slide))
            .cool_down(Duration::from_secs(cool_down));
        if distinct {
            playbook = playbook.distinct("path");
        }
        // Late events must not count in a window in one pane and be missing in its neighbour's: panes of
        // windows that are partly complete are the hard part.
        let mut detector = detector(playbook.clone());
        let (mut found, mut newest) = (Vec::new(), i64::MIN);
        let mut saved: BTreeMap<(Timestamp, String), SavedTally> = BTreeMap::new();
        for (n, (key, second, path)) in events.iter().enumerate() {
            for alert in detector.observe(&event(&key.to_string(), *second, &path.to_string())).alerts {
                found.push((String::from(alert.key), (alert.time.as_micros() - at(0).as_micros()) / 1_000_000));
            }
            newest = newest.max(*second);
            detector.complete(at(newest - lateness));
            for change in detector.changes() {
                let known = saved.entry((change.pane, change.key.clone())).or_insert_with(|| SavedTally { items: vec![], ..change.clone() });
                known.n = change.n;
                known.items.extend(change.items);
            }
            if n == restart_at {
                // Another process, which knows what a store has.
                let fired = found.iter().map(|(key, second)| ("a".to_owned(), key.clone(), at(*second))).collect();
                let watermark = detector.completed_until();
                let oldest = detector.oldest_panes()[0].1;
                saved.retain(|(pane, _), _| *pane >= oldest);
                detector = Detector::new(&Playbooks::new(vec![playbook.clone()]).unwrap());
                detector.restore(watermark, saved.values().cloned().collect(), fired, &[]);
            }
        }
        prop_assert_eq!(found, by_trial(&events, &playbook, lateness));
    }
}
