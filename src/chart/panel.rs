//! [`Panel`]: what one chart shows, as data.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::palette::KEY_COLORS;
use super::spacing::{ROOMY, Spacing};
use crate::harmless::Text;
use crate::text::{grouped, printable, shorten};
use crate::timestamp::Timestamp;

/// More colours than these cannot be told apart, so no more keys get one of their own.
pub(super) const MAX_KEYS: usize = KEY_COLORS;
/// Long enough for an IPv6 address.
const MAX_KEY_CHARS: usize = 39;
const MAX_TITLE_CHARS: usize = 90;
const MAX_LINE_CHARS: usize = 24;
/// More lines than these would be a grid.
const MAX_LINES: usize = 4;
const MAX_NOTES: usize = 4;

/// What one chart shows: which keys have a name in it, and each window's counts.
#[derive(Debug, Clone)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) size: (u32, u32),
    pub(super) spacing: &'static Spacing,
    pub(super) top: usize,
    /// The keys with the most events, the one with the most first; at most [`MAX_KEYS`].
    keys: Vec<Key>,
    /// How many keys there are, those in `keys` included.
    key_count: usize,
    /// A column a window, in order of time.
    pub(super) columns: Vec<Column>,
    /// Whether any window has late events.
    marks_late: bool,
    /// A line for each key instead of bars.
    pub(super) as_lines: bool,
    /// The time axis, where it is not this panel's alone.
    pub(super) span: Option<TimeAxis>,
    /// The axis goes at least as far as this.
    pub(super) at_least: u128,
    /// In small print: what the bars don't show.
    pub(super) notes: Vec<String>,
    /// At most [`MAX_LINES`], the lowest first.
    pub(super) lines: Vec<Line>,
}

/// A time axis that several charts share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeAxis {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Microseconds from one place to the next.
    pub(super) step: i64,
}

/// A key that may be shown by name.
#[derive(Debug, Clone)]
pub(super) struct Key {
    name: String,
    /// Of the key itself, and not of what is shown of it: two may be cut to the same name. A number, so that
    /// what is remembered of a key takes little room, however long the key is.
    identity: u64,
}

impl Key {
    fn of(key: &str) -> Key {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let name = match key.trim() {
            "" => "(empty)".to_owned(),
            _ => shorten(&printable(key.as_bytes()), MAX_KEY_CHARS).into_owned(),
        };
        Key { name, identity: hasher.finish() }
    }
}

/// A value to compare with: a threshold.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) at: u64,
    label: String,
}

impl Line {
    /// `threshold: 20`.
    pub(super) fn name(&self) -> String {
        match self.label.as_str() {
            "" => grouped(self.at),
            label => format!("{label}: {}", grouped(self.at)),
        }
    }
}

/// One window's counts. They are sums of any number of `u64`, hence `u128`.
#[derive(Debug, Clone, Default)]
pub(super) struct Column {
    pub(super) start: Timestamp,
    /// As many as `Panel::keys`, in their order.
    pub(super) counts: Vec<u128>,
    /// Of all keys.
    total: u128,
    /// The highest count of a key that is not in `counts`.
    highest_unnamed: u128,
    /// Events that came too late to be in `total`.
    late: u128,
}

impl Column {
    fn new(start: Timestamp, keys: usize) -> Column {
        Column { start, counts: vec![0; keys], ..Column::default() }
    }
}

