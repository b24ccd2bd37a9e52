//! [`Lag`]: how far behind a page is, and whether that is caught up. Pure.

use std::time::Duration;

use crate::record::Record;
use crate::timestamp::Timestamp;

/// A page of this many bytes may have been cut short for its size, not for want of records: GetRecords gives
/// 10 MiB at most, and the next record could be the largest.
const FULL_BYTES: usize = 8 << 20;

/// A page, and the moments that it is compared with.
pub(super) struct AnsweredPage<'a> {
    pub(super) records: &'a [Record],
    /// `MillisBehindLatest`, where the service says something.
    pub(super) service: Option<i64>,
    /// How many records were asked for.
    pub(super) limit: i32,
    /// From the beginning of the run to the call; nothing, where the answer may have waited for its reader.
    pub(super) running: Option<Duration>,
    /// When the run began, on the service's clock, cut to a second.
    pub(super) began: Timestamp,
    pub(super) now: Timestamp,
}

/// What a page says of its shard.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) millis: u64,
    /// There was nothing more.
    pub(super) at_tip: bool,
    /// There was nothing more, and nothing new either.
    pub(super) idle: bool,
    /// At the tip, or all is read that had arrived when the run began: on a busy stream, no page is ever
    /// empty, and some service always says a few milliseconds.
    pub(super) caught_up: bool,
}

impl AnsweredPage<'_> {
    pub(super) fn lag(&self) -> Lag {
        let full = self.is_full();
        let millis = self.millis(full);
        let at_tip = millis == 0 && !full;
        let idle = at_tip && self.records.is_empty();
        let all_of_before = match (self.service, self.running) {
            // So far behind as the run is old, or less: where it began is behind it.
            (Some(millis), Some(running)) if millis > 0 => {
                u128::from(millis.unsigned_abs()) <= running.as_millis()
            }
            // Arrival times are cut to seconds, too, by some.
            _ => {
                let later = self.began + Duration::from_secs(1);
                self.records.last().is_some_and(|last| last.arrival >= later)
            }
        };
        Lag { millis, at_tip, idle, caught_up: at_tip || all_of_before }
    }

    fn is_full(&self) -> bool {
        let bytes = || self.records.iter().map(|record| record.data.len()).sum::<usize>();
        self.records.len() >= self.limit as usize || bytes() >= FULL_BYTES
    }

    /// The service's number counts where it is set; one that says 0 beside a full page (ferrokinesis) or says
    /// nothing is replaced by the age of the page's last record. Arrival times, never event times: a log of
    /// 2015 is not eleven years behind.
    fn millis(&self, full: bool) -> u64 {
        let age = |last: &Record| self.now.since(last.arrival).as_millis().try_into().unwrap_or(u64::MAX);
        match (self.service, self.records.last()) {
            (Some(millis), _) if millis > 0 => millis.unsigned_abs(),
            (Some(_), Some(last)) if full => age(last),
            (None, Some(last)) => age(last),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(arrivals: &[i64], service: Option<i64>, limit: i32, running: u64) -> Lag {
        let at = Timestamp::from_secs;
        let records: Vec<Record> = arrivals.iter().map(|secs| Record::new("k", "", "1", at(*secs))).collect();
        let running = Some(Duration::from_millis(running));
        AnsweredPage { records: &records, service, limit, running, began: at(100), now: at(107) }.lag()
    }

    #[test]
    fn caught_up_needs_no_empty_page() {
        let tip = |idle| Lag { millis: 0, at_tip: true, idle, caught_up: true };
        assert_eq!(lag(&[], Some(0), 10, 0), tip(true));
        assert_eq!(lag(&[], None, 10, 0), tip(true));
        assert_eq!(lag(&[50], Some(0), 10, 0), tip(false));
        // Always a little behind: until the run is older than that.
        let behind = |caught_up| Lag { millis: 3_000, at_tip: false, idle: false, caught_up };
        assert_eq!(lag(&[50], Some(3_000), 10, 2_999), behind(false));
        assert_eq!(lag(&[50], Some(3_000), 10, 3_000), behind(true));
        assert_eq!(lag(&[], Some(3_000), 10, 2_999), behind(false), "empty, and not at the tip");
        // It says 0 beside a full page, or nothing at all: by the arrival of the last record.
        let aged = |millis, caught_up| Lag { millis, at_tip: false, idle: false, caught_up };
        assert_eq!(lag(&[50, 60], Some(0), 2, 9_000), aged(47_000, false));
        assert_eq!(lag(&[50, 100], Some(0), 2, 9_000), aged(7_000, false));
        assert_eq!(lag(&[50, 101], Some(0), 2, 0), aged(6_000, true));
        assert_eq!(lag(&[60], None, 10, 9_000), aged(47_000, false));
        assert_eq!(lag(&[101], None, 10, 0), aged(6_000, true));
    }

    /// Our own clock may be behind the service's: the newest record then looks as if it had just come.
    #[test]
    fn a_full_page_is_no_tip_however_young_it_looks() {
        assert!(!lag(&[99, 100], Some(0), 2, 0).caught_up);
        let young = AnsweredPage {
            records: &[Record::new("k", "", "1", Timestamp::from_secs(50))],
            service: Some(0),
            limit: 1,
            running: Some(Duration::ZERO),
            began: Timestamp::from_secs(100),
            now: Timestamp::from_secs(40),
        };
        assert_eq!(young.lag(), Lag { millis: 0, at_tip: false, idle: false, caught_up: false });
    }

    #[test]
    fn a_page_of_many_bytes_is_full() {
        let record = Record::new("k", vec![0; FULL_BYTES], "1", Timestamp::from_secs(50));
        let (began, now) = (Timestamp::from_secs(100), Timestamp::from_secs(107));
        let running = Some(Duration::ZERO);
        let answer = AnsweredPage { records: &[record], service: Some(0), limit: 10, running, began, now };
        assert!(!answer.lag().at_tip);
    }
}
