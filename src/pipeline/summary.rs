//! [`Summary`] and [`PartSummary`]: what a part says of itself in a status.

use super::filter::Filter;
use super::part::Part;
use crate::count::{ClockAhead, ClocksAhead, StoredCounter};
use crate::detect::Detection;
use crate::read::RecordProcessor;
use crate::text::grouped;
use crate::timestamp::Timestamp;

/// A part, and what it says of itself in a status.
pub(super) trait Summary: RecordProcessor + Send + 'static {
    const PART: Part;
    fn summary(&self) -> PartSummary;
}

/// In a line, and what of it somebody should know who reads no such lines.
#[derive(Clone, Default)]
pub(super) struct PartSummary {
    pub(super) text: String,
    pub(super) late: u64,
    pub(super) clocks_ahead: Vec<ClockAhead>,
}

impl PartSummary {
    fn new(text: String, late: u64, clocks_ahead: &ClocksAhead) -> PartSummary {
        let clocks = if clocks_ahead.is_empty() { String::new() } else { format!(", {clocks_ahead}") };
        PartSummary { text: text + &clocks, late, clocks_ahead: clocks_ahead.sources() }
    }
}

/// `, 3 late` unless there is none.
fn more(number: u64, what: &str) -> String {
    if number == 0 { String::new() } else { format!(", {} {what}", grouped(number)) }
}

impl Summary for Filter {
    const PART: Part = Part::Filter;

    fn summary(&self) -> PartSummary {
        let unparsed = more(self.unparsed(), "did not parse");
        let text = format!("{} kept, {} dropped{unparsed}", grouped(self.kept()), grouped(self.dropped()));
        PartSummary::new(text, 0, self.clocks_ahead())
    }
}

impl Summary for StoredCounter {
    const PART: Part = Part::Counter;

    fn summary(&self) -> PartSummary {
        let watermark = match self.watermark() {
            Timestamp::MIN => "no watermark yet".to_owned(),
            time => format!("watermark {}", time.plain(0)),
        };
        let rest = more(self.late().count(), "late")
            + &more(self.refused().count(), "from the future")
            + &more(self.duplicates(), "duplicates")
            + &more(self.unparsed(), "did not parse");
        let text = format!("{watermark}, {} in open windows{rest}", grouped(self.total()));
        PartSummary::new(text, self.late().count(), self.clocks_ahead())
    }
}

impl Summary for Detection {
    const PART: Part = Part::Detection;

    fn summary(&self) -> PartSummary {
        let totals = self.totals();
        let beyond: Vec<String> = self
            .beyond_memory()
            .map(|(playbook, events)| format!(", {} of `{playbook}` beyond the memory", grouped(events)))
            .collect();
        let rest = more(self.undelivered() as u64, "not delivered yet")
            + &more(self.undeliverable(), "can't be delivered")
            + &more(self.callback_panics(), "panics of a callback")
            + &more(totals.late, "late")
            + &more(totals.refused, "from the future")
            + &more(totals.duplicates, "duplicates")
            + &more(totals.unparsed, "did not parse")
            + &beyond.concat();
        let plural = if totals.alerts == 1 { "alert" } else { "alerts" };
        let text = format!("{} {plural}{rest}", grouped(totals.alerts));
        PartSummary::new(text, totals.late, self.clocks_ahead())
    }
}
