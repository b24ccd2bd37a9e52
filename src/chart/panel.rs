//! [`Panel`]: what one chart shows, as data.

use std::collections::{BTreeMap, HashMap};

use crate::harmless::Text;
use crate::text::{grouped, printable, shorten};
use crate::timestamp::Timestamp;

/// More colours than these cannot be told apart, so no more keys get one of their own.
pub(super) const MAX_KEYS: usize = 8;
/// Long enough for an IPv6 address.
const MAX_KEY_CHARS: usize = 39;
const MAX_TITLE_CHARS: usize = 90;

/// What one chart shows: which keys have a name in it, and each window's counts.
#[derive(Debug, Clone)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) size: (u32, u32),
    pub(super) top: usize,
    /// The keys with the most events, the one with the most first; at most [`MAX_KEYS`].
    keys: Vec<String>,
    /// How many keys there are, those in `keys` included.
    key_count: usize,
    /// A column a window, in order of time.
    pub(super) columns: Vec<Column>,
    /// Whether any window has late events.
    marks_late: bool,
}

/// One window's counts. They are sums of any number of `u64`, hence `u128`.
#[derive(Debug, Clone, Default)]
pub(super) struct Column {
    pub(super) start: Timestamp,
    /// As many as `Panel::keys`, in their order.
    pub(super) counts: Vec<u128>,
    /// Of all keys.
    total: u128,
    /// Events that came too late to be in `total`.
    late: u128,
}

impl Column {
    fn new(start: Timestamp, keys: usize) -> Column {
        Column { start, counts: vec![0; keys], total: 0, late: 0 }
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
        for (start, counts) in rows {
            let column = columns.entry(*start).or_insert_with(|| Column::new(*start, ranked.len()));
            for (key, count) in counts {
                column.total += u128::from(*count);
                if let Some(i) = rank.get(key.raw()) {
                    column.counts[*i] += u128::from(*count);
                }
            }
        }
        Panel {
            title: clean(title),
            size: (900, 420),
            top: 5,
            keys: ranked.iter().map(|(key, _)| name(key)).collect(),
            key_count,
            columns: columns.into_values().collect(),
            marks_late: false,
        }
    }

    pub(super) fn set_title(&mut self, title: &str) {
        self.title = clean(title);
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
        let mut names = self.keys[..named].to_vec();
        match others {
            0 => {}
            1 => names.push("1 other".to_owned()),
            n => names.push(format!("{} others", grouped(n))),
        }
        let others = names.len() - named;
        if self.marks_late {
            names.push("too late, not counted".to_owned());
        }
        Series { names, named, others, late: self.marks_late }
    }
}

/// See [`Panel::series`].
pub(super) struct Series {
    pub(super) names: Vec<String>,
    /// How many of them are keys; after these come
    pub(super) named: usize,
    /// the others, if there are any (0 or 1),
    pub(super) others: usize,
    /// and the late events, if they are marked.
    late: bool,
}

impl Series {
    /// A window's counts, one for each name.
    pub(super) fn counts(&self, column: &Column) -> Vec<u128> {
        let mut counts = column.counts[..self.named].to_vec();
        if self.others > 0 {
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

fn name(key: &str) -> String {
    match key.trim() {
        "" => "(empty)".to_owned(),
        _ => shorten(&printable(key.as_bytes()), MAX_KEY_CHARS).into_owned(),
    }
}
