//! [`Shown`]: what the page shows, as of one reading of the databases.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use super::watched::{FileState, Watched, WatchedTables};
use crate::chart::{Chart, unit};
use crate::detect::Alert;
use crate::error::Result;
use crate::harmless::Text;
use crate::stored::{Alerts, Counts, DatabasePlace};
use crate::text::{grouped, printable, shorten};
use crate::timestamp::Timestamp;

/// The alerts that are listed.
const ALERTS: usize = 50;
/// Characters of a text; a path can be as long as a request.
const LONG: usize = 200;
const SHORT: usize = 80;
/// In pixels: the whole width of a page, and that of a narrow one (see `page.js`).
const WIDE: (u32, u32) = (900, 420);
const NARROW: (u32, u32) = (400, 340);

/// Both databases, each with what was last seen in it.
pub(super) struct Sources {
    title: String,
    windows: usize,
    counts: Source<Graph>,
    alerts: Option<Source<Watch>>,
}

/// Something in a database, or a sentence why there is nothing to see.
struct Source<T> {
    watched: Watched,
    seen: Seen<T>,
}

type Seen<T> = Result<T, String>;

/// The counts as a chart. Which of its windows are still open is in its title, and for the page, where there is
/// room for it, in a note below.
pub(super) struct Graph {
    pub(super) chart: Chart,
    short_title: String,
    note: String,
}

/// The newest alerts, and how often an event came too late to set one off.
struct Watch {
    alerts: Vec<Alert>,
    late: u64,
}

impl Watch {
    fn read(place: &DatabasePlace) -> Result<Watch> {
        let alerts = Alerts::at(place)?;
        // One more than is listed, to know whether there are more.
        Ok(Watch { alerts: alerts.recent(ALERTS + 1)?, late: alerts.late()? })
    }
}

impl Sources {
    pub(super) fn new(
        title: String,
        windows: usize,
        counts: DatabasePlace,
        alerts: Option<DatabasePlace>,
    ) -> Sources {
        let counts = Source::new(counts, WatchedTables::Counts);
        let alerts = alerts.map(|alerts| Source::new(alerts, WatchedTables::Alerts));
        Sources { title, windows, counts, alerts }
    }

    /// What there is now; nothing when nobody has written since it was last read.
    pub(super) fn refresh(&mut self) -> Option<Shown> {
        let windows = self.windows;
        let counts = self.counts.refresh("counts", |place| Graph::read(place, windows));
        let alerts = self.alerts.as_mut().is_some_and(|source| source.refresh("alerts", Watch::read));
        (counts || alerts).then(|| self.shown(Timestamp::now()))
    }

    /// What was there when it was last read.
    pub(super) fn shown(&self, at: Timestamp) -> Shown {
        let (chart, counts) = match &self.counts.seen {
            Ok(graph) => (Some(graph.chart.clone().title(&graph.short_title)), graph.note.clone()),
            Err(sentence) => (None, sentence.clone()),
        };
        let (alerts, watch) = match self.alerts.as_ref().map(|source| &source.seen) {
            None => (Value::Null, String::new()),
            Some(Err(sentence)) => (json!([]), sentence.clone()),
            Some(Ok(watch)) => {
                let listed: Vec<Value> = watch.alerts.iter().take(ALERTS).map(row).collect();
                let said = match watch.alerts.len() {
                    0 => "None so far.".to_owned(),
                    n if n > ALERTS => format!("The latest {ALERTS}; the database has all."),
                    _ => String::new(),
                };
                (listed.into(), join(said, late(watch.late)))
            }
        };
        let words = json!({
            "title": self.title,
            "updated": format!("{} UTC", &at.plain(0)[11..]),
            "counts": counts,
            "alerts": alerts,
            "watch": watch,
        });
        Shown { words, chart, wide: OnceLock::new(), narrow: OnceLock::new() }
    }
}

impl<T> Source<T> {
    fn new(place: DatabasePlace, tables: WatchedTables) -> Source<T> {
        Source { watched: Watched::new(place, tables), seen: Err(String::new()) }
    }

