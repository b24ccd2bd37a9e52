//! Charts that answer: lines to compare with, colours, scales and axes that are the same.

use super::super::palette::{self, Color};
use super::*;

/// The highest edge of anything drawn in this colour and at least so wide.
fn top_of(marks: &[Mark], wanted: Color, wide: i32) -> Option<i32> {
    let y = |mark: &Mark| match mark {
        Mark::Rect { y, color, width, .. } if *color == wanted && *width >= wide => Some(*y),
        _ => None,
    };
    marks.iter().filter_map(y).min()
}

fn paths(marks: &[Mark]) -> Vec<(&[(i32, i32)], Color)> {
    let path = |mark| match mark {
        &Mark::Path { ref points, color, .. } => Some((&points[..], color)),
        _ => None,
    };
    marks.iter().filter_map(path).collect()
}

#[test]
fn a_line_to_compare_with() {
    let chart = Chart::bars("Requests per minute", two_by_two());
    let marks = check("line", &chart.clone().line_at(20, "threshold"));
    assert!(texts(&marks).contains(&"threshold: 20"));
    let dashes = |marks: &[Mark]| -> Vec<i32> {
        let dash = |mark: &Mark| match mark {
            Mark::Rect { y, height: 2, color, .. } if *color == palette::INK => Some(*y),
            _ => None,
        };
        marks.iter().filter_map(dash).collect()
    };
    let y = dashes(&marks);
    assert!(y.len() > 20 && y.iter().all(|other| *other == y[0]), "{y:?}");
    // Over all that the data have: the axis goes that far. And close together: labels make room for one another.
    let many = chart.clone().line_at(200, "").line_at(1, HOSTILE).line_at(0, "zero").line_at(1, "one");
    let marks = check("lines", &many.clone().line_at(5, "a fifth is left out"));
    assert!(texts(&marks).contains(&"200") && !texts(&marks).iter().any(|text| text.contains("fifth")));
    check("line_empty", &Chart::bars::<Text>("", Vec::new()).line_at(20, "threshold"));
    check("line_max", &chart.line_at(u64::MAX, "the most").size(400, 300));
}

#[test]
fn there_is_room_above_the_highest_bar() {
    for highest in [1, 9, 10, 20, 30, 99, 100, 5_000, u64::MAX] {
        let rows = vec![(start(), vec![("a", highest), ("b", highest / 2)])];
        let marks = check(&format!("headroom_{highest}"), &Chart::bars("Requests", rows));
        let word = marks.iter().find_map(|mark| match mark {
            Mark::Text { y, text, .. } if text == "requests" => Some(*y),
            _ => None,
        });
        let highest_bar =
            palette::KEYS.into_iter().filter_map(|color| top_of(&marks, color, 20)).min().unwrap();
        assert!(highest_bar >= word.unwrap() + 14 + 20, "{highest}: {highest_bar} {word:?}");
    }
}

#[test]
fn a_key_has_one_color_in_all_charts() {
    let color_of = |chart: &Chart, key: &str| {
        let marks = chart.scene().marks;
        let at =
            marks.iter().position(|mark| matches!(mark, Mark::Text { text, .. } if text == key)).unwrap();
        match &marks[at - 1] {
            Mark::Rect { color, .. } => *color,
            other => panic!("{other:?} before {key}"),
        }
    };
    let chart = |a, b| Chart::bars("", vec![(start(), vec![("198.51.100.1", a), ("198.51.100.2", b)])]);
    let (first, second) = (chart(5, 1), chart(1, 5));
    for key in ["198.51.100.1", "198.51.100.2"] {
        assert_eq!(color_of(&first, key), color_of(&second, key));
    }
    assert_ne!(color_of(&first, "198.51.100.1"), color_of(&first, "198.51.100.2"));
    // Two keys of which the same is shown are two.
    let long = |end: &str| "x".repeat(60) + end;
    let twins = Chart::bars("", vec![(start(), vec![(long("a"), 2), (long("b"), 1)])]);
    let series = twins.panels()[0].series();
    assert!(series.names[0] == series.names[1] && series.keys[0] != series.keys[1]);
}

