//! [`Chart`]: counts per window and key, drawn as bars.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::text::{printable, shorten};
use crate::timestamp::Timestamp;

mod paint;
mod scale;
mod scene;
mod table;

/// More colours than these cannot be told apart, so no more keys get one of their own.
const MAX_KEYS: usize = 8;
/// Long enough for an IPv6 address.
const MAX_KEY_CHARS: usize = 39;
const MAX_TITLE_CHARS: usize = 90;

/// A bar chart: how many events each key has in each window.
///
/// In Jupyter it is drawn when it is the last expression of a cell (PNG, SVG and text in one
/// bundle); the REPL and `println!` show it as text. Nothing is drawn before it is asked for.
///
/// The keys with the most events get a colour each (default: the top 5, at most 8), the rest are
/// summed up. Bars stand side by side while they fit and are stacked when there are many windows.
/// Windows without events keep their place on the time axis unless they would be most of it.
///
/// ```
/// use kinesis_lab::{Chart, Timestamp};
///
/// let minute: Timestamp = "2018-09-06T08:04:00Z".parse()?;
/// let rows = vec![(minute, vec![("192.0.2.10".to_string(), 9), ("192.0.2.20".to_string(), 4)])];
/// let chart = Chart::bars("Requests per minute", rows).top(3);
/// assert!(chart.text().contains("192.0.2.20"));
/// assert!(chart.png()?.starts_with(b"\x89PNG"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chart {
    title: String,
    size: (u32, u32),
    top: usize,
    /// The keys with the most events, the one with the most first; at most [`MAX_KEYS`].
    keys: Vec<String>,
    /// How many keys there are, those in `keys` included.
    key_count: usize,
    /// In order of time.
    windows: Vec<Window>,
    /// Whether any window has late events.
    marks_late: bool,
    /// Drawn below this one, in the same picture.
    below: Vec<Chart>,
}

/// One window's counts. They are sums of any number of `u64`, hence `u128`.
#[derive(Debug, Clone, Default)]
struct Window {
    start: Timestamp,
    /// As many as `Chart::keys`, in their order.
    counts: Vec<u128>,
    /// Of all keys.
    total: u128,
    /// Events that came too late to be in `total`.
    late: u128,
}

impl Window {
    fn new(start: Timestamp, keys: usize) -> Window {
        Window { start, counts: vec![0; keys], total: 0, late: 0 }
    }
}

impl Chart {
    /// A chart of rows (start of the window, then key and count of each key seen in it).
    ///
    /// The rows may be in any order; a window or a key that occurs twice is added up. Title and keys
    /// may be any text: what cannot be printed is spelled out, what is too long cut off.
    pub fn bars(title: &str, rows: Vec<(Timestamp, Vec<(String, u64)>)>) -> Chart {
        let mut totals: HashMap<&str, u128> = HashMap::new();
        for (key, count) in rows.iter().flat_map(|(_, counts)| counts) {
            *totals.entry(key).or_default() += u128::from(*count);
        }
        let key_count = totals.len();
        let mut ranked: Vec<(&str, u128)> = totals.into_iter().collect();
        // Equal counts in the order of the keys, so that the same data give the same picture.
        ranked.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        ranked.truncate(MAX_KEYS);

        let rank: HashMap<&str, usize> = ranked.iter().enumerate().map(|(i, (key, _))| (*key, i)).collect();
        let mut windows: BTreeMap<Timestamp, Window> = BTreeMap::new();
        for (start, counts) in &rows {
            let window = windows.entry(*start).or_insert_with(|| Window::new(*start, ranked.len()));
            for (key, count) in counts {
                window.total += u128::from(*count);
                if let Some(i) = rank.get(key.as_str()) {
                    window.counts[*i] += u128::from(*count);
                }
            }
        }
        Chart {
            title: clean(title, MAX_TITLE_CHARS),
            size: (900, 420),
            top: 5,
            keys: ranked.iter().map(|(key, _)| name(key)).collect(),
            key_count,
            windows: windows.into_values().collect(),
            marks_late: false,
            below: Vec::new(),
        }
    }

    /// Marks events that came too late to be counted: rows of (start of the window, key, how many), as
    /// [`Late::windows`](crate::Late::windows) gives them. They stand beside their window's bars, or on top of them, in black.
    pub fn late(mut self, rows: Vec<(Timestamp, String, u64)>) -> Chart {
        for (start, _, count) in rows {
            let at = self.windows.binary_search_by_key(&start, |window| window.start);
            let at = at.unwrap_or_else(|at| {
                self.windows.insert(at, Window::new(start, self.keys.len()));
                at
            });
            self.windows[at].late += u128::from(count);
            self.marks_late = true;
        }
        self
    }

