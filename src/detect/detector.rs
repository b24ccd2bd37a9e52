//! [`Detector`]: playbooks over sliding windows that are still open. Pure.
//!
//! As in [`Windows`](crate::Windows), what is kept is panes, as long as the slide. Unlike there, each event
//! is followed by a look at the windows that it is in: an alarm should not wait for a window's end.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::quality::RandomState;
use md5::{Digest, Md5};

use super::alert::{Alert, Response};
use super::playbook::{Playbook, Playbooks, value};
use crate::event::Event;
use crate::text::shorten;
use crate::timestamp::Timestamp;

/// How many (playbook, pane, key) counts and different values are kept: beyond, what is new is not counted
/// (and said to be so). An attacker who invents keys must not fill the memory.
const MAX_ENTRIES: usize = 1_000_000;
const EVIDENCE_CHARS: usize = 300;

pub(crate) struct Detector {
    rules: Vec<Rule>,
    completed_until: i64,
    entries: usize,
    max_entries: usize,
}

struct Rule {
    playbook: Playbook,
    size: i64,
    slide: i64,
    panes: BTreeMap<i64, HashMap<Box<str>, Tally, RandomState>>,
    /// When the last alert of a key was, while its cool-down lasts.
    fired: HashMap<Box<str>, Timestamp, RandomState>,
}

/// What a key has in a pane.
#[derive(Default)]
struct Tally {
    n: u64,
    /// Hashes of different values, where those are counted; `n` is their number.
    items: HashSet<u64, RandomState>,
    new_items: Vec<u64>,
    changed: bool,
}

/// What became of an event.
#[derive(Default)]
pub(crate) struct Observed {
    pub(crate) alerts: Vec<Alert>,
    /// (playbook, window) pairs for which it came too late.
    pub(crate) late: u64,
    /// Playbooks that had no room for it.
    pub(crate) overflow: u64,
}

/// What a store keeps of a key in a pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedTally {
    pub(crate) playbook: String,
    pub(crate) pane: Timestamp,
    pub(crate) key: String,
    pub(crate) n: u64,
    /// In a change the new ones, in what is loaded all.
    pub(crate) items: Vec<u64>,
}

impl Detector {
    pub(crate) fn new(playbooks: &Playbooks) -> Detector {
        let micros = |time: std::time::Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4);
        let rules = playbooks.iter().map(|playbook| Rule {
            size: micros(playbook.window).clamp(1, i64::MAX / 4),
            slide: micros(playbook.slide).clamp(1, i64::MAX / 4),
            playbook: playbook.clone(),
            panes: BTreeMap::new(),
            fired: HashMap::default(),
        });
        Detector { rules: rules.collect(), completed_until: i64::MIN, entries: 0, max_entries: MAX_ENTRIES }
    }

    #[cfg(test)]
    pub(crate) fn max_entries(mut self, entries: usize) -> Detector {
        self.max_entries = entries;
        self
    }

    /// Counts an event, and gives the alerts that it sets off.
    pub(crate) fn observe(&mut self, event: &Event<'_>) -> Observed {
        let mut observed = Observed::default();
        for rule in &mut self.rules {
            let Some(key) = rule.playbook.key_of(event) else { continue };
            let time = event.time.as_micros();
            let starts = rule.starts(time, self.completed_until);
            observed.late += rule.slides() - starts.len() as u64;
            if starts.is_empty() {
                continue;
            }
            let room = self.entries < self.max_entries;
            match rule.add(&key, event, room) {
                Some(added) => self.entries += added,
                None => observed.overflow += 1,
            }
            observed.alerts.extend(rule.look(&key, event, &starts));
        }
        observed
    }

    /// Forgets what no open window needs.
    pub(crate) fn complete(&mut self, watermark: Timestamp) {
        if watermark.as_micros() <= self.completed_until {
            return;
        }
        self.completed_until = watermark.as_micros();
        for rule in &mut self.rules {
            let (size, slide, cool_down) = (rule.size, rule.slide, rule.playbook.cool_down);
            while let Some(first) = rule.panes.first_entry()
                // The last window that holds it begins with it.
                && first.key() + size <= self.completed_until
            {
                self.entries -= first.remove().values().map(|tally| 1 + tally.items.len()).sum::<usize>();
            }
            let oldest = self.completed_until.saturating_sub(size + slide);
            rule.fired.retain(|_, time| (*time + cool_down).as_micros() > oldest);
        }
    }

    pub(crate) fn completed_until(&self) -> Timestamp {
        Timestamp::from_micros(self.completed_until)
    }

    /// For a store: what changed since this was last called.
    pub(crate) fn changes(&mut self) -> Vec<SavedTally> {
        let mut changes = Vec::new();
        for rule in &mut self.rules {
            for (pane, tallies) in &mut rule.panes {
                for (key, tally) in tallies.iter_mut().filter(|(_, tally)| tally.changed) {
                    tally.changed = false;
                    changes.push(SavedTally {
                        playbook: rule.playbook.name.clone(),
                        pane: Timestamp::from_micros(*pane),
                        key: key.to_string(),
                        n: tally.n,
                        items: std::mem::take(&mut tally.new_items),
                    });
                }
            }
        }
        changes
    }

    /// Each playbook's panes before this one are needed no more.
    pub(crate) fn oldest_panes(&self) -> Vec<(String, Timestamp)> {
        let oldest = |rule: &Rule| match self.completed_until {
            i64::MIN => Timestamp::MIN,
            until => Timestamp::from_micros(until.saturating_sub(rule.size) + 1),
        };
        self.rules.iter().map(|rule| (rule.playbook.name.clone(), oldest(rule))).collect()
    }

    /// Brings back what a store has: counts, and the time of the last alert of each (playbook, key).
    pub(crate) fn restore(
        &mut self,
        watermark: Timestamp,
        tallies: Vec<SavedTally>,
        fired: Vec<(String, String, Timestamp)>,
    ) {
        self.completed_until = if watermark == Timestamp::MIN { i64::MIN } else { watermark.as_micros() };
        self.entries = 0;
        for rule in &mut self.rules {
            rule.panes.clear();
            rule.fired.clear();
        }
        for saved in tallies {
            let Some(rule) = self.rules.iter_mut().find(|rule| rule.playbook.name == saved.playbook) else {
                continue;
            };
            let tally = Tally {
                n: saved.n,
                items: saved.items.into_iter().collect(),
                new_items: Vec::new(),
                changed: false,
            };
            self.entries += 1 + tally.items.len();
            rule.panes.entry(saved.pane.as_micros()).or_default().insert(saved.key.into(), tally);
        }
        for (playbook, key, time) in fired {
            if let Some(rule) = self.rules.iter_mut().find(|rule| rule.playbook.name == playbook) {
                let last = rule.fired.entry(key.into()).or_insert(time);
                *last = time.max(*last);
            }
        }
    }
}

