//! The layout of a picture: which rectangles and texts, and where. Pure, so that tests can ask
//! whether labels overlap; `paint` only carries it out.

use super::panel::{Column, Panel, Series};
use super::scale::{Slots, TimeFormat, date, round_micros, short, slots, ticks};
use crate::text::{grouped, shorten};

pub(super) type Color = (u8, u8, u8);

/// Okabe and Ito's palette, which people with any colour vision can tell apart. Its yellow comes
/// last, being hard to see on white.
const PALETTE: [Color; 8] = [
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (213, 94, 0),
    (204, 121, 167),
    (86, 180, 233),
    (70, 70, 70),
    (240, 228, 66),
];
const OTHERS: Color = (190, 190, 190);
/// Late events: black, which no key has.
const LATE: Color = (0, 0, 0);
const INK: Color = (34, 34, 34);
const FAINT_INK: Color = (95, 95, 95);
const GRID: Color = (228, 228, 228);
const AXIS: Color = (120, 120, 120);

const MARGIN: i32 = 18;
/// Narrower bars side by side cannot be compared by eye; they are stacked instead.
const MIN_GROUPED_BAR: i32 = 6;
const MAX_BAR: i32 = 80;
const MIN_SLOT: i32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Center,
    Right,
}

/// In the order of painting.
#[derive(Debug)]
pub(super) enum Mark {
    /// From the upper left corner, as wide and as high as said.
    Rect { x: i32, y: i32, width: i32, height: i32, color: Color },
    /// `y` is the baseline.
    Text { x: i32, y: i32, align: Align, font: Font, color: Color, text: String },
}

/// The height of a line in pixels, as the painter takes it. Even numbers: see `paint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Font {
    pub(super) size: i32,
    pub(super) bold: bool,
}

const TITLE: Font = Font { size: 22, bold: true };
const LABEL: Font = Font { size: 16, bold: false };
const SMALL: Font = Font { size: 14, bold: false };

#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) marks: Vec<Mark>,
}

impl Scene {
    /// Another scene, so many pixels lower.
    pub(super) fn add(&mut self, other: Scene, lower: i32) {
        self.marks.extend(other.marks.into_iter().map(|mark| match mark {
            Mark::Rect { x, y, width, height, color } => Mark::Rect { x, y: y + lower, width, height, color },
            Mark::Text { x, y, align, font, color, text } => {
                Mark::Text { x, y: y + lower, align, font, color, text }
            }
        }));
    }

    fn rect(&mut self, x: i32, y: i32, width: i32, height: i32, color: Color) {
        if width > 0 && height > 0 {
            self.marks.push(Mark::Rect { x, y, width, height, color });
        }
    }

    fn text(&mut self, x: i32, y: i32, align: Align, font: Font, color: Color, text: impl Into<String>) {
        self.marks.push(Mark::Text { x, y, align, font, color, text: text.into() });
    }
}

/// The rectangle in which the bars stand.
#[derive(Clone, Copy)]
struct Plot {
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
}

impl Plot {
    /// Pixels from the bottom; exact for any `u128`, and at least 1 for what is not 0.
    fn height(self, count: u128, max: u128) -> i32 {
        let full = (self.bottom - self.top) as f64;
        let height = (count as f64 / max.max(1) as f64 * full).round() as i32;
        if count > 0 { height.max(1) } else { 0 }
    }
}

