//! A picture before it is painted: which rectangles and texts, and where. Pure, so that tests can ask
//! whether labels overlap; `paint` only carries it out.

use super::palette::{Color, PAPER};
use crate::text::shorten;

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
    /// From point to point.
    Path { points: Vec<(i32, i32)>, stroke: u32, color: Color },
    /// `y` is the baseline.
    Text { x: i32, y: i32, align: Align, font: Font, color: Color, text: String },
}

/// The height of a line in pixels, as the painter takes it. Even numbers: see `paint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Font {
    pub(super) size: i32,
    pub(super) bold: bool,
}

/// Measures a text in pixels.
pub(super) type Measure<'a> = &'a dyn Fn(&str, Font) -> i32;

#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) marks: Vec<Mark>,
}

impl Scene {
    /// Nothing but paper, also where no chart stands.
    pub(super) fn paper(&mut self, (width, height): (u32, u32)) {
        self.rect(0, 0, width as i32, height as i32, PAPER);
    }

    /// Another scene, with its upper left corner there.
    pub(super) fn add(&mut self, other: Scene, (right, down): (i32, i32)) {
        self.marks.extend(other.marks.into_iter().map(|mut mark| {
            match &mut mark {
                Mark::Rect { x, y, .. } | Mark::Text { x, y, .. } => (*x, *y) = (*x + right, *y + down),
                Mark::Path { points, .. } => {
                    points.iter_mut().for_each(|(x, y)| (*x, *y) = (*x + right, *y + down));
                }
            }
            mark
        }));
    }

    pub(super) fn rect(&mut self, x: i32, y: i32, width: i32, height: i32, color: Color) {
        if width > 0 && height > 0 {
            self.marks.push(Mark::Rect { x, y, width, height, color });
        }
    }

    pub(super) fn path(&mut self, points: Vec<(i32, i32)>, stroke: u32, color: Color) {
        if points.len() > 1 {
            self.marks.push(Mark::Path { points, stroke, color });
        }
    }

    pub(super) fn text(
        &mut self,
        x: i32,
        y: i32,
        align: Align,
        font: Font,
        color: Color,
        text: impl Into<String>,
    ) {
        self.marks.push(Mark::Text { x, y, align, font, color, text: text.into() });
    }
}

/// The text, cut to a number of pixels.
pub(super) fn fit(text: &str, font: Font, pixels: i32, width: Measure) -> String {
    let mut chars = text.chars().count();
    loop {
        let short = shorten(text, chars);
        if chars <= 1 || width(&short, font) <= pixels {
            return short.into_owned();
        }
        chars -= 1;
    }
}
