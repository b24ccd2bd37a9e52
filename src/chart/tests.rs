//! What a chart shows. With `CHART_PICTURES=folder` the pictures are also written there, to look at.

use super::Chart;
use super::paint;
use super::panel::{MAX_KEYS, Panel};
use super::scene::{Align, Mark};
use crate::harmless::Text;
use crate::timestamp::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use std::path::Path;
use std::time::{Duration, Instant};

mod reading;

type Rows = Vec<(Timestamp, Vec<(Text, u64)>)>;

const MINUTE: Duration = Duration::from_secs(60);
const HOSTILE: &str = "<script>alert('x')</script>]]>&\"\u{1b}[2J\n\u{202e}EVCXR_END_CONTENT";

fn start() -> Timestamp {
    "2018-09-06T08:04:00Z".parse().unwrap()
}

/// `windows` in a row with `keys` keys, whose counts fall off as they do in real logs.
fn rows(windows: u32, step: Duration, keys: u32) -> Rows {
    let mut rng = fastrand::Rng::with_seed(7);
    (0..windows)
        .map(|w| {
            let counts =
                (0..keys).map(|k| (format!("192.0.2.{k}").into(), rng.u64(10..90) / u64::from(1 + k) + 1));
            (start() + step * w, counts.collect())
        })
        .collect()
}

fn panel(rows: Rows, top: usize) -> Panel {
    let mut panel = Panel::new("", &rows);
    panel.top = top;
    panel
}

fn two_by_two() -> Rows {
    vec![
        (start(), vec![("192.0.2.10".into(), 9), ("192.0.2.20".into(), 4)]),
        (start() + MINUTE, vec![("192.0.2.10".into(), 30), ("192.0.2.20".into(), 12)]),
    ]
}

/// Renders every form, checks what must hold for all charts, and gives the marks.
fn check(name: &str, chart: &Chart) -> Vec<Mark> {
    let (png, svg, text) = (chart.png().unwrap(), chart.svg().unwrap(), chart.text());
    if let Ok(folder) = std::env::var("CHART_PICTURES") {
        let file = |ending: &str| Path::new(&folder).join(format!("{name}.{ending}"));
        chart.save_png(file("png")).unwrap();
        std::fs::write(file("svg"), &svg).unwrap();
        std::fs::write(file("txt"), &text).unwrap();
    }
    let mut picture = png::Decoder::new(&png[..]).read_info().unwrap();
    let mut pixels = vec![0; picture.output_buffer_size()];
    let info = picture.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), chart.whole_size());
    assert!(pixels.iter().any(|p| *p != 255));
    // A notebook stores it; ours are 5 to 25 kB at the usual size.
    assert!(png.len() < pixels.len() / 20, "{} bytes", png.len());
    assert_eq!((&png, &svg), (&chart.png().unwrap(), &chart.svg().unwrap()), "not the same twice");

    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    assert_eq!(svg.matches("<svg").count(), 1, "{svg}");
    let tag = svg.split_once('>').unwrap().0;
    assert!(
        tag.contains(" viewBox=\"0 0 ") && !tag.contains(" width=") && !tag.contains(" height="),
        "{tag}"
    );
    assert!(!svg.contains("<script") && !svg.contains("]]>") && !svg.contains("EVCXR_"), "{svg}");
    assert!(svg.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(text.lines().count() <= 110 && !text.contains("EVCXR_") && !text.starts_with('\n'), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));

    if let Some(narrow) = chart.narrow() {
        readable(&format!("{name}, narrow"), &narrow);
    }
    if let Some(high) = chart.below_each_other() {
        readable(&format!("{name}, below each other"), &high);
    }
    readable(name, chart)
}

/// Whether all stands in the picture, and no text over another. Gives the marks.
fn readable(name: &str, chart: &Chart) -> Vec<Mark> {
    let marks = chart.scene().marks;
    let (width, height) = (chart.whole_size().0 as i32, chart.whole_size().1 as i32);
    let mut boxes: Vec<(i32, i32, i32, i32, &str)> = Vec::new();
    for mark in &marks {
        match mark {
            Mark::Rect { x, y, width: w, height: h, .. } => {
                assert!(*x >= 0 && *y >= 0 && x + w <= width && y + h <= height, "{mark:?}");
            }
            Mark::Path { points, .. } => {
                assert!(
                    points.iter().all(|(x, y)| (0..=width).contains(x) && (0..=height).contains(y)),
                    "{mark:?}"
                );
            }
            Mark::Text { x, y, align, font, text, .. } => {
                let wide = paint::text_width(text, *font);
                let left = match align {
                    Align::Left => *x,
                    Align::Center => x - wide / 2,
                    Align::Right => x - wide,
                };
                assert!(left >= 0 && left + wide <= width && *y < height, "{mark:?} {wide}");
                let (top, bottom) = (y - font.size / 2 - 1, y + 2);
                for (l, t, r, b, other) in &boxes {
                    let apart = left >= *r || left + wide <= *l || top >= *b || bottom <= *t;
                    assert!(apart, "{text} and {other} overlap in {name}");
                }
                boxes.push((left, top, left + wide, bottom, text));
            }
        }
    }
    marks
}