/// `width` measures a text in pixels.
pub(super) fn layout(panel: &Panel, size: (u32, u32), width: &dyn Fn(&str, Font) -> i32) -> Scene {
    let mut scene = Scene::default();
    let (right, bottom) = (size.0 as i32, size.1 as i32);
    scene.rect(0, 0, right, bottom, (255, 255, 255));
    let title = fit(&panel.title, TITLE, right - 2 * MARGIN, width);
    scene.text(MARGIN, 34, Align::Left, TITLE, INK, title);

    let series = panel.series();
    let legend_end = legend(&mut scene, &series, right, width);
    let day = |column: Option<&Column>| column.map(|column| date(column.start));
    let below = if day(panel.columns.first()) == day(panel.columns.last()) { 50 } else { 66 };
    let mut plot = Plot { left: MARGIN, right: right - MARGIN, top: legend_end + 44, bottom: bottom - below };
    if panel.columns.is_empty() {
        let middle = (plot.top + plot.bottom) / 2;
        scene.rect(plot.left, plot.bottom, plot.right - plot.left, 1, AXIS);
        scene.text(right / 2, middle, Align::Center, LABEL, FAINT_INK, "no events yet");
        return scene;
    }

    // The width of the labels on the left is not known before the highest bar is, nor that before the
    // number of places; 80 pixels are as much as the labels can take.
    let max_slots = ((plot.right - plot.left - 80) / MIN_SLOT).max(1) as usize;
    let axis = slots(&panel.columns, max_slots, &|column| series.counts(column));
    let count = axis.slots.len() as i32;
    let bars = series.names.len().max(1) as i32;
    let room = |plot: Plot| (plot.right - plot.left) / count;
    let grouped_bars =
        bars == 1 || room(Plot { left: MARGIN + 80, ..plot }) * 4 / 5 / bars >= MIN_GROUPED_BAR;

    let counts = || axis.slots.iter().filter_map(|slot| slot.counts.as_deref());
    let highest = if grouped_bars {
        counts().flatten().copied().max().unwrap_or(0)
    } else {
        counts().map(|counts| counts.iter().sum()).max().unwrap_or(0)
    };
    let ticks = ticks(highest, ((plot.bottom - plot.top) / 44).max(2) as u128);
    let top_tick = ticks.last().copied().unwrap_or(1);
    let labels: Vec<String> = ticks.iter().map(|tick| short(*tick)).collect();
    plot.left += labels.iter().map(|label| width(label, LABEL)).max().unwrap_or(0) + 10;

    scene.text(MARGIN, plot.top - 14, Align::Left, SMALL, FAINT_INK, "requests");
    for (tick, label) in ticks.iter().zip(labels) {
        let y = plot.bottom - plot.height(*tick, top_tick);
        scene.rect(plot.left, y, plot.right - plot.left, 1, if *tick == 0 { AXIS } else { GRID });
        scene.text(plot.left - 8, y + 5, Align::Right, LABEL, FAINT_INK, label);
    }

    let slot_width = (plot.right - plot.left) as f64 / count as f64;
    let center = |i: usize| plot.left + ((i as f64 + 0.5) * slot_width) as i32;
    let spare = if slot_width < 12.0 { 1.0 } else { slot_width / 5.0 };
    let group = (slot_width - spare) as i32;
    if grouped_bars {
        let bar = (group / bars).clamp(1, MAX_BAR);
        // A number on each bar, if every one has room.
        let widest = counts().flatten().map(|count| width(&grouped(count), SMALL)).max().unwrap_or(0);
        let numbered = widest + 4 <= bar;
        for (i, slot) in axis.slots.iter().enumerate() {
            let left = center(i) - bar * bars / 2;
            for (k, count) in slot.counts.iter().flatten().enumerate() {
                let height = plot.height(*count, top_tick);
                let x = left + bar * k as i32;
                // A line of the background keeps neighbours apart.
                scene.rect(
                    x,
                    plot.bottom - height,
                    bar - i32::from(bar > 3 && bars > 1),
                    height,
                    color(k, &series),
                );
                if numbered && *count > 0 {
                    let y = plot.bottom - height - 5;
                    scene.text(x + bar / 2, y, Align::Center, SMALL, INK, grouped(count));
                }
            }
        }
    } else {
        // Bars this narrow touch one another; gaps would only make stripes.
        let touching = slot_width < 6.0;
        let edge = |i: usize| plot.left + (i as f64 * slot_width) as i32;
        let bar = group.clamp(1, MAX_BAR);
        for (i, slot) in axis.slots.iter().enumerate() {
            let (x, wide) =
                if touching { (edge(i), edge(i + 1) - edge(i)) } else { (center(i) - bar / 2, bar) };
            let mut sum = 0;
            let mut y = plot.bottom;
            for (k, count) in slot.counts.iter().flatten().enumerate() {
                sum += count;
                // From sums, so that rounding does not add up.
                let top = plot.bottom - plot.height(sum, top_tick);
                scene.rect(x, top, wide, y - top, color(k, &series));
                y = top;
            }
        }
    }
    time_labels(&mut scene, &axis, plot, &center, width);
    scene
}

/// Below the title, in at most three rows. Gives its lower edge.
fn legend(scene: &mut Scene, series: &Series, right: i32, width: &dyn Fn(&str, Font) -> i32) -> i32 {
    const ROWS: usize = 3;
    const BESIDE: i32 = 18 + 22;
    let room = right - 2 * MARGIN;
    let names = &series.names;
    let cut = |pixels: i32| names.iter().map(|name| fit(name, LABEL, pixels, width)).collect();
    let mut labels: Vec<String> = cut(room - BESIDE);
    let mut places = flow(&labels, right, width);
    if places.last().is_some_and(|(_, row)| *row >= ROWS as i32) {
        // Names this short are sure to fit.
        labels = cut(room / names.len().div_ceil(ROWS) as i32 - BESIDE);
        places = flow(&labels, right, width);
    }
    for (i, (label, (x, row))) in labels.iter().zip(&places).enumerate() {
        let y = 62 + 21 * row;
        scene.rect(*x, y - 11, 12, 12, color(i, series));
        scene.text(x + 18, y, Align::Left, LABEL, INK, label.as_str());
    }
    places.last().map_or(40, |(_, row)| 62 + 21 * row)
}

