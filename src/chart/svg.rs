//! The SVG document around a drawing: as wide as there is room, in the reader's light, with words for who can't see it.

use super::palette::{DARK, hex};
use super::spacing::NARROW_PLACE;

/// What plotters drew, and its width and height.
pub(super) type PlottersSvg = (String, (u32, u32));

/// In the document
///
/// - there is no width and no height: it takes the room that there is, and keeps its proportions;
/// - where that is little, it is the other drawing which is seen, if there is one;
/// - colours follow the light or dark of the page (`prefers-color-scheme`; in an `<img>` that is the element's
///   `color-scheme`), and programs that know nothing of that show the light ones;
/// - a screen reader has a name and a description.
pub(super) fn document(
    (drawing, (width, height)): &PlottersSvg,
    narrow: Option<&PlottersSvg>,
    title: &str,
    description: &str,
) -> String {
    let (title, description) = (escape(title), escape(description));
    let mut style = style(drawing, narrow.map_or("", |(drawing, _)| drawing));
    let mut marks = marks(drawing).to_owned();
    if let Some((drawing, (narrow_width, _))) = narrow {
        let scale = f64::from(*width) / f64::from(*narrow_width);
        let inner = self::marks(drawing);
        // By attributes where nothing is known of style: then it is the wide one.
        marks = format!(
            "<g class=\"wide\">\n{marks}</g>\n<g class=\"narrow\" display=\"none\" \
             transform=\"scale({scale:.4})\">\n{inner}</g>\n"
        );
        style += &format!(
            "@media (max-width:{NARROW_PLACE}px){{.kinesis-lab-chart .wide{{display:none}}.kinesis-lab-chart \
             .narrow{{display:inline}}}}"
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" class=\"kinesis-lab-chart\" \
         role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<desc>{description}</desc>\n\
         <style>{style}</style>\n{marks}</svg>\n"
    )
}

/// The drawing's elements, without the `<svg …>` around them.
fn marks(drawing: &str) -> &str {
    let inner = drawing.split_once(">\n").map_or(drawing, |(_, rest)| rest);
    inner.trim_end().strip_suffix("</svg>").unwrap_or(inner)
}

/// By the colours themselves, so that each mark is a rectangle or a text as plotters draws it. The class keeps the
/// rules to this picture where it is part of a page.
fn style(wide: &str, narrow: &str) -> String {
    let mut rules = String::new();
    for (light, dark) in DARK {
        let (light, dark) = (hex(light), hex(dark));
        for what in ["fill", "stroke"] {
            let this = format!("{what}=\"{light}\"");
            if wide.contains(&this) || narrow.contains(&this) {
                rules += &format!(".kinesis-lab-chart [{what}=\"{light}\"]{{{what}:{dark}}}");
            }
        }
    }
    format!("@media (prefers-color-scheme:dark){{{rules}}}")
}

/// For an element's text and an attribute's value.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
    out
}
