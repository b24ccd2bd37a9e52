use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::meters::Meters;
use super::watermark_figure::{base, data};
use super::*;
use crate::count::{Counter, Watermark, Windows};
use crate::read::{Context, RecordProcessor};
use crate::record::{Batch, Record};
use crate::stream::ShardProgress;
use crate::timestamp::Timestamp;

const MODEL: &str = include_str!("watermark_model.js");

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_536_220_800 + secs)
}

fn trace(lateness: u64, events: &[(&str, i64, i64)]) -> WatermarkTrace {
    let (windows, watermark) = (Windows::tumbling(Duration::from_secs(60)), Duration::from_secs(lateness));
    let mut trace = WatermarkTrace::new(&windows, &Watermark::new(watermark));
    for (key, time, arrival) in events {
        trace.observe(key, at(*time), at(*arrival));
    }
    trace
}

/// The same trace for the same seed: events in disorder, at edges of windows, of clocks that are ahead.
fn seeded(seed: u64) -> WatermarkTrace {
    let mut random = fastrand::Rng::with_seed(seed);
    let size = [1_000_000, 7_500_000, 60_000_000, 3_600_000_000][random.usize(..4)];
    let slide = [size, size, size / 2, size * 2 / 5, size / 6][random.usize(..5)];
    let lateness = [0, size / 2, size, random.u64(..3 * size)][random.usize(..4)];
    let micros = Duration::from_micros;
    let (windows, watermark) =
        (Windows::sliding(micros(size), micros(slide)), Watermark::new(micros(lateness)));
    let mut trace = WatermarkTrace::new(&windows, &watermark);
    // Before 1970, too, where a remainder can be negative.
    let mut arrival = Timestamp::from_micros(random.i64(-4_000_000_000_000_000..4_000_000_000_000_000));
    for _ in 0..random.usize(..40) {
        arrival = arrival + micros(random.u64(..size / 2));
        let time = match random.u8(..10) {
            0 => arrival + micros(random.u64(..700_000_000)), // ahead; some by more than ten minutes
            1 => arrival.truncate(micros(slide)),
            2 => arrival - micros(random.u64(..6 * size)),
            _ => arrival - micros(random.u64(..size)),
        };
        let key = ["192.0.2.10", "192.0.2.20", "__proto__", "toString", "</script>"][random.usize(..5)];
        trace.observe(key, time, arrival);
    }
    trace
}

/// What the library says, in the words of the model.
fn answer(trace: &WatermarkTrace) -> Value {
    let micros = |time: Timestamp| time.as_micros() - base(trace);
    let counts = |window: &crate::Window| {
        let counts = window.counts.iter().map(|(key, n)| (crate::text::shown(key.raw(), 40), json!(n)));
        Value::Object(counts.collect())
    };
    let windows = |windows: &[crate::Window]| -> Vec<Value> {
        windows.iter().map(|window| json!([micros(window.start), counts(window)])).collect()
    };
    let steps: Vec<Value> = trace
        .steps()
        .iter()
        .map(|step| {
            let watermark = (step.watermark > Timestamp::MIN).then(|| micros(step.watermark));
            let late: Vec<i64> = step.late.iter().map(|start| micros(*start)).collect();
            json!([watermark, late, windows(&step.completed), step.refused])
        })
        .collect();
    let Meters { completed, waited, late, counted, refused } = Meters::of(trace.steps(), &trace.open());
    json!([steps, windows(&trace.open()), [completed, waited as u64, late, counted, refused]])
}

const COMPARED: &str = "
const windows = (some) => some.map(({ start, counts }) => [start, counts]);
const said = inputs.map((input) => {
    const model = watermarkModel(input);
    const steps = model.steps.map(({ watermark, late, completed, refused }) =>
        [watermark === -Infinity ? null : watermark, late, windows(completed), refused]);
    const open = model.windows.filter(({ closed }) => closed === null);
    return [steps, windows(open), [model.completed, model.waited, model.late, model.counted, model.refused]];
});
const text = JSON.stringify(said);
";

/// What the scripts say, by Node.js or by Chromium; `None` where there is neither.
pub(super) fn run(script: &str) -> Option<String> {
    let node = Command::new("node").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    if let Ok(mut node) = node {
        let mut stdin = node.stdin.take().unwrap();
        stdin.write_all(format!("{script}\nconsole.log(text);").as_bytes()).unwrap();
        drop(stdin);
        let output = node.wait_with_output().unwrap();
        assert!(output.status.success(), "node refuses the script");
        return Some(String::from_utf8(output.stdout).unwrap());
    }
    let page = std::env::temp_dir().join(format!("kinesis-lab-figure-{}.html", std::process::id()));
    let written = format!(
        "<!doctype html><meta charset=utf-8><body><script>{}\ndocument.body.textContent = btoa(unescape(encodeURIComponent(text)));</script>",
        script.replace("</script", "<\\/script")
    );
    std::fs::write(&page, written).unwrap();
    let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"];
    let shown = Command::new("chromium").args(flags).arg(&page).stderr(Stdio::null()).output();
    std::fs::remove_file(&page).unwrap();
    let shown = String::from_utf8(shown.ok()?.stdout).unwrap();
    let base64 = shown.rsplit_once("<body>")?.1.split_once('<')?.0.trim();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64).unwrap();
    Some(String::from_utf8(bytes).unwrap())
}

