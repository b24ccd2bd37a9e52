//! Draws the figures of the notebooks, `notebooks/figures/*.svg`: the log, the keys, the shards, the
//! pipeline, the watermark, overlapping windows.
//!
//! ```sh
//! cargo run --example draw_figures                      # into notebooks/figures
//! cargo run --example draw_figures -- some/other/folder
//! ```
//!
//! Plain text in, plain SVG out: no fonts are measured and nothing is random, so that the files are the
//! same from any machine, and a test holds them to this program.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kinesis_lab::hash_key;

const INK: &str = "#1f2933";
const QUIET: &str = "#52606d";
const PAPER: &str = "#ffffff";
const LINE: &str = "#9aa5b1";
/// One colour a shard, as in the charts; each keeps enough contrast under white text.
const SHARDS: [&str; 4] = ["#2f6db3", "#b4540a", "#2b7a4b", "#7d3c98"];
const CLOSED: &str = "#7b8794";

fn main() -> ExitCode {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("notebooks/figures");
    let folder = std::env::args_os().nth(1).map_or(default, PathBuf::from);
    for (name, svg) in figures() {
        let path = folder.join(name);
        if let Err(error) = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, svg)) {
            eprintln!("cannot write {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
        println!("{}", path.display());
    }
    ExitCode::SUCCESS
}