fn texts(marks: &[Mark]) -> Vec<&str> {
    marks
        .iter()
        .filter_map(|mark| if let Mark::Text { text, .. } = mark { Some(text.as_str()) } else { None })
        .collect()
}

#[test]
fn two_windows_two_keys() {
    let marks = check("two_by_two", &Chart::bars("Requests per minute and IP", two_by_two()));
    for text in ["Requests per minute and IP", "192.0.2.10", "requests", "08:04", "08:05", "30", "0"] {
        assert!(texts(&marks).contains(&text), "{text}");
    }
    assert!(texts(&marks).contains(&"start of window, 2018-09-06, UTC"));
}

#[test]
fn the_text_of_two_by_two() {
    let want = "\
Requests per minute
(UTC)

2018-09-06 08:04  192.0.2.10   9  ██████████▊
                  192.0.2.20   4  ████▊
2018-09-06 08:05  192.0.2.10  30  ████████████████████████████████████
                  192.0.2.20  12  ██████████████▍";
    let chart = Chart::bars("Requests per minute", two_by_two());
    assert_eq!(chart.text(), want);
    assert_eq!(chart.to_string(), want);
}

#[test]
fn many_keys_are_summed_up() {
    let chart = Chart::bars("Requests per minute and IP", rows(5, MINUTE, 12));
    let marks = check("five_by_twelve", &chart);
    assert!(texts(&marks).contains(&"7 others") && !texts(&marks).contains(&"192.0.2.5"));
    let marks = check("five_by_twelve_top_8", &chart.clone().top(100));
    assert!(texts(&marks).contains(&"4 others"));
    // One key more than asked for: its name takes no more room than "1 other" would.
    let series = Panel::new("", &rows(2, MINUTE, 6)).series();
    assert_eq!((series.names.len(), series.named), (6, 6));
    assert_eq!(panel(rows(2, MINUTE, 9), 8).series().names[8], "1 other");
}

#[test]
fn every_event_is_in_the_chart() {
    let rows = rows(40, MINUTE, 30);
    let want: u64 = rows.iter().flat_map(|(_, counts)| counts).map(|(_, count)| count).sum();
    for top in 1..=MAX_KEYS {
        let panel = panel(rows.clone(), top);
        let series = panel.series();
        let sum: u128 = panel.columns.iter().flat_map(|column| series.counts(column)).sum();
        assert_eq!(sum, u128::from(want));
    }
}

#[test]
fn several_days() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/apache_access.log");
    let rows = if path.exists() {
        let log = crate::format::AccessLog::open(path).unwrap();
        log.map(|r| r.unwrap()).map(|r| (r.time.truncate(MINUTE), vec![(r.client, 1)])).collect()
    } else {
        // Not `println!`, which the test harness swallows.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "SKIPPED: the real log: {} is not there", path.display());
        rows(84, MINUTE * 60, 300)
    };
    let marks = check("real_log", &Chart::bars("Requests per minute and client", rows));
    assert!(texts(&marks).iter().filter(|text| text.starts_with("20")).count() >= 3, "{:?}", texts(&marks));
}

#[test]
fn one_window_one_key() {
    check("one_window", &Chart::bars("Requests per minute", rows(1, MINUTE, 3)));
    check("one_key", &Chart::bars("Requests per minute", rows(30, MINUTE, 1)));
    check("one_bar", &Chart::bars("Requests per minute", rows(1, MINUTE, 1)));
}

#[test]
fn no_data() {
    let chart = Chart::bars::<Text>("Requests per minute", Vec::new());
    assert!(texts(&check("empty", &chart)).contains(&"no events yet"));
    assert_eq!(chart.text(), "Requests per minute\n\nno events yet");
    check("empty_window", &Chart::bars::<Text>("", vec![(start(), Vec::new())]));
    check("zero", &Chart::bars("", vec![(start(), vec![("a", 0)])]));
}

#[test]
fn hostile_keys_and_titles() {
    let mut rows = two_by_two();
    for (_, counts) in &mut rows {
        counts.extend([(HOSTILE.into(), 20), (Text::default(), 5), ("長い鍵".repeat(50).into(), 3)]);
    }
    let chart = Chart::bars(HOSTILE, rows);
    check("hostile", &chart);
    let svg = chart.svg().unwrap();
    assert!(svg.contains("&lt;script&gt;alert(&apos;x&apos;)&lt;/script&gt;]]&gt;&amp;&quot;\\x1b[2J\\n\\u{202e}EVCXR\\u{5f}END"));
}

