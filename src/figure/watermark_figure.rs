//! The figure of a [`WatermarkTrace`]: what drives its script, and its still picture. Pure.

use std::time::Duration;

use serde_json::json;

use super::figure::Figure;
use super::meters::Meters;
use super::paint::{Anchor, BLUE, COMPLETE, Drawing, FAINT_INK, GRID, INK, OPEN, Point, Stroke, VERMILLION};
use super::watermark_trace::{KEY_CHARS, TraceStep, WatermarkTrace};
use crate::text::shown;
use crate::timestamp::Timestamp;

/// More could neither be told apart nor moved.
const MAX_EVENTS: usize = 200;
const SCRIPTS: [&str; 2] = [include_str!("watermark_model.js"), include_str!("watermark_view.js")];
const SIZE: (u32, u32) = (900, 470);
/// Of the plot: left, top, right, bottom.
const PLOT: (i32, i32, i32, i32) = (90, 50, 770, 400);
/// Numbers that JavaScript has exactly.
const EXACT: i64 = 1 << 52;

impl WatermarkTrace {
    /// A figure of it, of the first 200 events. In a cell it is one that can be touched.
    ///
    /// ```
    /// use kinesis_lab::prelude::*;
    /// use kinesis_lab::{Watermark, WatermarkTrace};
    ///
    /// let noon = Timestamp::from_secs(1_536_235_200);
    /// let mut trace = WatermarkTrace::new(&Windows::tumbling(secs(60)), &Watermark::new(secs(30)));
    /// trace.observe("192.0.2.10", noon, noon + secs(2));
    /// let figure = trace.figure();
    /// assert!(figure.html().contains("<script>") && figure.png()?.starts_with(b"\x89PNG"));
    /// # Ok::<(), kinesis_lab::ChartError>(())
    /// ```
    pub fn figure(&self) -> Figure {
        of(self)
    }
}

fn of(trace: &WatermarkTrace) -> Figure {
    let steps = &trace.steps()[..trace.steps().len().min(MAX_EVENTS)];
    let shown_trace = match steps.len() == trace.steps().len() {
        true => trace.clone(),
        false => again(trace, steps),
    };
    let title = format!("A watermark with a lateness of {}", seconds(trace.lateness()));
    let mut text = format!("{title}\n(UTC; windows of {}", seconds(trace.size()));
    if trace.slide() < trace.size() {
        text += &format!(", one every {}", seconds(trace.slide()));
    }
    if steps.len() < trace.steps().len() {
        text += &format!("; the first {} events of {}", steps.len(), trace.steps().len());
    }
    text += ")\n\n";
    text += &match steps {
        [] => "no events yet".to_owned(),
        _ => format!("{shown_trace}\n\n{}", in_words(&shown_trace)),
    };
    Figure { drawing: still(&shown_trace, &title), data: data(&shown_trace), title, text, scripts: &SCRIPTS }
}

/// The trace of these steps alone.
fn again(trace: &WatermarkTrace, steps: &[TraceStep]) -> WatermarkTrace {
    let windows = crate::count::Windows::sliding(trace.size(), trace.slide());
    let mut fewer = WatermarkTrace::new(&windows, &crate::count::Watermark::new(trace.lateness()));
    for step in steps {
        fewer.observe(step.key.raw(), step.time, step.arrival);
    }
    fewer
}

fn in_words(trace: &WatermarkTrace) -> String {
    let meters = Meters::of(trace.steps(), &trace.open());
    let waiting = match meters.waiting() {
        None => "no window is complete".to_owned(),
        Some(time) => format!("a count comes {} after its window's end, on average", seconds(time)),
    };
    format!("waiting: {waiting}\nloss: {} of {} too late", meters.late, meters.late + meters.counted)
}

/// `30 s`, `0.25 s`.
fn seconds(time: Duration) -> String {
    format!("{} s", (time.as_secs_f64() * 100.0).round() / 100.0)
}

