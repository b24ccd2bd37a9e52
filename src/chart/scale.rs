//! Where windows stand on the time axis, and which numbers stand on the other. Pure.

use std::time::Duration;

use super::panel::{Panel, Series, TimeAxis};
use crate::text::grouped;
use crate::timestamp::Timestamp;

/// The time axis: places from left to right, each with a window or empty.
pub(super) struct Slots {
    pub(super) slots: Vec<AxisSlot>,
    /// More windows than places: each place holds the sum of this many (1 otherwise).
    pub(super) merged: usize,
    /// Empty windows have no place, since they would have taken most of the room.
    pub(super) gaps_left_out: bool,
    /// Microseconds from one place to the next; 0 when there is just one, or gaps are left out.
    pub(super) step: i64,
    /// From one window's start to the next one's, in microseconds; 0 when there is just one.
    window_step: i64,
}

/// A shared axis has at most so many places before they are summed up: beyond, each chart keeps its own.
const MAX_SHARED: i64 = 20_000;

impl Slots {
    /// Whether windows were left out between these two.
    pub(super) fn apart(&self, before: &AxisSlot, after: &AxisSlot) -> bool {
        self.gaps_left_out && after.start.as_micros() - before.start.as_micros() > self.window_step
    }
}

pub(super) struct AxisSlot {
    pub(super) start: Timestamp,
    /// One count for each series; `None` for a window in which nothing happened.
    pub(super) counts: Option<Vec<u128>>,
    /// There would be a window here if anything had happened.
    pub(super) quiet: bool,
}

/// From one window's start to the next one's, in microseconds: the largest step that leads to all of them.
fn window_step(panel: &Panel) -> i64 {
    let starts = panel.columns.windows(2).map(|pair| pair[1].start.as_micros() - pair[0].start.as_micros());
    starts.fold(0, gcd)
}

/// The time axis that holds all of these. `None` where there is no such axis, or none that could be drawn.
pub(super) fn shared(panels: &[&Panel]) -> Option<TimeAxis> {
    let ends = |panel: &&Panel| Some((panel.columns.first()?.start, panel.columns.last()?.start));
    let ends: Vec<(Timestamp, Timestamp)> = panels.iter().filter_map(ends).collect();
    let (first, last) = ends.iter().copied().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    let from_first = ends.iter().map(|(start, _)| start.as_micros() - first.as_micros());
    let step = panels.iter().map(|panel| window_step(panel)).chain(from_first).fold(0, gcd);
    // Windows that begin a microsecond apart have no axis in common.
    let places = if step == 0 { 1 } else { 1 + (last.as_micros() - first.as_micros()) / step };
    (places <= MAX_SHARED).then_some(TimeAxis { first, last, step })
}

/// Puts the windows on at most `max` places.
pub(super) fn slots(panel: &Panel, series: &Series, max: usize) -> Slots {
    let columns = &panel.columns;
    let window_step = window_step(panel);
    let Some((own_first, own_last)) = columns.first().zip(columns.last()) else {
        return Slots { slots: Vec::new(), merged: 1, gaps_left_out: false, step: 0, window_step };
    };
    let span =
        panel.span.unwrap_or(TimeAxis { first: own_first.start, last: own_last.start, step: window_step });
    let (first, step) = (span.first.as_micros(), span.step);
    let places = if step == 0 { 1 } else { 1 + (span.last.as_micros() - first) / step };
    // A few gaps show when it was quiet; when most places would be gaps there is nothing to see.
    let keep_gaps = panel.span.is_some() || places <= 2 * columns.len() as i64 + 2;

    let mut slots = Vec::with_capacity(columns.len());
    // Places before `place` that have no window.
    let fill = |slots: &mut Vec<AxisSlot>, place: i64| {
        for missed in slots.len() as i64..place {
            let start = Timestamp::from_micros(first + missed * step);
            let within = own_first.start < start && start < own_last.start;
            let from_own = start.as_micros() - own_first.start.as_micros();
            let quiet = within && window_step > 0 && from_own % window_step == 0;
            slots.push(AxisSlot { start, counts: None, quiet });
        }
    };
    for column in columns {
        if keep_gaps && step > 0 {
            fill(&mut slots, (column.start.as_micros() - first) / step);
        }
        slots.push(AxisSlot { start: column.start, counts: Some(series.counts(column)), quiet: false });
    }
    if keep_gaps {
        fill(&mut slots, places);
    }
    let mut merged = slots.len().div_ceil(max.max(1));
    if merged > 1 {
        match round_micros(step, merged as i64).filter(|_| keep_gaps) {
            // Whole hours or days rather than every 39 minutes.
            Some(round) => {
                merged = (round / step) as usize;
                let start =
                    |slot: &AxisSlot| slot.start.truncate(Duration::from_micros(round.unsigned_abs()));
                let chunks = slots.chunk_by(|a, b| start(a) == start(b));
                slots = chunks.map(|s| merge(start(&s[0]), s, panel.as_lines)).collect();
            }
            None => {
                slots = slots.chunks(merged).map(|s| merge(s[0].start, s, panel.as_lines)).collect();
            }
        }
    }
    Slots {
        slots,
        merged,
        gaps_left_out: !keep_gaps,
        step: if keep_gaps { step.saturating_mul(merged as i64) } else { 0 },
        window_step: window_step.saturating_mul(merged as i64),
    }
}

