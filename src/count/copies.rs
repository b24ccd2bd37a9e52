//! [`Copies`]: which of the records that a filter sent on came before. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use foldhash::quality::RandomState;

use super::number::Number;
use crate::event::Origin;
use crate::harmless::Text;
use crate::stream::{ShardProgress, needed};
use crate::text::Quoted;
use crate::timestamp::Timestamp;

/// What is remembered of the records that were forwarded into each shard that is read.
#[derive(Clone, Default)]
pub(crate) struct Copies {
    /// By the shard that is read, then by the shard that they came from. Not across the shards that are
    /// read: one may be read further than another, and its `after` says nothing of what the other holds.
    seen: HashMap<Box<str>, BTreeMap<Box<str>, Remembered>, RandomState>,
    /// Pairs other than a store has them.
    changed: BTreeSet<(Box<str>, Box<str>)>,
    /// Shards that are no longer read.
    gone: BTreeSet<Box<str>>,
}

#[derive(Debug, Clone, Default)]
struct Remembered {
    after: Option<Number>,
    numbers: BTreeSet<Number>,
    /// Those that a store has not.
    new: Vec<Number>,
}

/// What a store keeps of one pair of shards.
///
/// Numbers are decimal digits without leading zeros: of two, the longer one is the larger, and of two of a
/// length the one that sorts last as text. Those of records that came in an aggregate have a second one behind a
/// slash, `99/7`, and those of one of several events of a record its place behind a `#`, `99#3`; these say nothing of
/// what can be forgotten.
///
/// ```
/// use kinesis_lab::SavedOrigin;
///
/// let mut saved = SavedOrigin::new("shardId-000000000003", "events/shardId-000000000000");
/// saved.numbers = ["99", "99/0", "99#3", "100/0"].map(str::to_owned).to_vec();
/// saved.after = Some("99".to_owned()); // so that the first three of them can be forgotten
/// let after = saved.after.as_deref().unwrap();
/// let digits = |number: &String| number.split(['/', '#']).next().unwrap().to_owned();
/// saved.numbers.retain(|number| (digits(number).len(), &*digits(number)) > (after.len(), after));
/// assert_eq!(saved.numbers, ["100/0"]);
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedOrigin {
    /// The shard that is read.
    pub shard_id: String,
    /// The stream and the shard that its records came from.
    pub origin: Text,
    /// All up to this one were seen, and none of them is sent again.
    pub after: Option<String>,
    /// Those after it that were seen: in a change the new ones, in what is loaded all.
    pub numbers: Vec<String>,
}

// Names of streams and shards are as a record gives them, and whoever prints a counter prints these: no
// text of theirs here, and `Quoted` there.
impl fmt::Debug for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: usize = self.seen.values().map(BTreeMap::len).sum();
        write!(f, "origins of {pairs} pairs of shards")
    }
}

impl fmt::Debug for SavedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shard_id, origin, after) = (Quoted(&self.shard_id), &self.origin, &self.after);
        let mut saved = f.debug_struct("SavedOrigin");
        saved.field("shard_id", &shard_id).field("origin", origin).field("after", after);
        saved.field("numbers", &self.numbers).finish()
    }
}

impl SavedOrigin {
    /// Nothing is remembered yet of records that came from `origin` into this shard.
    pub fn new(shard_id: impl Into<String>, origin: impl Into<Text>) -> SavedOrigin {
        SavedOrigin { shard_id: shard_id.into(), origin: origin.into(), after: None, numbers: Vec::new() }
    }
}

impl Copies {
    /// Hands over what is known to the children of shards that were split or merged; forgets shards that
    /// are gone.
    pub(crate) fn follow(&mut self, shards: &[ShardProgress]) {
        if self.seen.is_empty() || shards.is_empty() {
            return;
        }
        // In one pass: it is asked with each batch, and there may be a thousand shards.
        let mut known = 0;
        for shard in shards {
            let mut is_known = self.seen.contains_key(&*shard.shard_id);
            if !is_known && !shard.parents.is_empty() {
                self.inherit(shard);
                is_known = true;
            }
            known += usize::from(is_known);
        }
        if known == self.seen.len() {
            return;
        }
        let needed = needed(shards);
        let gone: Vec<Box<str>> = self.seen.keys().filter(|id| !needed.contains(&***id)).cloned().collect();
        for shard in gone {
            self.seen.remove(&shard);
            self.changed.retain(|(read, _)| *read != shard);
            self.gone.insert(shard);
        }
    }