#[test]
fn the_svg_follows_the_light_and_has_words() {
    let chart = Chart::bars("<Requests> per minute", two_by_two()).line_at(20, "threshold");
    let svg = chart.svg().unwrap();
    for part in [
        "role=\"img\" aria-label=\"&lt;Requests&gt; per minute\"",
        "<title>&lt;Requests&gt; per minute</title>",
        "<desc>A bar chart: requests in 2 windows, from 2018-09-06 08:04 to 2018-09-06 08:05 UTC. 192.0.2.10: 39 in all",
        " A line at threshold: 20.</desc>",
        "@media (prefers-color-scheme:dark){.kinesis-lab-chart [fill=\"#FFFFFF\"]{fill:#14171B}",
    ] {
        assert!(svg.contains(part), "{part} in {svg}");
    }
}

/// One key far above the others, of which there are many.
fn attack() -> Rows {
    let counts = |w: u32| {
        let others = (0..30u64).map(|k| (format!("192.0.2.{k}").into(), 1 + (k + u64::from(w)) % 3));
        others.chain([("203.0.113.66".into(), if (10..14).contains(&w) { 40 } else { 0 })]).collect()
    };
    (0..40).map(|w| (start() + MINUTE * w, counts(w))).collect()
}

#[test]
fn a_line_for_each_key() {
    let bars = Chart::bars("Wrong passwords", attack()).top(1).line_at(10, "threshold");
    let marks = check("attack_stacked", &bars);
    assert!(paths(&marks).is_empty() && texts(&marks).contains(&"30 others"));
    let marks = check("attack_lines", &bars.clone().lines());
    assert!(texts(&marks).contains(&"highest of 30 others"));
    let lines = paths(&marks);
    assert_eq!(lines.len(), 2);
    // Of the others the highest, below the threshold; their sum would be above it.
    let threshold = top_of(&marks, palette::INK, 6).unwrap();
    let others = lines.iter().find(|(_, color)| *color == palette::OTHERS).unwrap().0;
    assert!(others.len() == 40 && others.iter().all(|(_, y)| *y > threshold), "{others:?} {threshold}");
    let attacker = lines.iter().find(|(_, color)| *color != palette::OTHERS).unwrap().0;
    assert_eq!(attacker.iter().filter(|(_, y)| *y < threshold).count(), 4);
    assert!(bars.lines().description().contains("highest of 30 others: at most 3 in a window."));
}

#[test]
fn a_quiet_window_is_a_zero_and_one_that_is_left_out_is_none() {
    let gap = |minutes: u32| {
        let mut rows = two_by_two();
        rows.extend((0..2).map(|n| (start() + MINUTE * (minutes + n), vec![("192.0.2.10".into(), 7)])));
        Chart::bars("Requests per minute", rows).lines()
    };
    let marks = check("lines_gap", &gap(4));
    let (line, _) = paths(&marks)[1];
    assert_eq!((line.len(), line[2].1, line[3].1), (6, line[2].1, line[2].1));
    assert!(line[2].1 > line[4].1, "{line:?}");
    // Two pieces, with nothing between them.
    assert_eq!(paths(&check("lines_long_gap", &gap(600))).len(), 4);
    check("lines_one", &Chart::bars("", rows(1, MINUTE, 3)).lines());
    check("lines_empty", &Chart::bars::<Text>("", Vec::new()).lines());
    let marks = check("lines_ten_thousand", &Chart::bars("Requests", rows(10_000, MINUTE, 200)).lines());
    assert!(texts(&marks).iter().any(|text| text.contains("each point is the highest of 60 windows")));
}

#[test]
fn late_events_are_marked_in_either() {
    let late = vec![(start() + MINUTE, "a", 3), (start() + MINUTE * 9, "b", 1)];
    for (name, chart) in [
        ("late_bars", Chart::bars("", rows(10, MINUTE, 2))),
        ("late_lines", Chart::bars("", rows(10, MINUTE, 2)).lines()),
        ("late_stacked", Chart::bars("", rows(60, MINUTE, 9))),
    ] {
        let marks = check(name, &chart.late(late.clone()));
        let black = |mark: &&Mark| matches!(mark, Mark::Rect { color: palette::LATE, .. });
        // And in the legend.
        assert_eq!(marks.iter().filter(black).count(), 3, "{name}");
    }
}