fn figures() -> [(&'static str, String); 6] {
    [
        ("log.svg", log()),
        ("keys.svg", keys()),
        ("shards.svg", shards()),
        ("pipeline.svg", pipeline()),
        ("watermark.svg", watermark()),
        ("sliding.svg", sliding()),
    ]
}

/// Producers append at the right, consumers read from where they are.
fn log() -> String {
    let mut svg = Svg::new(
        800,
        340,
        "A stream is a log",
        "Two producers append records to the end of a log with two shards. Three consumers read it, each at its own position.",
    );
    let shards = [("shard 0", 100, 9), ("shard 1", 160, 7)];
    for (n, (name, y, records)) in shards.into_iter().enumerate() {
        svg.text(92, y + 26, "end", 13, QUIET, name);
        for i in 0..records {
            svg.rect(104 + 44 * i, y, 40, 40, SHARDS[n], SHARDS[n]);
            svg.text(124 + 44 * i, y + 25, "middle", 13, PAPER, &i.to_string());
        }
        let free = 104 + 44 * records;
        svg.dashed(free, y, 40, 40);
        svg.text(free + 20, y + 25, "middle", 13, QUIET, &records.to_string());
    }
    svg.boxed(610, 76, 136, 40, "producer");
    svg.boxed(610, 176, 136, 40, "producer");
    svg.arrow(610, 96, 550, 114);
    svg.arrow(610, 190, 462, 182);
    svg.text(678, 140, "middle", 13, QUIET, "append at the end");
    svg.text(678, 158, "middle", 13, QUIET, "key decides the shard");

    svg.text(104, 40, "start", 13, QUIET, "oldest record still kept");
    svg.text(104, 58, "start", 13, QUIET, "(trim horizon)");
    svg.arrow(124, 64, 124, 96);
    svg.text(520, 40, "middle", 13, QUIET, "the end (latest)");
    svg.arrow(520, 48, 520, 96);

    for (x, at, name, what) in [
        (60, 168, "echo", "next: record 1"),
        (236, 300, "counter", "next: record 4"),
        (412, 432, "audit", "waits for record 7"),
    ] {
        svg.boxed(x, 262, 136, 44, name);
        svg.text(x + 68, 322, "middle", 12, QUIET, what);
        svg.arrow(x + 68, 262, at, 206);
    }
    svg.text(580, 282, "start", 13, QUIET, "each reads at its own place,");
    svg.text(580, 300, "start", 13, QUIET, "and reading removes nothing");
    svg.finish()
}

/// Three keys on the line of all hashes, each where its own hash puts it.
fn keys() -> String {
    let mut svg = Svg::new(
        760,
        240,
        "The hash of a key decides the shard",
        "The line of all hashes is cut in two: the lower half is shard 0, the upper half shard 1. Of three keys, two have a hash in the lower half and one in the upper.",
    );
    let (left, width) = (50, 660);
    for (n, name) in ["shard 0", "shard 1"].into_iter().enumerate() {
        let x = left + n as i32 * width / 2;
        svg.rect(x, 150, width / 2 - 2, 40, SHARDS[n], SHARDS[n]);
        svg.text(x + width / 4, 175, "middle", 14, PAPER, name);
    }
    for (label, part) in [("00…", 0), ("80…", 1), ("ff…", 2)] {
        svg.text(left + part * width / 2, 212, "middle", 13, QUIET, label);
    }
    for (key, x) in [("192.0.2.20", 100), ("192.0.2.10", 330), ("192.0.2.30", 660)] {
        // The first four of its 32 hexadecimal digits are exact enough for a place in the picture.
        let hash = (hash_key(key) >> 112) as i32;
        let place = left + width * hash / 0x1_0000;
        svg.boxed(x - 60, 24, 120, 36, key);
        svg.text(x, 80, "middle", 13, QUIET, &format!("md5: {hash:04x}…"));
        svg.arrow(x, 90, place, 146);
    }
    svg.finish()
}

/// The ring of hashes: four shards, and the same after the second is split.
fn shards() -> String {
    let mut svg = Svg::new(
        760,
        360,
        "Shards share the hashes",
        "On the left, a ring of all hashes in four equal shards. On the right, shard 1 is closed and its two children, shards 4 and 5, take one half of its range each.",
    );
    let quarters = [(0, 0.0, 0.25), (1, 0.25, 0.5), (2, 0.5, 0.75), (3, 0.75, 1.0)];
    svg.text(170, 32, "middle", 16, INK, "four shards");
    for (n, from, to) in quarters {
        svg.sector((170, 195), (70, 130), (from, to), SHARDS[n], &format!("shard {n}"));
    }
    svg.text(590, 32, "middle", 16, INK, "after split_shard(shard 1)");
    for (n, from, to) in [quarters[0], quarters[2], quarters[3]] {
        svg.sector((590, 195), (70, 130), (from, to), SHARDS[n], &format!("shard {n}"));
    }
    // The closed parent inside its children: it keeps its records and takes no more.
    svg.sector((590, 195), (36, 66), (0.25, 0.5), CLOSED, "1");
    svg.sector((590, 195), (70, 130), (0.25, 0.375), SHARDS[1], "shard 4");
    svg.sector((590, 195), (70, 130), (0.375, 0.5), SHARDS[1], "shard 5");
    for cx in [170, 590] {
        for (label, turn) in [("00…", 0.0), ("40…", 0.25), ("80…", 0.5), ("c0…", 0.75)] {
            let (x, y) = on_circle((cx, 195), 147.0, turn);
            svg.text(x.round() as i32, y.round() as i32 + 5, "middle", 13, QUIET, label);
        }
    }
    svg.text(170, 190, "middle", 13, QUIET, "md5(key)");
    svg.text(170, 208, "middle", 13, QUIET, "decides");
    svg.arrow(352, 195, 408, 195);
    svg.finish()
}

/// Where the course leads: events → filter → log → detection, beside counter → database → graph.
fn pipeline() -> String {
    let mut svg = Svg::new(
        860,
        360,
        "The security-automation pipeline",
        "Agents of web applications put events into an events stream. A filter reads it and writes a log stream, which detection reads: playbooks notify and block. Beside it, a counter reads the same events stream and writes to a database, from which a graph is drawn.",
    );
    for (n, y) in [44, 124, 204].into_iter().enumerate() {
        svg.boxed(16, y, 124, 48, &format!("web app {}", n + 1));
        svg.text(78, y + 64, "middle", 12, QUIET, "agent");
        svg.arrow(140, y + 24, 186, 138 + 10 * n as i32);
    }
    svg.stream(190, 124, "events stream");
    svg.arrow(334, 138, 378, 84);
    svg.boxed(382, 56, 96, 48, "filter");
    svg.arrow(478, 80, 518, 80);
    svg.stream(522, 56, "log stream");
    svg.arrow(666, 80, 706, 80);
    svg.boxed(710, 56, 134, 48, "detection");
    svg.text(777, 124, "middle", 12, QUIET, "playbooks: too many");
    svg.text(777, 140, "middle", 12, QUIET, "requests from one IP");
    svg.arrow(777, 148, 777, 180);
    svg.text(777, 198, "middle", 13, INK, "notify, block");

    svg.arrow(334, 158, 378, 252);
    svg.boxed(382, 236, 96, 48, "counter");
    svg.arrow(478, 260, 518, 260);
    svg.boxed(522, 236, 144, 48, "database");
    svg.arrow(666, 260, 706, 260);
    svg.boxed(710, 236, 134, 48, "graph");
    svg.text(430, 126, "middle", 12, QUIET, "its own position");
    svg.text(430, 304, "middle", 12, QUIET, "its own position");
    svg.text(
        430,
        342,
        "middle",
        13,
        QUIET,
        "Each consumer reads at its own place: one that crashes or lags does not touch the other.",
    );
    svg.finish()
}

/// The nine events of notebook 10: order of arrival to the right, event time upward.
fn watermark() -> String {
    let mut svg = Svg::new(
        800,
        400,
        "A watermark",
        "Nine events in the order of their arrival. The watermark is a staircase through the newest events so far. The fifth and the seventh event lie below it: the minute that they belong to is complete.",
    );
    // Seconds after 08:00:00.
    let events = [10, 40, 50, 65, 55, 90, 45, 140, 220];
    let (x, y) = (|n: usize| 110 + 72 * n as i32, |second: i32| 340 - second * 5 / 4);
    for (minute, name) in ["08:00", "08:01", "08:02", "08:03"].into_iter().enumerate() {
        let height = y(60 * minute as i32);
        svg.grid(80, height, 770);
        svg.text(72, height + 5, "end", 13, QUIET, name);
    }
    let mut newest = 0;
    for (n, second) in events.into_iter().enumerate() {
        let before = newest;
        newest = second.max(before);
        if n > 0 {
            svg.stroke((x(n), y(before)), (x(n), y(newest)), SHARDS[0]);
        }
        let end = if n + 1 < events.len() { x(n + 1) } else { 770 };
        svg.stroke((x(n), y(newest)), (end, y(newest)), SHARDS[0]);
    }
    for (n, second) in events.into_iter().enumerate() {
        let late = events[..n].iter().any(|earlier| *earlier >= 60) && second < 60;
        svg.dot(x(n), y(second), if late { INK } else { SHARDS[1] });
        svg.text(x(n), 374, "middle", 13, QUIET, &(n + 1).to_string());
    }
    svg.text(x(5), y(18), "middle", 13, INK, "late: their minute is complete");
    svg.text(x(6) - 6, y(90) - 10, "end", 13, SHARDS[0], "watermark");
    svg.text(16, 26, "start", 13, QUIET, "event time");
    svg.text(784, 394, "end", 13, QUIET, "order of arrival");
    svg.finish()
}

/// The attack of notebook 11, which the boundary of a tumbling window cuts in two.
fn sliding() -> String {
    let mut svg = Svg::new(
        800,
        330,
        "Tumbling and sliding windows",
        "Thirty events between 08:00:45 and 08:01:15. Of the tumbling minutes, the first holds fifteen of them and the second fifteen. Of the minutes that begin every ten seconds, three hold all thirty.",
    );
    let x = |second: i32| 140 + 5 * second;
    for (second, name) in [(0, "08:00"), (60, "08:01"), (120, "08:02")] {
        svg.text(x(second), 24, "middle", 13, QUIET, name);
        svg.stroke((x(second), 32), (x(second), 316), LINE);
    }
    svg.text(16, 51, "start", 13, QUIET, "requests");
    for n in 0..30 {
        svg.dot(x(45 + n), 46, SHARDS[1]);
    }
    svg.text(16, 88, "start", 13, QUIET, "tumbling");
    let held = |from: i32| (0..30).filter(|n| (from..from + 60).contains(&(45 + n))).count();
    let mut window = |from: i32, y: i32| {
        let all = held(from) == 30;
        let (fill, ink) = if all { (SHARDS[0], PAPER) } else { ("#f5f7fa", INK) };
        svg.rect(x(from) + 1, y, 298, 22, fill, LINE);
        svg.text(x(from) + 150, y + 16, "middle", 13, ink, &held(from).to_string());
    };
    window(0, 72);
    window(60, 72);
    for n in 0..7 {
        window(10 * n, 118 + 28 * n);
    }
    svg.text(16, 134, "start", 13, QUIET, "sliding,");
    svg.text(16, 152, "start", 13, QUIET, "every 10 s");
    svg.finish()
}

/// A point on a circle, in turns clockwise from the top.
fn on_circle((cx, cy): (i32, i32), radius: f64, turn: f64) -> (f64, f64) {
    let angle = turn * std::f64::consts::TAU;
    (f64::from(cx) + radius * angle.sin(), f64::from(cy) - radius * angle.cos())
}

/// SVG as text, one element a line.
struct Svg(String);

impl Svg {
    fn new(width: i32, height: i32, title: &str, description: &str) -> Svg {
        // A white ground of its own: JupyterLab and GitHub also have dark pages.
        Svg(format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, 'DejaVu Sans', Arial, sans-serif" role="img">
<title>{title}</title>
<desc>{description}</desc>
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="{QUIET}"/></marker></defs>
<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>
"##
        ))
    }

    fn line(&mut self, element: std::fmt::Arguments) {
        writeln!(self.0, "{element}").expect("writing to a String cannot fail");
    }

    fn text(&mut self, x: i32, y: i32, anchor: &str, size: u32, colour: &str, text: &str) {
        self.line(format_args!(
            r#"<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{text}</text>"#
        ));
    }

    fn rect(&mut self, x: i32, y: i32, width: i32, height: i32, fill: &str, stroke: &str) {
        self.line(format_args!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="{fill}" stroke="{stroke}"/>"#
        ));
    }

    /// Room for what is not there yet.
    fn dashed(&mut self, x: i32, y: i32, width: i32, height: i32) {
        self.line(format_args!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="none" stroke="{LINE}" stroke-dasharray="4 3"/>"#
        ));
    }

    /// Something that runs.
    fn boxed(&mut self, x: i32, y: i32, width: i32, height: i32, name: &str) {
        self.rect(x, y, width, height, "#f5f7fa", LINE);
        self.text(x + width / 2, y + height / 2 + 5, "middle", 14, INK, name);
    }

    /// A stream: a row of records with its name.
    fn stream(&mut self, x: i32, y: i32, name: &str) {
        for n in 0..6 {
            self.rect(x + 24 * n, y, 22, 48, SHARDS[0], SHARDS[0]);
        }
        self.text(x + 71, y + 66, "middle", 14, INK, name);
    }

    fn arrow(&mut self, x1: i32, y1: i32, x2: i32, y2: i32) {
        self.line(format_args!(
            r##"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{QUIET}" stroke-width="1.5" marker-end="url(#tip)"/>"##
        ));
    }

    fn stroke(&mut self, (x1, y1): (i32, i32), (x2, y2): (i32, i32), colour: &str) {
        self.line(format_args!(
            r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="2"/>"#
        ));
    }

    fn grid(&mut self, x1: i32, y: i32, x2: i32) {
        self.line(format_args!(
            r#"<line x1="{x1}" y1="{y}" x2="{x2}" y2="{y}" stroke="{LINE}" stroke-dasharray="4 3"/>"#
        ));
    }

    /// An event.
    fn dot(&mut self, x: i32, y: i32, colour: &str) {
        self.line(format_args!(r#"<circle cx="{x}" cy="{y}" r="6" fill="{colour}" stroke="{PAPER}"/>"#));
    }

    /// A part of a ring between two turns (0 to 1, clockwise from the top), with its name in it.
    fn sector(
        &mut self,
        centre: (i32, i32),
        (inner, outer): (i32, i32),
        (from, to): (f64, f64),
        colour: &str,
        name: &str,
    ) {
        let point = |radius: i32, turn: f64| {
            let (x, y) = on_circle(centre, f64::from(radius), turn);
            format!("{x:.1} {y:.1}")
        };
        self.line(format_args!(
            r#"<path d="M{} A{outer} {outer} 0 0 1 {} L{} A{inner} {inner} 0 0 0 {} z" fill="{colour}" stroke="{PAPER}" stroke-width="3"/>"#,
            point(outer, from),
            point(outer, to),
            point(inner, to),
            point(inner, from),
        ));
        let (x, y) = on_circle(centre, f64::from(inner + outer) / 2.0, (from + to) / 2.0);
        self.text(x.round() as i32, y.round() as i32 + 5, "middle", 13, PAPER, name);
    }

    fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_figures_are_what_this_program_draws() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("notebooks/figures");
        for (name, svg) in figures() {
            let stored = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            assert!(stored == svg, "{name} is another: `cargo run --example draw_figures` writes it anew");
        }
    }

    #[test]
    fn text_needs_no_escaping() {
        for (name, svg) in figures() {
            assert!(!svg.contains('&'), "{name}");
            assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count(), "{name}");
        }
    }
}