impl Rule {
    fn slides(&self) -> u64 {
        (self.size / self.slide).unsigned_abs()
    }

    /// The starts of the open windows that a time lies in, the earliest first.
    fn starts(&self, time: i64, completed_until: i64) -> Vec<i64> {
        let last = time - time.rem_euclid(self.slide);
        let windows = self.size / self.slide;
        let starts = (0..windows).rev().map(|n| last - n * self.slide);
        starts.filter(|start| start + self.size > completed_until).collect()
    }

    /// How many entries it took; `None` when it needed one, and there was no room.
    fn add(&mut self, key: &str, event: &Event<'_>, room: bool) -> Option<usize> {
        let time = event.time.as_micros();
        let item = match &self.playbook.distinct {
            None => None,
            // Without the field there is no value that could be another one.
            Some(field) => Some(hash(value(event, field)?)),
        };
        let pane = self.panes.entry(time - time.rem_euclid(self.slide)).or_default();
        let mut added = 0;
        if !pane.contains_key(key) {
            if !room {
                return None;
            }
            pane.insert(key.into(), Tally::default());
            added += 1;
        }
        let tally = pane.get_mut(key)?;
        match item {
            None => tally.n += 1,
            Some(item) if tally.items.contains(&item) => return Some(added),
            Some(_) if !room => return None,
            Some(item) => {
                tally.items.insert(item);
                tally.new_items.push(item);
                tally.n = tally.items.len() as u64;
                added += 1;
            }
        }
        tally.changed = true;
        Some(added)
    }

    /// Whether one of these windows has too much of the key.
    fn look(&mut self, key: &str, event: &Event<'_>, starts: &[i64]) -> Option<Alert> {
        let cool_down = self.playbook.cool_down;
        if self.fired.get(key).is_some_and(|last| event.time < *last + cool_down) {
            return None;
        }
        let (first, last) = (*starts.first()?, *starts.last()?);
        // In the order of time, from the start of the first window to the end of the last one.
        let of_key: Vec<(i64, &Tally)> = self
            .panes
            .range(first..last + self.size)
            .filter_map(|(pane, tallies)| Some((*pane, tallies.get(key)?)))
            .collect();
        let within = |start: i64| {
            let end = start + self.size;
            of_key.iter().filter(move |(pane, _)| (start..end).contains(pane)).map(|(_, tally)| *tally)
        };
        let count = |start: i64| {
            // For different values an upper bound, which is cheap.
            let sum: u64 = within(start).map(|tally| tally.n).sum();
            if self.playbook.distinct.is_none() || sum < self.playbook.threshold {
                return sum;
            }
            within(start).flat_map(|tally| &tally.items).collect::<HashSet<_, RandomState>>().len() as u64
        };
        // The fullest; of equals the first.
        let (start, count) = starts.iter().map(|start| (*start, count(*start))).rev().max_by_key(|w| w.1)?;
        if count < self.playbook.threshold {
            return None;
        }
        self.fired.insert(key.into(), event.time);
        Some(self.alert(key, event, start, count))
    }

    fn alert(&self, key: &str, event: &Event<'_>, start: i64, count: u64) -> Alert {
        let playbook = &self.playbook;
        let parts = [playbook.name.as_str(), key, &event.time.to_string()].map(|part| format!("{part:?}"));
        let id = Md5::digest(parts.join("/").as_bytes());
        Alert {
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            playbook: playbook.name.clone(),
            key: key.to_owned(),
            ip: playbook.has_ip().then(|| event.key.to_string()),
            time: event.time,
            start: Timestamp::from_micros(start),
            end: Timestamp::from_micros(start + self.size),
            count,
            threshold: playbook.threshold,
            response: playbook.response,
            evidence: evidence(event),
        }
    }
}

/// `GET /wp-login.php 404 (curl/8.0)`: what of it there is.
fn evidence(event: &Event<'_>) -> String {
    let field = |name: &str| event.fields.get(name).map(String::as_str);
    let mut words: Vec<String> =
        ["method", "path", "status"].iter().filter_map(|name| field(name)).map(str::to_owned).collect();
    words.extend(field("user_agent").map(|agent| format!("({agent})")));
    shorten(&words.join(" "), EVIDENCE_CHARS).into_owned()
}

/// The same in every process: it is kept in a database.
fn hash(text: &str) -> u64 {
    let digest: [u8; 16] = Md5::digest(text.as_bytes()).into();
    u64::from_be_bytes([
        digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7],
    ])
}

/// Whether somebody is to be told of it.
pub(crate) fn is_told(alert: &Alert) -> bool {
    alert.response != Response::Monitor
}

#[cfg(test)]
mod tests;
