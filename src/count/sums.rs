//! [`Sums`]: what the panes of a sliding window come to, kept from one window to the next. Pure.
//!
//! A window of a minute every ten seconds has five panes of the one before it. So one pane is taken off and one is
//! put on, instead of six that are added up; and the keys stay in their order.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::pane::CountPane;

/// With more keys than this nothing is kept: who chooses the keys should not choose how much memory it takes.
const MOST_KEYS: usize = 100_000;

#[derive(Clone, Default)]
pub(super) struct Sums {
    /// Of the panes that begin from here to there; nothing is kept where that is none.
    of: Option<Range<i64>>,
    places: HashMap<Arc<str>, usize, RandomState>,
    rows: Vec<(Arc<str>, u64)>,
    /// The rows in the order of their keys.
    order: Vec<usize>,
    overflow: u64,
}

impl Sums {
    /// What is kept is not what it was: an event came late for one of its windows.
    pub(super) fn forget(&mut self) {
        if self.of.is_some() {
            *self = Sums::default();
        }
    }

    /// A pane is given up.
    pub(super) fn take_off(&mut self, start: i64, pane: &CountPane) {
        let Some(of) = &mut self.of else { return };
        if of.contains(&start) {
            of.start = start + 1;
            self.subtract(pane);
        }
    }

    /// The window of these panes; `between` gives those that begin in a range. Nothing where the sums are too
    /// large for their type, or there are too many keys.
    pub(super) fn window<'a, I>(
        &mut self,
        window: Range<i64>,
        between: impl Fn(Range<i64>) -> I,
    ) -> Option<(Vec<(String, u64)>, u64)>
    where
        I: Iterator<Item = &'a CountPane>,
    {
        let from = match self.of.take() {
            Some(of) if of.start <= window.start && window.start < of.end && of.end <= window.end => {
                between(of.start..window.start).for_each(|pane| self.subtract(pane));
                of.end
            }
            _ => {
                *self = Sums::default();
                window.start
            }
        };
        let known = self.rows.len();
        let whole = between(from..window.end).all(|pane| self.add(pane));
        if !whole || self.rows.len() > MOST_KEYS {
            *self = Sums::default();
            return None;
        }
        self.put_in_order(known);
        let counts: Vec<(String, u64)> = self
            .order
            .iter()
            .map(|place| &self.rows[*place])
            .filter(|(_, n)| *n > 0)
            .map(|(key, n)| (key.to_string(), *n))
            .collect();
        let overflow = self.overflow;
        // Keys that came once and no more would add up.
        if counts.len() < self.rows.len() / 2 {
            *self = Sums::default();
        } else {
            self.of = Some(window);
        }
        Some((counts, overflow))
    }

    /// False when a sum is too large.
    fn add(&mut self, pane: &CountPane) -> bool {
        let Some(overflow) = self.overflow.checked_add(pane.overflow.n) else { return false };
        self.overflow = overflow;
        for (key, count) in &pane.counts {
            match self.places.get(&**key) {
                Some(place) => {
                    let sum = &mut self.rows[*place].1;
                    let Some(more) = sum.checked_add(count.n) else { return false };
                    *sum = more;
                }
                None => {
                    let key: Arc<str> = (&**key).into();
                    self.places.insert(key.clone(), self.rows.len());
                    self.rows.push((key, count.n));
                }
            }
        }
        true
    }

    fn subtract(&mut self, pane: &CountPane) {
        self.overflow -= pane.overflow.n;
        for (key, count) in &pane.counts {
            if let Some(place) = self.places.get(&**key) {
                self.rows[*place].1 -= count.n;
            }
        }
    }

    /// Takes in the rows from this one on, which are new.
    fn put_in_order(&mut self, known: usize) {
        if known == self.rows.len() {
            return;
        }
        let rows = &self.rows;
        self.order.extend(known..rows.len());
        // Stable: it merges what is in order already with the new ones.
        self.order[known..].sort_unstable_by(|a, b| rows[*a].0.cmp(&rows[*b].0));
        self.order.sort_by(|a, b| rows[*a].0.cmp(&rows[*b].0));
    }
}