/// What the scripts are told: times in microseconds from `base`, a multiple of the slide from which all windows are
/// aligned as from the epoch.
pub(super) fn data(trace: &WatermarkTrace) -> serde_json::Value {
    let base = base(trace);
    let micros = |time: Timestamp| time.as_micros().saturating_sub(base).clamp(-EXACT, EXACT);
    let span = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(EXACT).min(EXACT);
    let events: Vec<_> = trace
        .steps()
        .iter()
        .map(|step| {
            json!({ "key": shown(step.key.raw(), KEY_CHARS), "time": micros(step.time), "arrival": micros(step.arrival) })
        })
        .collect();
    json!({
        "base": base.div_euclid(1_000), "size": span(trace.size()), "slide": span(trace.slide()),
        "lateness": span(trace.lateness()), "events": events,
    })
}

/// In microseconds since the epoch.
pub(super) fn base(trace: &WatermarkTrace) -> i64 {
    let slide = i64::try_from(trace.slide().as_micros()).unwrap_or(i64::MAX).max(1);
    let first = trace.steps().first().map_or(0, |step| step.arrival.as_micros());
    first - first.rem_euclid(slide)
}

/// The axes: processing time to the right, event time upwards.
struct Axes {
    x: (i64, i64),
    y: (i64, i64),
}

impl Axes {
    fn of(trace: &WatermarkTrace) -> Axes {
        let steps = trace.steps();
        let arrivals = steps.iter().map(|step| step.arrival.as_micros());
        let (first, last) = (arrivals.clone().min().unwrap_or(0), arrivals.max().unwrap_or(0));
        let size = i64::try_from(trace.size().as_micros()).unwrap_or(i64::MAX / 8).min(i64::MAX / 8);
        let span = (last - first).max(size);
        // One that is older by more than all that is shown stands at the edge.
        let oldest =
            steps.iter().map(|step| step.time.as_micros()).filter(|time| *time > first - 2 * span).min();
        let bottom = oldest.unwrap_or(first).min(first);
        let slide = i64::try_from(trace.slide().as_micros()).unwrap_or(i64::MAX / 8).clamp(1, i64::MAX / 8);
        Axes {
            x: (first - span / 25, last.max(first + size / 4) + span / 25),
            y: (bottom - bottom.rem_euclid(slide), last - last.rem_euclid(slide) + size),
        }
    }

    fn x(&self, time: Timestamp) -> i32 {
        PLOT.0 + along(time, self.x, PLOT.2 - PLOT.0)
    }

    fn y(&self, time: Timestamp) -> i32 {
        PLOT.3 - along(time, self.y, PLOT.3 - PLOT.1)
    }
}

fn along(time: Timestamp, (from, to): (i64, i64), pixels: i32) -> i32 {
    let part = (time.as_micros() as f64 - from as f64) / (to as f64 - from as f64).max(1.0);
    (part.clamp(0.0, 1.0) * f64::from(pixels)).round() as i32
}

fn still(trace: &WatermarkTrace, title: &str) -> Drawing {
    let mut marks = vec![Stroke::Text((PLOT.0, 22), Anchor::Left, 20, INK, title.to_owned())];
    let axes = Axes::of(trace);
    if trace.slide() == trace.size() {
        bands(trace, &axes, &mut marks);
    }
    frame(trace, &axes, &mut marks);
    // Where event time is processing time.
    let (first, last) = (axes.x.0.max(axes.y.0), axes.x.1.min(axes.y.1));
    let on_time = |part: i64| {
        let time = Timestamp::from_micros(first + (last - first) / 40 * part);
        (axes.x(time), axes.y(time))
    };
    marks.extend(
        (0..40).step_by(2).map(|part| Stroke::Line(vec![on_time(part), on_time(part + 1)], 1, FAINT_INK)),
    );
    let mut line: Vec<Point> = Vec::new();
    for step in trace.steps().iter().filter(|step| step.watermark > Timestamp::MIN) {
        let x = axes.x(step.arrival);
        line.extend(line.last().map(|(_, y)| (x, *y)));
        line.push((x, axes.y(step.watermark)));
    }
    line.extend(line.last().map(|(_, y)| (PLOT.2, *y)));
    // Its name stands below its longest step.
    let longest = line.windows(2).max_by_key(|pair| pair[1].0 - pair[0].0);
    if let Some(&[(from, y), (to, _)]) = longest {
        let below = if y + 14 < PLOT.3 { y + 14 } else { y - 12 };
        marks.push(Stroke::Text(((from + to) / 2, below), Anchor::Center, 14, INK, "watermark".into()));
    }
    marks.push(Stroke::Line(line, 2, INK));
    for step in trace.steps() {
        let at = (axes.x(step.arrival), axes.y(step.time));
        marks.push(match step.refused || !step.late.is_empty() {
            true => Stroke::Cross(at, 6, VERMILLION),
            false => Stroke::Circle(at, 6, BLUE),
        });
    }
    let words = in_words(trace).replace('\n', "; ");
    marks.push(Stroke::Text((PLOT.0, 450), Anchor::Left, 16, INK, words));
    Drawing { size: SIZE, marks }
}

