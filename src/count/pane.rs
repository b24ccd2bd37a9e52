//! What windows have in common, each counted once: panes. Pure.

use std::collections::{HashMap, HashSet};
use std::fmt;

use foldhash::quality::RandomState;

use crate::harmless::Text;

/// The keys are hashed while counting and sorted only when they are looked at.
#[derive(Clone, Default)]
pub(crate) struct CountPane {
    pub(crate) counts: HashMap<Box<str>, Count, RandomState>,
    /// Events of keys that came when there was no room for another one.
    pub(crate) overflow: Count,
    /// Hashes of the ids of events counted here.
    pub(crate) ids: HashSet<u128, RandomState>,
    /// Those not yet saved.
    pub(crate) new_ids: Vec<u128>,
}

/// A count, and whether it is other than what a store has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) n: u64,
    pub(crate) changed: bool,
}

impl Count {
    /// Says how much more it is now: at the end of its type, less than it was told.
    pub(crate) fn add(&mut self, n: u64) -> u64 {
        let before = self.n;
        self.n = before.saturating_add(n);
        self.changed = true;
        self.n - before
    }
}

impl CountPane {
    pub(super) fn total(&self) -> u128 {
        let keys: u128 = self.counts.values().map(|count| u128::from(count.n)).sum();
        keys + u128::from(self.overflow.n)
    }

    /// What a store has not yet, which from now on it has; nothing when it has all.
    pub(crate) fn changes(&mut self) -> Option<SavedPane> {
        let mut saved = SavedPane { ids: std::mem::take(&mut self.new_ids), ..SavedPane::default() };
        let overflow_changed = std::mem::take(&mut self.overflow.changed);
        for (key, count) in &mut self.counts {
            if std::mem::take(&mut count.changed) {
                saved.counts.push(((&**key).into(), count.n));
            }
        }
        saved.overflow = self.overflow.n;
        (overflow_changed || !saved.counts.is_empty() || !saved.ids.is_empty()).then_some(saved)
    }
}

/// A pane as a store gives it back.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedPane {
    /// Each key with its count.
    pub counts: Vec<(Text, u64)>,
    /// Events of keys beyond the cap.
    pub overflow: u64,
    /// Hashes of the ids of the events counted.
    pub ids: Vec<u128>,
}

impl fmt::Debug for SavedPane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys, {} of further keys, {} ids", self.counts.len(), self.overflow, self.ids.len())
    }
}

/// Of windows, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) size: i64,
    pub(crate) slide: i64,
    /// Their greatest common divisor.
    pub(crate) pane: i64,
}

impl Span {
    pub(crate) fn new(size: i64, slide: i64) -> Span {
        Span { size, slide, pane: gcd(size, slide) }
    }

    /// The starts of all windows that a time lies in, the earliest first.
    pub(crate) fn starts(self, time: i64) -> impl Iterator<Item = i64> {
        let last = time - time.rem_euclid(self.slide);
        // The first one that ends after the time.
        let before = (last + self.size - time - 1) / self.slide;
        (0..=before).rev().map(move |n| last - n * self.slide)
    }

    /// The end of the last window that a time lies in.
    pub(crate) fn last_end(self, time: i64) -> i64 {
        time - time.rem_euclid(self.slide) + self.size
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
