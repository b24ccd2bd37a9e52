//! Where everything in a picture stands.

use super::palette::{AXIS, FAINT_INK, INK};
use super::panel::{Panel, Series};
use super::plot::{Colors, Plot};
use super::scale::{Slots, date, short, slots, ticks};
use super::scene::{Align, Measure, Scene, fit};
use super::{axes, bars, legend, lines};

const MIN_PLACE: i32 = 3;
/// Between the highest bar and the top: for its number, and to show that it is not cut.
const HEADROOM: i32 = 22;

/// What stands on the time axis.
struct Places {
    axis: Slots,
    /// Keys stand side by side, or are lines; else they are stacked.
    beside: bool,
    /// The highest bar, or point.
    highest: u128,
}

impl Places {
    fn of(panel: &Panel, series: &Series, measure: Measure) -> Places {
        let (right, spacing) = (panel.size.0 as i32, panel.spacing);
        // The width of the labels on the left is not known before the highest bar is, nor that before the
        // number of places; 80 pixels are as much as the labels can take.
        let room = right - 2 * spacing.margin - axes::line_room(&panel.lines, right, spacing, measure) - 80;
        let axis = slots(panel, series, (room / MIN_PLACE).max(1) as usize);
        let place = room / axis.slots.len().max(1) as i32;
        let (keys, compared) = (series.names.len().max(1) as i32, !panel.lines.is_empty());
        let beside = panel.as_lines || bars::fit_side_by_side(keys, place, compared);
        let counts = || axis.slots.iter().filter_map(|slot| slot.counts.as_deref());
        let highest = match beside {
            true => counts().flatten().copied().max().unwrap_or(0),
            false => counts().map(|counts| counts.iter().sum()).max().unwrap_or(0),
        };
        Places { axis, beside, highest }
    }
}

/// How far the axis of counts goes, but for its headroom.
pub(super) fn highest(panel: &Panel, measure: Measure) -> u128 {
    let highest = Places::of(panel, &panel.series(), measure).highest;
    panel.lines.iter().map(|line| u128::from(line.at)).fold(highest, u128::max)
}

pub(super) fn layout(panel: &Panel, series: &Series, colors: &Colors, measure: Measure) -> Scene {
    let mut scene = Scene::default();
    let (right, bottom) = (panel.size.0 as i32, panel.size.1 as i32);
    let spacing = panel.spacing;
    let title = fit(&panel.title, spacing.title, right - 2 * spacing.margin, measure);
    scene.text(spacing.margin, spacing.title_line, Align::Left, spacing.title, INK, title);

    let legend_end = legend::draw(&mut scene, series, colors, (right, spacing), measure);
    let ends = match panel.span {
        Some(span) => Some((span.first, span.last)),
        None => panel.columns.first().zip(panel.columns.last()).map(|(a, b)| (a.start, b.start)),
    };
    let below = spacing.below_plot(ends.is_some_and(|(first, last)| date(first) != date(last)));
    let line_room = axes::line_room(&panel.lines, right, spacing, measure);
    let mut plot = Plot {
        left: spacing.margin,
        right: right - spacing.margin - line_room,
        top: legend_end + spacing.above_plot,
        bottom: bottom - below,
        max: 1.0,
        places: 1,
        spacing,
    };
    if panel.columns.is_empty() {
        let middle = (plot.top + plot.bottom) / 2;
        scene.rect(plot.left, plot.bottom, right - 2 * spacing.margin, 1, AXIS);
        scene.text(right / 2, middle, Align::Center, spacing.label, FAINT_INK, "no events yet");
        return scene;
    }

    let Places { axis, beside, highest } = Places::of(panel, series, measure);
    plot.places = axis.slots.len();
    let highest =
        panel.lines.iter().map(|line| u128::from(line.at)).fold(highest.max(panel.at_least), u128::max);
    let ticks = ticks(highest, ((plot.bottom - plot.top) / 44).max(2) as u128);
    let top_tick = ticks.last().copied().unwrap_or(1);
    let full = f64::from(plot.bottom - plot.top);
    plot.max = (top_tick as f64).max(highest as f64 * full / (full - f64::from(HEADROOM)).max(1.0));
    plot.left += ticks.iter().map(|tick| measure(&short(*tick), spacing.label)).max().unwrap_or(0) + 10;

    if spacing.names_counts {
        scene.text(spacing.margin, plot.top - 14, Align::Left, spacing.small, FAINT_INK, "requests");
    }
    axes::counts(&mut scene, &ticks, plot);
    if panel.as_lines {
        lines::draw(&mut scene, &axis, series, plot, colors);
    } else if beside {
        bars::side_by_side(&mut scene, &axis, plot, colors, measure);
    } else {
        bars::stacked(&mut scene, &axis, plot, colors);
    }
    axes::lines(&mut scene, &panel.lines, plot, line_room, measure);
    axes::times(&mut scene, &axis, panel, plot, measure);
    scene
}