/// The first round time span (5 minutes, 6 hours, …) of at least `steps` steps, in microseconds.
pub(super) fn round_micros(step: i64, steps: i64) -> Option<i64> {
    const ROUND_SECS: [i64; 19] = [
        1, 5, 10, 15, 30, 60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800,
        604_800, 2_592_000,
    ];
    let micros = |secs: i64| secs * 1_000_000;
    ROUND_SECS.into_iter().map(micros).find(|m| step > 0 && m % step == 0 && m / step >= steps)
}

/// Bars sum up their windows. A line's points are compared with a window's threshold, and are the highest of them.
fn merge(start: Timestamp, slots: &[AxisSlot], highest: bool) -> AxisSlot {
    let both = |a: &u128, b: &u128| if highest { *a.max(b) } else { a + b };
    let counts = slots.iter().filter_map(|slot| slot.counts.as_ref()).fold(None, |all, counts| match all {
        None => Some(counts.clone()),
        Some(all) => Some(Vec::from_iter(all.iter().zip(counts).map(|(a, b): (&u128, &u128)| both(a, b)))),
    });
    AxisSlot { start, counts, quiet: slots.iter().any(|slot| slot.quiet) }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Whole numbers from 0 to at least `max`, at a distance of 1, 2 or 5 times a power of ten, some
/// `wanted` of them.
pub(super) fn ticks(max: u128, wanted: u128) -> Vec<u128> {
    let max = max.max(1);
    let mut step = 1;
    'found: for power in (0..).map(|exponent| 10u128.pow(exponent)) {
        for factor in [1, 2, 5] {
            step = factor * power;
            if max.div_ceil(step) <= wanted.max(2) {
                break 'found;
            }
        }
    }
    (0..=max.div_ceil(step)).map(|i| i * step).collect()
}

/// `950`, `12,000`, `1.5 M`: short enough for an axis.
pub(super) fn short(number: u128) -> String {
    const UNITS: [&str; 6] = ["M", "G", "T", "P", "E", "Z"];
    if number < 1_000_000 {
        return grouped(number);
    }
    let mut unit = 1_000_000u128;
    let mut name = 0;
    while number / unit >= 1_000 && name + 1 < UNITS.len() {
        unit *= 1_000;
        name += 1;
    }
    match number % unit / (unit / 10) {
        0 => format!("{} {}", grouped(number / unit), UNITS[name]),
        tenth => format!("{}.{tenth} {}", grouped(number / unit), UNITS[name]),
    }
}

/// How the starts of windows are written: no finer than they differ.
#[derive(Clone, Copy)]
pub(super) struct TimeFormat {
    pub(super) seconds: bool,
    /// Each starts at midnight: the date says it all.
    pub(super) days: bool,
    pub(super) several_days: bool,
}

impl TimeFormat {
    pub(super) fn of(slots: &[AxisSlot]) -> TimeFormat {
        let all = |unit: i64| slots.iter().all(|slot| slot.start.as_micros().rem_euclid(unit) == 0);
        let day = |slot: &AxisSlot| date(slot.start);
        TimeFormat {
            seconds: !all(60_000_000),
            days: slots.len() > 1 && all(86_400_000_000),
            several_days: slots.first().map(day) != slots.last().map(day),
        }
    }

    /// `08:04`, `08:04:30` or, for days, `2018-09-06`.
    pub(super) fn clock(self, time: Timestamp) -> String {
        match self {
            TimeFormat { days: true, .. } => date(time),
            TimeFormat { seconds: true, .. } => time.plain(0)[11..].to_owned(),
            _ => time.plain(0)[11..16].to_owned(),
        }
    }
}

/// `2018-09-06`.
pub(super) fn date(time: Timestamp) -> String {
    time.plain(0)[..10].to_owned()
}
