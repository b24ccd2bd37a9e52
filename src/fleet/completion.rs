//! [`WindowSpan`]: which windows are complete, and what is needed no more. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use super::frontier::{ShardRow, event_time};
use crate::count::Span;
use crate::timestamp::Timestamp;

/// Where the watermark is to be now, if that completes a window more: it never falls, and anybody may move it, since it
/// is a function of the tables alone.
pub(crate) fn next_watermark(
    shards: &[ShardRow],
    lateness: Duration,
    span: WindowSpan,
    watermark: Timestamp,
) -> Option<Timestamp> {
    let next = span.last_end(event_time(shards)? - lateness);
    (next > watermark).then_some(next)
}

/// How long windows are, and how far apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowSpan(Span);

impl WindowSpan {
    pub(crate) fn new(size: Duration, slide: Duration) -> WindowSpan {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX).max(1);
        WindowSpan(Span::new(micros(size), micros(slide)))
    }

    /// Whether a pane is in more than one window.
    pub(crate) fn overlaps(self) -> bool {
        self.0.slide < self.0.size
    }

    /// The end of the last window that ends at this time or before it: the watermark moves in these steps alone, since
    /// each one waits for all batches that are under way.
    pub(crate) fn last_end(self, time: Timestamp) -> Timestamp {
        let time = time.as_micros().saturating_sub(self.0.size);
        Timestamp::from_micros(time - time.rem_euclid(self.0.slide) + self.0.size)
    }

    /// The starts of the windows with something in these panes that end after `from`, and by `until`.
    pub(crate) fn between(
        self,
        panes: impl IntoIterator<Item = Timestamp>,
        from: Timestamp,
        until: Timestamp,
    ) -> Vec<Timestamp> {
        let is_between = |start: &i64| {
            let end = Timestamp::from_micros(start + self.0.size);
            from < end && end <= until
        };
        let starts: BTreeSet<i64> =
            panes.into_iter().flat_map(|pane| self.0.starts(pane.as_micros())).filter(is_between).collect();
        starts.into_iter().map(Timestamp::from_micros).collect()
    }

    /// Panes that start before this are in no window that ends after `until`.
    pub(crate) fn oldest_needed(self, until: Timestamp) -> Timestamp {
        Timestamp::from_micros(self.0.starts(until.as_micros()).next().unwrap_or(until.as_micros()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::count::Windows;

    const SECOND: i64 = 1_000_000;

    proptest! {
        /// The single process is the oracle.
        #[test]
        fn windows_are_complete_when_those_of_one_process_are(
            size in 1_i64..9, slide in 1_i64..9, times in prop::collection::vec(-50_i64..50, 0..9),
            mut marks in [-60_i64..60, -60_i64..60]
        ) {
            marks.sort_unstable();
            let slide = slide.min(size);
            let length = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
            let at = |seconds: i64| Timestamp::from_micros(seconds * SECOND);
            let mut windows = Windows::sliding(length(size), length(slide));
            times.iter().for_each(|time| drop(windows.add("k", at(*time), 1)));
            let panes: Vec<Timestamp> = windows.panes().map(|(start, _)| start).collect();
            let span = WindowSpan::new(length(size), length(slide));
            let mut from = Timestamp::MIN;
            for mark in marks {
                let until = span.last_end(at(mark));
                prop_assert!(until <= at(mark) && until + length(slide) > at(mark));
                let expected: Vec<Timestamp> =
                    windows.complete(at(mark)).iter().map(|window| window.start).collect();
                prop_assert_eq!(span.between(panes.clone(), from, until), expected);
                let needed: BTreeSet<Timestamp> = windows.panes().map(|(start, _)| start).collect();
                let kept: BTreeSet<Timestamp> =
                    panes.iter().copied().filter(|pane| *pane >= span.oldest_needed(until)).collect();
                prop_assert!(needed.is_subset(&kept), "{needed:?} {kept:?}");
                from = until;
            }
        }
    }
}