    /// Another chart below this one, in the same picture: a notebook cell shows only one.
    pub fn above(mut self, other: Chart) -> Chart {
        self.below.push(other);
        self
    }

    /// Another title.
    pub fn title(mut self, title: &str) -> Chart {
        self.title = clean(title, MAX_TITLE_CHARS);
        self
    }

    /// How many keys are shown by name, those with the most events. Default: 5; from 1 to 8.
    pub fn top(mut self, keys: usize) -> Chart {
        self.top = keys.clamp(1, MAX_KEYS);
        self
    }

    /// Width and height of the picture in pixels. Default: 900 × 420; from 400 × 300 to 4,000 × 4,000.
    pub fn size(mut self, width: u32, height: u32) -> Chart {
        self.size = (width.clamp(400, 4_000), height.clamp(300, 4_000));
        self
    }

    /// The picture as a PNG file's bytes. The same data give the same bytes.
    ///
    /// # Errors
    /// When the drawing library fails, which no data should make it do.
    pub fn png(&self) -> Result<Vec<u8>, ChartError> {
        paint::png(&self.scene(), self.whole_size()).map_err(ChartError)
    }

    /// The picture as an SVG document, safe to put into a page: every text in it is escaped.
    ///
    /// # Errors
    /// As for [`png`](Self::png).
    pub fn svg(&self) -> Result<String, ChartError> {
        paint::svg(&self.scene(), self.whole_size()).map_err(ChartError)
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
    /// If drawing fails, the text is shown all the same, with a sentence that says why.
    pub fn evcxr_display(&self) {
        let bundle = self.bundle();
        // In one write under one lock: a line that a background thread printed in the middle would
        // become part of the picture.
        let mut out = io::stdout().lock();
        // Where stdout is closed there is nobody to tell.
        let _ = out.write_all(bundle.as_bytes()).and_then(|()| out.flush());
    }

    /// What the kernel makes one display bundle of; Jupyter picks the richest form that it may show.
    fn bundle(&self) -> String {
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

    fn scene(&self) -> scene::Scene {
        let (mut whole, mut top) = (scene::Scene::default(), 0);
        for panel in self.panels() {
            whole.add(scene::layout(panel, panel.size, &paint::text_width), top);
            top += panel.size.1 as i32;
        }
        whole
    }

    /// This chart, and those below it, and below those.
    fn panels(&self) -> Vec<&Chart> {
        let mut panels = vec![self];
        panels.extend(self.below.iter().flat_map(Chart::panels));
        panels
    }

    fn whole_size(&self) -> (u32, u32) {
        let panels = self.panels();
        let width = panels.iter().map(|panel| panel.size.0).max().unwrap_or(self.size.0);
        (width, panels.iter().map(|panel| panel.size.1).sum())
    }

    /// What gets a colour: the top keys, and the rest under one name if there is more than one.
    fn series(&self) -> Series {
        let mut named = self.top.min(self.keys.len());
        // "1 other" would take the room in which its name can stand.
        if self.key_count == named + 1 && named < self.keys.len() {
            named += 1;
        }
        let others = self.key_count - named;
        let mut names = self.keys[..named].to_vec();
        match others {
            0 => {}
            1 => names.push("1 other".to_owned()),
            n => names.push(format!("{} others", crate::text::grouped(n))),
        }
        let others = names.len() - named;
        if self.marks_late {
            names.push("too late, not counted".to_owned());
        }
        Series { names, named, others, late: self.marks_late }
    }
}

/// See [`Chart::series`].
struct Series {
    names: Vec<String>,
    /// How many of them are keys; after these come
    named: usize,
    /// the others, if there are any (0 or 1),
    others: usize,
    /// and the late events, if they are marked.
    late: bool,
}

impl Series {
    /// A window's counts, one for each name.
    fn counts(&self, window: &Window) -> Vec<u128> {
        let mut counts = window.counts[..self.named].to_vec();
        if self.others > 0 {
            counts.push(window.total - counts.iter().sum::<u128>());
        }
        if self.late {
            counts.push(window.late);
        }
        counts
    }
}

fn clean(text: &str, max_chars: usize) -> String {
    shorten(&printable(text.as_bytes()), max_chars).into_owned()
}

fn name(key: &str) -> String {
    if key.trim().is_empty() { "(empty)".to_owned() } else { clean(key, MAX_KEY_CHARS) }
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

/// A chart could not be drawn or saved; the message says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartError(String);

impl fmt::Display for ChartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no picture of the chart: {}", self.0)
    }
}

impl std::error::Error for ChartError {}

#[cfg(test)]
mod tests;
