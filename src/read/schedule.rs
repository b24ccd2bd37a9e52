//! [`PollSchedule`]: when a shard is read next. Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::options::READ_SPACING;

#[derive(Debug, Clone, Copy)]
pub(super) struct PollSchedule {
    /// When polls are due: this, and whole intervals after it, the same for all shards of a run.
    pub(super) epoch: Instant,
    pub(super) poll_every: Duration,
    /// After a page with records, the next one is asked for as soon as the service allows.
    pub(super) adaptive: bool,
}

impl PollSchedule {
    /// The first poll after `now`.
    pub(super) fn next_poll(&self, now: Instant) -> Instant {
        let interval = self.poll_every.as_nanos();
        let polls = now.saturating_duration_since(self.epoch).as_nanos() / interval + 1;
        let after = Duration::from_nanos(u64::try_from(polls * interval).unwrap_or(u64::MAX));
        self.epoch.checked_add(after).unwrap_or_else(|| now + self.poll_every)
    }

    /// When to read after a page that was asked for at `asked` and is there now. What is not at the tip is read on
    /// at once, which is never more than five times a second.
    pub(super) fn next_read(&self, asked: Instant, now: Instant, at_tip: bool, records: usize) -> Instant {
        let soonest = asked + READ_SPACING;
        match at_tip && !(self.adaptive && records > 0) {
            true => soonest.max(self.next_poll(now)),
            false => soonest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn schedule(poll_every: u32, adaptive: bool) -> PollSchedule {
        PollSchedule { epoch: Instant::now(), poll_every: MILLI * poll_every, adaptive }
    }

    /// When pages are asked for, in milliseconds, each of which takes `takes` and has what was put since.
    fn reads(schedule: PollSchedule, takes: u32, puts: &[u32], until: u32) -> Vec<u32> {
        let (mut asked, mut seen, mut reads) = (schedule.epoch, 0, Vec::new());
        while asked < schedule.epoch + MILLI * until {
            let at = asked.duration_since(schedule.epoch).as_millis() as u32;
            reads.push(at);
            let there = puts.iter().filter(|put| **put <= at).count();
            let now = asked + MILLI * takes;
            asked = now.max(schedule.next_read(asked, now, true, there - seen));
            seen = there;
        }
        reads
    }

    #[test]
    fn soon_after_records_and_in_its_time_when_there_are_none() {
        let puts = [510, 1_150];
        assert_eq!(reads(schedule(500, false), 10, &puts, 2_100), [0, 500, 1_000, 1_500, 2_000]);
        // An empty page ends it: the next one is in its time, and never sooner than 200 ms.
        let adaptive = reads(schedule(500, true), 10, &puts, 2_600);
        assert_eq!(adaptive, [0, 500, 1_000, 1_200, 1_400, 1_600, 2_000, 2_500]);
    }

    #[test]
    fn what_comes_without_end_is_read_five_times_a_second() {
        let puts: Vec<u32> = (0..10_000).collect();
        let five = |reads: &[u32]| reads.windows(2).all(|pair| pair[1] - pair[0] >= 200);
        for poll_every in [200, 500, 5_000] {
            for takes in [0, 10, 150, 700] {
                let adaptive = reads(schedule(poll_every, true), takes, &puts, 10_000);
                assert!(five(&adaptive), "{adaptive:?}");
                assert_eq!(adaptive.len(), 10_000_usize.div_ceil(200.max(takes as usize)));
                assert!(five(&reads(schedule(poll_every, false), takes, &puts, 10_000)));
            }
        }
    }

    #[test]
    fn behind_the_tip_both_read_on() {
        for adaptive in [false, true] {
            let schedule = schedule(5_000, adaptive);
            let asked = schedule.epoch + MILLI * 100;
            for records in [0, 7] {
                let next = schedule.next_read(asked, asked + MILLI, false, records);
                assert_eq!(next, asked + READ_SPACING);
            }
        }
    }

    #[test]
    fn a_poll_that_is_a_day_away() {
        let day = schedule(86_400_000, true);
        assert_eq!(day.next_poll(day.epoch), day.epoch + MILLI * 86_400_000);
    }
}
