//! [`Watermark`]: how far event time has advanced, over all shards. Pure.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::quality::RandomState;

use crate::event::Event;
use crate::stream::{ShardProgress, needed};
use crate::timestamp::Timestamp;

/// How far event time has advanced: earlier events are no longer waited for.
///
/// For one shard it is the largest event time seen, less the *lateness*; for the stream, the smallest of the
/// shards'. A shard that is read to its tip holds nobody back; when all are, it is the largest. Children
/// of a split or merge start from the smallest of their parents'. It never goes back, and it is never
/// read from a clock.
///
/// ```
/// use kinesis_lab::{ShardProgress, Timestamp, Watermark};
/// use std::time::Duration;
///
/// let at = |secs| Timestamp::from_secs(secs);
/// let (a, b) = (ShardProgress::reading("a", &[]), ShardProgress::reading("b", &[]));
/// let mut watermark = Watermark::new(Duration::from_secs(10));
/// watermark.observe("a", at(100));
/// assert_eq!(watermark.advance(&[a.clone(), b.clone()]), Timestamp::MIN); // nothing is known of b
/// watermark.observe("b", at(60));
/// assert_eq!(watermark.advance(&[a.clone(), b.clone()]), at(50));
/// assert_eq!(watermark.advance(&[a, b.idle()]), at(90));
/// ```
#[derive(Debug, Clone)]
pub struct Watermark {
    lateness: Duration,
    /// The largest event time of each shard.
    times: HashMap<Box<str>, Timestamp, RandomState>,
    current: Timestamp,
}

impl Watermark {
    /// Nothing is known yet: it is at [`Timestamp::MIN`].
    pub fn new(lateness: Duration) -> Watermark {
        Watermark { lateness, times: HashMap::default(), current: Timestamp::MIN }
    }

    /// By how much an event may be later than the newest one of its shard and still be waited for.
    pub fn lateness(&self) -> Duration {
        self.lateness
    }

    /// Its value now; [`Timestamp::MIN`] while nothing is known.
    pub fn current(&self) -> Timestamp {
        self.current
    }

    /// An event of a shard, and when its record arrived. What is ahead of that moves nothing: a server whose
    /// clock is ahead would make all that others send late. One that is ahead by more than 10 minutes is not
    /// believed at all.
    ///
    /// ```
    /// use kinesis_lab::prelude::*;
    /// use kinesis_lab::{Event, ShardProgress, Watermark};
    ///
    /// let arrival = Timestamp::from_secs(1_536_220_800);
    /// let mut watermark = Watermark::new(secs(30));
    /// watermark.observe_event("a", &Event::new("192.0.2.10", arrival + secs(240)), arrival);
    /// assert_eq!(watermark.advance(&[ShardProgress::reading("a", &[])]), arrival - secs(30));
    /// ```
    pub fn observe_event(&mut self, shard_id: &str, event: &Event, arrival: Timestamp) {
        if let Some(time) = event.time_bound(arrival)
            && !event.is_from_the_future(arrival)
        {
            self.observe(shard_id, time);
        }
    }

    /// A time of a shard, as it is: for a record, [`observe_event`](Self::observe_event), which doesn't believe
    /// what a clock says that is ahead.
    pub fn observe(&mut self, shard_id: &str, time: Timestamp) {
        match self.times.get_mut(shard_id) {
            Some(newest) => *newest = time.max(*newest),
            None => drop(self.times.insert(shard_id.into(), time)),
        }
    }

    /// Where it is now that the shards are where they are: all that are being read, and those that
    /// ended while their children are not open.
    pub fn advance(&mut self, shards: &[ShardProgress]) -> Timestamp {
        // In one pass: it is asked for with each batch, and there may be a thousand shards.
        let (mut known, mut oldest, mut newest) = (0, None, None);
        for shard in shards {
            let mut time = self.times.get(&*shard.shard_id).copied();
            if time.is_none()
                && let Some(of_parents) = self.of_parents(shard)
            {
                self.observe(&shard.shard_id, of_parents);
                time = Some(of_parents);
            }
            known += usize::from(time.is_some());
            newest = newest.max(time);
            if !shard.idle || shard.ended {
                // One of which nothing is known holds all back: its first event may be of any time.
                oldest = Some(oldest.map_or(time, |oldest: Option<Timestamp>| oldest.min(time)));
            }
        }
        // A shard that is gone has handed its time to its children.
        if !shards.is_empty() && known < self.times.len() {
            let needed = needed(shards);
            self.times.retain(|id, _| needed.contains(&**id));
        }
        let newest = match shards {
            [] => self.times.values().copied().min(), // a test without a consumer: all that were seen
            _ => oldest.unwrap_or(newest),
        };
        if let Some(newest) = newest {
            self.current = self.current.max(newest - self.lateness);
        }
        self.current
    }

