//! [`Panes`]: the panes by their start, the one of the last event at hand. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use super::pane::CountPane;

/// Events come nearly in order, so nearly each is of the pane of the one before it: that one is found with one
/// comparison, without the tree.
#[derive(Clone)]
pub(super) struct Panes {
    length: i64,
    /// Where each is in `slots`.
    places: BTreeMap<i64, usize>,
    slots: Vec<CountPane>,
    free: Vec<usize>,
    /// Start and place of the one that was asked for last.
    last: Option<(i64, usize)>,
}

impl Panes {
    pub(super) fn new(length: i64) -> Panes {
        Panes { length, places: BTreeMap::new(), slots: Vec::new(), free: Vec::new(), last: None }
    }

    /// The pane of a time. Where there is none, a new one, unless there are as many as may be.
    #[inline]
    pub(super) fn of(&mut self, time: i64, most: usize) -> Option<&mut CountPane> {
        let place = match self.last {
            // In one comparison: before its start, the difference is a huge number.
            Some((start, place)) if (time.wrapping_sub(start) as u64) < self.length as u64 => place,
            _ => self.find(time - time.rem_euclid(self.length), most)?,
        };
        Some(&mut self.slots[place])
    }

    #[cold]
    fn find(&mut self, start: i64, most: usize) -> Option<usize> {
        let place = match self.places.get(&start) {
            Some(place) => *place,
            None if self.places.len() >= most => return None,
            None => {
                let place = self.free.pop().unwrap_or_else(|| {
                    self.slots.push(CountPane::default());
                    self.slots.len() - 1
                });
                self.places.insert(start, place);
                place
            }
        };
        self.last = Some((start, place));
        Some(place)
    }

    pub(super) fn starts(&self) -> impl Iterator<Item = i64> {
        self.places.keys().copied()
    }

    pub(super) fn between(&self, starts: Range<i64>) -> impl Iterator<Item = &CountPane> {
        // An empty range that begins after its end is none for a tree.
        let starts = starts.start..starts.end.max(starts.start);
        self.places.range(starts).map(|(_, place)| &self.slots[*place])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &CountPane> {
        self.places.values().map(|place| &self.slots[*place])
    }

    /// By start.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (i64, &mut CountPane)> {
        let mut slots: Vec<Option<&mut CountPane>> = self.slots.iter_mut().map(Some).collect();
        self.places.iter().filter_map(move |(start, place)| Some((*start, slots[*place].take()?)))
    }

    pub(super) fn first_start(&self) -> Option<i64> {
        self.places.first_key_value().map(|(start, _)| *start)
    }

    pub(super) fn last_start(&self) -> Option<i64> {
        self.places.last_key_value().map(|(start, _)| *start)
    }

    pub(super) fn pop_first(&mut self) -> Option<(i64, CountPane)> {
        let (start, place) = self.places.pop_first()?;
        self.last = None;
        self.free.push(place);
        Some((start, std::mem::take(&mut self.slots[place])))
    }

    pub(super) fn clear(&mut self) {
        *self = Panes::new(self.length);
    }
}