fn answers(model: &str, traces: &[WatermarkTrace]) -> Option<Vec<Value>> {
    let inputs: Vec<Value> = traces.iter().map(data).collect();
    let said = run(&format!("{model}\nconst inputs = {};\n{COMPARED}", json!(inputs)))?;
    Some(serde_json::from_str(&said).unwrap())
}

#[test]
fn the_script_says_what_the_library_says_of_200_traces() {
    let traces: Vec<WatermarkTrace> = (0..200).map(seeded).collect();
    let Some(said) = answers(MODEL, &traces) else {
        return eprintln!("SKIPPED: neither node nor chromium is here");
    };
    assert_eq!(said.len(), 200);
    for (seed, (trace, said)) in traces.iter().zip(&said).enumerate() {
        assert_eq!(answer(trace), *said, "seed {seed}: {}", data(trace));
    }
    // A rule that is a little off would be noticed.
    for (right, wrong) in [
        ("start + size <= watermark", "start + size < watermark"),
        ("window.end <= watermark", "window.end < watermark"),
        ("Math.min(time, arrival)", "time"),
        ("time > arrival + FUTURE", "time > arrival + 2 * FUTURE"),
        ("newest - lateness", "newest - lateness + 1"),
        ("start + size > time", "start + size >= time"),
    ] {
        assert!(MODEL.contains(right), "{right}");
        let said = answers(&MODEL.replace(right, wrong), &traces).unwrap();
        let differ = traces.iter().zip(&said).filter(|(trace, said)| answer(trace) != **said).count();
        assert!(differ > 0, "nobody notices {wrong}");
    }
    // They are about something.
    let all = traces.iter().map(|trace| Meters::of(trace.steps(), &trace.open()));
    let sum = all.fold([0; 3], |[a, b, c], m| [a + m.late, b + m.completed, c + m.refused]);
    assert!(sum.iter().all(|n| *n > 20), "{sum:?}");
}

#[test]
fn it_is_what_a_counter_does_that_polls_after_each_event() {
    for seed in 0..50 {
        let trace = seeded(seed);
        let mut counter = Counter::sliding(trace.size(), trace.slide()).lateness(trace.lateness());
        for step in trace.steps() {
            let record = Record::new(step.key.raw(), step.time.to_string(), "1", step.arrival);
            let mut ctx = Context::at(step.arrival);
            ctx.shards = [ShardProgress::reading("0", &[])].into();
            counter.process(&Batch::new("s", "0", vec![record]), &mut ctx).unwrap();
            counter.tick(&mut ctx).unwrap();
            assert_eq!(
                (counter.watermark(), counter.take_completed()),
                (step.watermark, step.completed.clone())
            );
        }
        assert_eq!((counter.late().count(), counter.windows()), (trace.late(), trace.open()));
        assert_eq!(counter.refused().count(), Meters::of(trace.steps(), &trace.open()).refused);
    }
}

#[test]
fn its_text_says_what_each_event_did() {
    let trace = trace(5, &[("a", 50, 51), ("b", 70, 71), ("c", 55, 75), ("d", 2_000, 80)]);
    let text = trace.figure().text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["A watermark with a lateness of 5 s", "(UTC; windows of 60 s)"]);
    assert_eq!(
        lines[3..7],
        [
            "2018-09-06 08:00:50 (a) came at 08:00:51: watermark 08:00:45",
            "2018-09-06 08:01:10 (b) came at 08:01:11: watermark 08:01:05; completes 08:00:00 with 1",
            "2018-09-06 08:00:55 (c) came at 08:01:15: watermark 08:01:05; too late for 08:00:00",
            "2018-09-06 08:33:20 (d) came at 08:01:20: watermark 08:01:05; refused, from the future",
        ]
    );
    assert_eq!(
        lines[8..],
        ["waiting: a count comes 11 s after its window's end, on average", "loss: 1 of 3 too late"]
    );
}

#[test]
fn strangers_words_end_no_script_and_command_no_kernel() {
    let key = "</script><script>alert(1)</script><!-- \u{2028} EVCXR_END_CONTENT \u{1b}[31m";
    let trace = trace(0, &[(key, 10, 11)]);
    let figure = trace.figure();
    let html = figure.html();
    assert_eq!((html.matches("<script").count(), html.matches("</script").count()), (1, 1));
    assert!(!html.contains("<!--") && !html.contains('\u{1b}'));
    assert_eq!(figure.bundle().matches("EVCXR_END_CONTENT").count(), 3, "its own");
    assert!(!figure.text().contains("EVCXR_"));
}

#[test]
fn times_that_no_axis_holds_and_thousands_of_events_are_drawn_all_the_same() {
    let micros = Duration::from_micros;
    for size in [micros(1), micros(60_000_000), Duration::MAX] {
        let mut far = WatermarkTrace::new(&Windows::tumbling(size), &Watermark::new(Duration::MAX));
        for (time, arrival) in [(Timestamp::MIN, at(0)), (Timestamp::MAX, at(1)), (at(2), Timestamp::MAX)] {
            far.observe("k", time, arrival);
        }
        assert!(far.figure().png().unwrap().starts_with(b"\x89PNG"));
        assert!(WatermarkTrace::new(&Windows::tumbling(size), &Watermark::new(size)).figure().png().is_ok());
    }
    let many: Vec<_> = (0..5_000).map(|n| ("k", n, n)).collect();
    let figure = trace(5, &many).figure();
    assert!(figure.text().contains("the first 200 events of 5000"));
    assert_eq!(figure.data["events"].as_array().unwrap().len(), 200);
    assert!(figure.html().len() < 200_000, "{}", figure.html().len());
}