    fn of_parents(&self, shard: &ShardProgress) -> Option<Timestamp> {
        shard.parents.iter().filter_map(|parent| self.times.get(parent.as_str()).copied()).min()
    }

    /// For a store.
    pub(crate) fn times(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        let mut times: Vec<_> = self.times.iter().map(|(shard, time)| (&**shard, *time)).collect();
        times.sort_unstable();
        times.into_iter()
    }

    /// Brings back what a store has saved.
    pub(crate) fn restore(
        &mut self,
        current: Timestamp,
        times: impl IntoIterator<Item = (String, Timestamp)>,
    ) {
        self.current = current;
        self.times = times.into_iter().map(|(shard, time)| (shard.into(), time)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn reading(id: &str) -> ShardProgress {
        ShardProgress::reading(id, &[])
    }

    #[test]
    fn it_never_goes_back() {
        let mut watermark = Watermark::new(Duration::ZERO);
        watermark.observe("a", at(100));
        assert_eq!(watermark.advance(&[reading("a")]), at(100));
        watermark.observe("a", at(50));
        assert_eq!(watermark.advance(&[reading("a")]), at(100));
        watermark.observe("b", at(10));
        assert_eq!(watermark.advance(&[reading("a"), reading("b")]), at(100));
    }

    #[test]
    fn when_all_shards_are_idle_the_newest_event_counts() {
        let mut watermark = Watermark::new(Duration::from_secs(5));
        assert_eq!(watermark.advance(&[reading("a").idle()]), Timestamp::MIN, "there was no event yet");
        watermark.observe("a", at(100));
        watermark.observe("b", at(60));
        assert_eq!(watermark.advance(&[reading("a").idle(), reading("b").idle()]), at(95));
    }

    #[test]
    fn children_start_from_the_smallest_of_their_parents() {
        let mut watermark = Watermark::new(Duration::ZERO);
        watermark.observe("a", at(100));
        watermark.observe("b", at(60));
        // a has ended; its child waits for b too, and so does everybody.
        assert_eq!(watermark.advance(&[reading("a").ended(), reading("b")]), at(60));
        watermark.observe("b", at(70));
        let child = ShardProgress::reading("c", &["a", "b"]);
        assert_eq!(watermark.advance(std::slice::from_ref(&child)), at(70));
        watermark.observe("c", at(110));
        assert_eq!(watermark.advance(&[child]), at(110));
        assert_eq!(watermark.times().count(), 3, "its parents stay while it names them");
        assert_eq!(watermark.advance(&[reading("d"), reading("e").idle()]), at(110));
        assert_eq!(watermark.times().count(), 0);
    }

    #[test]
    fn a_shard_that_ended_holds_until_its_children_are_open() {
        let mut watermark = Watermark::new(Duration::ZERO);
        watermark.observe("a", at(10));
        watermark.observe("z", at(100));
        assert_eq!(watermark.advance(&[reading("a").ended(), reading("z")]), at(10));
        let (b, c) = (ShardProgress::reading("b", &["a"]), ShardProgress::reading("c", &["a"]));
        assert_eq!(watermark.advance(&[b.clone(), c.clone(), reading("z")]), at(10));
        watermark.observe("b", at(90));
        assert_eq!(watermark.advance(&[b, c.idle(), reading("z")]), at(90), "and one that is empty does not");
    }

    #[test]
    fn one_that_ended_empty_waits_for_its_children_all_the_same() {
        let mut watermark = Watermark::new(Duration::ZERO);
        watermark.observe("z", at(100));
        assert_eq!(watermark.advance(&[reading("a").idle().ended(), reading("z")]), Timestamp::MIN);
    }
}