#[test]
fn one_scale_and_one_time_for_both() {
    let minutes =
        Chart::bars("Each minute", vec![(start(), vec![("a", 15)]), (start() + MINUTE, vec![("a", 15)])]);
    let sliding = |n: u32| (start() + MINUTE / 6 * n - MINUTE / 2, vec![("a", u64::from(n) * 5)]);
    let sliding = Chart::bars("Every ten seconds", (0..9).map(sliding).collect());
    let both = minutes.clone().above(sliding.clone());
    let marks = check("each_its_own", &both);
    let labels = |marks: &[Mark], wanted: &str| texts(marks).iter().filter(|text| **text == wanted).count();
    assert_eq!(labels(&marks, "40"), 2, "an axis and a bar");
    let marks = check("same", &both.same_scale().same_time());
    assert_eq!(labels(&marks, "40"), 3, "two axes and a bar");
    let x_of = |wanted: &str| -> Vec<i32> {
        let x = |mark: &Mark| match mark {
            Mark::Text { x, text, .. } if text == wanted => Some(*x),
            _ => None,
        };
        marks.iter().filter_map(x).collect()
    };
    let at_start = x_of("08:04:00");
    assert!(at_start.len() == 2 && at_start[0] == at_start[1], "{:?}", texts(&marks));
    // A line goes from minute to minute, and not to nought where no window begins.
    let line = minutes.lines().above(sliding).same_time();
    let marks = check("same_lines", &line);
    assert_eq!(paths(&marks)[0].0.len(), 2);
    // Days apart, and nothing in common: the axis of dates has its room.
    let later = Chart::bars("Later", vec![(start() + MINUTE * 60 * 24 * 3, vec![("a", 15)])]);
    check("same_days", &later.clone().above(Chart::bars("", two_by_two())).same_time());
    check("same_never", &later.above(Chart::bars("", vec![(Timestamp::MIN, vec![("a", 1)])])).same_time());
}

/// The charts of notebook 6: a day, and the same with one key that has most of the records.
#[test]
fn in_a_narrow_place_small_multiples_stand_below_each_other() {
    let day = |title: &str, most: u64| {
        let counts = |most| {
            (0..4u64).map(|k| (format!("shardId-00000000000{k}"), if k == 1 { most } else { 14 })).collect()
        };
        Chart::bars(title, (0..4).map(|w| (start() + MINUTE * w, counts(most))).collect())
    };
    let both = Chart::small_multiples(vec![
        day("A good day: requests per shard", 80),
        day("A hot key, on the same scale", 256),
    ]);
    check("narrow_multiples", &both);
    let high = both.below_each_other().unwrap();
    assert_eq!(high.whole_size(), (420, 560));
    let marks = high.scene().marks;
    for whole in ["A good day: requests per shard", "A hot key, on the same scale", "shardId-000000000003"] {
        assert!(texts(&marks).contains(&whole), "{whole} in {:?}", texts(&marks));
    }
    // Each shard has a bar of its own in each minute, wide enough to be seen, and the highest is high.
    let bars = |mark: &&Mark| matches!(mark, Mark::Rect { width, color, y, height, .. } if *width >= 8 && palette::KEYS.contains(color) && y + height > 100 && (*width, *height) != (12, 12));
    let bars: Vec<&Mark> = marks.iter().filter(bars).collect();
    assert_eq!(bars.len(), 2 * 4 * 4);
    let highest = bars.iter().map(|bar| if let Mark::Rect { height, .. } = bar { *height } else { 0 }).max();
    assert!(highest >= Some(90), "{highest:?}");

    let svg = both.svg().unwrap();
    assert!(svg.contains(".kinesis-lab-chart.high-420-560:not(:root){aspect-ratio:420/560}"), "{svg}");
    assert!(svg.contains(" class=\"kinesis-lab-chart high-420-560\" "), "{svg}");
    assert_eq!(svg.matches("<g class=").count(), 3);
    // In one page with others, the styles of all are one: what hides or shows `high`, is of those that have it.
    let style = &svg[svg.find("<style>").unwrap()..svg.find("</style>").unwrap()];
    for (at, _) in style.match_indices("{display:none}").chain(style.match_indices(".high{")) {
        let selector = style[..at].rsplit(['{', '}']).next().unwrap();
        let is_for_all = selector == ".kinesis-lab-chart .wide";
        assert!(is_for_all || selector.starts_with(".kinesis-lab-chart.high-420-560:"), "{selector}");
    }
    // One chart alone keeps its proportions, and needs no more than before.
    let alone = day("Alone", 9).svg().unwrap();
    assert!(alone.matches("<g class=").count() == 2 && !alone.contains("aspect-ratio"), "{alone}");
    assert!(alone.contains(" class=\"kinesis-lab-chart\" "), "{alone}");
}