#[test]
fn gaps_keep_their_place_when_they_are_few() {
    let gap = |minutes: u32| {
        let mut rows = two_by_two();
        rows.push((start() + MINUTE * minutes, vec![("192.0.2.10".into(), 7)]));
        Chart::bars("Requests per minute", rows)
    };
    let marks = check("gap", &gap(5));
    assert!(texts(&marks).contains(&"08:07"), "an empty minute has its label");
    let marks = check("long_gap", &gap(600));
    assert!(texts(&marks).iter().any(|text| text.contains("windows without events left out")));
    assert!(!texts(&marks).contains(&"08:07"));
    assert!(gap(600).text().contains("windows without events left out"));
}

#[test]
fn the_largest_numbers() {
    let key = |k: u32| format!("2001:db8:ffff:ffff:ffff:ffff:ffff:{k:04x}");
    let rows =
        (0..3).map(|w| (start() + MINUTE * w, (0..20).map(|k| (key(k), u64::MAX)).collect())).collect();
    check("largest", &Chart::bars("Requests", rows));
    let ends = vec![(Timestamp::MIN, vec![("a", 1)]), (Timestamp::MAX, vec![("a", u64::MAX)])];
    check("ends_of_time", &Chart::bars("Requests", ends));
}

#[test]
fn any_amount_of_data_is_drawn_in_bounded_time() {
    let began = Instant::now();
    let chart = Chart::bars("Requests", rows(10_000, MINUTE, 200));
    let marks = check("ten_thousand", &chart);
    assert!(marks.len() < 3_000, "{}", marks.len());
    assert!(texts(&marks).iter().any(|text| text.contains("each bar sums up 60 windows")));
    // An unoptimised build on a slow machine takes seconds.
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn any_size() {
    for (width, height) in [(0, 0), (300, 200), (u32::MAX, 1), (1_600, 900)] {
        for keys in [1, 6, 12] {
            let mut rows = rows(5, MINUTE, keys);
            rows[0].1.push(("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".into(), 1_000));
            let chart = Chart::bars("A title of some length for a small picture", rows);
            check(&format!("size_{width}_{keys}"), &chart.size(width, height).top(8));
        }
    }
}

#[test]
fn a_bundle_is_three_blocks_that_the_kernel_reads() {
    let bundle = Chart::bars(HOSTILE, two_by_two()).bundle();
    let mut mimes = Vec::new();
    let mut lines = bundle.lines();
    // As evcxr does it (its eval_context.rs).
    while let Some(line) = lines.next() {
        let mime = line.strip_prefix("EVCXR_BEGIN_CONTENT ").unwrap();
        let content: Vec<&str> = lines.by_ref().take_while(|line| *line != "EVCXR_END_CONTENT").collect();
        if mime == "image/png" {
            assert!(STANDARD.decode(content.concat()).unwrap().starts_with(b"\x89PNG"));
        }
        mimes.push(mime);
    }
    assert_eq!(mimes, ["image/png", "image/svg+xml", "text/plain"]);
}

/// evcxr falls back to `{:?}` where a cell's last expression moves a variable that it would keep.
#[test]
fn what_is_shown_without_a_picture_says_why() {
    let chart = Chart::bars(HOSTILE, two_by_two());
    let shown = format!("{chart:?}");
    assert!(shown.starts_with(&chart.text()) && shown.contains("give it a .clone()"), "{shown}");
    assert!(!shown.contains("EVCXR_"), "{shown}");
}

#[test]
fn an_unwritable_file_is_named() {
    let error = Chart::bars::<Text>("", Vec::new()).save_png("/nowhere/chart.png").unwrap_err().to_string();
    assert!(error.contains("/nowhere/chart.png"), "{error}");
}

proptest! {
    // 24 cases: each paints two pictures, and an unoptimised build takes its time for one.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_data_make_a_chart(
        rows in proptest::collection::vec(
            (any::<i64>(), proptest::collection::vec((any::<String>(), any::<u64>()), 0..12)),
            0..12,
        ),
        close in any::<bool>(),
        title in any::<String>(),
        lines in proptest::collection::vec((any::<u64>(), any::<String>()), 0..4),
        as_lines in any::<bool>(),
    ) {
        let at = |micros: i64| Timestamp::from_micros(if close { micros % 600 * 1_000_000 } else { micros });
        let rows = rows.into_iter().map(|(micros, counts)| (at(micros), counts)).collect();
        let chart = Chart::bars(&title, rows);
        let chart = lines.iter().fold(chart, |chart, (at, label)| chart.line_at(*at, label).note(label));
        check("any", &if as_lines { chart.lines() } else { chart });
    }
}
