//! The SVG document around a drawing: as wide as there is room, in the reader's light, with words for who can't see it.

use super::palette::{DARK, hex};
use super::spacing::NARROW_PLACE;

/// What plotters drew, and its width and height.
pub(super) type PlottersSvg = (String, (u32, u32));

/// What is seen where there is less room than [`NARROW_PLACE`].
#[derive(Default)]
pub(super) struct Narrow {
    /// In the proportions of the picture.
    pub(super) flat: Option<PlottersSvg>,
    /// In proportions of its own, higher: for a place that has them, too.
    pub(super) high: Option<PlottersSvg>,
}

/// In the document
///
/// - there is no width and no height: it takes the room that there is, and keeps its proportions;
/// - where that is little, it is one of the other drawings which is seen, if there are any;
/// - colours follow the light or dark of the page (`prefers-color-scheme`; in an `<img>` that is the element's
///   `color-scheme`), and programs that know nothing of that show the light ones;
/// - a screen reader has a name and a description.
pub(super) fn document(
    (drawing, size): &PlottersSvg,
    narrow: &Narrow,
    title: &str,
    description: &str,
) -> String {
    let (title, description, (width, height)) = (escape(title), escape(description), size);
    let (flat, high) = (narrow.flat.as_ref(), narrow.high.as_ref());
    let drawn = |other: Option<&'_ PlottersSvg>| other.map_or("", |(drawing, _)| drawing).to_owned();
    let mut style = style(&[drawing, &drawn(flat), &drawn(high)]);
    let mut marks = marks(drawing).to_owned();
    if flat.is_some() || high.is_some() {
        marks = format!("<g class=\"wide\">\n{marks}</g>\n");
    }
    if let Some(flat) = flat {
        marks += &hidden("narrow", flat, *size);
        style += &format!(
            "@media (max-width:{NARROW_PLACE}px){{.kinesis-lab-chart .wide{{display:none}}.kinesis-lab-chart \
             .narrow{{display:inline}}}}"
        );
    }
    // A page reads the styles of all its pictures as one: what is of these proportions alone has a class of them.
    let mut class = "kinesis-lab-chart".to_owned();
    if let Some(high) = high {
        let (width, height) = high.1;
        let own = format!("high-{width}-{height}");
        marks += &hidden("high", high, *size);
        style += &where_it_has_the_height(high.1, &format!(".{class}.{own}"));
        class = format!("{class} {own}");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" class=\"{class}\" \
         role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<desc>{description}</desc>\n\
         <style>{style}</style>\n{marks}</svg>\n"
    )
}

/// The drawing's elements, without the `<svg …>` around them.
fn marks(drawing: &str) -> &str {
    let inner = drawing.split_once(">\n").map_or(drawing, |(_, rest)| rest);
    inner.trim_end().strip_suffix("</svg>").unwrap_or(inner)
}

/// Another drawing, as wide as the picture, its middle at the picture's: where the picture is given more height than
/// it has, it is put into the middle of it.
fn hidden(
    class: &str,
    (drawing, (own_width, own_height)): &PlottersSvg,
    (width, height): (u32, u32),
) -> String {
    let scale = f64::from(width) / f64::from(*own_width);
    let down = (f64::from(height) - f64::from(*own_height) * scale) / 2.0;
    // In the same proportions it is there but for what is cut to whole pixels.
    let down = if down > -scale { String::new() } else { format!("translate(0 {down:.2}) ") };
    // By attributes where nothing is known of style: then it is the wide one.
    format!(
        "<g class=\"{class}\" display=\"none\" transform=\"{down}scale({scale:.4})\">\n{}</g>\n",
        marks(drawing)
    )
}

/// Shows what is `high`. As a part of a page, the picture takes the height; as an image of its own (there it is the
/// root) it looks whether it was given it, and may be wider by a hundredth for what is cut to whole pixels.
fn where_it_has_the_height((width, height): (u32, u32), chart: &str) -> String {
    let shown = |of: &str| {
        format!("{of} .wide{{display:none}}{of} .narrow{{display:none}}{of} .high{{display:inline}}")
    };
    let (part, root) = (&format!("{chart}:not(:root)"), &format!("{chart}:root"));
    format!(
        "@media (max-width:{NARROW_PLACE}px){{{part}{{aspect-ratio:{width}/{height}}}{}}}\
         @media (max-width:{NARROW_PLACE}px) and (max-aspect-ratio:{}/{}){{{}}}",
        shown(part),
        width * 101,
        height * 100,
        shown(root),
    )
}

/// By the colours themselves, so that each mark is a rectangle or a text as plotters draws it. The class keeps the
/// rules to this picture where it is part of a page.
fn style(drawings: &[&str]) -> String {
    let mut rules = String::new();
    for (light, dark) in DARK {
        let (light, dark) = (hex(light), hex(dark));
        for what in ["fill", "stroke"] {
            let this = format!("{what}=\"{light}\"");
            if drawings.iter().any(|drawing| drawing.contains(&this)) {
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