/// From left to right, and on the next row when there is no more room: each label's x and row.
fn flow(labels: &[String], right: i32, width: &dyn Fn(&str, Font) -> i32) -> Vec<(i32, i32)> {
    let (mut x, mut row) = (MARGIN, 0);
    let mut places = Vec::new();
    for label in labels {
        let needed = 18 + width(label, LABEL);
        if x > MARGIN && x + needed > right - MARGIN {
            (x, row) = (MARGIN, row + 1);
        }
        places.push((x, row));
        x += needed + 22;
    }
    places
}

fn color(i: usize, series: &Series) -> Color {
    match i {
        i if i < series.named => PALETTE[i % PALETTE.len()],
        i if i < series.named + series.others => OTHERS,
        _ => LATE,
    }
}

/// The starts of the windows under the axis, as many as fit, and the dates under them.
fn time_labels(
    scene: &mut Scene,
    axis: &Slots,
    plot: Plot,
    center: &dyn Fn(usize) -> i32,
    width: &dyn Fn(&str, Font) -> i32,
) {
    let format = TimeFormat::of(&axis.slots);
    let labels: Vec<String> = axis.slots.iter().map(|slot| format.clock(slot.start)).collect();
    let widest = labels.iter().map(|label| width(label, LABEL)).max().unwrap_or(0);
    let slot_width = (plot.right - plot.left) as f64 / labels.len() as f64;
    let fitting = (f64::from(widest + 14) / slot_width).ceil() as i64;
    let chosen = choose(axis, fitting);

    let half_day = width("0000-00-00", SMALL) / 2;
    let mut last_date = (String::new(), i32::MIN / 2);
    for i in chosen {
        let label = &labels[i];
        let half = width(label, LABEL) / 2;
        let inside = |x: i32, half: i32| x.clamp(4 + half, plot.right + MARGIN - 4 - half);
        let x = inside(center(i), half);
        scene.rect(center(i), plot.bottom + 1, 1, 4, AXIS);
        scene.text(x, plot.bottom + 20, Align::Center, LABEL, FAINT_INK, label);
        let date = date(axis.slots[i].start);
        if format.several_days && !format.days && date != last_date.0 && x - last_date.1 > 2 * half_day + 10 {
            let x = inside(x, half_day);
            scene.text(x, plot.bottom + 37, Align::Center, SMALL, FAINT_INK, date.as_str());
            last_date = (date, x);
        }
    }

    let mut caption = match axis.slots.first() {
        Some(slot) if !format.several_days => format!("start of window, {}, UTC", date(slot.start)),
        _ => "start of window, UTC".to_owned(),
    };
    if axis.merged > 1 {
        caption += &format!("; each bar sums up {} windows", grouped(axis.merged));
    }
    if axis.gaps_left_out {
        caption += "; windows without events left out";
    }
    let caption = fit(&caption, SMALL, plot.right - MARGIN, width);
    let y = plot.bottom + if format.several_days && !format.days { 56 } else { 40 };
    scene.text(plot.right, y, Align::Right, SMALL, FAINT_INK, caption);
}

/// Which places get a label: every `fitting`-th or fewer, at round times where places are regular.
fn choose(axis: &Slots, fitting: i64) -> Vec<usize> {
    let fitting = fitting.max(1);
    let count = axis.slots.len();
    let every = |stride: i64| (0..count).step_by(stride.try_into().unwrap_or(count)).collect();
    if axis.step == 0 || fitting == 1 {
        return every(fitting);
    }
    let Some(round) = round_micros(axis.step, fitting) else { return every(fitting) };
    // Windows may start at five past each hour; then "round" is 12:05, 18:05.
    let step = axis.step;
    let at = |i: &usize| axis.slots[*i].start.as_micros().div_euclid(step) % (round / step) == 0;
    let chosen: Vec<usize> = (0..count).filter(at).collect();
    if chosen.len() < 2 { every(fitting) } else { chosen }
}

/// The text, cut to a number of pixels.
fn fit(text: &str, font: Font, pixels: i32, width: &dyn Fn(&str, Font) -> i32) -> String {
    let mut chars = text.chars().count();
    loop {
        let short = shorten(text, chars);
        if chars <= 1 || width(&short, font) <= pixels {
            return short.into_owned();
        }
        chars -= 1;
    }
}
