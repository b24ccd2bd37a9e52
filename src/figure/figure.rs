//! [`Figure`]: a figure that a reader can touch, in the forms in which it is shown.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::paint::{self, Drawing};
use crate::chart::{ChartError, push_content};

/// What all figures share: their looks, and how they find their place on a page.
const STYLE: &str = include_str!("figure.css");
const SHELL: &str = include_str!("shell.js");

/// A figure that a reader can touch, by mouse, finger or keyboard.
///
/// It is one piece of HTML with its own script and asks no server for anything, so that it works in JupyterLab, on a
/// page, and from a file. Where scripts don't run it is a picture, and in a terminal text.
/// [`WatermarkTrace::figure`](crate::WatermarkTrace::figure) makes one.
#[derive(Clone)]
pub struct Figure {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) drawing: Drawing,
    /// Scripts that define `mount(root, data)`, in their order.
    pub(super) scripts: &'static [&'static str],
    /// What it is driven by, as JSON.
    pub(super) data: serde_json::Value,
}

impl Figure {
    /// A piece of HTML, to be put into a page as it is: what strangers wrote is escaped in it, and its style reaches
    /// nothing else there.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # use kinesis_lab::{Watermark, WatermarkTrace};
    /// # let trace = WatermarkTrace::new(&Windows::tumbling(secs(60)), &Watermark::new(secs(30)));
    /// let page = format!("<!doctype html><title>A figure</title>{}", trace.figure().html());
    /// assert!(!page.contains("http://") || page.contains("http://www.w3.org/2000/svg")); // a name, no address
    /// ```
    pub fn html(&self) -> String {
        // Within a script nothing but `<` could end it, or begin a comment; the rest is JSON, which is JavaScript.
        let data = self.data.to_string().replace('<', "\\u003c");
        let style = serde_json::Value::from(STYLE).to_string().replace('<', "\\u003c");
        let (title, scripts) = (escaped(&self.title), self.scripts.concat());
        let still = match self.png() {
            Ok(png) => {
                let png = STANDARD.encode(png);
                format!(r#"<img alt="{title}" style="max-width:100%" src="data:image/png;base64,{png}">"#)
            }
            Err(_) => format!("<pre>{}</pre>", escaped(&self.text)),
        };
        // Lumino's attribute: the arrow keys are the figure's, and not those of JupyterLab's cells (`shell.js`).
        format!(
            "<div class=\"kinesis-figure\" data-lm-suppress-shortcuts=\"true\">{still}<script>\n(() => {{\n\
             {scripts}{SHELL}show(document.currentScript, {style}, {data});\n}})();\n</script></div>"
        )
    }

    /// The picture as a PNG file's bytes, 900 pixels wide: the figure as it is before somebody touches it.
    ///
    /// # Errors
    /// When the drawing library fails, which no data should make it do.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # use kinesis_lab::{Watermark, WatermarkTrace};
    /// # let trace = WatermarkTrace::new(&Windows::tumbling(secs(60)), &Watermark::new(secs(30)));
    /// assert!(trace.figure().png()?.starts_with(b"\x89PNG"));
    /// # Ok::<(), kinesis_lab::ChartError>(())
    /// ```
    pub fn png(&self) -> Result<Vec<u8>, ChartError> {
        paint::png(&self.drawing).map_err(ChartError::new)
    }

    /// The figure in words, as a terminal shows it. It ends without a line break.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # use kinesis_lab::{Watermark, WatermarkTrace};
    /// let trace = WatermarkTrace::new(&Windows::tumbling(secs(60)), &Watermark::new(secs(30)));
    /// assert!(trace.figure().text().starts_with("A watermark with a lateness of 30 s"));
    /// ```
    pub fn text(&self) -> String {
        self.text.clone()
    }

    /// Writes a page with nothing but the figure, for a browser, replacing what is there.
    ///
    /// # Errors
    /// The operating system's, with the path.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # use kinesis_lab::{Watermark, WatermarkTrace};
    /// # let trace = WatermarkTrace::new(&Windows::tumbling(secs(60)), &Watermark::new(secs(30)));
    /// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-figure-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// trace.figure().save_html(folder.join("watermark.html"))?;
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save_html(&self, path: impl AsRef<Path>) -> Result<(), ChartError> {
        self.save(path.as_ref())
    }

    fn save(&self, path: &Path) -> Result<(), ChartError> {
        let page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
             content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{}</title></head><body>\n{}\n</body></html>\n",
            escaped(&self.title),
            self.html()
        );
        std::fs::write(path, page)
            .map_err(|e| ChartError::new(format!("cannot write {}: {e}", path.display())))
    }

    /// Shows the figure as the result of a notebook cell: evcxr calls this for the last expression.
    ///
    /// ```
    /// # use kinesis_lab::prelude::*;
    /// # use kinesis_lab::{Watermark, WatermarkTrace};
    /// # let trace = WatermarkTrace::new(&Windows::tumbling(secs(60)), &Watermark::new(secs(30)));
    /// trace.figure().evcxr_display(); // in a cell, `trace.figure()` is enough
    /// ```
    pub fn evcxr_display(&self) {
        let mut out = io::stdout().lock();
        // Where stdout is closed there is nobody to tell.
        let _ = out.write_all(self.bundle().as_bytes()).and_then(|()| out.flush());
    }

    pub(super) fn bundle(&self) -> String {
        let mut out = String::new();
        push_content(&mut out, "text/html", &self.html());
        if let Ok(png) = self.png() {
            push_content(&mut out, "image/png", &STANDARD.encode(png));
        }
        push_content(&mut out, "text/plain", &self.text);
        out
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The same as [`Figure::text`].
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figure").field("title", &self.title).finish_non_exhaustive()
    }
}
