//! [`Tallies`]: what the keys of a playbook have in a slide of time, and how much room that takes. Pure.

use std::collections::{HashMap, HashSet};

use foldhash::quality::RandomState;

/// How many keys of a pane one client may make, where keys are not the clients themselves: an office behind
/// one address does not ask for so many pages in a slide, and one who invents pages must not fill the memory.
const KEYS_OF_A_CLIENT: u32 = 1_000;
/// The same for a client whose requests are refused: it goes on asking, and is known already.
const KEYS_OF_A_REFUSED_CLIENT: u32 = 50;
/// What an entry of a map takes beside its key's text, in memory, and in a database beside it.
const ENTRY_BYTES: usize = 96;
/// The same for one of the different values of a key; in a database, its row repeats the key.
const ITEM_BYTES: usize = 32;

/// What the keys of a playbook have in a pane.
#[derive(Default)]
pub(super) struct Tallies {
    tallies: HashMap<Box<str>, Tally, RandomState>,
    /// How many keys each client has made; not where a client is a key.
    made: HashMap<Box<str>, u32, RandomState>,
    bytes: usize,
    /// How many events, or different values.
    counted: u64,
}

/// What a key has in a pane.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) n: u64,
    /// Hashes of different values, where those are counted; `n` is their number.
    pub(super) items: HashSet<u64, RandomState>,
    pub(super) new_items: Vec<u64>,
    pub(super) changed: bool,
}

/// Who does it, where that is not the key.
pub(super) struct Maker<'a> {
    pub(super) client: &'a str,
    pub(super) refused: bool,
}

impl Tallies {
    /// Counts an event of a key, or another value of it; false when its maker has no room left. Of different
    /// values no more are kept than `enough`: more would change no decision.
    pub(super) fn add(
        &mut self,
        key: &str,
        maker: Option<Maker<'_>>,
        item: Option<u64>,
        enough: u64,
    ) -> bool {
        if !self.tallies.contains_key(key) {
            if maker.is_some_and(|maker| !self.has_room_for(&maker)) {
                return false;
            }
            self.bytes += ENTRY_BYTES + key.len();
            self.tallies.insert(key.into(), Tally::default());
        }
        let Some(tally) = self.tallies.get_mut(key) else { return false };
        match item {
            None => tally.n += 1,
            Some(item) => {
                if tally.n >= enough || !tally.items.insert(item) {
                    return true;
                }
                self.bytes += ITEM_BYTES + key.len();
                tally.new_items.push(item);
                tally.n += 1;
            }
        }
        tally.changed = true;
        self.counted += 1;
        true
    }

    fn has_room_for(&mut self, maker: &Maker<'_>) -> bool {
        let most = if maker.refused { KEYS_OF_A_REFUSED_CLIENT } else { KEYS_OF_A_CLIENT };
        match self.made.get_mut(maker.client) {
            Some(made) if *made >= most => return false,
            Some(made) => *made += 1,
            None => {
                self.bytes += ENTRY_BYTES + maker.client.len();
                self.made.insert(maker.client.into(), 1);
            }
        }
        true
    }

    pub(super) fn get(&self, key: &str) -> Option<&Tally> {
        self.tallies.get(key)
    }

    /// What it takes, in memory and in a database: about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many events, or different values, it has counted.
    pub(super) fn counted(&self) -> u64 {
        self.counted
    }

    /// Brings back what a store has. Who made it is not known any more, and is not held against anybody.
    pub(super) fn restore(&mut self, key: String, n: u64, items: Vec<u64>) {
        self.bytes += ENTRY_BYTES + key.len() + items.len() * (ITEM_BYTES + key.len());
        self.counted += n;
        self.know(key, n, items);
    }

    /// Forgets what keys have: it is in a database that others write, too. The room that they were counted to take they
    /// take there, and who made them is remembered.
    #[cfg(feature = "postgres")]
    pub(super) fn forget_keys(&mut self) {
        self.tallies.clear();
    }

    /// What a key has by now, whoever counted it: it takes no room of this one's.
    pub(super) fn know(&mut self, key: String, n: u64, items: Vec<u64>) {
        let items = items.into_iter().collect();
        self.tallies.insert(key.into(), Tally { n, items, new_items: Vec::new(), changed: false });
    }

    /// For a store: the keys that changed since this was last called.
    pub(super) fn take_changed(&mut self) -> impl Iterator<Item = (&str, u64, Vec<u64>)> {
        self.tallies.iter_mut().filter(|(_, tally)| tally.changed).map(|(key, tally)| {
            tally.changed = false;
            (&**key, tally.n, std::mem::take(&mut tally.new_items))
        })
    }
}
