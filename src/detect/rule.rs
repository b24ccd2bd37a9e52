//! [`Rule`]: a playbook and what it has counted in its open windows. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::quality::RandomState;
use md5::{Digest, Md5};

use super::alert::{Alert, EVIDENCE_CHARS};
use super::fields::value;
use super::key::hex;
use super::playbook::Playbook;
use super::tallies::{Maker, Tallies, Tally};
use crate::event::Event;
use crate::harmless::Text;
use crate::text::shorten;
use crate::timestamp::Timestamp;

pub(super) struct Rule {
    pub(super) playbook: Playbook,
    pub(super) size: i64,
    pub(super) slide: i64,
    pub(super) panes: BTreeMap<i64, Tallies>,
    /// When the last alert of a key was, while its cool-down lasts.
    pub(super) fired: HashMap<Box<str>, Timestamp, RandomState>,
    /// Panes before this one have made room for others.
    pub(super) gone_before: i64,
    /// Events, or different values, for which there was no room.
    pub(super) beyond: u64,
}

impl Rule {
    pub(super) fn of(playbook: &Playbook) -> Rule {
        let micros = |time: std::time::Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4);
        Rule {
            size: micros(playbook.window).clamp(1, i64::MAX / 4),
            slide: micros(playbook.slide).clamp(1, i64::MAX / 4),
            playbook: playbook.clone(),
            panes: BTreeMap::new(),
            fired: HashMap::default(),
            gone_before: i64::MIN,
            beyond: 0,
        }
    }

    /// In how many windows an event is.
    pub(super) fn slides(&self) -> u64 {
        (self.size / self.slide).unsigned_abs()
    }

    /// The starts of the open windows that a time lies in, the earliest first.
    pub(super) fn starts(&self, time: i64, completed_until: i64) -> Vec<i64> {
        let last = time - time.rem_euclid(self.slide);
        let windows = self.size / self.slide;
        let starts = (0..windows).rev().map(|n| last - n * self.slide);
        starts.filter(|start| start + self.size > completed_until).collect()
    }

    /// Counts it in its pane, and says how many bytes that took.
    pub(super) fn add(&mut self, key: &str, event: &Event) -> usize {
        let time = event.time.as_micros();
        let item = match &self.playbook.distinct {
            None => None,
            Some(field) => match value(event, field) {
                Some(value) => Some(hash(&value)),
                // Without the field there is no value that could be another one.
                None => return 0,
            },
        };
        let maker = (!self.playbook.is_of_clients()).then(|| Maker {
            client: event.key.raw(),
            refused: event.fields.get("blocked").is_some_and(|blocked| blocked == "true"),
        });
        let pane = self.panes.entry(time - time.rem_euclid(self.slide)).or_default();
        let before = pane.bytes();
        if !pane.add(key, maker, item, self.playbook.threshold) {
            self.beyond += 1;
        }
        pane.bytes() - before
    }

    pub(super) fn bytes(&self) -> usize {
        self.panes.values().map(Tallies::bytes).sum()
    }

    /// Gives up the oldest pane, and says how many bytes that makes room for.
    pub(super) fn give_up_oldest(&mut self) -> usize {
        let Some((start, pane)) = self.panes.pop_first() else { return 0 };
        self.gone_before = self.gone_before.max(start + self.slide);
        self.beyond += pane.counted();
        pane.bytes()
    }

    /// The alert that this event of the key sets off, when one of these windows has too much of it.
    pub(super) fn alert_at(&mut self, key: &str, event: &Event, starts: &[i64]) -> Option<Alert> {
        let cool_down = self.playbook.cool_down;
        if self.fired.get(key).is_some_and(|last| event.time < *last + cool_down) {
            return None;
        }
        let (first, last) = (*starts.first()?, *starts.last()?);
        // In the order of time, from the start of the first window to the end of the last one.
        let of_key: Vec<(i64, &Tally)> = self
            .panes
            .range(first..last + self.size)
            .filter_map(|(start, pane)| Some((*start, pane.get(key)?)))
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

    fn alert(&self, key: &str, event: &Event, start: i64, count: u64) -> Alert {
        let playbook = &self.playbook;
        let parts = [playbook.name.as_str(), key, &event.time.to_string()].map(|part| format!("{part:?}"));
        Alert {
            id: hex(&Md5::digest(parts.join("/").as_bytes())).into(),
            playbook: playbook.name.as_str().into(),
            key: key.into(),
            ip: playbook.client_of(event).map(Text::from),
            time: event.time,
            start: Timestamp::from_micros(start),
            end: Timestamp::from_micros(start + self.size),
            count,
            threshold: playbook.threshold,
            response: playbook.response,
            evidence: evidence(event).into(),
        }
    }
}

/// `GET /wp-login.php 404 (curl/8.0)`: what of it there is, as it was written.
fn evidence(event: &Event) -> String {
    let field = |name: &str| event.fields.get(name).map(Text::raw);
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
