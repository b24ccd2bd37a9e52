//! [`Chart`]: counts per window and key, drawn as bars.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::panel::{MAX_KEYS, Panel};
use super::svg::{self, Narrow};
use super::{paint, table, words};
use crate::harmless::Text;
use crate::timestamp::Timestamp;

/// A bar chart: how many events each key has in each window.
///
/// In Jupyter it is drawn when it is the last expression of a cell (PNG, SVG and text in one
/// bundle); the REPL and `println!` show it as text. Nothing is drawn before it is asked for.
/// A last expression that moves a variable of its own cell, as `a.above(b)` after `let a = …`, is shown as text
/// with a sentence that says so, because the kernel keeps variables: write `a.clone().above(b.clone())`, or another cell.
///
/// The keys with the most events get a colour each (default: the top 5, at most 8), the rest are
/// summed up. Bars stand side by side while they fit and are stacked when there are many windows.
/// Windows without events keep their place on the time axis unless they would be most of it.
/// A key has the same colour in all charts of a process (in Jupyter: of a notebook), so that they can be compared.
///
/// ```
/// use kinesis_lab::{Chart, Timestamp};
///
/// let minute: Timestamp = "2018-09-06T08:04:00Z".parse()?;
/// let rows = vec![(minute, vec![("192.0.2.10".to_string(), 9), ("192.0.2.20".to_string(), 4)])];
/// let chart = Chart::bars("Requests per minute", rows).top(3);
/// assert!(chart.text().contains("192.0.2.20"));
/// assert!(chart.png()?.starts_with(b"\x89PNG"));
///
/// // Two in one picture, each with a title and a size of its own, the first with what came too late; for a report.
/// let late = vec![(minute, "192.0.2.20".to_string(), 2)];
/// let report = chart.clone().late(late).size(1_200, 400).above(chart.title("Without the late ones"));
/// assert!(report.svg()?.contains(r#"viewBox="0 0 1200 820""#)); // the second is 900 × 420
/// # let folder = std::env::temp_dir().join(format!("kinesis-lab-doc-chart-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let file = folder.join("report.png");
/// report.save_png(&file)?;
/// assert_eq!(std::fs::read(&file)?, report.png()?);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Chart {
    pub(super) panel: Panel,
    /// Drawn after this one, in the same picture.
    pub(super) more: Vec<Chart>,
    /// So many stand side by side before the next row begins.
    pub(super) columns: usize,
    /// Of all charts in the picture.
    pub(super) same_scale: bool,
    pub(super) same_time: bool,
}

/// What a reader is to do who expected a picture. The runner of our notebooks looks for these words.
const AS_TEXT: &str = "text, no picture: the cell's last expression moves a variable of the cell; give it a .clone(), or \
                       put the expression into the next cell";

impl Chart {
    /// A chart of rows (start of the window, then key and count of each key seen in it).
    ///
    /// The rows may be in any order; a window or a key that occurs twice is added up. Title and keys
    /// may be any text: what cannot be printed is spelled out, what is too long cut off.
    pub fn bars<K: Into<Text>>(title: &str, rows: Vec<(Timestamp, Vec<(K, u64)>)>) -> Chart {
        let text =
            |counts: Vec<(K, u64)>| counts.into_iter().map(|(key, count)| (key.into(), count)).collect();
        Chart::of_rows(title, rows.into_iter().map(|(start, counts)| (start, text(counts))).collect())
    }

    pub(super) fn of_panel(panel: Panel) -> Chart {
        Chart { panel, more: Vec::new(), columns: 1, same_scale: false, same_time: false }
    }

    // Not generic: a notebook cell would compile the panel.
    fn of_rows(title: &str, rows: Vec<(Timestamp, Vec<(Text, u64)>)>) -> Chart {
        Chart::of_panel(Panel::new(title, &rows))
    }

    /// Marks events that came too late to be counted: rows of (start of the window, key, how many), as
    /// [`Late::windows`](crate::Late::windows) gives them. They stand beside their window's bars, or on top of them, in black.
    pub fn late<K>(mut self, rows: Vec<(Timestamp, K, u64)>) -> Chart {
        for (start, _, count) in rows {
            self.panel.mark_late(start, count);
        }
        self
    }

    /// Another title.
    pub fn title(mut self, title: &str) -> Chart {
        self.panel.set_title(title);
        self
    }

    /// How many keys are shown by name, those with the most events. Default: 5; from 1 to 8.
    pub fn top(mut self, keys: usize) -> Chart {
        self.panel.top = keys.clamp(1, MAX_KEYS);
        self
    }

    /// Width and height of the picture in pixels. Default: 900 × 420; from 400 × 300 to 4,000 × 4,000.
    pub fn size(mut self, width: u32, height: u32) -> Chart {
        self.panel.size = (width.clamp(400, 4_000), height.clamp(300, 4_000));
        self
    }

    /// The picture as a PNG file's bytes. The same charts in the same order give the same bytes.
    ///
    /// # Errors
    /// When the drawing library fails, which no data should make it do.
    pub fn png(&self) -> Result<Vec<u8>, ChartError> {
        paint::png(&self.scene(), self.whole_size()).map_err(ChartError)
    }

