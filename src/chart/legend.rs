//! Which colour is whose, below the title.

use super::palette::INK;
use super::panel::Series;
use super::plot::Colors;
use super::scene::{Align, Measure, Scene, fit};
use super::spacing::Spacing;

/// Below the title, in at most three rows. Gives its lower edge.
pub(super) fn draw(
    scene: &mut Scene,
    series: &Series,
    colors: &Colors,
    (right, spacing): (i32, &Spacing),
    width: Measure,
) -> i32 {
    const ROWS: usize = 3;
    const BESIDE: i32 = 18 + 22;
    let room = right - 2 * spacing.margin;
    let line = |row: i32| spacing.legend_line + spacing.legend_pitch * row;
    let names = &series.names;
    let cut = |pixels: i32| names.iter().map(|name| fit(name, spacing.label, pixels, width)).collect();
    let mut labels: Vec<String> = cut(room - BESIDE);
    let mut places = flow(&labels, right, spacing, width);
    if places.last().is_some_and(|(_, row)| *row >= ROWS as i32) {
        // Names this short are sure to fit.
        labels = cut(room / names.len().div_ceil(ROWS) as i32 - BESIDE);
        places = flow(&labels, right, spacing, width);
    }
    for (i, (label, (x, row))) in labels.iter().zip(&places).enumerate() {
        let y = line(*row);
        scene.rect(*x, y - 11, 12, 12, colors.of(i));
        scene.text(x + 18, y, Align::Left, spacing.label, INK, label.as_str());
    }
    places.last().map_or(spacing.legend_line - 22, |(_, row)| line(*row))
}

/// From left to right, and on the next row when there is no more room: each label's x and row.
fn flow(labels: &[String], right: i32, spacing: &Spacing, width: Measure) -> Vec<(i32, i32)> {
    let (mut x, mut row) = (spacing.margin, 0);
    let mut places = Vec::new();
    for label in labels {
        let needed = 18 + width(label, spacing.label);
        if x > spacing.margin && x + needed > right - spacing.margin {
            (x, row) = (spacing.margin, row + 1);
        }
        places.push((x, row));
        x += needed + 22;
    }
    places
}