    /// Whether there is anything new.
    fn refresh(&mut self, what: &str, read: impl Fn(&DatabasePlace) -> Result<T>) -> bool {
        let seen = match self.watched.check() {
            Ok(FileState::Unchanged) => return false,
            Ok(FileState::Missing) => Err(format!("Waiting for {what}: {} is not there yet.", self.place())),
            Ok(FileState::Changed) => read(self.watched.place()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if seen.is_err() {
            self.watched.forget();
        }
        let changed = match (&self.seen, &seen) {
            (Err(before), Err(now)) => before != now,
            _ => true,
        };
        self.seen = seen;
        changed
    }

    fn place(&self) -> String {
        printable(self.watched.place().to_string().as_bytes()).into_owned()
    }
}

impl Graph {
    /// The latest windows, those still open among them.
    pub(super) fn read(place: &DatabasePlace, windows: usize) -> Result<Graph> {
        let counts = Counts::at(place)?;
        let latest = counts.latest(windows)?;
        // Opened by a counter that has not run yet: it says there what its windows are when it does.
        if latest.size.is_zero() {
            return Ok(Graph::empty());
        }
        let per = format!("Requests per {}", unit(latest.size));
        let clock = |time: Timestamp| match time.as_micros() % 60_000_000 {
            0 => time.plain(0)[11..16].to_owned(),
            _ => time.plain(0)[11..].to_owned(),
        };
        // In words, and in the picture: a bar of a window that is not over looks like one of a quiet time.
        let (title, note) = match latest.windows.get(latest.completed) {
            None => (per.clone(), String::new()),
            Some(first) => {
                let from = clock(first.start);
                let note = format!("Windows from {from} on are still open: their bars may grow.");
                (format!("{per}, still open from {from}"), note)
            }
        };
        let rows = latest.windows.into_iter().map(|window| (window.start, window.counts)).collect();
        let note = join(note, late(counts.totals()?.late));
        Ok(Graph { chart: Chart::bars(&title, rows).late(latest.late), short_title: per, note })
    }

    /// Of a database that is not there yet.
    pub(super) fn empty() -> Graph {
        let chart = Chart::bars::<Text>("No counts yet", Vec::new());
        Graph { chart, short_title: "No counts yet".to_owned(), note: String::new() }
    }
}

/// In words, because what is late is in no bar: who looks at the latest windows would not miss it.
fn late(number: u64) -> String {
    match number {
        0 => String::new(),
        1 => "Once an event came too late for its window.".to_owned(),
        n => format!("{} times an event came too late for its window.", grouped(n)),
    }
}

fn join(first: String, second: String) -> String {
    if first.is_empty() || second.is_empty() { first + &second } else { format!("{first} {second}") }
}

/// What a viewer is sent. Drawn when the first one wants it, and once for all of them.
pub(super) struct Shown {
    words: Value,
    chart: Option<Chart>,
    wide: OnceLock<String>,
    narrow: OnceLock<String>,
}

impl Shown {
    /// As JSON, on one line.
    pub(super) fn json(&self, narrow: bool) -> &str {
        let (drawn, (width, height)) = if narrow { (&self.narrow, NARROW) } else { (&self.wide, WIDE) };
        drawn.get_or_init(|| {
            // No data should make drawing fail; the page then says what there is to say without a picture.
            let svg = self.chart.clone().and_then(|chart| chart.size(width, height).drawing().ok());
            let mut words = self.words.clone();
            words["chart"] = svg.unwrap_or_else(|| "<svg/>".to_owned()).into();
            words.to_string()
        })
    }
}

/// An alert as the page lists it. The page makes text of it; here, it is made fit to be read.
fn row(alert: &Alert) -> Value {
    let text = |text: &str, chars| shorten(&printable(text.as_bytes()), chars).into_owned();
    let clock = |time: Timestamp| time.plain(0)[11..].to_owned();
    let does = match alert.blocked_until() {
        Some(until) if until.since(alert.time) < Duration::from_secs(86_400) => {
            format!("blocked until {}", clock(until))
        }
        Some(until) => format!("blocked until {}", until.plain(0)),
        None => alert.response.to_string(),
    };
    json!({
        "id": text(alert.id.raw(), LONG),
        "playbook": text(alert.playbook.raw(), SHORT),
        "key": text(alert.key.raw(), SHORT),
        "time": alert.time.plain(0),
        "count": format!(
            "{} of {} between {} and {}:", alert.count, alert.threshold, clock(alert.start), clock(alert.end)
        ),
        "evidence": text(alert.evidence.raw(), LONG),
        "response": alert.response.to_string(),
        "does": does,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::SavedPane;
    use crate::count::{Change, Fingerprint, Store};
    use crate::read::StreamId;
    use crate::sqlite::Sqlite;

    #[test]
    fn a_file_that_nobody_writes_is_not_read() {
        let folder = std::env::temp_dir().join(format!("kinesis-lab-live-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("counts.db");
        let mut sources = Sources::new("t".into(), 3, DatabasePlace::File(file.clone()), None);
        assert!(sources.refresh().is_some_and(|shown| shown.json(false).contains("is not there yet")));
        assert!(sources.refresh().is_none());

        let mut store = Sqlite::open(&file).unwrap();
        let minute = Duration::from_secs(60);
        let created = Timestamp::from_secs(1_536_220_800);
        let stream = StreamId { name: "s".into(), created };
        store.load(&Fingerprint::new(stream, minute, minute)).unwrap();
        let mut add = |n: u64| {
            let saved = SavedPane { counts: vec![("k".into(), n)], ..SavedPane::default() };
            store
                .commit(&Change { watermark: created, panes: vec![(created, saved)], ..Change::default() })
                .unwrap();
        };
        for n in 1..4 {
            add(n * 11);
            let shown = sources.refresh().expect("a commit is seen");
            assert!(shown.json(false).contains(&format!(">\\n{}\\n<", n * 11)), "{}", shown.json(false));
            // Half an hour of refreshing, none of which holds on to anything.
            assert!((0..3_600).all(|_| sources.refresh().is_none()));
        }
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