impl Panel {
    pub(super) fn new(title: &str, rows: &[(Timestamp, Vec<(Text, u64)>)]) -> Panel {
        let mut totals: HashMap<&str, u128> = HashMap::new();
        for (key, count) in rows.iter().flat_map(|(_, counts)| counts) {
            *totals.entry(key.raw()).or_default() += u128::from(*count);
        }
        let key_count = totals.len();
        let mut ranked: Vec<(&str, u128)> = totals.into_iter().collect();
        // Equal counts in the order of the keys, so that the same data give the same picture.
        ranked.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        ranked.truncate(MAX_KEYS);

        let rank: HashMap<&str, usize> = ranked.iter().enumerate().map(|(i, (key, _))| (*key, i)).collect();
        let mut columns: BTreeMap<Timestamp, Column> = BTreeMap::new();
        let mut unnamed: HashMap<(Timestamp, &str), u128> = HashMap::new();
        for (start, counts) in rows {
            let column = columns.entry(*start).or_insert_with(|| Column::new(*start, ranked.len()));
            for (key, count) in counts {
                column.total += u128::from(*count);
                match rank.get(key.raw()) {
                    Some(i) => column.counts[*i] += u128::from(*count),
                    None => {
                        let sum = unnamed.entry((*start, key.raw())).or_default();
                        *sum += u128::from(*count);
                        column.highest_unnamed = column.highest_unnamed.max(*sum);
                    }
                }
            }
        }
        Panel {
            title: clean(title),
            size: (900, 420),
            spacing: &ROOMY,
            top: 5,
            keys: ranked.iter().map(|(key, _)| Key::of(key)).collect(),
            key_count,
            columns: columns.into_values().collect(),
            marks_late: false,
            as_lines: false,
            span: None,
            at_least: 0,
            notes: Vec::new(),
            lines: Vec::new(),
        }
    }

    pub(super) fn set_title(&mut self, title: &str) {
        self.title = clean(title);
    }

    pub(super) fn add_note(&mut self, note: &str) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(clean(note));
        }
    }

    pub(super) fn add_line(&mut self, at: u64, label: &str) {
        if self.lines.len() < MAX_LINES {
            let label = shorten(&printable(label.trim().as_bytes()), MAX_LINE_CHARS).into_owned();
            let place = self.lines.partition_point(|line| line.at <= at);
            self.lines.insert(place, Line { at, label });
        }
    }

    pub(super) fn mark_late(&mut self, start: Timestamp, count: u64) {
        let at = self.columns.binary_search_by_key(&start, |column| column.start);
        let at = at.unwrap_or_else(|at| {
            self.columns.insert(at, Column::new(start, self.keys.len()));
            at
        });
        self.columns[at].late += u128::from(count);
        self.marks_late = true;
    }

    /// What gets a colour: the top keys, and the rest under one name if there is more than one.
    pub(super) fn series(&self) -> Series {
        let mut named = self.top.min(self.keys.len());
        // "1 other" would take the room in which its name can stand.
        if self.key_count == named + 1 && named < self.keys.len() {
            named += 1;
        }
        let others = self.key_count - named;
        let mut names: Vec<String> = self.keys[..named].iter().map(|key| key.name.clone()).collect();
        let keys = self.keys[..named].iter().map(|key| key.identity).collect();
        match others {
            0 => {}
            1 => names.push("1 other".to_owned()),
            n if self.as_lines => names.push(format!("highest of {} others", grouped(n))),
            n => names.push(format!("{} others", grouped(n))),
        }
        let others = names.len() - named;
        if self.marks_late {
            names.push("too late, not counted".to_owned());
        }
        Series { names, keys, named, others, late: self.marks_late, highest: self.as_lines }
    }
}

/// See [`Panel::series`].
pub(super) struct Series {
    pub(super) names: Vec<String>,
    /// The [`Key::identity`] of those that are keys.
    pub(super) keys: Vec<u64>,
    /// How many of them are keys; after these come
    pub(super) named: usize,
    /// the others, if there are any (0 or 1),
    pub(super) others: usize,
    /// and the late events, if they are marked.
    late: bool,
    /// Of the others, the highest one in each window, and not their sum.
    highest: bool,
}

impl Series {
    /// A window's counts, one for each name.
    pub(super) fn counts(&self, column: &Column) -> Vec<u128> {
        let mut counts = column.counts[..self.named].to_vec();
        if self.others > 0 && self.highest {
            counts.push(column.counts[self.named..].iter().copied().fold(column.highest_unnamed, u128::max));
        } else if self.others > 0 {
            counts.push(column.total - counts.iter().sum::<u128>());
        }
        if self.late {
            counts.push(column.late);
        }
        counts
    }
}

fn clean(title: &str) -> String {
    shorten(&printable(title.as_bytes()), MAX_TITLE_CHARS).into_owned()
}
