//! The part of a picture in which counts are drawn, and the colours in it.

use super::palette::{Color, KEYS, LATE, OTHERS};
use super::panel::Series;
use super::spacing::Spacing;

/// The rectangle in which the bars stand, and its scale.
#[derive(Clone, Copy)]
pub(super) struct Plot {
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
    /// The count at `top`.
    pub(super) max: f64,
    /// Windows from left to right.
    pub(super) places: usize,
    pub(super) spacing: &'static Spacing,
}

impl Plot {
    /// Pixels from the bottom; exact for any `u128`, and at least 1 for what is not 0.
    pub(super) fn height(self, count: u128) -> i32 {
        let full = f64::from(self.bottom - self.top);
        let height = (count as f64 / self.max * full).round() as i32;
        if count > 0 { height.max(1) } else { 0 }
    }

    pub(super) fn place_width(self) -> f64 {
        f64::from(self.right - self.left) / self.places.max(1) as f64
    }

    pub(super) fn center(self, place: usize) -> i32 {
        self.left + ((place as f64 + 0.5) * self.place_width()) as i32
    }
}

/// A colour for each name of a [`Series`].
pub(super) struct Colors(Vec<Color>);

impl Colors {
    /// `keys` are the places of the keys' colours in the palette.
    pub(super) fn new(series: &Series, keys: &[usize]) -> Colors {
        let color = |k: usize| match keys.get(k) {
            Some(key) => KEYS[key % KEYS.len()],
            None if k < series.named + series.others => OTHERS,
            None => LATE,
        };
        Colors((0..series.names.len()).map(color).collect())
    }

    pub(super) fn of(&self, k: usize) -> Color {
        self.0.get(k).copied().unwrap_or(OTHERS)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