/// A window from its first event on, and from its completion on, with its count beside.
fn bands(trace: &WatermarkTrace, axes: &Axes, marks: &mut Vec<Stroke>) {
    let completed = trace
        .steps()
        .iter()
        .flat_map(|step| step.completed.iter().map(move |window| (window.clone(), Some(step.arrival))));
    let open = trace.open().into_iter().map(|window| (window, None));
    let all: Vec<_> = completed.chain(open).collect();
    for (window, closed) in &all {
        let within = |step: &&TraceStep| window.start <= step.time && step.time < window.end && !step.refused;
        let Some(first) = trace.steps().iter().find(within) else { continue };
        let (top, bottom) = (axes.y(window.end), axes.y(window.start));
        let closes = closed.map_or(PLOT.2, |arrival| axes.x(arrival));
        marks.push(Stroke::Rect((axes.x(first.arrival), top), (closes, bottom), OPEN));
        marks.push(Stroke::Rect((closes, top), (PLOT.2, bottom), COMPLETE));
        // Windows that are a few pixels high have no room for words.
        if bottom - top >= 16 {
            let state = if closed.is_some() { "complete" } else { "open" };
            let words = format!("{} · {state}", window.total());
            marks.push(Stroke::Text((PLOT.2 + 10, (top + bottom) / 2), Anchor::Left, 16, INK, words));
        }
    }
}

fn frame(trace: &WatermarkTrace, axes: &Axes, marks: &mut Vec<Stroke>) {
    let slide = i64::try_from(trace.slide().as_micros()).unwrap_or(i64::MAX).max(1);
    let clock = |micros: i64| Timestamp::from_micros(micros).plain(0)[11..].to_owned();
    let every = ((axes.y.1 - axes.y.0) / slide / 8 + 1).saturating_mul(slide);
    for n in 0..=8 {
        let edge = axes.y.0.saturating_add(every.saturating_mul(n));
        if edge <= axes.y.1 {
            let y = axes.y(Timestamp::from_micros(edge));
            marks.push(Stroke::Line(vec![(PLOT.0, y), (PLOT.2, y)], 1, GRID));
            marks.push(Stroke::Text((PLOT.0 - 8, y), Anchor::Right, 14, FAINT_INK, clock(edge)));
        }
    }
    let apart = round_up((axes.x.1 - axes.x.0) / 7);
    for n in 0..=8 {
        let time = (axes.x.0.div_euclid(apart) + 1 + n).saturating_mul(apart);
        if time <= axes.x.1 {
            let x = axes.x(Timestamp::from_micros(time));
            marks.push(Stroke::Line(vec![(x, PLOT.3), (x, PLOT.3 + 4)], 1, FAINT_INK));
            marks.push(Stroke::Text((x, PLOT.3 + 14), Anchor::Center, 14, FAINT_INK, clock(time)));
        }
    }
    marks.push(Stroke::Line(vec![(PLOT.0, PLOT.1), (PLOT.0, PLOT.3), (PLOT.2, PLOT.3)], 1, FAINT_INK));
    marks.push(Stroke::Text((PLOT.2, PLOT.3 + 32), Anchor::Right, 14, FAINT_INK, "processing time".into()));
    marks.push(Stroke::Text((PLOT.0 - 8, PLOT.1 - 18), Anchor::Right, 14, FAINT_INK, "event time".into()));
}

/// The smallest time that reads well on an axis and is no less.
fn round_up(micros: i64) -> i64 {
    const SECONDS: [i64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 21_600];
    let found = SECONDS.iter().map(|seconds| seconds * 1_000_000).find(|step| *step >= micros);
    found.unwrap_or_else(|| (micros / 86_400_000_000 + 1) * 86_400_000_000)
}
