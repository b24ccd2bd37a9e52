//! [`Detector`]: playbooks over sliding windows that are still open. Pure.
//!
//! As in [`Windows`](crate::Windows), what is kept is panes, as long as the slide. Unlike there, each event
//! is followed by a count of the windows that it is in: an alarm should not wait for a window's end.
//!
//! Memory has an end, and nobody can use it up for others. One client makes only so many keys, and has no
//! more different values kept than it takes for an alert. When all together take too much, the oldest pane of
//! the playbook that takes the most is given up: what is counted from now on has room.

use super::alert::{Alert, Response};
use super::playbooks::Playbooks;
use super::rule::Rule;
#[cfg(feature = "postgres")]
use super::tallies::Tallies;
use crate::event::Event;
use crate::timestamp::Timestamp;

/// What all panes of all playbooks may take.
const MAX_BYTES: usize = 64 << 20;

pub(crate) struct Detector {
    rules: Vec<Rule>,
    completed_until: i64,
    bytes: usize,
    max_bytes: usize,
}

/// What became of an event.
#[derive(Default)]
pub(crate) struct Observed {
    pub(crate) alerts: Vec<Alert>,
    /// (playbook, window) pairs for which it came too late.
    pub(crate) late: u64,
    /// Events for which there was no room, this one or others.
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
        let rules = playbooks.iter().map(Rule::of).collect();
        Detector { rules, completed_until: i64::MIN, bytes: 0, max_bytes: MAX_BYTES }
    }

    #[cfg(test)]
    pub(crate) fn max_bytes(mut self, bytes: usize) -> Detector {
        self.max_bytes = bytes;
        self
    }

    /// Counts an event, and gives the alerts that it sets off.
    pub(crate) fn observe(&mut self, event: &Event) -> Observed {
        let mut observed = Observed::default();
        for rule in &mut self.rules {
            let Some(key) = rule.playbook.key_of(event) else { continue };
            let time = event.time.as_micros();
            let starts = rule.starts(time, self.completed_until);
            observed.late += rule.slides() - starts.len() as u64;
            if starts.is_empty() {
                continue;
            }
            let beyond = rule.beyond;
            self.bytes += rule.add(&key, event);
            observed.overflow += rule.beyond - beyond;
            observed.alerts.extend(rule.alert_at(&key, event, &starts));
        }
        observed.overflow += self.make_room();
        observed
    }

    /// How many events were given up for it.
    fn make_room(&mut self) -> u64 {
        let mut given_up = 0;
        while self.bytes > self.max_bytes
            && let Some(largest) = self.rules.iter_mut().max_by_key(|rule| rule.bytes())
        {
            let beyond = largest.beyond;
            let bytes = largest.give_up_oldest();
            given_up += largest.beyond - beyond;
            self.bytes -= bytes;
            if bytes == 0 {
                break;
            }
        }
        given_up
    }

    /// Events for which a playbook had no room, by name, where there were any.
    pub(crate) fn beyond_memory(&self) -> impl Iterator<Item = (&str, u64)> {
        let rules = self.rules.iter().filter(|rule| rule.beyond > 0);
        rules.map(|rule| (rule.playbook.name.as_str(), rule.beyond))
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
                self.bytes -= first.remove().bytes();
            }
            let oldest = self.completed_until.saturating_sub(size + slide);
            rule.fired.retain(|_, time| (*time + cool_down).as_micros() > oldest);
        }
    }

    pub(crate) fn completed_until(&self) -> Timestamp {
        Timestamp::from_micros(self.completed_until)
    }

    /// Of whom the counts decide about an event: playbooks and keys.
    #[cfg(feature = "postgres")]
    pub(crate) fn keys_of<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = (&'a str, String)> + 'a {
        self.rules.iter().filter_map(|rule| Some((rule.playbook.name.as_str(), rule.playbook.key_of(event)?)))
    }

    /// In place of all counts and cool-downs that are held: those of some keys, as a store has them that others write,
    /// too. The room that was taken stays taken, until its panes are over.
    #[cfg(feature = "postgres")]
    pub(crate) fn refresh(
        &mut self,
        watermark: Timestamp,
        tallies: Vec<SavedTally>,
        fired: Vec<(String, String, Timestamp)>,
    ) {
        for rule in &mut self.rules {
            rule.panes.values_mut().for_each(Tallies::forget_keys);
            rule.fired.clear();
        }
        self.complete(watermark);
        for saved in tallies {
            if let Some(rule) = self.rules.iter_mut().find(|rule| rule.playbook.name == saved.playbook) {
                let pane = rule.panes.entry(saved.pane.as_micros()).or_default();
                pane.know(saved.key, saved.n, saved.items);
            }
        }
        self.restore_fired(fired);
    }

    /// For a store: what changed since this was last called.
    pub(crate) fn changes(&mut self) -> Vec<SavedTally> {
        let mut changes = Vec::new();
        for rule in &mut self.rules {
            for (start, pane) in &mut rule.panes {
                changes.extend(pane.take_changed().map(|(key, n, items)| SavedTally {
                    playbook: rule.playbook.name.clone(),
                    pane: Timestamp::from_micros(*start),
                    key: key.to_owned(),
                    n,
                    items,
                }));
            }
        }
        changes
    }

    /// Each playbook's panes before this one are needed no more, or were given up since this was last called.
    pub(crate) fn oldest_panes(&mut self) -> Vec<(String, Timestamp)> {
        let completed = self.completed_until;
        let oldest = |rule: &mut Rule| {
            let gone_before = std::mem::replace(&mut rule.gone_before, i64::MIN);
            let needed = match completed {
                i64::MIN => Timestamp::MIN,
                until => Timestamp::from_micros(until.saturating_sub(rule.size) + 1),
            };
            if gone_before == i64::MIN { needed } else { needed.max(Timestamp::from_micros(gone_before)) }
        };
        self.rules.iter_mut().map(|rule| (rule.playbook.name.clone(), oldest(rule))).collect()
    }

    /// Brings back what a store has: counts, the time of the last alert of each (playbook, key), and for how many
    /// events there was no room.
    pub(crate) fn restore(
        &mut self,
        watermark: Timestamp,
        tallies: Vec<SavedTally>,
        fired: Vec<(String, String, Timestamp)>,
        beyond: &[(String, u64)],
    ) {
        self.completed_until = if watermark == Timestamp::MIN { i64::MIN } else { watermark.as_micros() };
        self.bytes = 0;
        for rule in &mut self.rules {
            rule.panes.clear();
            rule.fired.clear();
            rule.gone_before = i64::MIN;
            let saved = beyond.iter().find(|saved| saved.0 == rule.playbook.name);
            rule.beyond = saved.map_or(0, |saved| saved.1);
        }
        for saved in tallies {
            let Some(rule) = self.rules.iter_mut().find(|rule| rule.playbook.name == saved.playbook) else {
                continue;
            };
            let pane = rule.panes.entry(saved.pane.as_micros()).or_default();
            let before = pane.bytes();
            pane.restore(saved.key, saved.n, saved.items);
            self.bytes += pane.bytes() - before;
        }
        self.restore_fired(fired);
    }

    fn restore_fired(&mut self, fired: Vec<(String, String, Timestamp)>) {
        for (playbook, key, time) in fired {
            if let Some(rule) = self.rules.iter_mut().find(|rule| rule.playbook.name == playbook) {
                let last = rule.fired.entry(key.into()).or_insert(time);
                *last = time.max(*last);
            }
        }
    }
}

/// Whether somebody is to be told of it.
pub(crate) fn is_told(alert: &Alert) -> bool {
    alert.response != Response::Monitor
}

#[cfg(test)]
mod tests;
