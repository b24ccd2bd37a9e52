//! [`Drawing`]: the still picture of a figure, painted as PNG by plotters, with a font that comes with the program.

use plotters::backend::{BitMapBackend, DrawingBackend, RGBPixel};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle, register_font};

use crate::chart::encoded;

pub(super) type Rgb = (u8, u8, u8);
pub(super) type Point = (i32, i32);

pub(super) const INK: Rgb = (34, 34, 34);
pub(super) const FAINT_INK: Rgb = (95, 95, 95);
pub(super) const GRID: Rgb = (222, 222, 222);
/// Of Okabe and Ito's palette, which people with any colour vision can tell apart.
pub(super) const BLUE: Rgb = (0, 114, 178);
pub(super) const VERMILLION: Rgb = (213, 94, 0);
pub(super) const OPEN: Rgb = (214, 232, 245);
pub(super) const COMPLETE: Rgb = (236, 236, 236);

/// In the order of painting.
#[derive(Debug, Clone)]
pub(super) enum Stroke {
    /// From the upper left corner to the lower right one.
    Rect(Point, Point, Rgb),
    Line(Vec<Point>, u32, Rgb),
    Circle(Point, u32, Rgb),
    Polygon(Vec<Point>, Rgb),
    /// An X around this point, with arms of so many pixels.
    Cross(Point, i32, Rgb),
    /// Its middle is at this height; it begins, is centred or ends at this place.
    Text(Point, Anchor, i32, Rgb, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Center,
    Right,
}

#[derive(Debug, Clone)]
pub(super) struct Drawing {
    pub(super) size: (u32, u32),
    pub(super) marks: Vec<Stroke>,
}

pub(super) fn png(drawing: &Drawing) -> Result<Vec<u8>, String> {
    let size = drawing.size;
    let mut pixels = vec![255; size.0 as usize * size.1 as usize * 3];
    let mut backend = BitMapBackend::<RGBPixel>::with_buffer_and_format(&mut pixels, size).map_err(text)?;
    for mark in &drawing.marks {
        paint(mark, &mut backend)?;
    }
    drop(backend);
    encoded(&pixels, size)
}

fn paint<B: DrawingBackend>(mark: &Stroke, to: &mut B) -> Result<(), String> {
    let rgb = |(r, g, b): Rgb| RGBColor(r, g, b);
    match mark {
        Stroke::Rect(from, end, color) => {
            to.draw_rect(*from, *end, &rgb(*color).filled(), true).map_err(text)
        }
        Stroke::Line(points, width, color) => {
            let style = rgb(*color).stroke_width(*width);
            points.windows(2).try_for_each(|pair| to.draw_line(pair[0], pair[1], &style)).map_err(text)
        }
        Stroke::Circle(center, radius, color) => {
            to.draw_circle(*center, *radius, &rgb(*color).filled(), true).map_err(text)
        }
        Stroke::Polygon(corners, color) => {
            to.fill_polygon(corners.iter().copied(), &rgb(*color).filled()).map_err(text)
        }
        Stroke::Cross((x, y), arm, color) => {
            let style = rgb(*color).stroke_width(3);
            to.draw_line((x - arm, y - arm), (x + arm, y + arm), &style).map_err(text)?;
            to.draw_line((x - arm, y + arm), (x + arm, y - arm), &style).map_err(text)
        }
        Stroke::Text((x, y), align, size, color, words) => {
            // The same font as the charts'; registering it once more changes nothing.
            let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
            let h_pos = match align {
                Anchor::Left => HPos::Left,
                Anchor::Center => HPos::Center,
                Anchor::Right => HPos::Right,
            };
            let font = FontDesc::new(FontFamily::SansSerif, f64::from(*size), FontStyle::Normal);
            let color = rgb(*color);
            let style = TextStyle::from(font).color(&color).pos(Pos::new(h_pos, VPos::Center));
            to.draw_text(words, &style, (*x, *y)).map_err(text)
        }
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
