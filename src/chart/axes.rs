//! What stands at the axes: numbers on the left, times below, lines to compare with.

use super::palette::{AXIS, FAINT_INK, GRID, INK};
use super::panel::{Line, Panel};
use super::plot::Plot;
use super::scale::{Slots, TimeFormat, date, round_micros, short};
use super::scene::{Align, Measure, Scene, fit};
use super::spacing::Spacing;
use crate::text::grouped;

/// The longest label of a line takes so much of the picture's width, at most.
const LINE_LABEL: i32 = 4;
/// From the baseline of a line's label to the next one's, at least.
const LINE_PITCH: i32 = 17;

/// How much room the labels of the lines need on the right.
pub(super) fn line_room(lines: &[Line], width: i32, spacing: &Spacing, measure: Measure) -> i32 {
    let widest = lines.iter().map(|line| measure(&line.name(), spacing.small)).max();
    widest.map_or(0, |widest| (widest + 10).min(width / LINE_LABEL))
}

/// Dashed, over the bars. The labels stand right of the plot, where there is nothing else, and one above the other
/// where their lines are closer than a label is high.
pub(super) fn lines(scene: &mut Scene, lines: &[Line], plot: Plot, room: i32, measure: Measure) {
    const DASH: i32 = 6;
    let y_of = |line: &Line| plot.bottom - plot.height(u128::from(line.at));
    let mut baselines: Vec<i32> = Vec::new();
    for line in lines {
        let highest = baselines.last().map_or(i32::MAX, |below| below - LINE_PITCH);
        baselines.push((y_of(line) + 5).min(highest));
    }
    for (line, baseline) in lines.iter().zip(baselines) {
        let y = y_of(line);
        for x in (plot.left..plot.right).step_by(2 * DASH as usize) {
            scene.rect(x, y - 1, DASH.min(plot.right - x), 2, INK);
        }
        let label = fit(&line.name(), plot.spacing.small, room - 10, measure);
        scene.text(plot.right + 8, baseline, Align::Left, plot.spacing.small, INK, label);
    }
}

/// The numbers on the left, and a thin line at each.
pub(super) fn counts(scene: &mut Scene, ticks: &[u128], plot: Plot) {
    for tick in ticks {
        let y = plot.bottom - plot.height(*tick);
        scene.rect(plot.left, y, plot.right - plot.left, 1, if *tick == 0 { AXIS } else { GRID });
        scene.text(plot.left - 8, y + 5, Align::Right, plot.spacing.label, FAINT_INK, short(*tick));
    }
}

/// The starts of the windows under the axis, as many as fit, and the dates under them.
pub(super) fn times(scene: &mut Scene, axis: &Slots, panel: &Panel, plot: Plot, width: Measure) {
    let (right, spacing) = (panel.size.0 as i32, plot.spacing);
    let format = TimeFormat::of(&axis.slots);
    let labels: Vec<String> = axis.slots.iter().map(|slot| format.clock(slot.start)).collect();
    let widest = labels.iter().map(|label| width(label, spacing.label)).max().unwrap_or(0);
    let fitting = (f64::from(widest + 14) / plot.place_width()).ceil() as i64;
    let chosen = choose(axis, fitting);

    let half_day = width("0000-00-00", spacing.small) / 2;
    let mut last_date = (String::new(), i32::MIN / 2);
    for i in chosen {
        let label = &labels[i];
        let half = width(label, spacing.label) / 2;
        let inside = |x: i32, half: i32| x.clamp(4 + half, right - 4 - half);
        let x = inside(plot.center(i), half);
        scene.rect(plot.center(i), plot.bottom + 1, 1, 4, AXIS);
        scene.text(x, plot.bottom + spacing.time_line, Align::Center, spacing.label, FAINT_INK, label);
        let date = date(axis.slots[i].start);
        if format.several_days && !format.days && date != last_date.0 && x - last_date.1 > 2 * half_day + 10 {
            let x = inside(x, half_day);
            let y = plot.bottom + spacing.date_line;
            scene.text(x, y, Align::Center, spacing.small, FAINT_INK, date.as_str());
            last_date = (date, x);
        }
    }

    let caption = caption(axis, panel, format, width);
    let y = plot.bottom + spacing.caption(format.several_days && !format.days);
    scene.text(right - spacing.margin, y, Align::Right, spacing.small, FAINT_INK, caption);
}

/// What the axes show, and what the bars don't.
fn caption(axis: &Slots, panel: &Panel, format: TimeFormat, width: Measure) -> String {
    let (spacing, right) = (panel.spacing, panel.size.0 as i32);
    let day = match axis.slots.first() {
        Some(slot) if !format.several_days => format!("{}, UTC", date(slot.start)),
        _ => "UTC".to_owned(),
    };
    let mut more = String::new();
    if axis.merged > 1 {
        more += match panel.as_lines {
            true => "; each point is the highest of ",
            false => "; each bar sums up ",
        };
        more += &format!("{} windows", grouped(axis.merged));
    }
    if axis.gaps_left_out {
        more += "; windows without events left out";
    }
    for note in &panel.notes {
        more += &format!("; {note}");
    }
    // In a narrow place, what can be guessed goes first.
    let mut leads = vec!["start of window, ", ""];
    if !spacing.names_counts {
        leads.insert(0, "requests by start of window, ");
    }
    let room = right - 2 * spacing.margin;
    let whole = leads.iter().map(|lead| format!("{lead}{day}{more}"));
    let fitting = whole.clone().find(|caption| width(caption, spacing.small) <= room);
    let longest = if spacing.names_counts { 0 } else { leads.len() - 1 };
    fitting.unwrap_or_else(|| fit(&format!("{}{day}{more}", leads[longest]), spacing.small, room, width))
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
