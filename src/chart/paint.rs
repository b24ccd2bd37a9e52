//! Paints a [`Scene`] with plotters, as PNG or SVG. The font comes with the program: the same
//! picture on every system, also on one without fonts.

use std::sync::Once;

use plotters::backend::{BitMapBackend, DrawingBackend, RGBPixel, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle, register_font};

use super::scene::{Align, Font, Mark, Scene};

pub(super) fn png(scene: &Scene, size: (u32, u32)) -> Result<Vec<u8>, String> {
    let mut pixels = vec![255; size.0 as usize * size.1 as usize * 3];
    let mut backend = BitMapBackend::<RGBPixel>::with_buffer_and_format(&mut pixels, size).map_err(text)?;
    // In plotters' bitmaps the top of a text is where its baseline is, less half its size; the result
    // is cut to whole pixels, letter by letter, so that an odd size would make the letters dance.
    paint(scene, &mut backend, |size| size / 2)?;
    drop(backend);

    encoded(&pixels, size)
}

/// A PNG file of pixels, three bytes each.
pub(crate) fn encoded(pixels: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // Not this encoder's fast way, and flat areas without filters: a tenth of the size, and a notebook
    // stores each picture as text.
    encoder.set_compression(png::Compression::Default);
    encoder.set_filter(png::FilterType::NoFilter);
    let mut writer = encoder.write_header().map_err(text)?;
    writer.write_image_data(pixels).map_err(text)?;
    writer.finish().map_err(text)?;
    Ok(out)
}

pub(super) fn svg(scene: &Scene, size: (u32, u32)) -> Result<String, String> {
    let mut out = String::new();
    let mut backend = SVGBackend::with_string(&mut out, size);
    // In its SVG the baseline is 0.76 em below the top, and an em is the size / 1.24.
    paint(scene, &mut backend, |size| (f64::from(size) / 1.24 * 0.76).round() as i32)?;
    backend.present().map_err(text)?;
    drop(backend);
    Ok(out)
}

/// `ascent` is the distance from the top of a text of some size to its baseline in this backend.
fn paint<B: DrawingBackend>(scene: &Scene, to: &mut B, ascent: impl Fn(i32) -> i32) -> Result<(), String> {
    register_fonts();
    to.ensure_prepared().map_err(text)?;
    for mark in &scene.marks {
        match mark {
            Mark::Rect { x, y, width, height, color: (r, g, b) } => {
                let style = RGBColor(*r, *g, *b).filled();
                to.draw_rect((*x, *y), (x + width, y + height), &style, true).map_err(text)?;
            }
            Mark::Path { points, stroke, color: (r, g, b) } => {
                let style = RGBColor(*r, *g, *b).stroke_width(*stroke);
                to.draw_path(points.iter().copied(), &style).map_err(text)?;
            }
            Mark::Text { x, y, align, font, color: (r, g, b), text: words } => {
                let h_pos = match align {
                    Align::Left => HPos::Left,
                    Align::Center => HPos::Center,
                    Align::Right => HPos::Right,
                };
                let color = RGBColor(*r, *g, *b);
                let style = TextStyle::from(describe(*font)).color(&color).pos(Pos::new(h_pos, VPos::Top));
                to.draw_text(words, &style, (*x, y - ascent(font.size))).map_err(text)?;
            }
        }
    }
    Ok(())
}

/// The width of a text in pixels.
pub(super) fn text_width(text: &str, font: Font) -> i32 {
    register_fonts();
    match describe(font).layout_box(text) {
        Ok(((left, _), (right, _))) => right - left,
        // Without a font the text fails to be painted anyway; any width will do.
        Err(_) => text.chars().count() as i32 * font.size * 3 / 5,
    }
}

fn describe(font: Font) -> FontDesc<'static> {
    let style = if font.bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::SansSerif, f64::from(font.size), style)
}

fn register_fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A font that does not load shows itself as an error when text is painted.
        let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
        let _ = register_font("sans-serif", FontStyle::Bold, dejavu::sans::bold());
    });
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
