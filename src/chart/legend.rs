//! Which colour is whose, below the title.

use super::palette::INK;
use super::panel::Series;
use super::plot::Colors;
use super::scene::{Align, LABEL, MARGIN, Measure, Scene, fit};

/// Below the title, in at most three rows. Gives its lower edge.
pub(super) fn draw(scene: &mut Scene, series: &Series, colors: &Colors, right: i32, width: Measure) -> i32 {
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
        scene.rect(*x, y - 11, 12, 12, colors.of(i));
        scene.text(x + 18, y, Align::Left, LABEL, INK, label.as_str());
    }
    places.last().map_or(40, |(_, row)| 62 + 21 * row)
}

/// From left to right, and on the next row when there is no more room: each label's x and row.
fn flow(labels: &[String], right: i32, width: Measure) -> Vec<(i32, i32)> {
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
