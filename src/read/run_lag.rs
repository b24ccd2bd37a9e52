//! [`RunLag`]: how far behind a run is at any moment, also while it hears nothing and while a batch is under way.
//! Pure.
//!
//! What a page says of its shard grows old. A run whose processor takes half a minute over a batch, or whose reads
//! fail, would go on saying "0 ms behind" all the while; so what it heard last counts with its age.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// How much later than a poll after the last answer the next one may come, before the age of that one counts.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default)]
pub(super) struct RunLag {
    /// From an answer to the next one, at the most.
    patience: Duration,
    shards: BTreeMap<Arc<str>, LastPage>,
    /// What was said of the shard that ended last.
    ended: Option<u64>,
    /// The run has ended, and nothing changes any more.
    over: Option<Instant>,
}

/// What was heard of a shard last.
#[derive(Debug, Clone)]
struct LastPage {
    millis: u64,
    /// When it was asked for.
    asked: Instant,
    /// Its records are not processed yet.
    under_way: bool,
}

impl RunLag {
    pub(super) fn polled_every(interval: Duration) -> RunLag {
        RunLag { patience: interval.saturating_add(GRACE), ..RunLag::default() }
    }

    /// A page came: behind its last record, the shard has records that are so old.
    pub(super) fn answered(&mut self, shard_id: &Arc<str>, millis: u64, asked: Instant, has_records: bool) {
        self.shards.insert(shard_id.clone(), LastPage { millis, asked, under_way: has_records });
    }

    /// The records of its last page are processed.
    pub(super) fn processed(&mut self, shard_id: &str) {
        if let Some(page) = self.shards.get_mut(shard_id) {
            page.under_way = false;
        }
    }

    pub(super) fn shard_ended(&mut self, shard_id: &str) {
        if let Some(page) = self.shards.remove(shard_id) {
            self.ended = Some(page.millis);
        }
    }

    pub(super) fn over(&mut self, now: Instant) {
        self.over.get_or_insert(now);
    }

    /// The most of all shards, in milliseconds: what their last pages say, with the age of a page whose records are
    /// not processed, and of one that no other followed in time. Nothing before the first page.
    pub(super) fn millis(&self, now: Instant) -> Option<u64> {
        self.most(now, |page| page.under_way)
    }

    /// The same for whoever processes the batch, which he has at hand: its page is as young as it was.
    pub(super) fn millis_behind_batch(&self, now: Instant) -> Option<u64> {
        self.most(now, |_| false)
    }

    fn most(&self, now: Instant, grows: impl Fn(&LastPage) -> bool) -> Option<u64> {
        let now = self.over.map_or(now, |over| over.min(now));
        let of = |page: &LastPage| {
            let age = now.saturating_duration_since(page.asked);
            let counts = grows(page) || age > self.patience;
            let age = if counts { u64::try_from(age.as_millis()).unwrap_or(u64::MAX) } else { 0 };
            page.millis.saturating_add(age)
        };
        self.shards.values().map(of).max().or(self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn two_shards(begun: Instant) -> (RunLag, Arc<str>, Arc<str>) {
        let mut lag = RunLag::polled_every(seconds(10));
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(lag.millis(begun), None);
        lag.answered(&a, 0, begun, true);
        lag.answered(&b, 300, begun, false);
        (lag, a, b)
    }

    #[test]
    fn the_age_of_a_page_counts_until_its_records_are_processed() {
        let begun = Instant::now();
        let (mut lag, a, _) = two_shards(begun);
        assert_eq!(lag.millis(begun), Some(300));
        assert_eq!(lag.millis(begun + seconds(9)), Some(9_000));
        assert_eq!(lag.millis_behind_batch(begun + seconds(9)), Some(300));
        lag.processed(&a);
        assert_eq!(lag.millis(begun + seconds(9)), Some(300));
        lag.answered(&a, 0, begun + seconds(9), true);
        assert_eq!(lag.millis(begun + seconds(10)), Some(1_000));
    }

    #[test]
    fn the_age_of_a_page_counts_when_no_other_follows_in_time() {
        let begun = Instant::now();
        let (mut lag, a, b) = two_shards(begun);
        lag.processed(&a);
        assert_eq!(lag.millis(begun + seconds(11)), Some(300));
        assert_eq!(lag.millis(begun + seconds(12)), Some(12_300));
        assert_eq!(lag.millis_behind_batch(begun + seconds(12)), Some(12_300));
        lag.answered(&b, 0, begun + seconds(12), false);
        assert_eq!(lag.millis(begun + seconds(12)), Some(12_000), "that of the other shard");
        lag.shard_ended(&a);
        lag.shard_ended(&b);
        assert_eq!(lag.millis(begun + seconds(99)), Some(0));
    }

    #[test]
    fn the_end_of_a_run_is_the_last_word() {
        let begun = Instant::now();
        let (mut lag, ..) = two_shards(begun);
        lag.over(begun + seconds(2));
        lag.over(begun + seconds(5));
        assert_eq!(lag.millis(begun + seconds(99)), Some(2_000));
    }
}