    /// The picture as an SVG document, safe to put into a page: every text in it is escaped.
    ///
    /// It has no width of its own and takes the room that it is given, in the proportions of [`size`](Self::size);
    /// where that is less than 520 pixels wide, as on a telephone, its letters are larger and stand closer. Several
    /// charts stand below each other there, if they are given the height: within a page the picture takes it; as an
    /// `<img>` it takes the proportions that its style has as `aspect-ratio`, if the `<img>` has them, too.
    /// Its colours follow the light or dark of the page (`prefers-color-scheme`), where the PNG is always light. For
    /// a screen reader it has the title, and the [`description`](Self::description).
    ///
    /// # Errors
    /// As for [`png`](Self::png).
    pub fn svg(&self) -> Result<String, ChartError> {
        let drawing = (self.drawing()?, self.whole_size());
        let drawn =
            |chart: Option<Chart>| chart.map(|chart| Ok((chart.drawing()?, chart.whole_size()))).transpose();
        let narrow = Narrow { flat: drawn(self.narrow())?, high: drawn(self.below_each_other())? };
        let titles: Vec<&str> = self.panels().iter().map(|panel| panel.title.as_str()).collect();
        Ok(svg::document(&drawing, &narrow, &titles.join("; "), &self.description()))
    }

    /// As plotters draws it, for a page that has words and colours of its own.
    pub(crate) fn drawing(&self) -> Result<String, ChartError> {
        paint::svg(&self.scene(), self.whole_size()).map_err(ChartError)
    }

    /// What it shows, in a few sentences: for the `alt` of a picture, or a caption.
    ///
    /// ```
    /// use kinesis_lab::{Chart, Timestamp};
    ///
    /// let minute: Timestamp = "2018-09-06T08:04:00Z".parse()?;
    /// let chart = Chart::bars("Requests per minute", vec![(minute, vec![("192.0.2.10", 9)])]);
    /// assert_eq!(
    ///     chart.description(),
    ///     "A bar chart: requests in one window, 2018-09-06 08:04 UTC. 192.0.2.10: 9 in all, at most 9 in a window."
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn description(&self) -> String {
        let panels: Vec<String> = self.panels().into_iter().map(words::description).collect();
        panels.join(" ")
    }

    /// The chart as text for a terminal, some 80 columns wide, at most about 100 lines. It ends
    /// without a line break.
    pub fn text(&self) -> String {
        let texts: Vec<String> = self.panels().iter().map(|panel| table::text(panel)).collect();
        texts.join("\n\n")
    }

    /// Writes the PNG to a file, replacing what is there.
    ///
    /// # Errors
    /// The operating system's, with the path, or as for [`png`](Self::png).
    pub fn save_png(&self, path: impl AsRef<Path>) -> Result<(), ChartError> {
        let path = path.as_ref();
        let png = self.png()?;
        std::fs::write(path, png).map_err(|e| ChartError(format!("cannot write {}: {e}", path.display())))
    }

    /// Shows the chart as the result of a notebook cell: evcxr calls this for the last expression.
    ///
    /// If drawing fails, the text is shown all the same, with a sentence that says why. A type of your own is shown
    /// in the same way when it has the method:
    ///
    /// ```
    /// use kinesis_lab::{Chart, prelude::*};
    ///
    /// pub struct Day(Windows);
    ///
    /// impl Day {
    ///     pub fn chart(&self) -> Chart {
    ///         Chart::bars("A day", self.0.iter().map(|window| (window.start, window.counts)).collect())
    ///     }
    ///
    ///     pub fn evcxr_display(&self) {
    ///         self.chart().evcxr_display();
    ///     }
    /// }
    ///
    /// let mut day = Day(Windows::tumbling(secs(3_600)));
    /// day.0.add("192.0.2.10", Timestamp::from_secs(1_536_220_800), 7);
    /// assert!(day.chart().text().contains("192.0.2.10"));
    /// day.evcxr_display(); // in a cell, `day` is enough
    /// ```
    pub fn evcxr_display(&self) {
        let bundle = self.bundle();
        // In one write under one lock: a line that a background thread printed in the middle would
        // become part of the picture.
        let mut out = io::stdout().lock();
        // Where stdout is closed there is nobody to tell.
        let _ = out.write_all(bundle.as_bytes()).and_then(|()| out.flush());
    }

    /// What the kernel makes one display bundle of; Jupyter picks the richest form that it may show.
    pub(super) fn bundle(&self) -> String {
        let mut text = self.text();
        let mut out = String::new();
        match self.png() {
            Ok(png) => push_content(&mut out, "image/png", &STANDARD.encode(png)),
            Err(e) => text.push_str(&format!("\n({e})")),
        }
        if let Ok(svg) = self.svg() {
            push_content(&mut out, "image/svg+xml", &svg);
        }
        push_content(&mut out, "text/plain", &text);
        out
    }
}

pub(crate) fn push_content(out: &mut String, mime: &str, content: &str) {
    out.push_str(&format!("EVCXR_BEGIN_CONTENT {mime}\n{}\nEVCXR_END_CONTENT\n", content.trim_end()));
}

/// The same as [`Chart::text`].
impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The same, and why it is no picture: evcxr shows a cell's last expression so where it moves a variable that the
/// kernel is to keep.
impl fmt::Debug for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n({AS_TEXT})", self.text())
    }
}

/// A chart could not be drawn or saved; the message says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartError(String);

impl ChartError {
    pub(crate) fn new(why: String) -> ChartError {
        ChartError(why)
    }
}

impl fmt::Display for ChartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no picture of the chart: {}", self.0)
    }
}

impl std::error::Error for ChartError {}
