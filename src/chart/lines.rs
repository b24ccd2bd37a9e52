//! A line for each key: what one of them does, where bars on top of one another would hide it.

use super::panel::Series;
use super::plot::{Colors, Plot};
use super::scale::{AxisSlot, Slots};
use super::scene::Scene;

const STROKE: u32 = 2;
/// Points closer to one another than this would be a thick line.
const DOTTED: f64 = 10.0;
const DOT: i32 = 5;
/// Late events are in no line: each window that has some is marked.
const LATE: i32 = 9;

pub(super) fn draw(scene: &mut Scene, axis: &Slots, series: &Series, plot: Plot, colors: &Colors) {
    let keys = series.named + series.others;
    // The most important one last, over the others.
    for k in (0..colors.len()).rev() {
        let mut path: Vec<(i32, i32)> = Vec::new();
        let mut before: Option<&AxisSlot> = None;
        for (i, slot) in axis.slots.iter().enumerate() {
            // A window without events has no counts, and 0 of each key; a place where no window begins has nothing.
            let count = match &slot.counts {
                Some(counts) => counts[k],
                None if slot.quiet => 0,
                None => continue,
            };
            let (x, y) = (plot.center(i), plot.bottom - plot.height(count));
            if k >= keys {
                if count > 0 {
                    scene.rect(x - LATE / 2, y - LATE / 2, LATE, LATE, colors.of(k));
                }
                continue;
            }
            // Over windows that are left out a line would say what nobody knows.
            if before.is_some_and(|before| axis.apart(before, slot)) {
                scene.path(std::mem::take(&mut path), STROKE, colors.of(k));
            }
            path.push((x, y));
            before = Some(slot);
            if plot.place_width() >= DOTTED || axis.slots.len() == 1 {
                scene.rect(x - DOT / 2, y - DOT / 2, DOT, DOT, colors.of(k));
            }
        }
        scene.path(path, STROKE, colors.of(k));
    }
}
