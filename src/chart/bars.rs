//! Bars: side by side while they fit, else one on top of the other.

use super::palette::INK;
use super::plot::{Colors, Plot};
use super::scale::Slots;
use super::scene::{Align, Measure, Scene};
use crate::text::grouped;

/// Narrower bars side by side cannot be compared by eye; they are stacked instead.
const MIN_BESIDE: i32 = 6;
/// Where a line stands to compare with, they are so for longer: on top of one another, their sum would be compared.
const MIN_COMPARED: i32 = 4;
const MAX_BAR: i32 = 80;

/// Whether so many bars, in a place so wide, can stand side by side.
pub(super) fn fit_side_by_side(bars: i32, place: i32, compared: bool) -> bool {
    bars == 1 || place * 4 / 5 / bars >= if compared { MIN_COMPARED } else { MIN_BESIDE }
}

/// How wide the bars of a place are together: the rest keeps it apart from the next one.
fn group(plot: Plot) -> i32 {
    let place = plot.place_width();
    let spare = if place < 12.0 { 1.0 } else { place / 5.0 };
    (place - spare) as i32
}

/// With a number on each bar, if every one has room.
pub(super) fn side_by_side(scene: &mut Scene, axis: &Slots, plot: Plot, colors: &Colors, measure: Measure) {
    let bars = colors.len().max(1) as i32;
    let bar = (group(plot) / bars).clamp(1, MAX_BAR);
    let small = plot.spacing.small;
    let counts = || axis.slots.iter().filter_map(|slot| slot.counts.as_deref()).flatten();
    let widest = counts().map(|count| measure(&grouped(*count), small)).max().unwrap_or(0);
    let numbered = widest + 4 <= bar;
    for (i, slot) in axis.slots.iter().enumerate() {
        let left = plot.center(i) - bar * bars / 2;
        for (k, count) in slot.counts.iter().flatten().enumerate() {
            let height = plot.height(*count);
            let x = left + bar * k as i32;
            // A line of the background keeps neighbours apart.
            let wide = bar - i32::from(bar > 3 && bars > 1);
            scene.rect(x, plot.bottom - height, wide, height, colors.of(k));
            if numbered && *count > 0 {
                let y = plot.bottom - height - 5;
                scene.text(x + bar / 2, y, Align::Center, small, INK, grouped(*count));
            }
        }
    }
}

pub(super) fn stacked(scene: &mut Scene, axis: &Slots, plot: Plot, colors: &Colors) {
    // Bars this narrow touch one another; gaps would only make stripes.
    let touching = plot.place_width() < 6.0;
    let edge = |i: usize| plot.left + (i as f64 * plot.place_width()) as i32;
    let bar = group(plot).clamp(1, MAX_BAR);
    for (i, slot) in axis.slots.iter().enumerate() {
        let (x, wide) =
            if touching { (edge(i), edge(i + 1) - edge(i)) } else { (plot.center(i) - bar / 2, bar) };
        let mut sum = 0;
        let mut y = plot.bottom;
        for (k, count) in slot.counts.iter().flatten().enumerate() {
            sum += count;
            // From sums, so that rounding does not add up.
            let top = plot.bottom - plot.height(sum);
            scene.rect(x, top, wide, y - top, colors.of(k));
            y = top;
        }
    }
}