/// As in notebook 16: two below each other, which would be 140 pixels high.
#[test]
fn in_a_narrow_place_charts_are_high_enough() {
    let wide = |top: usize| {
        Chart::bars("Requests in a minute", attack()).top(top).lines().line_at(10, "threshold").size(900, 300)
    };
    let both = wide(5).above(wide(2)).same_scale().same_time();
    let marks = check("narrow_lines", &both.clone());
    assert!(!marks.is_empty());
    let high = both.below_each_other().unwrap();
    assert_eq!(high.whole_size(), (420, 2 * 220));
    let marks = high.scene().marks;
    for chart in 0..2 {
        let inside = |y: &i32| (chart * 220..(chart + 1) * 220).contains(y);
        let ys = || {
            paths(&marks).into_iter().flat_map(|(points, _)| points.iter().map(|(_, y)| *y)).filter(inside)
        };
        assert!(ys().max().unwrap() - ys().min().unwrap() >= 75, "{:?}", ys().collect::<Vec<_>>());
    }
}

/// As in notebook 11: each key is below the limit, and their sum is above it.
#[test]
fn with_a_line_to_compare_with_bars_are_not_stacked_in_a_narrow_place() {
    let rows = |every: u32, places: u32| {
        let counts = || vec![("192.0.2.66", 15), ("192.0.2.10", 8)];
        (0..places).map(|n| (start() + Duration::from_secs(10) * every * n, counts())).collect()
    };
    let minutes = Chart::bars("A minute, and then the next", rows(6, 3)).line_at(20, "limit").size(900, 320);
    let sliding = Chart::bars("A minute, every ten seconds", rows(1, 20)).line_at(20, "limit").size(900, 320);
    let both = minutes.above(sliding).same_scale().same_time();
    for narrow in [both.narrow().unwrap(), both.below_each_other().unwrap()] {
        let marks = readable("a limit, narrow", &narrow);
        let limit = top_of(&marks, palette::INK, 6).unwrap();
        let highest = palette::KEYS.into_iter().filter_map(|color| {
            let bars = marks.iter().filter_map(|mark| match mark {
                Mark::Rect { y, height, color: of, .. } if *of == color && *height != 12 => Some(*y),
                _ => None,
            });
            bars.min()
        });
        assert!(highest.min().unwrap() > limit);
    }
}

#[test]
fn small_multiples_stand_side_by_side() {
    let chart =
        |n: u64| Chart::bars(&format!("Chart {n}"), vec![(start(), vec![("shardId-000000000001", n)])]);
    let marks = check("multiples", &Chart::small_multiples(vec![chart(1), chart(20), chart(300)]));
    let at = |wanted: &str| {
        let at = |mark: &Mark| match mark {
            Mark::Text { x, y, text, .. } if text == wanted => Some((*x, *y)),
            _ => None,
        };
        marks.iter().find_map(at).unwrap()
    };
    let (first, second, third) = (at("Chart 1"), at("Chart 20"), at("Chart 300"));
    assert_eq!((second, third), ((first.0 + 450, first.1), (first.0, first.1 + 300)));
    check(
        "multiples_nested",
        &Chart::small_multiples(vec![chart(1).above(chart(2)), chart(3)]).above(chart(4)),
    );
    assert!(Chart::small_multiples(Vec::new()).text().contains("no events yet"));
}