    fn inherit(&mut self, child: &ShardProgress) {
        let mut all: BTreeMap<Box<str>, Remembered> = BTreeMap::new();
        for parent in &child.parents {
            for (origin, seen) in self.seen.get(parent.as_str()).into_iter().flatten() {
                let into = all.entry(origin.clone()).or_default();
                // All that its parents hold has been read before the child is.
                into.after = seen.after.clone().max(into.after.take());
                into.numbers.extend(seen.numbers.iter().cloned());
                into.new = into.numbers.iter().cloned().collect();
            }
        }
        let shard: Box<str> = (*child.shard_id).into();
        self.changed.extend(all.keys().map(|origin| (shard.clone(), origin.clone())));
        self.seen.insert(shard, all);
    }

    /// Whether the record was in this shard before, or in its parents; remembers it.
    ///
    /// Whoever can put a record can write an origin into it. It is believed as far as the first stream's sequence
    /// numbers tell, and can hide what was put there up to a few seconds after it arrived, and not what comes later.
    pub(crate) fn is_copy(&mut self, shard_id: &str, origin: &Origin, arrival: Timestamp) -> bool {
        let number = Number::of(origin);
        if !number.can_be(origin.shard_id.raw(), arrival) {
            return false; // no filter's, and nothing to remember
        }
        let after = origin.after.as_deref().map(Number::new);
        let after =
            after.filter(|after| after.can_be(origin.shard_id.raw(), arrival) && number.agrees(after));
        let from = format!("{}/{}", origin.stream.raw(), origin.shard_id.raw());
        // Without a copy of the keys in the common case.
        let known = self.seen.get_mut(shard_id).and_then(|seen| seen.get_mut(from.as_str()));
        let seen = match known {
            Some(seen) => seen,
            None => self.seen.entry(shard_id.into()).or_default().entry(from.as_str().into()).or_default(),
        };
        let mut news = false;
        if let Some(after) = seen.after.take_if(|after| number.is_up_to(after)) {
            if after.agrees(&number) {
                seen.after = Some(after);
                return true; // a put that was thought lost, and came after its repetition
            }
            // One of the two was made up. Without it, the next record says how far its sender is.
            news = true;
        }
        if let Some(after) = after
            && seen.after.as_ref().is_none_or(|known| after > *known)
        {
            let last = after.last_of_aggregate();
            seen.numbers = seen.numbers.split_off(&last);
            seen.numbers.remove(&last);
            seen.new.retain(|number| !number.is_up_to(&after));
            seen.after = Some(after);
            news = true;
        }
        let copy = !seen.numbers.insert(number.clone());
        if !copy {
            seen.new.push(number);
            news = true;
        }
        if news {
            self.changed.insert((shard_id.into(), from.into()));
        }
        copy
    }

    /// What a store has not yet: shards to be forgotten, and what is new in the others.
    pub(crate) fn changes(&mut self) -> (Vec<String>, Vec<SavedOrigin>) {
        let gone = std::mem::take(&mut self.gone).into_iter().map(String::from).collect();
        let changed = std::mem::take(&mut self.changed);
        let saved = changed.into_iter().filter_map(|(shard, origin)| {
            let seen = self.seen.get_mut(&shard)?.get_mut(&origin)?;
            Some(SavedOrigin {
                shard_id: shard.into(),
                origin: origin.into(),
                after: seen.after.as_ref().map(Number::to_string),
                numbers: std::mem::take(&mut seen.new).iter().map(Number::to_string).collect(),
            })
        });
        (gone, saved.collect())
    }

    /// As a store has it.
    pub(crate) fn restore(&mut self, saved: Vec<SavedOrigin>) {
        *self = Copies::default();
        for pair in saved {
            let seen = Remembered {
                after: pair.after.as_deref().map(Number::new),
                numbers: pair.numbers.iter().map(|number| Number::new(number)).collect(),
                new: Vec::new(),
            };
            self.seen.entry(pair.shard_id.into()).or_default().insert(String::from(pair.origin).into(), seen);
        }
    }
}

#[cfg(test)]
mod tests;
