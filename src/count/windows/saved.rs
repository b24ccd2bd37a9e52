//! What a store keeps of [`Windows`], and how they come back.

use super::super::pane::{Count, CountPane, SavedPane};
use super::Windows;
use crate::timestamp::Timestamp;

impl Windows {
    /// For a store: what it must know to bring this back.
    pub(crate) fn panes(&mut self) -> impl Iterator<Item = (Timestamp, &mut CountPane)> {
        self.panes.iter_mut().map(|(start, pane)| (Timestamp::from_micros(start), pane))
    }

    /// The watermark that was last completed to; [`Timestamp::MIN`] when none was.
    pub(crate) fn completed_until(&self) -> Timestamp {
        Timestamp::from_micros(self.completed_until)
    }

    /// The start of the oldest pane that an open window may need.
    pub(crate) fn oldest_needed(&self) -> Timestamp {
        match self.completed_until {
            i64::MIN => Timestamp::MIN,
            until => Timestamp::from_micros(self.span.starts(until).next().unwrap_or(until)),
        }
    }

    /// Brings back what a store has saved.
    pub(crate) fn restore(&mut self, completed_until: Timestamp, panes: Vec<(Timestamp, SavedPane)>) {
        self.panes.clear();
        self.sums.forget();
        self.completed_until = match completed_until {
            Timestamp::MIN => i64::MIN,
            time => time.as_micros(),
        };
        for (start, saved) in panes {
            // All of them: what is saved was within bounds.
            let Some(pane) = self.panes.of(start.as_micros(), usize::MAX) else { continue };
            pane.overflow.n = saved.overflow;
            pane.ids.extend(saved.ids);
            for (key, n) in saved.counts {
                pane.counts.insert(String::from(key).into(), Count { n, changed: false });
            }
        }
        self.pairs = self.panes.iter().map(|pane| pane.counts.len() + pane.ids.len()).sum();
        self.total = self.panes.iter().map(CountPane::total).sum();
    }
}
